"""From whatever rate a device or a file has to the one rate of hearing."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import numpy as np

from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import DeviceError
from sage.values import Float32Array

log = logging.getLogger(__name__)

CANCELLED = 0.01
"""Channels whose mix has less than this share of the louder one's energy cancel each other."""
_REMEMBERED = 0.9  # of the energies, from push to push
LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000


class Resampler:
    """A stream of mono samples at ``rate_hz``, made one at 16 kHz by soxr.

    Blocks join without a seam: pushing a recording piece by piece gives what resampling it whole
    does. Sample k of the output stands for the time k / 16000 s of the input; it comes out once
    the filter has seen enough of what follows it (up to 40 ms at 44.1 kHz).
    """

    def __init__(self, rate_hz: float) -> None:
        """DeviceError where the rate is outside [1, 768] kHz or soxr is missing."""
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise DeviceError(
                f"a sampling rate of {rate_hz:g} Hz; it must be in "
                f"[{LOWEST_RATE_HZ}, {HIGHEST_RATE_HZ}]"
            )
        self.cleaned = 0
        """How many samples were no finite numbers, and were made silent."""
        self._channel: int | None = None  # the one that is heard where the mix is nothing
        self._energies = np.zeros(0)  # of the channels, and of their mix
        self._stream: Any = None
        if rate_hz != RATE_HZ:
            self._stream = _load_soxr().ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")

    def push(self, samples: Float32Array, *, last: bool = False) -> Float32Array:
        """What is ready at 16 kHz, in [-1, 1]; all that is left with ``last``, once at the end.

        ``samples`` is (N,) or (N, channels), which are mixed down; of channels that cancel each
        other, as where one is wired the wrong way round, the louder is taken from then on.
        """
        samples = np.asarray(samples, dtype=np.float32)
        finite = np.isfinite(samples)
        if not finite.all():  # one NaN inside a filter would silence it for good
            self.cleaned += int(samples.size - np.count_nonzero(finite))
            samples = np.where(finite, samples, np.float32(0.0))
        # Beyond what any device means, and near float32's end the filter itself would overflow.
        samples = np.clip(samples, -8.0, 8.0)
        if samples.ndim == 2:
            samples = samples[:, 0] if samples.shape[1] == 1 else self._mixed(samples)
        if self._stream is not None:
            samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return np.clip(samples, -1.0, 1.0)

    def _mixed(self, samples: Float32Array) -> Float32Array:
        mix: Float32Array = samples.mean(axis=1)
        if self._channel is None:
            new = np.append(np.square(samples).sum(axis=0), np.square(mix).sum())
            same = len(self._energies) == len(new)
            self._energies = new + _REMEMBERED * self._energies if same else new
            loudest = int(np.argmax(self._energies[:-1]))
            if self._energies[-1] < CANCELLED * self._energies[loudest]:
                self._channel = loudest
                log.warning("the channels cancel each other; only number %d is heard", loudest + 1)
        return mix if self._channel is None else samples[:, self._channel]


def to_hearing(samples: Float32Array, rate_hz: float) -> Float32Array:
    """A whole recording at 16 kHz; DeviceError where the rate cannot be.

    ``samples`` is (N,) or (N, channels), which are mixed down.
    """
    return Resampler(rate_hz).push(samples, last=True)


def _load_soxr() -> Any:
    try:
        return importlib.import_module("soxr")
    except ImportError as error:
        raise DeviceError(f"soxr cannot be loaded ({error}); run: pip install soxr") from None
