"""Measure a parser: exact forms by step, energies, steps used, time, calibration."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.language.calibration import Calibration, features
from models.language.corpus import Example
from models.language.forms import read
from models.language.parser import MAX_STEPS, Draft, Parser, alike, certain, stable
from sage.skills.meaning import UNKNOWN

BINS: Final = 10
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parse:
    """One command, refined to the last step, and where it would have stopped.

    ``right`` and ``energies`` have one entry per step; ``similar`` the cosine of its meaning with
    that of the same half of the pass before; ``stopped`` counts the steps until it stood; ``form``
    is the answer then, ``energy`` and ``margin`` what its probability is made of; ``seconds`` the
    whole parse.
    """

    example: Example
    right: tuple[bool, ...]
    energies: tuple[float, ...]
    similar: tuple[float, ...]
    stopped: int
    form: str
    energy: float
    margin: float
    seconds: float

    @property
    def answered_right(self) -> bool:
        """Whether the answer at the stop is exactly the wanted form."""
        return self.form == self.example.form


def parse(parser: Parser, example: Example, steps: int = MAX_STEPS) -> Parse:
    """Refine one command; like the engine, the answer is the best-so-far by energy."""
    began = time.perf_counter()
    draft = parser.begin(example.text)
    drafts: list[Draft] = []
    similar: list[float] = []
    stopped, seconds = 0, 0.0
    answer = (0.0, 0.0)
    best = draft
    for step in range(steps):
        before, draft = draft, parser.settle(parser.improve(draft))
        drafts.append(draft)
        similar.append(alike(before.earlier, draft.meaning))
        if not stopped and (certain(draft) or stable(before, draft) or step + 1 == steps):
            stopped = step + 1
            best = min(drafts, key=lambda one: one.energy)
            answer = parser.judged(best)[:2]
            seconds = time.perf_counter() - began
    forms = [" ".join(read(one.form)) for one in drafts]
    return Parse(
        example=example,
        right=tuple(form == example.form for form in forms),
        energies=tuple(one.energy for one in drafts),
        similar=tuple(similar),
        stopped=stopped,
        form=" ".join(read(best.form)),
        energy=answer[0],
        margin=answer[1],
        seconds=seconds,
    )


def figures(parses: Sequence[Parse]) -> dict[str, Any]:
    """What the card says of a set of parses."""
    right = np.array([one.right for one in parses], float)
    energies = np.array([one.energies for one in parses])
    full = [one.right[int(np.argmin(one.energies))] for one in parses]
    return {
        "commands": len(parses),
        "exact": float(np.mean([one.answered_right for one in parses])),
        "exact_by_step": right.mean(0).round(4).tolist(),
        "exact_all_steps": float(np.mean(full)),
        "energy_by_step": energies.mean(0).round(4).tolist(),
        "steps_that_lower_energy": float((np.diff(energies, axis=1) <= 1e-6).mean()),
        "steps_mean": float(np.mean([one.stopped for one in parses])),
        "steps_median": float(np.median([one.stopped for one in parses])),
        "changed_after_step_1": float(
            np.mean([one.right[0] != one.answered_right for one in parses])
        ),
    }


def latency_ms(parser: Parser, texts: Sequence[str], rounds: int = 3) -> dict[str, float]:
    """Time of a whole parse up to where it stands, and of one step: p50 and p95, warm."""
    whole, single = [], []
    for _ in range(rounds):
        for text in texts:
            began = time.perf_counter()
            draft = parser.begin(text)
            for _ in range(MAX_STEPS):
                started = time.perf_counter()
                before, draft = draft, parser.settle(parser.improve(draft))
                single.append(time.perf_counter() - started)
                if certain(draft) or stable(before, draft):
                    break
            parser.answer(draft)
            whole.append(time.perf_counter() - began)
    return {
        "parse_p50": 1e3 * float(np.percentile(whole, 50)),
        "parse_p95": 1e3 * float(np.percentile(whole, 95)),
        "step_p50": 1e3 * float(np.percentile(single, 50)),
        "step_p95": 1e3 * float(np.percentile(single, 95)),
    }


def fitted(parses: Sequence[Parse], ridge: float = 1.0) -> Calibration:
    """Logistic regression of being right, by Newton's method with a small ridge."""
    x = np.array([(1.0, *features(one.energy, one.margin)) for one in parses])
    y = np.array([one.answered_right for one in parses], float)
    weights = np.zeros(3)
    penalty = ridge * np.diag([0.0, 1.0, 1.0])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(x @ weights)))
        slope = x.T @ (y - p) - penalty @ weights
        curve = (x * (p * (1.0 - p))[:, None]).T @ x + penalty + 1e-6 * np.eye(3)
        change = np.linalg.solve(curve, slope)
        weights = weights + np.clip(change, -2.0, 2.0)
        if np.abs(change).max() < 1e-7:
            break
    return Calibration(*(round(float(value), 5) for value in weights))


def calibration_error(parses: Sequence[Parse], calibration: Calibration) -> float:
    """Expected calibration error: ten bins of equal size, weighted by their size."""
    chances = np.array([calibration.probability(one.energy, one.margin) for one in parses])
    right = np.array([one.answered_right for one in parses], float)
    return expected_error(chances, right)


def expected_error(chances: Float64Array, right: Float64Array) -> float:
    """The same of chances and whether each was right."""
    order = np.argsort(chances, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    gaps = [len(part) * abs(chances[part].mean() - right[part].mean()) for part in parts]
    return float(sum(gaps) / len(order))


def rejection(
    parses: Sequence[Parse], calibration: Calibration, threshold: float = 0.5
) -> dict[str, float]:
    """What happens to commands and to what is none, if forms below ``threshold`` are declined.

    ``accepted_right``: share of commands understood and not declined; ``declined``: share of the
    others that are read as UNKNOWN or declined.
    """
    inside = [one for one in parses if one.example.form != UNKNOWN]
    beyond = [one for one in parses if one.example.form == UNKNOWN]

    def sure(one: Parse) -> bool:
        return one.form != UNKNOWN and calibration.probability(one.energy, one.margin) >= threshold

    return {
        "inside": len(inside),
        "accepted_right": float(np.mean([sure(one) and one.answered_right for one in inside]))
        if inside
        else math.nan,
        "outside": len(beyond),
        "declined": float(np.mean([not sure(one) for one in beyond])) if beyond else math.nan,
        "read_as_unknown": float(np.mean([one.form == UNKNOWN for one in beyond]))
        if beyond
        else math.nan,
    }
