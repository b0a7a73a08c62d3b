"""The vision benchmark's rows: what follows from curves and times, and what stands beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks import vision_apartment
from benchmarks.report import Row
from benchmarks.vision_curves import Curves, difficulty, spearman, steps_of_one_who_knows
from benchmarks.vision_fixed import SWEEP
from benchmarks.vision_plans import Mix, corners, equal_mix, nearest_mix, steps_if_told
from benchmarks.vision_rows import Measured, rows_of
from benchmarks.vision_run import Planned, Saving
from benchmarks.vision_timing import Times, mixed, paired, ratio_interval
from benchmarks.vision_trivial import BLUR_PX, fixed_blur, trivial_energies
from models.vision.degradation import KINDS, Degraded, degrade
from models.vision.layout import LARGE, LATENT_CELLS, SMALL, WINDOW
from sage.irp import HaltReason
from sage.values import Detection
from sage.worlds.apartment.scene import LabelledThing

GRAPHS = {
    n: dict.fromkeys(("encode", "decode", "step", "incomplete"), Times((1.0, 2.0))) for n in (1, 2)
}


def test_rank_correlation() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 45]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 1, 2, 2], [1, 2, 3, 4]) == pytest.approx(0.894427)
    assert spearman([1, 2, 3], [5, 5, 5]) == 0.0


def made(
    kind: str = "noise50",
    psnr: Any = ((20, 23, 24, 24), (20, 21, 22, 24)),
    steps: Sequence[int] = (1, 3),
    halted: Sequence[float] | None = None,
    energies: Any = None,
    baseline: float = 21.0,
    trivial: Any = None,
) -> Curves:
    """Curves with these PSNR values; halted at ``steps`` unless said otherwise."""
    values = np.array(psnr, float)
    errors = 10.0 ** (-values / 10.0)
    at = np.array(steps)
    stopped = values[np.arange(len(at)), at] if halted is None else np.array(halted, float)
    names = ("input", "mean image", "grey", "block PCA")
    return Curves(
        kind,
        errors,
        errors[:, 1:] if energies is None else np.array(energies, float),
        10.0 ** (-stopped / 10.0),
        at,
        (HaltReason.STABLE,) * len(at),
        {name: np.full(len(at), 10.0 ** (-baseline / 10.0)) for name in names},
        {"gradient": errors[:, 1:] if trivial is None else np.array(trivial, float)},
    )


def measured(curves: Sequence[Curves], ratio: float = 2.0) -> Measured:
    plans = (
        Planned("guided", Mix(2, 3, 0.5, 24.0), 0.0, Times((1.5, 4.5))),
        Planned("sweeps", Mix(4, 4, 1.0, 24.0), 0.0, Times((2, 6))),
    )
    saving = Saving(Times((1.0, 3.0)), Times((ratio, 3.0 * ratio)), plans, plans)
    return Measured(curves, saving, GRAPHS, 2, None, None, {1: 0.7, 3: 0.75})


def rows(curves: Sequence[Curves], ratio: float = 2.0) -> dict[str, Row]:
    return {row.id.removeprefix("vision."): row for row in rows_of(measured(curves, ratio))}


def test_difficulty_is_what_there_is_to_gain() -> None:
    gains = made().psnr[:, -1] - made().psnr[:, 0]
    np.testing.assert_allclose(difficulty([made(), made()]), [*gains, *gains])


def test_one_who_knows_the_truth_stops_when_next_to_all_is_gained() -> None:
    assert steps_of_one_who_knows([made()], 0.01).tolist() == [2, 3]
    worse = made(psnr=((20, 19, 18, 17), (20, 20, 20, 20)))
    assert steps_of_one_who_knows([worse], 0.01).tolist() == [1, 1]


def test_the_figures_follow_from_the_curves() -> None:
    found = rows([made(kind) for kind in KINDS])
    assert found["psnr_clean"].value == pytest.approx(24.0 - 21.0)
    assert found["margin_holes"].value == pytest.approx(24.0 - 21.0)
    assert found["margin_single_pass"].value == pytest.approx(24.0 - 22.0)
    assert found["energy_rho"].value == pytest.approx(0.0)  # after the last step all are alike
    assert found["halt_rho"].value == 0.0  # there is as much to gain of each picture
    assert found["halt_rho"].baselines["steps_of_one_who_knows"] == pytest.approx(1.0)
    assert found["saving_fixed"].value == pytest.approx(1.5)
    assert found["encode_ms"].value == 1.0
    assert found["apartment_f1"].value is None


def test_more_steps_where_there_is_more_to_gain() -> None:
    hard = ((20, 21, 21, 21), (20, 21, 22, 24))
    assert rows([made(kind, hard) for kind in KINDS])["halt_rho"].value == pytest.approx(1.0)
    late = [made(kind, hard, (3, 1)) for kind in KINDS]
    assert rows(late)["halt_rho"].value == pytest.approx(-1.0)


def test_a_saving_that_costs_quality_is_none() -> None:
    careful = [made(kind, halted=(24.0, 23.99)) for kind in KINDS]
    assert rows(careful, 3.0)["saving_full"].value == pytest.approx(3.0)
    hasty = [made(kind, halted=(23.0, 23.99)) for kind in KINDS]
    assert rows(hasty, 3.0)["saving_full"].value == 1.0
    assert rows(hasty, 3.0)["saving_full"].baselines["part_lost"] == pytest.approx(0.505 / 4.0)


def test_an_energy_that_follows_severity_alone_is_found_out() -> None:
    rng = np.random.default_rng(0)
    curves = []
    for number, kind in enumerate(KINDS):  # each degradation is worse, and its energy says so
        psnr = 30.0 - number + rng.normal(0, 0.5, (40, 4))
        energies = 10.0 ** (-(30.0 - number + rng.normal(0, 0.5, (40, 3))) / 10.0)
        curves.append(made(kind, psnr, (1,) * 40, energies=energies))
    assert rows(curves)["energy_rho"].value < 0.3  # type: ignore[operator]


def test_a_plan_is_exactly_as_good_as_what_it_is_held_against() -> None:
    psnr = np.array([20.0, 22.0, 23.0, 23.0001])
    mix = equal_mix(psnr, 22.9999)
    assert mix is not None
    assert (mix.fewer, mix.more, mix.psnr) == (1, 2, 22.9999)
    assert mix.steps == pytest.approx(1.9999)
    short = equal_mix(psnr, 23.00005)  # 0.00005 dB more than two steps reach are no third step
    assert short is not None
    assert (short.fewer, short.more) == (2, 3)
    assert short.steps == pytest.approx(2.5)
    assert equal_mix(psnr, 19.0) == Mix(0, 0, 1.0, 20.0)
    assert equal_mix(psnr, 23.5) is None


def test_a_plan_mixes_whichever_two_numbers_of_steps_are_the_cheapest() -> None:
    late = np.array([20.0, 20.1, 20.2, 24.0, 24.0])
    assert corners(late) == [0, 3]
    mix = equal_mix(late, 22.0)
    assert mix is not None
    assert (mix.fewer, mix.more, mix.steps) == (0, 3, 1.5)
    assert corners(np.array([20.0, 19.0, 18.0])) == [0]
    times = mixed(Times((1.0, 2.0)), Times((3.0, 6.0)), 0.25)
    assert times.by_input == (1.5, 3.0)


def test_where_no_plan_is_as_good_the_one_that_stands_in_is_cheap_and_marked() -> None:
    plateau = np.array([20.0, 23.0, 23.995, 23.9951, 24.0])
    mix = nearest_mix(plateau, 24.1)
    assert mix.psnr == pytest.approx(23.99)
    assert mix.steps < 2.0, "not the step at which a plateau happens to be highest"
    curves = [made(kind) for kind in KINDS]
    found = measured(curves)
    worse = dataclasses.replace(found.saving.planned[0], short_db=0.11)
    one = Saving(found.saving.halted, found.saving.full, (worse, found.saving.planned[1]), (worse,))
    assert one.best_plan.name == "sweeps", "dearer, but as good"
    none = tuple(dataclasses.replace(plan, short_db=0.2) for plan in found.saving.planned)
    assert dataclasses.replace(one, planned=none).best_plan.name == "guided"
    row = {
        row.id: row
        for row in rows_of(
            dataclasses.replace(found, saving=dataclasses.replace(one, planned=none))
        )
    }["vision.saving_fixed"]
    assert row.baselines["guided_worse_by_db"] == 0.2
    full = rows(curves)["saving_full"].baselines
    assert full["guided_losing_1_percent"] == pytest.approx(8.0 / 6.0)
    assert full["fixed_as_good"] == pytest.approx(8.0 / 6.0)
    assert not any("worse" in name for name in rows(curves)["saving_fixed"].baselines)


def test_who_is_told_the_degradation_needs_fewer_steps_of_all() -> None:
    easy = made("clean", ((20, 23, 23, 23),) * 2)
    hard = made("holes", ((20, 20.5, 21, 21.5),) * 2)
    wanted = 0.5 * (23.0 + 20.5)
    both = steps_if_told([[easy, hard]], wanted)
    mix = equal_mix(np.concatenate([easy.psnr, hard.psnr]).mean(0), wanted)
    assert both is not None
    assert mix is not None
    assert both == pytest.approx(mix.steps)
    assert steps_if_told([[easy], [hard]], wanted) == pytest.approx(1.0)
    assert steps_if_told([[easy], [hard]], 19.0) == 0.0
    assert steps_if_told([[easy], [hard]], 23.0) is None


def test_all_steps_are_held_against_each_part_refined_once_and_the_best_that_is_simpler() -> None:
    late = ((20, 21, 22, 23, 24, 24.5, 25), (20, 21, 22, 23, 24, 24.5, 25))
    found = rows([made(kind, late, (2, 3)) for kind in KINDS])["margin_single_pass"]
    assert found.value == pytest.approx(4.0)
    assert found.baselines["over_step_4"] == pytest.approx(1.0)
    assert found.baselines["blur_over_step_4"] == pytest.approx(1.0)
    assert found.baselines["blur_over_simpler"] == pytest.approx(25.0 - 21.0)


def test_what_needs_no_error_head_stands_beside_the_energy() -> None:
    psnr = [(20.0, 21.0 + n, 22.0 + n, 23.0 + n) for n in range(4)]
    errors = 10.0 ** (-np.array(psnr) / 10.0)
    shuffled = errors[[1, 0, 2, 3], 1:]  # right about all but one pair
    curves = [
        made(
            kind,
            psnr,
            (1, 1, 2, 3),
            energies=shuffled if kind == "blur" else None,
            trivial=-errors[:, 1:] if kind == "rows" else errors[:, 1:],
        )
        for kind in KINDS
    ]
    found = rows(curves)["energy_rho"]
    assert found.value == pytest.approx(0.7), "of one severity"
    assert found.baselines["blur"] == pytest.approx(0.8)
    assert found.baselines["blur_at_3"] == pytest.approx(0.8)
    assert found.baselines["noise50_at_2"] == pytest.approx(1.0)
    assert found.baselines["gradient_blur"] == pytest.approx(1.0)
    assert found.baselines["gradient_worst"] == pytest.approx(-1.0)
    assert found.baselines["blur_10px"] == 0.7
    assert found.baselines["blur_10px_at_3"] == 0.75
    halt = rows(curves)["halt_rho"].baselines
    assert halt["degradation_alone"] == 0.0, "each degradation is as hard"


def test_trivial_energies_are_what_they_are_named_after() -> None:
    flat = np.full((224, 224, 3), 0.5, np.float32)
    stripes = flat.copy()
    stripes[::2] = 0.7
    found = trivial_energies(stripes, flat)
    assert found["residual"] == pytest.approx(0.02)
    assert found["variance"] == pytest.approx(0.01)
    assert found["frame_gradient"] == pytest.approx(0.04)
    assert found["gradient"] == 0.0


def test_a_blur_of_one_length_is_of_one_length_in_any_direction() -> None:
    dots = np.zeros((3, 224, 224, 3), np.uint8)
    dots[:, 112, 112] = 255
    lengths, angles = [], []
    for harmed in fixed_blur(dots, 5):
        down, across = np.nonzero(harmed.seen[..., 0] > 2)
        lengths.append(math.hypot(np.ptp(down), np.ptp(across)) + 1.0)
        angles.append(math.atan2(np.ptp(down), np.ptp(across)))
    assert all(abs(length - BLUR_PX) <= 2.5 for length in lengths)
    assert np.ptp(angles) > 0.1


def test_sweeps_cover_the_frame() -> None:
    covered = np.zeros((LATENT_CELLS, LATENT_CELLS), int)
    for row, column in SWEEP:
        covered[row : row + WINDOW, column : column + WINDOW] += 1
    assert covered.shape == (LATENT_CELLS, LATENT_CELLS)
    assert (covered > 0).all()


def test_times_are_paired_and_their_ratio_has_an_interval() -> None:
    calls: list[str] = []
    harmed = degrade(np.zeros((224, 224, 3), np.float32), "clean", np.random.default_rng(0))
    runs: dict[str, Callable[[Degraded], object]] = {
        "one": lambda _: calls.append("one"),
        "two": lambda _: calls.append("two"),
    }
    times = paired(runs, [harmed] * 3, 2)
    assert len(times["one"].by_input) == 3
    assert calls[2:8] == ["one", "two", "two", "one", "two", "one"]
    value, low, high = ratio_interval(Times((2.0, 4.0, 9.0)), Times((1.0, 2.0, 3.0)))
    assert value == pytest.approx(2.5)
    assert 2.0 <= low <= value <= high <= 3.0


# Things of the apartment.


def thing(label: str, box: tuple[float, float, float, float], far_m: float = 1.0) -> LabelledThing:
    return LabelledThing(label, box, far_m, 0.0, int((box[2] - box[0]) * (box[3] - box[1])))


def found_at(label: str, box: tuple[float, float, float, float], sure: float = 0.9) -> Detection:
    return Detection(label, sure, box, 0.0, 1.0)


def test_things_count_by_class_and_overlap_and_only_where_they_can_be_seen() -> None:
    cup, table = SMALL.classes[0], LARGE.classes[0]
    seen = [
        thing(cup, (10, 10, 30, 30)),
        thing(cup, (100, 10, 120, 30), far_m=2.5),  # too far to be required
        thing(table, (0, 100, 100, 200)),
    ]
    said = [
        found_at(cup, (12, 10, 30, 30)),
        found_at(cup, (11, 10, 30, 30), 0.5),  # again the same one
        found_at(cup, (100, 10, 120, 30)),
        found_at(table, (60, 100, 160, 200)),  # overlaps by a quarter
    ]
    counts = vision_apartment.scored(said, seen)
    assert counts["objects", "right"] == 1
    assert counts["objects", "wrong"] == 1
    assert counts["objects", "missed"] == 0
    assert counts["furniture", "wrong"] == 1
    assert counts["furniture", "missed"] == 1
    assert vision_apartment.Found(1, 1, 2).f1 == pytest.approx(2 / 5)
    assert vision_apartment.scored([], [])["objects", "right"] == 0
