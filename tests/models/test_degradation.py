"""What cameras do to pictures: as strong as named, where named, and the same again for a seed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from models.vision.degradation import (
    KINDS,
    BoolArray,
    Degraded,
    boxes,
    degrade,
    fill,
    motion_kernel,
    rows,
)
from sage.irp import ConfigError

GREY = np.full((224, 224, 3), 0.5, np.float32)


def picture() -> np.ndarray:
    """Smooth shades with a bright square: something to harm."""
    x = np.linspace(0.1, 0.9, 224, dtype=np.float32)
    out = np.stack([np.add.outer(x, x) / 2, np.tile(x, (224, 1)), np.full((224, 224), 0.3)], -1)
    out[80:140, 60:150] = 0.95
    return out.astype(np.float32)


def harmed(kind: str, seed: int = 0, clean: np.ndarray = GREY, vary: bool = False) -> Degraded:
    return degrade(clean, kind, np.random.default_rng(seed), vary)


def mask_of(one: Degraded) -> BoolArray:
    assert one.missing is not None
    return one.missing


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_delivers_a_frame_fixed_by_its_seed(kind: str) -> None:
    clean = picture()
    before = clean.copy()
    one, two = harmed(kind, 4, clean), harmed(kind, 4, clean)
    assert one.seen.dtype == np.uint8
    assert one.seen.shape == (224, 224, 3)
    np.testing.assert_array_equal(one.seen, two.seen)
    np.testing.assert_array_equal(clean, before)
    assert (one.missing is not None) == (kind in ("holes", "rows"))
    if kind != "clean":
        assert (one.seen != harmed(kind, 5, clean).seen).any()
        assert (one.seen != harmed("clean", 4, clean).seen).any()


def test_nothing_is_wrong_with_a_clean_frame() -> None:
    np.testing.assert_array_equal(
        harmed("clean", clean=picture()).seen, np.round(picture() * 255).astype(np.uint8)
    )


@pytest.mark.parametrize(("kind", "deviation"), [("noise25", 25.0), ("noise50", 50.0)])
def test_noise_is_as_strong_as_its_name_says(kind: str, deviation: float) -> None:
    noise = harmed(kind).seen - 127.5
    assert noise.std() == pytest.approx(deviation, rel=0.03)
    assert abs(noise.mean()) < 1.0


def test_low_light_is_noisier_where_it_is_brighter() -> None:
    bright, mid = np.full_like(GREY, 0.8), np.full_like(GREY, 0.2)
    by_light = [harmed("dark25", clean=c).seen.std() for c in (mid, bright)]
    assert by_light[0] == pytest.approx(25 * math.sqrt(0.2 + 1 / 16), rel=0.05)
    assert by_light[1] == pytest.approx(25 * math.sqrt(0.8 + 1 / 16), rel=0.05)


def test_motion_smears_along_a_line_and_keeps_the_light() -> None:
    for length, angle in ((5.0, 0.0), (9.3, 1.1), (14.9, 3.0)):
        kernel = motion_kernel(length, angle)
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
        assert (kernel >= 0).all()
        row, column = np.nonzero(kernel > kernel.max() / 2)
        extent = math.hypot(row.max() - row.min(), column.max() - column.min()) + 1
        assert extent == pytest.approx(length, abs=2.5)
    assert (motion_kernel(9.0, 0.0) > 0.01).any(1).sum() == 1
    blurred = harmed("blur", clean=picture()).seen
    assert blurred.mean() == pytest.approx(255 * picture().mean(), rel=0.01)
    gradient = [np.abs(np.diff(p.astype(float), axis=0)).max() for p in (blurred, 255 * picture())]
    assert gradient[0] < 0.9 * gradient[1]


def test_holes_and_rows_cover_what_they_should_and_hide_it() -> None:
    holes, lost = (harmed(kind, clean=picture()) for kind in ("holes", "rows"))
    assert 0.3 <= mask_of(holes).mean() < 0.4
    assert 0.2 <= mask_of(lost).mean() < 0.24
    assert (mask_of(lost).all(1) == mask_of(lost).any(1)).all()
    for one in (holes, lost):
        assert (one.seen[mask_of(one)] == 0).all()
        np.testing.assert_array_equal(
            one.seen[~mask_of(one)], harmed("clean", clean=picture()).seen[~mask_of(one)]
        )


def test_for_training_the_strength_varies() -> None:
    deviations = [harmed("noise25", seed, vary=True).seen.std() for seed in range(12)]
    assert 0.6 * 25 < min(deviations) < 0.9 * 25
    assert 1.0 * 25 < max(deviations) < 1.25 * 25
    parts = [mask_of(harmed("holes", seed, vary=True)).mean() for seed in range(12)]
    assert 0.1 <= min(parts) < 0.2
    assert 0.3 < max(parts) < 0.5


@pytest.mark.parametrize("mask", [boxes, rows])
def test_what_is_missing_is_guessed_from_around_it(
    mask: Callable[[np.random.Generator], BoolArray],
) -> None:
    clean = picture()
    missing = mask(np.random.default_rng(1))
    spoiled = np.where(missing[..., None], np.float32(0.77), clean)
    guess = fill(spoiled, missing)
    np.testing.assert_allclose(guess[~missing], clean[~missing], atol=1e-6)
    np.testing.assert_array_equal(guess, fill(np.where(missing[..., None], 0, spoiled), missing))
    error = np.abs(guess - clean)[missing].mean()
    flat = np.abs(clean[~missing].mean(0) - clean)[missing].mean()
    assert error < 0.6 * flat


def test_a_black_hole_everywhere_is_grey_and_a_flat_picture_stays_flat() -> None:
    everything = np.ones((224, 224), bool)
    np.testing.assert_allclose(fill(picture(), everything), 0.5, atol=1e-6)
    np.testing.assert_allclose(fill(GREY, rows(np.random.default_rng(0))), 0.5, atol=1e-3)
    not_numbers = np.where(everything[..., None], np.float32(np.nan), picture())
    assert np.isfinite(fill(not_numbers, everything)).all()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda rng: degrade(GREY, "fog", rng), "'fog' is unknown; valid: clean, noise25"),
        (lambda rng: degrade(GREY[:200], "clean", rng), r"float32 of shape \(224, 224, 3\)"),
        (lambda rng: degrade(GREY.astype(np.float64), "clean", rng), "got float64"),
        (lambda rng: boxes(rng, 1.2), "1.2 that is missing"),
        (lambda rng: rows(rng, math.nan), "nan that is missing"),
        (lambda rng: motion_kernel(0.5, 0.0), "length_px 0.5 must be in"),
        (lambda rng: fill(GREY, np.zeros((224, 224), np.uint8)), "missing must be bool"),
    ],
)
def test_bad_input_is_named(call: Callable[[np.random.Generator], object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        call(np.random.default_rng(0))
