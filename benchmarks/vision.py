"""What refining a frame's latent restores, what halting saves, and what is read from it.

Every picture is refined under every degradation, from the frame to the restored picture. PSNR is
of pixels in [0, 1]; where some are missing only those count, since the others are kept. Margins are
over the best of: the input (what is missing guessed from around it), the mean picture, grey, a
256-component block PCA (as many numbers as the latent has), and non-local means (the strength that
is best on the very pictures) or Telea's inpainting (radius 3 or 5).

Halted refinements are the engine's own and pay for energy and halting. They are held against all
steps; and against the cheapest plan, made beforehand, of exactly the same mean PSNR: either the
plugin's own steps ("guided"), or sweeps over the frame without any error head. As no whole number
of steps has that PSNR, a plan makes the lower of two ("fewer", "more") of a part of all frames,
drawn at random, and the higher of the others; its PSNR and its time are mixed alike. Where no
number of steps gets there, the cheapest stands in that comes within 0.01 dB of the best that the
plan ever reaches, and "worse_by_db" says how much it lacks. "losing_1_percent" are plans that lose
what halting may lose; "steps_told_..." the mean steps of a plan as good as halting that is told
each frame's degradation, or only whether pixels are missing. "passes" refine the whole frame in one
call, again and again: larger steps than the plugin makes, which cannot end between, but cheaper
than as many windows; they are told beside the row and do not decide it. Times are from the frame to
the refined latent, which is what things are read from; decoding it into a picture comes on top of
each alike ("with_decoding"). What halting loses is a part of what refinement gains over the first
latent; where that is more than one hundredth, or nothing is gained (below 0.1 dB), nothing is
saved, and the row says 1.

The energy is held against the true error over pictures, within one degradation after one number of
steps, and the worst of all counts. Beside it is what needs no error head (the difference to the
frame, its variance, gradients of both), at its own worst and at the energy's. Blur is of a length
drawn for each picture; "blur_10px", always of the same, counts too. Step 1 refines one window of
the frame; "over_step_4" is what all steps gain over each part refined once, "over_simpler" over the
best baseline. Difficulty is what all steps together gain of a picture; "steps_of_one_who_knows" is
the number after which all but one hundredth of that is there, "degradation_alone" what steps would
say of it that were the same for all frames of a degradation.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks import vision_apartment, vision_curves, vision_figure, vision_timing
from benchmarks.apartment import seeds_of
from benchmarks.report import add_seed, parser, publish, whole
from benchmarks.vision_baselines import BlockPCA, fitted, stored
from benchmarks.vision_curves import MOST_LOST, psnr_db
from benchmarks.vision_pictures import IMAGES, Chosen, choose, read_pictures
from benchmarks.vision_rows import Measured, rows_of, table
from benchmarks.vision_run import Benchmark
from plugins.vision import VisionConfig, VisionPlugin

EXAMPLES: Final = """  python -m benchmarks.vision                        # the held-out photographs
  python -m benchmarks.vision --images DIR --limit 50  # your own pictures, any size
  python -m benchmarks.vision --quick
  python -m benchmarks.vision --images DIR --picture sheet.png"""
_QUICK_PICTURES, _QUICK_SEEDS, _QUICK_TIMED = 8, 2, 2
_TIMED, _REPEATS, _GRAPH_RUNS = 25, 3, 200


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
            run.fixed_blur(),
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
    plan = saving.best_plan
    if plan.short_db:
        print(
            f"no plan is as good as halted refinements ({halting.halted:.3f} dB): "
            f"{plan.name} is {plan.short_db:.3f} dB worse, and the cheapest that comes that near"
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
        f"{plan.mix.steps:.2f} steps of every frame ({plan.name}); "
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
            for (kind, step), rho in vision_curves.energy_rhos(measured.curves).items()
        },
    )


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
