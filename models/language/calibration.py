"""From what a parse says of itself to the chance that it is right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Calibration:
    """Energy and margin to the chance of being right, by logistic regression (Platt 1999).

    ``probability = 1 / (1 + exp(-(bias + energy_weight * log(energy + 0.001)
    + margin_weight * margin)))`` with the margin to the next likely form, at most 10 nats.
    """

    bias: float
    energy_weight: float
    margin_weight: float

    def probability(self, energy: float, margin: float) -> float:
        """The chance, in [0, 1]."""
        first, second = features(energy, margin)
        score = self.bias + self.energy_weight * first + self.margin_weight * second
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, score))))


def features(energy: float, margin: float) -> tuple[float, float]:
    """What the calibration is fitted on."""
    return math.log(max(energy, 0.0) + 1e-3), min(max(margin, -10.0), 10.0)


def calibration_of(card: Mapping[str, Any]) -> Calibration:
    """The calibration that a model card holds."""
    values = card["calibration"]
    return Calibration(
        bias=float(values["bias"]),
        energy_weight=float(values["energy_weight"]),
        margin_weight=float(values["margin_weight"]),
    )
