"""Every picture under every degradation, refined to the end and as halted: errors and energies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.vision_baselines import BlockPCA, restored
from benchmarks.vision_trivial import trivial_energies
from models.vision.degradation import KINDS, Degraded, degrade
from plugins.vision import VisionPlugin, VisionState
from sage.irp import Context, HaltPolicy, HaltReason, IRPPlugin, refine
from sage.values import Frame, Observation, UInt8Array

#: Below a byte's rounding no error counts, so that a black picture is not worth infinitely much.
LEAST_ERROR: Final = 1.0 / (12.0 * 255.0**2)
#: Refinement that gains less on average is none, and halting it no saving.
LEAST_GAIN_DB: Final = 0.1
#: Of what refinement gains halting may lose so much.
MOST_LOST: Final = 0.01
HARMED: Final = tuple(kind for kind in KINDS if kind != "clean")

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Refinement(IRPPlugin[VisionState, VisionState]):
    """The vision plugin without its reading: its answer is the state itself.

    With ``halts`` it stops as the plugin says; otherwise after all its steps.
    """

    name = VisionPlugin.name
    invariants = VisionPlugin.invariants

    def __init__(self, vision: VisionPlugin, halts: bool) -> None:
        self._vision = vision
        self._halts = halts
        # No window of flat steps fits into the steps that there are: it never converges.
        never = HaltPolicy(vision.config.max_steps, 0.0, vision.config.max_steps + 1)
        self.halting = vision.halting if halts else never

    def init_state(self, observation: Any, context: Context) -> VisionState:
        """The plugin's."""
        return self._vision.init_state(observation, context)

    def step(self, state: VisionState) -> VisionState:
        """The plugin's."""
        return self._vision.step(state)

    def energy(self, state: VisionState) -> float:
        """The plugin's."""
        return self._vision.energy(state)

    def settled(self, previous: VisionState, state: VisionState) -> HaltReason | None:
        """The plugin's, where it may halt."""
        return self._vision.settled(previous, state) if self._halts else None

    def result(self, state: VisionState) -> VisionState:
        """The state."""
        return state


@dataclass(frozen=True)
class Curves:
    """N pictures of one degradation, all of them refined to the end, and once more as halted.

    Errors are mean squared, of pixels in [0, 1], only of the missing ones where some are:
    ``errors`` (N, steps + 1), before the first step and after each; ``halted`` (N,) of the
    engine's answer; ``baselines`` (N,) each. ``energies`` (N, steps); ``steps`` (N,) that the
    halted refinement made, and ``reasons`` why it ended. ``trivial`` are energies that need no
    error head, (N, told steps) each, after each of :func:`told_steps`.
    """

    kind: str
    errors: Float64Array
    energies: Float64Array
    halted: Float64Array
    steps: IntArray
    reasons: tuple[HaltReason, ...]
    baselines: Mapping[str, Float64Array]
    trivial: Mapping[str, Float64Array]

    @property
    def psnr(self) -> Float64Array:
        """(N, steps + 1) in dB."""
        return psnr_db(self.errors)

    def best_baseline(self) -> tuple[str, float]:
        """The baseline that is best on average, and its mean PSNR.

        A clean input is no baseline: it is the truth.
        """
        means = {
            name: float(psnr_db(values).mean())
            for name, values in self.baselines.items()
            if (self.kind, name) != ("clean", "input")
        }
        best = max(means, key=lambda name: means[name])
        return best, means[best]


def psnr_db(error: npt.ArrayLike) -> Float64Array:
    """Peak signal-to-noise ratio of pictures in [0, 1]; 59 dB is a byte's rounding."""
    return -10.0 * np.log10(np.maximum(np.asarray(error, np.float64), LEAST_ERROR))


def told_steps(last: int) -> list[int]:
    """After these steps energies are held against the truth."""
    return sorted({step for step in (1, 2, 4, last) if step <= last})


def inputs_of(pictures: UInt8Array, kind: str, seed: int) -> list[Degraded]:
    """The frames that a camera delivers of pictures (N, 224, 224, 3); fixed by ``seed``."""
    number = KINDS.index(kind)
    return [
        degrade(
            picture.astype(np.float32) / np.float32(255.0),
            kind,
            np.random.default_rng([seed, number, index]),
        )
        for index, picture in enumerate(pictures)
    ]


def observation_of(harmed: Degraded, number: int) -> Observation:
    """A frame as the plugin gets it from a camera."""
    frame = Frame(harmed.seen, None, missing=harmed.missing)
    return Observation("benchmark", "camera", 0.1 * number, number, frame)


def states_of(vision: VisionPlugin, observation: Observation) -> list[VisionState]:
    """The state before the first step, and after each of all."""
    states = [vision.init_state(observation, {})]
    for _ in range(vision.config.max_steps):
        states.append(vision.step(states[-1]))
    return states


def measure(
    vision: VisionPlugin,
    pictures: UInt8Array,
    kind: str,
    seed: int,
    pca: BlockPCA,
    progress: Callable[[], object] = lambda: None,
) -> Curves:
    """Degrade (N, 224, 224, 3) pictures in one way, restore them and hold them against the truth.

    The halted refinement is the engine's own, from the frame on: its answer is scored, not the
    state that it should have stopped at.
    """
    halting = Refinement(vision, halts=True)
    errors, energies, halted, steps = [], [], [], []
    reasons: list[HaltReason] = []
    baselines: dict[str, list[float]] = {}
    trivial: dict[str, list[list[float]]] = {}
    for index, harmed in enumerate(inputs_of(pictures, kind, seed)):
        truth = pictures[index].astype(np.float32) / np.float32(255.0)
        observation = observation_of(harmed, index)
        states = states_of(vision, observation)
        guesses = [_unit(vision.restored(state)) for state in states]
        errors.append([error_of(guess, truth, harmed) for guess in guesses])
        energies.append([vision.energy(state) for state in states[1:]])
        outcome = refine(halting, observation)
        if outcome.error is not None:
            raise outcome.error
        assert outcome.result is not None
        answer = _unit(vision.restored(outcome.result))
        halted.append(error_of(answer, truth, harmed))
        steps.append(len(outcome.trajectory.energies))
        reasons.append(outcome.trajectory.reason)
        simpler = restored(harmed, kind, pca)
        for name, guess in simpler.items():
            baselines.setdefault(name, []).append(error_of(guess, truth, harmed))
        told = [
            trivial_energies(simpler["input"], guesses[step])
            for step in told_steps(vision.config.max_steps)
        ]
        for name in told[0]:
            trivial.setdefault(name, []).append([one[name] for one in told])
        progress()
    return Curves(
        kind,
        np.array(errors, np.float64),
        np.array(energies, np.float64),
        np.array(halted, np.float64),
        np.array(steps, np.int64),
        tuple(reasons),
        {name: np.array(values) for name, values in baselines.items()},
        {name: np.array(values) for name, values in trivial.items()},
    )


def rhos_of(
    vision: VisionPlugin, pictures: UInt8Array, inputs: Sequence[Degraded]
) -> dict[int, float]:
    """Spearman's correlation of energy and true error over such frames of the pictures, by step."""
    steps = told_steps(vision.config.max_steps)
    energies, errors = [], []
    for index, (picture, harmed) in enumerate(zip(pictures, inputs, strict=True)):
        states = states_of(vision, observation_of(harmed, index))
        energies.append([vision.energy(states[step]) for step in steps])
        errors.append(
            [error_of(_unit(vision.restored(states[n])), _unit(picture), harmed) for n in steps]
        )
    return {
        step: spearman(np.array(energies)[:, at], np.array(errors)[:, at])
        for at, step in enumerate(steps)
    }


def error_of(
    guess: npt.NDArray[np.float32], truth: npt.NDArray[np.float32], harmed: Degraded
) -> float:
    """Mean squared error of a picture in [0, 1]; in the missing part where there is one."""
    difference = guess - truth
    if harmed.missing is not None:
        difference = difference[harmed.missing]
    return float(np.square(difference).mean())


def _unit(picture: UInt8Array) -> npt.NDArray[np.float32]:
    return picture.astype(np.float32) / np.float32(255.0)


def spearman(one: npt.ArrayLike, two: npt.ArrayLike) -> float:
    """Rank correlation, ties sharing their mean rank; 0 where either side never changes."""
    ranks = [_ranks(np.asarray(values)) for values in (one, two)]
    first, second = (rank - rank.mean() for rank in ranks)
    norm = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    return float(first @ second) / norm if norm > 0.0 else 0.0


def _ranks(values: npt.NDArray[Any]) -> Float64Array:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * (counts - 1)
    return np.asarray(middle[where.reshape(-1)], np.float64)


@dataclass(frozen=True)
class Halting:
    """What halting costs in quality over all pictures and degradations, mean PSNR in dB.

    ``gained`` from before the first step to the last, ``lost`` of it by halting.
    """

    full: float
    halted: float
    gained: float
    by_step: Float64Array

    @property
    def lost(self) -> float:
        """dB; negative where the halted answers are better."""
        return self.full - self.halted

    @property
    def part_lost(self) -> float:
        """Of what was gained; all where nothing was."""
        return self.lost / self.gained if self.gained > 0.0 else 1.0

    @property
    def worthwhile(self) -> bool:
        """Whether there is anything that halting could save: a refinement that gains."""
        return self.gained >= LEAST_GAIN_DB


def halting_of(curves: Sequence[Curves]) -> Halting:
    """Over the pictures of all degradations alike."""
    psnr = np.concatenate([one.psnr for one in curves])
    halted = psnr_db(np.concatenate([one.halted for one in curves]))
    by_step = psnr.mean(0)
    gained = float(by_step[-1] - by_step[0])
    return Halting(float(by_step[-1]), float(halted.mean()), gained, by_step)


def energy_rhos(curves: Sequence[Curves]) -> dict[tuple[str, int], float]:
    """Spearman's correlation of energy and true error by degradation and step."""
    return {
        (one.kind, step): spearman(one.energies[:, step - 1], one.errors[:, step])
        for one in curves
        for step in told_steps(one.energies.shape[1])
    }


def trivial_rhos(curves: Sequence[Curves]) -> dict[str, dict[tuple[str, int], float]]:
    """The same of every energy that knows nothing of errors."""
    return {
        name: {
            (one.kind, step): spearman(one.trivial[name][:, at], one.errors[:, step])
            for one in curves
            for at, step in enumerate(told_steps(one.energies.shape[1]))
        }
        for name in curves[0].trivial
    }


def difficulty(curves: Sequence[Curves]) -> Float64Array:
    """What all steps together gain of each picture, in dB."""
    psnr = np.concatenate([one.psnr for one in curves])
    return np.asarray(psnr[:, -1] - psnr[:, 0], np.float64)


def steps_of_one_who_knows(curves: Sequence[Curves], part: float) -> IntArray:
    """How many steps one who knows the truth makes of each picture: until all but ``part`` of its
    own gain is there; 1 where nothing is to be gained."""
    psnr = np.concatenate([one.psnr for one in curves])
    wanted = psnr[:, -1] - part * np.maximum(psnr[:, -1] - psnr[:, 0], 0.0)
    there = psnr[:, 1:] >= wanted[:, None] - 1e-9
    return np.asarray(there.argmax(1) + 1, np.int64)
