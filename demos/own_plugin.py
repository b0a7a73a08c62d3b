"""A plugin of your own on one page: take the noise out of a picture, better with every step.

Run it with ``python demos/own_plugin.py``; it needs nothing but numpy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sage import HaltPolicy, Invariants, IRPPlugin, check_plugin, refine

SMOOTHNESS = 2.0  # weight of the neighbours' differences against the distance to the noisy picture


class State(NamedTuple):
    """Two pictures (height, width) in [0, 1]: what came in, and what was made of it so far."""

    noisy: np.ndarray
    clean: np.ndarray


class Denoise(IRPPlugin[State, np.ndarray]):
    """Smooths a grey picture by gradient descent on one energy."""

    name = "denoise"
    invariants = Invariants(
        state_space="a grey picture with values in [0, 1]",
        noise_model="independent Gaussian noise on every pixel",
        energy="squared distance to the noisy picture + weighted squared differences of neighbours",
        coherence="a cleaner picture for everything that looks at it next",
    )
    halting = HaltPolicy(max_steps=50, slope_eps=0.002)

    def init_state(self, observation: np.ndarray, context: Any) -> State:
        """Begin with the noisy picture itself."""
        return State(observation, observation)

    def step(self, state: State) -> State:
        """One step of gradient descent."""
        noisy, clean = state
        gradient = 2.0 * (clean - noisy)
        for axis in (0, 1):
            border = [(1, 1) if other == axis else (0, 0) for other in (0, 1)]
            slope = np.pad(np.diff(clean, axis=axis), border)
            gradient -= 2.0 * SMOOTHNESS * np.diff(slope, axis=axis)
        # 1 / Lipschitz constant of the gradient: the largest step that is sure to go down.
        return State(noisy, clean - gradient / (2.0 + 16.0 * SMOOTHNESS))

    def energy(self, state: State) -> float:
        """How noisy and how far from what was seen; lower is better."""
        rough = sum(float(np.sum(np.diff(state.clean, axis=axis) ** 2)) for axis in (0, 1))
        return float(np.sum((state.clean - state.noisy) ** 2)) + SMOOTHNESS * rough

    def project(self, state: State) -> State:
        """A picture has values in [0, 1]."""
        return State(state.noisy, np.clip(state.clean, 0.0, 1.0))

    def result(self, state: State) -> np.ndarray:
        """The picture, as clean as it is by now."""
        return state.clean


def main() -> None:
    """Check the plugin, let it refine one noisy picture, and show how its energy fell."""
    y, x = np.mgrid[0:96, 0:96] / 96.0
    truth = np.where((x - 0.5) ** 2 + (y - 0.45) ** 2 < 0.09, 0.8, 0.2 + 0.2 * y)
    noisy = np.clip(truth + np.random.default_rng(1).normal(0.0, 0.12, truth.shape), 0.0, 1.0)

    check_plugin(Denoise, [noisy, noisy.T])
    outcome = refine(Denoise(), noisy)
    first = refine(Denoise(), noisy, policy=HaltPolicy(max_steps=1))

    energies = outcome.trajectory.energies
    for step, energy in enumerate(energies, start=1):
        print(f"step {step:2d}  energy {energy:7.2f}  {'#' * round(50 * energy / energies[0])}")
    print(f"halted: {outcome.reason.value}, {outcome.trajectory.saved_steps} steps saved")
    for what, picture in (("noisy", noisy), ("step 1", first.result), ("answer", outcome.result)):
        print(f"error of {what:7s} {np.sqrt(np.mean((picture - truth) ** 2)):.4f}")


if __name__ == "__main__":
    main()
