"""What refining a frame's latent restores, what halting saves, and what is read from it.

Every picture is refined under every degradation, from the frame to the restored picture. PSNR is
of pixels in [0, 1]; where some are missing only those count, since the others are kept. Margins are
over the best of: the input (what is missing guessed from around it), the mean picture, grey, a
256-component block PCA (as many numbers as the latent has), and non-local means (the strength that
is best on the very pictures) or Telea's inpainting (radius 3 or 5).

Halted refinements are the engine's own and pay for energy and halting. They are held against all
steps; and against the cheapest plan that makes equally many steps of every frame and is no worse on
average: either the plugin's own steps, or sweeps over the frame without any error head. Times are
from the frame to the refined latent, which is what things are read from; decoding it into a picture
comes on top of each alike ("with_decoding"). What
halting loses is a part of what refinement gains over the first latent; where that is more than one
hundredth, or nothing is gained (below 0.1 dB), nothing is saved, and the row says 1.

The energy is held against the true error over pictures, within one degradation after one number of
steps, and the worst of all counts. Difficulty is what all steps together gain of a picture;
"steps_of_one_who_knows" is the number after which all but one hundredth of that is there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import vision_apartment, vision_curves, vision_figure, vision_timing
from benchmarks.apartment import seeds_of
from benchmarks.report import Row, add_seed, parser, publish, whole
from benchmarks.vision_baselines import BlockPCA, fitted, stored
from benchmarks.vision_curves import HARMED, Curves, Halting, psnr_db, spearman
from benchmarks.vision_pictures import IMAGES, Chosen, choose, read_pictures
from benchmarks.vision_run import Benchmark, Saving
from benchmarks.vision_timing import Memory, Times
from plugins.vision import VisionConfig, VisionPlugin

EXAMPLES: Final = """  python -m benchmarks.vision                        # the held-out photographs
  python -m benchmarks.vision --images DIR --limit 50  # your own pictures, any size
  python -m benchmarks.vision --quick
  python -m benchmarks.vision --images DIR --picture sheet.png"""
#: Of what refinement gains halting may lose so much.
MOST_LOST: Final = 0.01
_QUICK_PICTURES, _QUICK_SEEDS, _QUICK_TIMED = 8, 2, 2
_TIMED, _REPEATS, _GRAPH_RUNS = 25, 3, 200


@dataclass(frozen=True)
class Measured:
    """Everything that the rows are made of."""

    curves: Sequence[Curves]
    saving: Saving
    graphs: Mapping[int, Mapping[str, Times]]
    threads: int
    apartment: Mapping[str, vision_apartment.Found] | None
    memory: Memory | None

    @property
    def halting(self) -> Halting:
        """What halting costs in quality."""
        return vision_curves.halting_of(self.curves)

    def of(self, kind: str) -> Curves:
        """The curves of one degradation."""
        return next(one for one in self.curves if one.kind == kind)

    @property
    def told_steps(self) -> list[int]:
        """After these steps the energy is held against the truth."""
        last = self.curves[0].energies.shape[1]
        return sorted({step for step in (1, 2, 4, last) if step <= last})


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
    rows.append(Row("vision.margin_single_pass", mean, "higher", 0.3, 1.5, gains))
    return rows


def halting_rows(measured: Measured) -> list[Row]:
    """Whether the energy tells the truth, and what stopping by it saves."""
    halting, saving = measured.halting, measured.saving
    rhos = vision_curves.energy_rhos(measured.curves, measured.told_steps)
    worst = min(rhos, key=lambda where: rhos[where])
    by_kind = {
        one.kind: min(rhos[one.kind, step] for step in measured.told_steps)
        for one in measured.curves
    }
    ratio, low, high = vision_timing.ratio_interval(saving.full, saving.halted)
    claimed = halting.worthwhile and halting.part_lost <= MOST_LOST
    plan = saving.best_plan
    fixed, fixed_low, fixed_high = vision_timing.ratio_interval(plan.times, saving.halted)
    decoding = measured.graphs[measured.threads]["decode"].p50

    def with_decoding(above: Times) -> float:
        pictures = decoding * len(above.by_input)
        return (above.total + pictures) / (saving.halted.total + pictures)

    steps = np.concatenate([one.steps for one in measured.curves])
    hard = vision_curves.difficulty(measured.curves)
    knowing = vision_curves.steps_of_one_who_knows(measured.curves, MOST_LOST)
    first = np.concatenate([one.errors[:, 1] for one in measured.curves])
    within = [spearman(one.steps, vision_curves.difficulty([one])) for one in measured.curves]
    return [
        Row(
            "vision.energy_rho",
            rhos[worst],
            "higher",
            0.6,
            0.85,
            {"worst_step": float(worst[1]), **by_kind},
        ),
        Row(
            "vision.saving_full",
            ratio if claimed else 1.0,
            "higher",
            2.0,
            4.0,
            {
                "ratio": ratio,
                "low": low,
                "high": high,
                "part_lost": halting.part_lost,
                "full_ms_p50": saving.full.p50,
                "halted_ms_p50": saving.halted.p50,
                "halted_ms_p95": saving.halted.p95,
                "steps_mean": float(steps.mean()),
                "with_decoding": with_decoding(saving.full),
            },
        ),
        Row(
            "vision.saving_fixed",
            fixed if halting.worthwhile else min(fixed, 1.0),
            "higher",
            1.05,
            1.3,
            {
                "low": fixed_low,
                "high": fixed_high,
                "halted_db": halting.halted,
                "with_decoding": with_decoding(plan.times),
                **{
                    f"over_{one.name}": one.times.total / saving.halted.total
                    for one in saving.planned
                },
                **{f"{one.name}_steps": float(one.steps) for one in saving.planned},
                **{f"{one.name}_ms_p50": one.times.p50 for one in saving.planned},
                **{f"{one.name}_db": one.psnr for one in saving.planned},
            },
        ),
        Row(
            "vision.halt_rho",
            spearman(steps, hard),
            "higher",
            0.3,
            0.6,
            {
                "within_a_degradation": float(np.mean(within)),
                "error_after_step_1": spearman(steps, first),
                "steps_of_one_who_knows": spearman(steps, knowing),
            },
        ),
    ]


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
    rhos = vision_curves.energy_rhos(measured.curves, measured.told_steps)
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
            f"{min(rhos[one.kind, step] for step in measured.told_steps):.2f}",
        )
    return made


def _options(arguments: Sequence[str] | None) -> Any:
    made = parser("vision", str(__doc__), EXAMPLES)
    made.add_argument("--images", type=Path, default=IMAGES, metavar="DIR", help="what is scored")
    made.add_argument(
        "--train",
        type=Path,
        metavar="DIR",
        help="photographs that baselines learn from, but every eighth (default: the training ones)",
    )
    made.add_argument("--seeds", default="0:12", metavar="A:B", help="apartments (default 0:12)")
    made.add_argument(
        "--limit",
        type=whole("--limit", 1, 1_000_000),
        metavar="N",
        help="score N pictures, drawn with --seed (default: all)",
    )
    add_seed(made, help="of degradations, and of --limit (default 0)")
    made.add_argument("--threads", type=whole("--threads", 1, 64), default=2, help="default 2")
    made.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="only draw restorations side by side (.png, .jpg)",
    )
    return made.parse_args(arguments)


def _picked(asked: Any) -> Chosen:
    limit = asked.limit or 0
    if asked.quick:
        limit = min(limit or _QUICK_PICTURES, _QUICK_PICTURES)
    return choose(asked.images, asked.train, limit, asked.seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the rows where asked."""
    asked = _options(arguments)
    seeds = seeds_of(asked.seeds)
    vision_apartment.check_seeds(seeds)
    if asked.quick:
        seeds = seeds[:_QUICK_SEEDS]
    chosen = _picked(asked)
    pictures = read_pictures(chosen.scored)
    vision = VisionPlugin(VisionConfig(threads=asked.threads))
    if asked.picture is not None:
        print(vision_figure.draw(vision, pictures, asked.seed, asked.picture))
        return 0
    with Progress(console=Console(stderr=True), transient=True) as bar:
        pca = _block_pca(vision, chosen, asked.quick, bar)
        print(f"{len(pictures)} pictures: {chosen.note}; block PCA {pca.source}")
        run = Benchmark(vision, pictures, pca, asked.seed, bar)
        curves = run.curves()
        timed, repeats = (_QUICK_TIMED, 1) if asked.quick else (_TIMED, _REPEATS)
        saving = run.saving(vision_curves.halting_of(curves), timed, repeats)
        runs = _GRAPH_RUNS // 4 if asked.quick else _GRAPH_RUNS
        measured = Measured(
            curves,
            saving,
            {n: run.graph_times(n, runs) for n in sorted({1, asked.threads})},
            asked.threads,
            run.apartment(seeds),
            vision_timing.memory(asked.threads),
        )
    _show(measured, asked, chosen, pca)
    return 0


def _block_pca(vision: VisionPlugin, chosen: Chosen, quick: bool, bar: Progress) -> BlockPCA:
    """Fitted to the photographs that training knows; the stored one where that takes too long."""
    if quick or not chosen.learnt:
        return stored(vision)
    task = bar.add_task("block PCA", total=len(chosen.learnt))
    return fitted(chosen.learnt, lambda: bar.advance(task))


def _show(measured: Measured, asked: Any, chosen: Chosen, pca: BlockPCA) -> None:
    Console(width=120, highlight=False).print(table(measured))
    rows = rows_of(measured)
    halting, saving = measured.halting, measured.saving
    if halting.part_lost > MOST_LOST:
        print(
            f"halting loses {halting.lost:.3f} dB of {halting.gained:.3f} dB gained "
            f"({halting.part_lost:.1%}): more than {MOST_LOST:.0%}, so nothing counts as saved"
        )
    value = {row.id.removeprefix("vision."): row.value for row in rows}
    found = value["apartment_f1"]
    publish(
        "vision",
        rows,
        f"full refinement {value['margin_noise50']:+.2f} dB over the best baseline under noise, "
        f"{value['margin_holes']:+.2f} dB in holes, {value['margin_single_pass']:+.2f} dB over one "
        f"step; halting {value['saving_full']:.2f} times as fast as all steps with "
        f"{halting.part_lost:.1%} of the gain lost, {value['saving_fixed']:.2f} times as fast as "
        f"{saving.best_plan.steps} steps of every frame ({saving.best_plan.name}); "
        f"apartment F1 {'not measured' if found is None else f'{found:.3f}'}",
        asked.json,
        pictures={"scored": len(chosen.scored), "from": chosen.note, "block_pca": pca.source},
        seed=asked.seed,
        threads=asked.threads,
        degradations={
            one.kind: {
                "psnr_by_step": one.psnr.mean(0).tolist(),
                "psnr_halted": float(psnr_db(one.halted).mean()),
                "halting_steps": np.bincount(one.steps).tolist(),
                "reasons": sorted({reason.value for reason in one.reasons}),
                "baselines": {
                    name: float(psnr_db(errors).mean()) for name, errors in one.baselines.items()
                },
            }
            for one in measured.curves
        },
        energy_rho={
            f"{kind} {step}": rho
            for (kind, step), rho in vision_curves.energy_rhos(
                measured.curves, measured.told_steps
            ).items()
        },
    )


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
