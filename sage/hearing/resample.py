"""From whatever rate a device or a file has to the one rate of hearing."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import DeviceError
from sage.values import Float32Array

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
        self._stream: Any = None
        if rate_hz != RATE_HZ:
            self._stream = _load_soxr().ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")

    def push(self, samples: Float32Array, *, last: bool = False) -> Float32Array:
        """What is ready at 16 kHz, in [-1, 1]; all that is left with ``last``, once at the end.

        ``samples`` is (N,) or (N, channels), which are mixed down.
        """
        samples = np.asarray(samples, dtype=np.float32)
        finite = np.isfinite(samples)
        if not finite.all():  # one NaN inside a filter would silence it for good
            self.cleaned += int(samples.size - np.count_nonzero(finite))
            samples = np.where(finite, samples, np.float32(0.0))
        # Beyond what any device means, and near float32's end the filter itself would overflow.
        samples = np.clip(samples, -8.0, 8.0)
        if samples.ndim == 2:
            samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
        if self._stream is not None:
            samples = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return np.clip(samples, -1.0, 1.0)


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
