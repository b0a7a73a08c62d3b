"""Recognisers that tests open in a process of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from sage.hearing.recogniser import Hypothesis
from sage.irp.errors import ModelError
from sage.values import Float32Array


class Measuring:
    """Answers how much it has heard; does on purpose what recognisers do by accident."""

    name = "measuring"
    any_words = True

    def __init__(self, slow_s: float = 0.0) -> None:
        self.slow_s = slow_s
        self.heard = 0
        self.open = False

    def begin(self) -> None:
        assert not self.open
        self.open, self.heard = True, 0

    def feed(self, samples: Float32Array) -> None:
        assert self.open
        assert samples.dtype == np.float32
        if len(samples) and samples[0] > 0.9:
            os._exit(3)
        if len(samples) and samples[0] < -0.9:
            self.open = False
            raise ValueError("that hurt\nvery much")
        time.sleep(self.slow_s)
        self.heard += len(samples)

    def partial(self) -> Hypothesis:
        return Hypothesis(f"heard {self.heard}", 0.5, True)

    def finish(self) -> Hypothesis:
        assert self.open
        self.open = False
        return Hypothesis(f"all {self.heard}", float("nan") if self.heard == 0 else 0.75, True)

    def close(self) -> None:
        pass


def measuring(slow_s: float = 0.0) -> Measuring:
    return Measuring(slow_s)


def sometimes_slow(slow_if: str) -> Measuring:
    while Path(slow_if).exists():
        time.sleep(0.01)
    return Measuring()


def missing() -> Measuring:
    raise ModelError("the acoustic model is missing; run: sage models fetch")


def broken() -> Measuring:
    raise KeyError("hmm")


def stuck() -> Measuring:
    time.sleep(30)
    return Measuring()
