"""What the energy is made of: what counts, what is unknown, and when a look has brought a thing."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest

from models.vision import artifacts
from models.vision.degradation import boxes, rows
from models.vision.judgement import (
    PRIOR_ERROR,
    counted,
    expected_errors,
    gave_something,
    patch_weights,
    steadied,
    unseen_errors,
)
from models.vision.observing import missing_cells

EVEN = np.full((28, 28), 1.0 / 784, np.float32)


def errors_of(now: float, settled: float, side: int = 28) -> np.ndarray:
    """Maps (2, side, side), the same everywhere."""
    return np.stack([np.full((side, side), now), np.full((side, side), settled)]).astype(np.float32)


def looks(count: int) -> np.ndarray:
    return np.full((7, 7), count, np.uint8)


def test_the_prior_error_is_the_variance_that_the_decoder_holds() -> None:
    graph = onnx.load_from_string(artifacts.load_weights()["decode"]).graph
    (basis,) = (
        onnx.numpy_helper.to_array(tensor).astype(np.float64) / 255.0
        for tensor in graph.initializer
        if tensor.name.startswith("synthesis")
    )
    assert pytest.approx(np.square(basis).sum() / (8 * 8 * 3), rel=0.1) == PRIOR_ERROR


def test_only_looks_that_gave_something_use_up_hope() -> None:
    errors = errors_of(0.01, 0.004)
    now, settled = expected_errors(errors, EVEN, looks(0))
    assert (now, settled) == pytest.approx((0.01, 0.004), rel=1e-4)
    left = [now - expected_errors(errors, EVEN, looks(count))[1] for count in (1, 2, 4)]
    assert 0.006 > left[0] > left[1] > left[2]
    assert left[2] < 0.01 * 0.006, "four looks end a hope that is in vain"
    corner = looks(0)
    corner[0, 0] = 1
    assert now - expected_errors(errors, EVEN, corner)[1] == pytest.approx(
        0.006 - 0.7 * 0.006 / 49, rel=1e-4
    )


@pytest.mark.parametrize(("rms", "gave"), [(0.0, False), (1e-6, False), (0.01, False), (0.3, True)])
def test_a_look_gives_something_only_if_it_moves_the_picture_far_enough(
    rms: float, gave: bool
) -> None:
    # From 0.07 to 0.05 in root mean square; a latent that moves by 1 moves the picture by 0.27.
    hoped = errors_of(0.0049, 0.0025, 16)
    noise = np.random.default_rng(0).standard_normal((1, 256, 4, 4)).astype(np.float32)
    whole = np.ones((16, 16), np.float32)
    assert gave_something(np.float32(rms) * noise, hoped, whole) is gave


def test_where_nothing_is_hoped_for_any_look_will_do() -> None:
    still = np.zeros((1, 256, 4, 4), np.float32)
    whole = np.ones((16, 16), np.float32)
    assert gave_something(still, errors_of(0.01, 0.01, 16), whole)
    assert gave_something(still, errors_of(0.01, 0.001, 16), np.zeros_like(whole))


def test_of_an_incomplete_frame_only_the_missing_part_counts() -> None:
    missing = np.zeros((224, 224), bool)
    missing[:8, :8] = missing[8:12, :8] = True
    part = counted(missing_cells(missing))
    assert (part[0, 0], part[1, 0], part.sum()) == (1.0, 0.5, 1.5)
    assert patch_weights(missing_cells(missing))[0, 0] == pytest.approx(2 / 3)
    assert (counted(missing_cells(np.zeros((224, 224), bool))) == 1.0).all()


def test_of_what_is_far_from_all_that_was_seen_nothing_is_known() -> None:
    everything = np.ones((224, 224), bool)
    np.testing.assert_allclose(unseen_errors(everything), PRIOR_ERROR)
    seen_left = everything.copy()
    seen_left[:, :112] = False
    least = unseen_errors(seen_left)[14]
    assert (least[:18] == 0.0).all(), "training covers up as much"
    assert (np.diff(least) >= 0.0).all()
    assert 0.0 < least[19] < PRIOR_ERROR
    np.testing.assert_allclose(least[22:], PRIOR_ERROR)


def test_holes_as_in_training_are_left_to_the_error_head() -> None:
    assert not unseen_errors(np.zeros((224, 224), bool)).any()
    box = np.zeros((224, 224), bool)
    box[80:144, 64:136] = True
    assert not unseen_errors(box).any()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert not unseen_errors(rows(rng)).any()
        missing = boxes(rng)
        mean = (unseen_errors(missing) * patch_weights(missing_cells(missing))).sum()
        assert mean < 0.02 * PRIOR_ERROR


def test_an_energy_does_not_rise_for_nothing() -> None:
    assert steadied(0.012, 0.01) < 0.01, "the estimates are no better than that"
    assert steadied(0.02, 0.01) == 0.02, "this refiner does harm"
    assert steadied(0.008, 0.01) == 0.008
    assert steadied(5e-5, 2e-5) < 2e-5, "of a black frame all estimates are fine"
    falling = [1.0]
    while len(falling) < 9:
        falling.append(steadied(1.1, falling[-1]))
    assert (np.diff(falling) < 0.0).all()
    assert math.isclose(falling[-1], 1.0, rel_tol=1e-4)
