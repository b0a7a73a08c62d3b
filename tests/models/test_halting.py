"""When a refinement may stop, and what calibration makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from models.vision.halting import (
    LOSS_ALLOWED,
    calibrated_tolerance_db,
    delivered_step,
    halting_step,
    psnr_db,
    remaining_db,
)
from models.vision.restoration import Restoration, restoration_figures, restore, spearman

STEPS = 16


def falling(remaining_at_first_db: float, rate: float = 0.6) -> np.ndarray:
    """Expected errors (17, 2) of a refinement that wins a geometric series of decibels."""
    settled = 1e-3
    left_db = remaining_at_first_db * rate ** np.arange(STEPS + 1)
    return np.stack([settled * 10.0 ** (left_db / 10.0), np.full(STEPS + 1, settled)], 1)


def test_it_stops_where_next_to_nothing_is_left() -> None:
    errors = falling(3.0)
    left_db = remaining_db(errors)
    for tolerance in (0.5, 0.1, 0.02):
        step = halting_step(errors, tolerance, slope_eps=0.0)
        assert left_db[step] < tolerance <= left_db[step - 1]
    assert halting_step(errors, 1e-9, slope_eps=0.0) == STEPS
    assert halting_step(falling(0.001), 0.1, slope_eps=0.0) == 1, "the first step is always made"


def test_a_flat_energy_stops_it_too() -> None:
    errors = falling(3.0)
    assert halting_step(errors, 1e-9, slope_eps=0.01) < halting_step(errors, 1e-9, slope_eps=0.0)


def test_the_best_state_is_delivered() -> None:
    errors = falling(3.0)
    errors[6:, 0] += 1.0
    assert delivered_step(errors, 10) == 5
    assert delivered_step(errors, 3) == 3


def test_the_tolerance_bounds_what_is_lost() -> None:
    rng = np.random.default_rng(0)
    gains_db = rng.uniform(0.2, 6.0, 60)
    expected = np.stack([falling(gain) for gain in gains_db])
    true = expected[:, :, 0] * rng.uniform(0.5, 2.0, (60, 1))
    tolerance = calibrated_tolerance_db(true, expected, slope_eps=0.0)
    psnr = psnr_db(true)

    def lost(at: float) -> float:
        steps = [halting_step(errors, at, 0.0) for errors in expected]
        part = (psnr[:, -1] - psnr[np.arange(60), steps]).mean()
        return float(part / (psnr[:, -1] - psnr[:, 0]).mean())

    assert 0.0 < lost(tolerance) <= LOSS_ALLOWED < lost(1.2 * tolerance)


def test_an_error_head_that_knows_nothing_saves_nothing() -> None:
    expected = np.full((20, STEPS + 1, 2), 1e-3)
    expected[:, :, 0] = 1.01e-3 * 0.9999 ** np.arange(STEPS + 1)
    true = np.stack([falling(3.0)[:, 0]] * 20)
    assert calibrated_tolerance_db(true, expected) == pytest.approx(1e-3)


def test_rank_correlation_shares_ties() -> None:
    rising = np.array([1.0, 2.0, 5.0, 9.0])
    assert spearman(rising, rising**3) == pytest.approx(1.0)
    assert spearman(rising, -rising) == pytest.approx(-1.0)
    assert spearman(rising, np.array([1.0, 1.0, 2.0, 2.0])) == pytest.approx(2.0 / np.sqrt(5.0))
    assert np.isnan(spearman(rising, np.ones(4)))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (4, 7, 7, 3), np.uint8)
    return np.repeat(np.repeat(blocks, 32, 1), 32, 2)


def test_holes_are_scored_inside_the_holes(pictures: np.ndarray) -> None:
    from models.vision import artifacts

    graphs = artifacts.backends()
    grey = np.full((224, 224, 3), 128, np.uint8)
    part = restore(graphs, pictures, "holes", 3, grey)
    assert part.true_error.shape == (4, STEPS + 1)
    assert part.expected.shape == (4, STEPS + 1, 2)
    assert (part.baselines["input"] > 1e-3).all(), "what was seen would count as no error"
    clean = restore(graphs, pictures, "clean", 3, grey)
    assert (clean.baselines["input"] == 0.0).all()
    np.testing.assert_allclose(
        clean.baselines["mean picture"],
        np.square(pictures / 255.0 - 128 / 255.0).mean((1, 2, 3)),
        rtol=1e-4,
    )
    noisy = restore(graphs, pictures, "noise50", 3, grey)
    again = restore(graphs, pictures, "noise50", 3, grey)
    np.testing.assert_array_equal(noisy.true_error, again.true_error)


def test_figures_tell_a_liar() -> None:
    rng = np.random.default_rng(0)
    gains_db = rng.uniform(1.0, 6.0, 40)
    expected = np.stack([falling(gain) for gain in gains_db])
    # Each refinement has a level of its own, which an honest head knows and a liar turns round.
    level = rng.uniform(0.5, 8.0, (40, 1, 1))
    true = (expected * level)[:, :, 0]
    baselines = dict.fromkeys(("input", "mean picture", "mean colour"), true[:, 0])
    honest = restoration_figures(Restoration(true, expected * level, baselines), 0.1)
    liar = restoration_figures(Restoration(true, expected / level, baselines), 0.1)
    for step in ("4", "16"):
        assert honest["energy_rho"][step] > 0.99
        assert liar["energy_rho"][step] < -0.5
    assert np.abs(honest["calibration_db"]).max() < 0.01
    assert np.abs(liar["calibration_db"]).max() > 1.0
    assert honest["psnr_lost_db"] < 0.1
