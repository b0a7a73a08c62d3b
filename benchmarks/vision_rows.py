"""The rows of the vision benchmark, each with what simpler means reach beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from benchmarks import vision_apartment, vision_curves, vision_timing
from benchmarks.report import Row
from benchmarks.vision_curves import HARMED, MOST_LOST, Curves, Halting, psnr_db, spearman
from benchmarks.vision_fixed import SWEEP
from benchmarks.vision_plans import steps_if_told
from benchmarks.vision_run import Planned, Saving
from benchmarks.vision_timing import Memory, Times

#: Of these a frame itself says that pixels are missing.
INCOMPLETE: Final = ("holes", "rows")


@dataclass(frozen=True)
class Measured:
    """Everything that the rows are made of."""

    curves: Sequence[Curves]
    saving: Saving
    graphs: Mapping[int, Mapping[str, Times]]
    threads: int
    apartment: Mapping[str, vision_apartment.Found] | None
    memory: Memory | None
    fixed_blur: Mapping[int, float]

    @property
    def halting(self) -> Halting:
        """What halting costs in quality."""
        return vision_curves.halting_of(self.curves)

    def of(self, kind: str) -> Curves:
        """The curves of one degradation."""
        return next(one for one in self.curves if one.kind == kind)


def rows_of(measured: Measured) -> list[Row]:
    """The figures with their baselines."""
    return [*quality_rows(measured), *halting_rows(measured), *cost_rows(measured)]


def quality_rows(measured: Measured) -> list[Row]:
    """What is restored, over the best that is simpler."""
    clean = measured.of("clean")
    pca = float(psnr_db(clean.baselines["block PCA"]).mean())
    full = float(clean.psnr[:, -1].mean())
    rows = [
        Row(
            "vision.psnr_clean",
            full - pca,
            "higher",
            0.0,
            2.0,
            {"full": full, "block_pca": pca, "step_1": float(clean.psnr[:, 1].mean())},
        )
    ]
    for kind in ("noise50", "holes"):
        one = measured.of(kind)
        _, best = one.best_baseline()
        value = float(one.psnr[:, -1].mean())
        told = {name: float(psnr_db(errors).mean()) for name, errors in one.baselines.items()}
        told = {"full": value, "step_1": float(one.psnr[:, 1].mean()), **told}
        rows.append(Row(f"vision.margin_{kind}", value - best, "higher", 0.0, 2.0, told))
    harmed = [measured.of(kind) for kind in HARMED]
    gains = {one.kind: float((one.psnr[:, -1] - one.psnr[:, 1]).mean()) for one in harmed}
    mean = float(np.mean(list(gains.values())))
    # Step 1 refines one window; once round, each part of the frame was refined.
    once = min(len(SWEEP), harmed[0].psnr.shape[1] - 1)
    rest = {one.kind: float((one.psnr[:, -1] - one.psnr[:, once]).mean()) for one in harmed}
    told = {
        **gains,
        f"over_step_{once}": float(np.mean(list(rest.values()))),
        **{f"{kind}_over_step_{once}": gain for kind, gain in rest.items()},
        **{
            f"{one.kind}_over_simpler": float(one.psnr[:, -1].mean()) - one.best_baseline()[1]
            for one in harmed
        },
    }
    rows.append(Row("vision.margin_single_pass", mean, "higher", 0.3, 1.5, told))
    return rows


def halting_rows(measured: Measured) -> list[Row]:
    """Whether the energy tells the truth, and what stopping by it saves."""
    return [
        energy_row(measured),
        saving_full_row(measured),
        saving_fixed_row(measured),
        halt_row(measured),
    ]


def energy_row(measured: Measured) -> Row:
    """The energy beside those that know nothing of errors: each one's worst, and at our worst."""
    rhos = vision_curves.energy_rhos(measured.curves)
    worst = min(rhos, key=lambda where: rhos[where])
    trivial = vision_curves.trivial_rhos(measured.curves)
    by_kind = {
        one.kind: min(rho for (kind, _), rho in rhos.items() if kind == one.kind)
        for one in measured.curves
    }
    blur = measured.fixed_blur
    told = {
        "worst_step": float(worst[1]),
        **by_kind,
        **({"blur_10px": min(blur.values())} if blur else {}),
        **{f"{name}_worst": min(of.values()) for name, of in trivial.items()},
        **{f"{name}_{worst[0]}": of[worst] for name, of in trivial.items()},
        **{f"{kind}_at_{step}": rho for (kind, step), rho in rhos.items()},
        **{f"blur_10px_at_{step}": rho for step, rho in blur.items()},
    }
    # Of one severity: a blur of 5 to 15 px is of several.
    value = min(rhos[worst], *blur.values())
    return Row("vision.energy_rho", value, "higher", 0.6, 0.85, told)


def saving_full_row(measured: Measured) -> Row:
    """All steps, in halted refinements; beside what plans save that lose as much as is allowed."""
    halting, saving = measured.halting, measured.saving
    ratio, low, high = vision_timing.ratio_interval(saving.full, saving.halted)
    claimed = halting.worthwhile and halting.part_lost <= MOST_LOST
    told = {
        "ratio": ratio,
        "low": low,
        "high": high,
        "part_lost": halting.part_lost,
        "full_ms_p50": saving.full.p50,
        "halted_ms_p50": saving.halted.p50,
        "halted_ms_p95": saving.halted.p95,
        "steps_mean": float(np.concatenate([one.steps for one in measured.curves]).mean()),
        "with_decoding": _with_decoding(measured, saving.full),
        "fixed_as_good": saving.full.total / saving.best_plan.times.total,
        **{
            f"{one.name}_as_good": saving.full.total / one.times.total
            for one in saving.planned
            if not one.short_db
        },
        **{
            f"{one.name}_losing_1_percent": saving.full.total / one.times.total
            for one in saving.allowed
            if not one.short_db
        },
    }
    return Row("vision.saving_full", ratio if claimed else 1.0, "higher", 2.0, 4.0, told)


def saving_fixed_row(measured: Measured) -> Row:
    """The cheapest plan of equal quality, in halted refinements."""
    halting, saving = measured.halting, measured.saving
    plan = saving.best_plan
    fixed, low, high = vision_timing.ratio_interval(plan.times, saving.halted)
    incomplete = [one for one in measured.curves if one.kind in INCOMPLETE]
    others = [one for one in measured.curves if one.kind not in INCOMPLETE]
    knowing = {
        "steps_told_missing": steps_if_told([incomplete, others], halting.halted),
        "steps_told_degradation": steps_if_told([[c] for c in measured.curves], halting.halted),
    }
    told = {
        "low": low,
        "high": high,
        "halted_db": halting.halted,
        "with_decoding": _with_decoding(measured, plan.times),
        "steps_mean": float(np.concatenate([one.steps for one in measured.curves]).mean()),
        **{name: steps for name, steps in knowing.items() if steps is not None},
    }
    for one in saving.planned:
        told |= _plan(one, saving)
    value = fixed if halting.worthwhile else min(fixed, 1.0)
    return Row("vision.saving_fixed", value, "higher", 1.05, 1.3, told)


def _plan(one: Planned, saving: Saving) -> dict[str, float]:
    """What a plan is, takes and reaches; how much it is worse is told of one that is."""
    mix = one.mix
    told = {
        f"over_{one.name}": one.times.total / saving.halted.total,
        f"{one.name}_steps": mix.steps,
        f"{one.name}_fewer": float(mix.fewer),
        f"{one.name}_more": float(mix.more),
        f"{one.name}_share_of_more": mix.share,
        f"{one.name}_ms_p50": one.times.p50,
        f"{one.name}_db": mix.psnr,
    }
    return told | ({f"{one.name}_worse_by_db": one.short_db} if one.short_db else {})


def halt_row(measured: Measured) -> Row:
    """Halting steps with what there is to gain, beside others who would order frames by that."""
    curves = measured.curves
    steps = np.concatenate([one.steps for one in curves])
    hard = vision_curves.difficulty(curves)
    knowing = vision_curves.steps_of_one_who_knows(curves, MOST_LOST)
    first = np.concatenate([one.errors[:, 1] for one in curves])
    within = [spearman(one.steps, vision_curves.difficulty([one])) for one in curves]
    by_kind = np.concatenate([np.full(len(one.steps), one.steps.mean()) for one in curves])
    told = {
        "within_a_degradation": float(np.mean(within)),
        "degradation_alone": spearman(by_kind, hard),
        "energy_after_step_1": spearman(np.concatenate([c.energies[:, 0] for c in curves]), hard),
        **{
            name: spearman(np.concatenate([one.trivial[name][:, 0] for one in curves]), hard)
            for name in curves[0].trivial
        },
        "error_after_step_1": spearman(steps, first),
        "steps_of_one_who_knows": spearman(steps, knowing),
    }
    return Row("vision.halt_rho", spearman(steps, hard), "higher", 0.3, 0.6, told)


def _with_decoding(measured: Measured, above: Times) -> float:
    """A ratio of times over halted ones where each answer is made a picture."""
    below = measured.saving.halted
    pictures = measured.graphs[measured.threads]["decode"].p50 * len(above.by_input)
    return (above.total + pictures) / (below.total + pictures)


def cost_rows(measured: Measured) -> list[Row]:
    """Time and memory, and what is read from the apartment."""
    mine, single = measured.graphs[measured.threads], measured.graphs[1]
    rows = []
    for name, floor, goal in (("encode", 2.0, 1.0), ("decode", 3.0, 1.5)):
        told = {"p95": mine[name].p95, "one_thread": single[name].p50}
        if name == "encode":
            told["with_pixels_missing"] = mine["incomplete"].p50
            told["a_step"] = mine["step"].p50
        rows.append(Row(f"vision.{name}_ms", mine[name].p50, "lower", floor, goal, told))
    found = measured.apartment
    told = {}
    if found is not None:
        everything = found["all"]
        told = {
            "precision": everything.precision,
            "recall": everything.recall,
            "required": float(everything.right + everything.missed),
            **{name: one.f1 for name, one in found.items() if name != "all"},
        }
    f1 = None if found is None else found["all"].f1
    rows.append(Row("vision.apartment_f1", f1, "higher", 0.85, 0.97, told))
    added = measured.memory
    told = {}
    if added is not None:
        told = {"onnxruntime": added.onnxruntime, "after_pixels_missing": added.incomplete}
    value = None if added is None else added.added
    rows.append(Row("vision.rss_mb", value, "lower", 400.0, 150.0, told))
    return rows


def table(measured: Measured) -> Table:
    """Mean PSNR by degradation and step, beside the best baselines."""
    last = measured.curves[0].energies.shape[1]
    steps = [step for step in (0, 1, 2, 4) if step < last] + [last]
    made = Table(
        title="mean PSNR, dB (where pixels are missing: of those)",
        title_justify="left",
        box=SIMPLE,
        pad_edge=False,
    )
    titles = ["kind", "input", "block PCA", "best baseline", "none"]
    titles += [f"all {step}" if step == last else f"step {step}" for step in steps[1:]]
    titles += ["halted", "steps", "rho"]
    for title in titles:
        made.add_column(title, justify="left" if title == titles[0] else "right", no_wrap=True)
    rhos = vision_curves.energy_rhos(measured.curves)
    for one in measured.curves:
        name, best = one.best_baseline()
        made.add_row(
            one.kind,
            f"{psnr_db(one.baselines['input']).mean():.2f}",
            f"{psnr_db(one.baselines['block PCA']).mean():.2f}",
            f"{best:.2f} {name}",
            *[f"{one.psnr[:, step].mean():.2f}" for step in steps],
            f"{psnr_db(one.halted).mean():.2f}",
            f"{one.steps.mean():.1f}",
            f"{min(rho for (kind, _), rho in rhos.items() if kind == one.kind):.2f}",
        )
    return made
