"""Pictures side by side: what came in, after one step, halted, after all steps, and the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.vision_curves import (
    Refinement,
    error_of,
    inputs_of,
    observation_of,
    psnr_db,
    states_of,
)
from models.vision.layout import INPUT_PX
from plugins.vision import VisionPlugin
from sage.irp import refine
from sage.irp.errors import ConfigError
from sage.values import UInt8Array

#: Rows, each with the words beside it.
ROWS: Final = {
    "noise50": "noise, sigma 50",
    "dark50": "little light",
    "blur": "motion blur",
    "holes": "30 % hidden",
    "rows": "rows dropped",
}
_GAP_PX, _TITLE_PX, _SIDE_PX = 6, 26, 118
_JPEG_QUALITY: Final = 88
_PAPER, _INK = 255, (40, 40, 40)


def draw(vision: VisionPlugin, pictures: UInt8Array, seed: int, path: Path) -> str:
    """Write the figure, one picture (224, 224, 3) per row in turn; returns what it shows."""
    import cv2

    rows = [
        _row(vision, pictures[number % len(pictures)], kind, seed)
        for number, kind in enumerate(ROWS)
    ]
    columns = len(rows[0])
    pitch = INPUT_PX + _GAP_PX
    height = _TITLE_PX + len(rows) * (pitch + _TITLE_PX)
    sheet = np.full((height, _SIDE_PX + columns * pitch, 3), _PAPER, np.uint8)

    def write(text: str, left: int, base: int, scale: float = 0.45) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(sheet, text, (left, base), font, scale, _INK, 1, cv2.LINE_AA)

    for column, title in enumerate(("input", "step 1", "halted", "full", "target")):
        write(title, _SIDE_PX + column * pitch, _TITLE_PX - 9, 0.55)
    for number, (row, words) in enumerate(zip(rows, ROWS.values(), strict=True)):
        top = _TITLE_PX + number * (pitch + _TITLE_PX)
        write(words, 4, top + INPUT_PX // 2)
        for column, (picture, note) in enumerate(row):
            left = _SIDE_PX + column * pitch
            sheet[top : top + INPUT_PX, left : left + INPUT_PX] = picture
            write(note, left, top + INPUT_PX + 17)
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    if path.suffix.lower() in (".jpg", ".jpeg"):
        settings = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    try:
        written = cv2.imwrite(str(path), sheet[..., ::-1], settings)
    except cv2.error:  # no such format
        written = False
    if not written:
        raise ConfigError(f"--picture {path} cannot be written; give a .png or .jpg file")
    return f"{len(rows)} degradations of {min(len(pictures), len(rows))} pictures in {path}"


def _row(
    vision: VisionPlugin, picture: UInt8Array, kind: str, seed: int
) -> list[tuple[UInt8Array, str]]:
    """The columns of one row, each with the words under it."""
    harmed = inputs_of(picture[None], kind, seed)[0]
    observation = observation_of(harmed, 0)
    states = states_of(vision, observation)
    outcome = refine(Refinement(vision, halts=True), observation)
    if outcome.result is None:
        raise outcome.error or ConfigError("the refinement has no answer")
    steps = len(outcome.trajectory.energies)
    truth = picture.astype(np.float32) / np.float32(255.0)

    def told(guess: UInt8Array, words: str = "") -> tuple[UInt8Array, str]:
        error = error_of(guess.astype(np.float32) / np.float32(255.0), truth, harmed)
        return guess, f"{float(psnr_db(error)):.1f} dB{words}"

    shown = harmed.seen.copy()
    if harmed.missing is not None:
        shown[harmed.missing] = 128
    return [
        told(shown),
        told(vision.restored(states[1])),
        told(vision.restored(outcome.result), f", {steps} steps"),
        told(vision.restored(states[-1]), f", {vision.config.max_steps} steps"),
        (picture, ""),
    ]
