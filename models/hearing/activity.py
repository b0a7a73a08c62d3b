"""Speech or not: the Silero voice-activity network, 32 ms at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from models.backends import OnnxRuntimeBackend
from models.hearing.artifacts import ACTIVITY, FOLDER, REMEDY, load_weights
from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import ConfigError
from sage.values import Float32Array

BLOCK_SAMPLES: Final = 512
# The network wants the end of the block before in front of each block.
CONTEXT_SAMPLES: Final = 64
_STATE: Final = (2, 1, 128)


class SileroActivity:
    """Voice activity with memory, as ``sage.hearing.recogniser.VoiceActivity`` asks for it.

    Silero VAD (https://github.com/snakers4/silero-vad, MIT licence), its 16 kHz network. A call
    costs a fraction of a millisecond on one core. Not safe for two threads at once.

    Raises:
        ModelError: the weights are missing, damaged or another model; the text says how to get
            them back.
    """

    block_samples: int = BLOCK_SAMPLES

    def __init__(self, folder: Path = FOLDER) -> None:
        self._backend = OnnxRuntimeBackend(load_weights(ACTIVITY, folder), ACTIVITY, 1, REMEDY)
        self._backend.load()
        self._rate = np.array(RATE_HZ, np.int64)
        self.reset()
        self.probability(np.zeros(BLOCK_SAMPLES, np.float32))  # the first call is a slow one
        self.reset()

    def reset(self) -> None:
        """Forget what was heard before."""
        self._input = np.zeros((1, CONTEXT_SAMPLES + BLOCK_SAMPLES), np.float32)
        self._state = np.zeros(_STATE, np.float32)

    def probability(self, samples: Float32Array) -> float:
        """The chance in [0, 1] that the next 512 samples at 16 kHz hold speech.

        Samples lie in [-1, 1]; others are clipped, and what is no number is silence.
        """
        if samples.shape != (BLOCK_SAMPLES,):
            raise ConfigError(f"a block is {BLOCK_SAMPLES} samples, got shape {samples.shape}")
        window = self._input
        window[0, :CONTEXT_SAMPLES] = window[0, -CONTEXT_SAMPLES:]
        window[0, CONTEXT_SAMPLES:] = np.clip(np.nan_to_num(samples), -1.0, 1.0)
        out = self._backend.infer({"input": window, "state": self._state, "sr": self._rate})
        self._state = out["stateN"]
        return float(np.clip(out["output"].item(), 0.0, 1.0))
