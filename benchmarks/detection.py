"""A detector that looks where it matters, against one that looks everywhere, in every frame.

Over the same consecutive frames of one video, frame by frame in one run:

- reference: the whole frame and every crop, of every frame;
- ours: the detection plugin, which looks while a look is worth it;
- the whole frame alone.

All keep what they know from frame to frame in the same way, the reference too (scores smoothed,
hysteresis at the threshold, boxes carried along with motion): where they differ is where they
look. Beside them, over what the reference's looks saw: a fixed number of looks per frame (as many
as ours makes, rounded up) at random, in turn, and at the largest expected gains, the whole frame
first; the reference at every n-th frame only (again as many looks), and at every second, carried
along between; and ``memoryless``, which is every crop of every frame, each frame by itself.

What a plan that expects nothing would save is "losing 1 %": the crops of a frame per look of the
fewest looks, in turn or at random, or in the fewest frames, with which it loses no more than ours
may; ours has "crops per look". They are chosen on these very frames, in its favour. The whole frame
at its "best threshold" is chosen so, too.

F1 is held against the reference, class by class, one to one at an intersection over union of 0.5,
of what is reported at the score ``--threshold``; near the threshold too, where scores flicker.
What this says: looking less costs so much of what the same plugin reports when it looks everywhere.

What it does not say is how near that is to the detector's every crop of a frame without a past,
``memoryless``: smoothing differs from it, on purpose, wherever scores flicker. "by itself" holds
every run against that, at the same threshold. ``unsmoothed`` is ours without smoothing and
hysteresis, of which every crop of every frame would be exactly ``memoryless``; it is run once with
the same worth of a look and once with a tenth of it, which looks more and loses less.

Printed, and deciding nothing: both again "clear" of the threshold, without what the reference gives
a score within 0.1 of it, as unclear regions are ignored on COCO (it counts neither where it is
missed nor where it is found).

All begin with ``--lead-in`` frames that are neither scored nor timed. What a look must be worth is
``--min-gain``; as shipped it was chosen on other frames of the same video (100 to 219 and 500 to
579 of vtest.avi). Where ours loses more than 1 % of F1, it has saved nothing: the row says 1.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.detection_runs import RecordedLooks, Run, f1
from benchmarks.detection_trivial import Replay, best_threshold
from benchmarks.report import Row, parser, percentile, publish, real, whole
from models.detection import DetectorConfig, open_detector
from plugins.detection import DetectionConfig, DetectionPlugin
from sage.irp.errors import DeviceError, SageError
from sage.values import UInt8Array

_DATA: Final = Path("../shared/data")
_MOST_LOST: Final = 0.01
_FINER: Final = "unsmoothed, finer"
_BAND: Final = 0.1  # around the threshold: what scores so is unclear


def frames_of(path: Path, start: int | None, count: int) -> Iterator[UInt8Array]:
    """Consecutive frames of a video, from its middle unless said; DeviceError if there are none."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise DeviceError(f"video {path} cannot be opened")
        if start is None:
            length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            start = max(0, min(length // 2, length - count))
        for _ in range(start):
            capture.grab()
        for number in range(count):
            read, bgr = capture.read()
            if not read:
                if number < 2:
                    raise DeviceError(f"video {path} has no two frames from frame {start} on")
                return
            yield np.ascontiguousarray(bgr[..., ::-1], np.uint8)
    finally:
        capture.release()


def main(arguments: list[str] | None = None) -> int:
    """Run it; 2 where an argument or a file cannot be used."""
    made = parser(
        "detection",
        "detection: what looking where it matters saves, and what it finds",
        "  python -m benchmarks.detection\n"
        "  python -m benchmarks.detection --video clip.mp4 --model yolo.onnx --labels names.txt\n",
    )
    made.add_argument("--video", type=Path, default=_DATA / "video/vtest.avi", metavar="FILE")
    made.add_argument("--model", type=Path, default=_DATA / "models/nanodet.onnx", metavar="FILE")
    made.add_argument("--labels", metavar="FILE", help="class names, one a line (COCO)")
    made.add_argument("--head", metavar="NAME", help="the family of its outputs (recognised)")
    made.add_argument(
        "--frames", type=whole("--frames", 2, 100_000), help="to score (90; 8 with --quick)"
    )
    made.add_argument("--lead-in", type=whole("--lead-in", 1, 10_000), help="before them (10; 3)")
    made.add_argument("--min-gain", type=real("--min-gain", 0.0, 1.0), help="a look's worth")
    made.add_argument("--start", type=whole("--start", 0, 10**7), help="first frame (the middle)")
    made.add_argument("--threshold", type=real("--threshold", 0.05, 0.95), metavar="SCORE")
    made.add_argument("--threads", type=whole("--threads", 1, 64), default=1, metavar="N")
    try:
        options = made.parse_args(arguments)
        _run(options)
    except SageError as error:
        print(f"benchmarks.detection: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    form = DetectorConfig.beside(options.model)
    form = dataclasses.replace(
        form, labels=options.labels or form.labels, head=options.head or form.head
    )
    detector = open_detector(options.model, form, threads=options.threads)
    config = DetectionConfig()
    if options.threshold is not None:
        config = dataclasses.replace(config, threshold=options.threshold)
    if options.min_gain is not None:
        config = dataclasses.replace(config, min_gain=options.min_gain)
    count = options.frames or (8 if options.quick else 90)
    first = options.lead_in or (3 if options.quick else 10)

    recorded = RecordedLooks(detector)
    exhaustive = DetectionPlugin(dataclasses.replace(config, min_gain=0.0), recorded)
    reference = Run("reference", exhaustive)
    ours = Run("ours", DetectionPlugin(config, detector))
    alone = Run("whole frame", DetectionPlugin(dataclasses.replace(config, zooms=()), detector))
    pictures: list[UInt8Array] = []
    for number, rgb in enumerate(frames_of(options.video, options.start, first + count)):
        recorded.frame = number
        for run in (reference, ours, alone) if number % 2 else (alone, ours, reference):
            run.see(rgb, number)
        pictures.append(rgb)
    if len(pictures) - first < 1:
        raise DeviceError(
            f"video {options.video} is too short: only {len(pictures)} frames, all to lead in"
        )

    crops = len(recorded.regions)
    looks = -(-sum(ours.looks[first:]) // (len(pictures) - first))
    idle = DetectionPlugin(dataclasses.replace(config, min_gain=1.0), recorded)
    whole_frame = DetectionPlugin(dataclasses.replace(config, zooms=()), recorded)
    replay = Replay(pictures, recorded, exhaustive, idle, reference.found, first, _MOST_LOST)
    others = [
        replay.fixed(looks, "gain", "fixed, largest gains"),
        replay.fixed(looks, "turns", "fixed, in turn"),
        replay.fixed(looks, "random", "fixed, random"),
        replay.skipping(max(1, crops // max(1, looks)), "every n-th frame"),
        replay.skipping(2, "every second frame"),
        replay.see(Run("memoryless", exhaustive, remembers=False)),
        replay.see(Run("whole, memoryless", whole_frame, remembers=False)),
    ]
    raw = dataclasses.replace(config, margin=0.0, pace=1.0)
    finer = dataclasses.replace(raw, min_gain=0.1 * config.min_gain)
    others += [
        replay.see(Run("unsmoothed", DetectionPlugin(raw, recorded))),
        replay.see(Run(_FINER, DetectionPlugin(finer, recorded))),
    ]
    trivial = {
        "in turn, losing 1 %": replay.saved_by("turns"),
        "random, losing 1 %": replay.saved_by("random"),
        "skipping frames, losing 1 %": replay.saved_by_skipping(),
    }
    _print(options, config, first, crops, [reference, ours, alone], others, trivial)


def _band(config: DetectionConfig) -> tuple[float, float]:
    """The scores between which the reference is unclear."""
    return config.threshold - _BAND, config.threshold + _BAND


def _print(
    options: argparse.Namespace,
    config: DetectionConfig,
    first: int,
    crops: int,
    timed: list[Run],
    others: list[Run],
    trivial: Mapping[str, float],
) -> None:
    reference, ours, alone = timed
    table = Table(
        title=f"F1 against every crop of every frame, score {config.threshold:g} "
        f"({config.threshold - _BAND:g} to {config.threshold + _BAND:g} is unclear), "
        f"{len(ours.found) - first} frames; a look must be worth {config.min_gain:g}",
        title_justify="left",
    )
    low, high = _band(config)
    by_itself = next(run for run in others if run.name == "memoryless").found
    titles = ("run", "F1", "clear", "by itself", "clear", "looks/frame", "p50 ms", "p95 ms")
    for title in titles:
        table.add_column(title)
    scores, clear, alike = {}, {}, {}
    for run in (*timed, *others):
        scores[run.name] = f1(run.found, reference.found, first, 0.0, 0.0)
        clear[run.name] = f1(run.found, reference.found, first, low, high)
        alike[run.name] = f1(run.found, by_itself, first, 0.0, 0.0)
        times_ms = [1e3 * seconds for seconds in run.seconds[first:]]
        table.add_row(
            run.name,
            f"{scores[run.name]:.4f}",
            f"{clear[run.name]:.4f}",
            f"{alike[run.name]:.4f}",
            f"{f1(run.found, by_itself, first, low, high):.4f}",
            f"{np.mean(run.looks[first:]):.2f}",
            *(
                (f"{percentile(times_ms, 0.5):.1f}", f"{percentile(times_ms, 0.95):.1f}")
                if run in timed
                else ("", "")
            ),
        )
    Console(width=130, highlight=False).print(table)
    lost = 1.0 - scores["ours"]
    measured = sum(reference.seconds[first:]) / sum(ours.seconds[first:])
    saving = measured if lost <= _MOST_LOST else 1.0
    whole_f1 = max(scores["whole frame"], scores["whole, memoryless"])
    margin = scores["ours"] - whole_f1
    best = max(
        best_threshold(run.found, reference.found, first)
        for run in (alone, *others)
        if run.name.startswith("whole")
    )
    clear_margin = clear["ours"] - max(clear["whole frame"], clear["whole, memoryless"])
    unsmoothed = {}
    for run in others:
        if run.name.startswith("unsmoothed"):
            unsmoothed[f"{run.name}: crops per look"] = crops / float(
                np.mean(run.looks[first:]) or np.inf
            )
            unsmoothed[f"{run.name}: F1 lost by itself"] = 1.0 - alike[run.name]
    rows = [
        Row(
            "detection.saving",
            saving,
            "higher",
            3.0,
            8.0,
            {
                "measured": measured,
                "F1 lost": lost,
                "F1 lost of what is clear": 1.0 - clear["ours"],
                "F1 lost by itself": 1.0 - alike["ours"],
                "crops per look": crops / float(np.mean(ours.looks[first:]) or np.inf),
                **trivial,
                **{f"{run.name}: F1 lost": 1.0 - scores[run.name] for run in others[:5]},
                **unsmoothed,
                "whole frame": sum(reference.seconds[first:]) / sum(alone.seconds[first:]),
            },
        ),
        Row(
            "detection.margin_whole_frame",
            margin,
            "higher",
            0.02,
            0.1,
            {
                "of what is clear": clear_margin,
                "whole frame, best threshold": best - whole_f1,
                **{n: score - whole_f1 for n, score in scores.items() if n.startswith("fixed")},
            },
        ),
    ]
    publish(
        "detection",
        rows,
        f"{saving:.1f}x less time than every crop of every frame, {100.0 * lost:.2f} % of F1 lost "
        f"({100.0 * (1.0 - clear['ours']):.2f} % of what is clear)",
        options.json,
        scores=scores,
        clear=clear,
        by_itself=alike,
        video=str(options.video),
        model=str(options.model),
        min_gain=config.min_gain,
        frames=len(ours.found) - first,
        threshold=config.threshold,
    )


if __name__ == "__main__":
    raise SystemExit(main())
