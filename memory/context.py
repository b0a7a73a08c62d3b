"""What led to something: the last seconds of everything that memory was told, in words."""

from __future__ import annotations

from typing import Any

from memory.ring import ContextRing
from sage.values import Odometry, Scene

CAPACITY = 1024
BYTE_BUDGET = 512 * 1024
_LINES_PER_MODALITY = 3
_MAX_TEXT_CHARS = 160
_MOMENT_BYTES = 250  # of a moment, its tuple, two numbers and an empty text
_STILL_M_S, _STRAIGHT_RAD_S = 0.02, 0.1


class Context:
    """The recent past, as one short line for each input of any modality; no pictures.

    What it holds is bounded by count and by bytes, whatever it is told. Safe from any thread.

    Args:
        within_s: how far back :meth:`before` looks.
    """

    def __init__(self, within_s: float = 10.0) -> None:
        self.within_s = within_s
        self.ring = ContextRing(CAPACITY, BYTE_BUDGET)

    def add(self, at_s: float, modality: str, salience: float, text: str) -> None:
        """Remember for a while that this was so."""
        if len(text) > _MAX_TEXT_CHARS:
            text = text[: _MAX_TEXT_CHARS - 3] + "..."
        # Up to four bytes a character in CPython, one where all of them are ASCII.
        size_bytes = _MOMENT_BYTES + len(text) * (1 if text.isascii() else 4)
        self.ring.add(at_s, modality, (salience, text), size_bytes)

    def before(self, at_s: float) -> list[list[Any]]:
        """``[seconds before at_s, modality, salience, text]`` a line, the oldest first.

        What stayed the same is one line, from when it began; of each modality the three most
        salient lines are told, and of equally salient ones the latest.
        """
        lines: dict[str, list[tuple[float, float, str]]] = {}
        for moment in self.ring.around(at_s, self.within_s):
            salience, text = moment.item
            told = lines.setdefault(moment.kind, [])
            if told and told[-1][2] == text:
                began_s, most, _ = told[-1]
                told[-1] = began_s, max(most, salience), text
            else:
                told.append((moment.at_s, salience, text))
        chosen = [
            (began_s, modality, salience, text)
            for modality, told in lines.items()
            for began_s, salience, text in sorted(told, key=_rank)[-_LINES_PER_MODALITY:]
        ]
        return [
            [round(at_s - began_s, 2), modality, round(salience, 3), text]
            for began_s, modality, salience, text in sorted(chosen)
        ]


def sighting(scene: Scene, because: str) -> str:
    """What is odd about a scene, or else the things in it by name."""
    if because:
        return because
    things = ", ".join(sorted({d.label for d in scene.detections})) or "nothing known"
    return f"{scene.room}: {things}" if scene.room else things


def motion(odometry: Odometry, because: str) -> str:
    """What is odd about how it moves, or else how in words: exact speeds never repeat."""
    if because:
        return because
    if abs(odometry.linear_m_s) < _STILL_M_S:
        along = ""
    else:
        along = "forwards" if odometry.linear_m_s > 0.0 else "backwards"
    if abs(odometry.angular_rad_s) < _STRAIGHT_RAD_S:
        turn = ""
    else:
        turn = "turning left" if odometry.angular_rad_s > 0.0 else "turning right"
    how = ", ".join(part for part in (along, turn) if part) or "standing still"
    return f"{how}, against something" if odometry.bumper else how


def _rank(line: tuple[float, float, str]) -> tuple[float, float]:
    began_s, salience, _ = line
    return round(salience, 2), began_s
