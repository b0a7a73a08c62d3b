"""Plans that expect nothing of a look: how few they need, and what a threshold alone gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from benchmarks.detection_runs import FixedLooks, RecordedLooks, Run, f1
from plugins.detection import DetectionPlugin
from plugins.detection_memory import Things
from sage.values import UInt8Array

#: Scores from which a whole-frame pass might report; none below what is kept in mind.
THRESHOLDS: Final = tuple(round(0.25 + 0.05 * number, 2) for number in range(11))


class Replay:
    """Plans over frames whose looks were all recorded, held against what all looks found.

    Args:
        pictures: every frame; the first ``lead_in`` are not scored.
        recorded: the looks; ``exhaustive`` the plugin that made them, ``idle`` one that makes none.
        reference: what was found by all looks, frame by frame.
        most_lost: how much of F1 a plan may lose.
    """

    def __init__(
        self,
        pictures: Sequence[UInt8Array],
        recorded: RecordedLooks,
        exhaustive: DetectionPlugin,
        idle: DetectionPlugin,
        reference: list[Things],
        lead_in: int,
        most_lost: float,
    ) -> None:
        self._pictures = pictures
        self._recorded = recorded
        self._exhaustive = exhaustive
        self._idle = idle
        self._reference = reference
        self._lead_in = lead_in
        self._most_lost = most_lost

    def see(self, run: Run) -> Run:
        """Let it see every frame, and look only at what was recorded."""
        self._recorded.replay = True
        for number, rgb in enumerate(self._pictures):
            self._recorded.frame = number
            run.see(rgb, number)
        return run

    def lost(self, run: Run) -> float:
        """Of F1, against all looks."""
        return 1.0 - f1(run.found, self._reference, self._lead_in, 0.0, 0.0)

    def fixed(self, looks: int, rule: str, name: str = "") -> Run:
        """So many looks per frame; see :class:`benchmarks.detection_runs.FixedLooks`."""
        return self.see(Run(name, FixedLooks(self._exhaustive, self._recorded, looks, rule)))

    def skipping(self, every: int, name: str = "") -> Run:
        """All looks at every so many-th frame, none between."""
        return self.see(Run(name, self._exhaustive, every=every, idle=self._idle))

    def saved_by(self, rule: str) -> float:
        """Crops of a frame per look of the fewest looks that lose no more than is allowed.

        Found by bisection, as more looks lose less; 1 where only all looks will do.
        """
        crops = len(self._recorded.regions)

        def enough(looks: int) -> bool:
            return self.lost(self.fixed(looks, rule)) <= self._most_lost

        return crops / max(1, _fewest(enough, 1, crops))

    def saved_by_skipping(self) -> float:
        """The same for all looks at every n-th frame, over the frames that are scored."""
        every, made = 1, 1.0
        while every < len(self._pictures) - self._lead_in:
            run = self.skipping(every + 1)
            if self.lost(run) > self._most_lost:
                break
            every += 1
            looks = float(np.mean(run.looks[self._lead_in :]))
            made = len(self._recorded.regions) / max(looks, 1.0)
        return made


def _fewest(enough: Callable[[int], bool], low: int, high: int) -> int:
    """The least number in [low, high] that is enough, where ``high`` is."""
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return high


def best_threshold(found: list[Things], reference: list[Things], lead_in: int) -> float:
    """F1 of all that scores so much, at the threshold that is best on these very frames."""
    scores = []
    for least in THRESHOLDS:
        shown = [
            Things(one.boxes, one.boxes.scores >= least, one.unseen, one.unscored) for one in found
        ]
        scores.append(f1(shown, reference, lead_in, 0.0, 0.0))
    return max(scores)
