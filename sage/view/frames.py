"""Pictures of a run: what was seen in a frame, and a contact sheet of frames.

Pictures are uint8 RGB, height x width x 3, as in :class:`sage.values.Frame`; none is changed in
place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from sage.irp.errors import ConfigError, DeviceError
from sage.values import Detection, Scene, UInt8Array
from sage.view.floorplan import Mark, Occupancy, floor_plan
from sage.view.ink import (
    BRIGHT,
    FAINT,
    INK,
    Colour,
    check_picture,
    chip,
    class_colour,
    fit,
    readable_on,
    text_size,
    write,
)

__all__ = [
    "Mark",
    "Occupancy",
    "class_colour",
    "contact_sheet",
    "draw_scene",
    "floor_plan",
    "save_picture",
]

_NIGHT: Colour = (20, 22, 27)
_CARD: Colour = (33, 36, 43)


def draw_scene(rgb: UInt8Array, scene: Scene, *, min_width_px: int = 0) -> UInt8Array:
    """A copy of the frame with every detection's box and label, and the room.

    A frame narrower than ``min_width_px`` is enlarged first, so that labels stay readable.
    """
    picture = check_picture(rgb, "frame").copy()
    scale = max(1.0, min_width_px / picture.shape[1])
    if scale > 1.0:
        picture = _resize(picture, *(round(scale * side) for side in picture.shape[1::-1]))
    size = min(0.7, max(0.34, picture.shape[1] / 1100))
    taken: list[tuple[int, int, int, int]] = []
    for detection in sorted(scene.detections, key=lambda d: d.confidence):  # the surest on top
        _draw_box(picture, detection, scale)
    for detection in sorted(scene.detections, key=lambda d: -d.confidence):
        _draw_label(picture, detection, scale, size, taken)
    if scene.room:
        text = f"{scene.room}  {100 * scene.room_probability:.0f} %"
        width, height = text_size(text, size, True)
        pad = max(3, round(0.5 * height))
        bottom = picture.shape[0] - pad
        chip(picture, pad, bottom - height - 2 * pad, width + 2 * pad, height + 2 * pad, INK, 0.72)
        write(picture, text, 2 * pad, bottom - pad, size, BRIGHT, True)
    return picture


def _draw_box(picture: UInt8Array, detection: Detection, scale: float) -> None:
    left, top, right, bottom = (round(scale * edge) for edge in detection.box_px)
    colour = class_colour(detection.label)
    line = max(1, round(picture.shape[1] / 320))
    cv2.rectangle(picture, (left, top), (right, bottom), INK, line + 2, cv2.LINE_AA)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, line, cv2.LINE_AA)


def _draw_label(
    picture: UInt8Array,
    detection: Detection,
    scale: float,
    size: float,
    taken: list[tuple[int, int, int, int]],
) -> None:
    text = f"{detection.label} {100 * detection.confidence:.0f} %"
    if detection.distance_m is not None:
        text += f"  {detection.distance_m:.1f} m"
    colour = class_colour(detection.label)
    width, height = text_size(text, size, True)
    pad = max(2, round(0.35 * height))
    wide, high = width + 2 * pad, height + 2 * pad
    left, top, _, bottom = (round(scale * edge) for edge in detection.box_px)
    x = min(max(left, 0), max(0, picture.shape[1] - wide))
    # Above the box, else inside it, else below: the first place that is free and in the picture.
    for y in (top - high, top + 1, bottom + 1, bottom - high):
        clear = all(
            x >= x1 or x + wide <= x0 or y >= y1 or y + high <= y0 for x0, y0, x1, y1 in taken
        )
        if clear and 0 <= y <= picture.shape[0] - high:
            break
    else:
        y = min(max(top, 0), max(0, picture.shape[0] - high))
    taken.append((x, y, x + wide, y + high))
    chip(picture, x, y, wide, high, colour, 0.9)
    write(picture, text, x + pad, y + pad + height, size, readable_on(colour), True)


def contact_sheet(
    frames: Sequence[tuple[UInt8Array, str]],
    *,
    title: str = "SAGE",
    subtitle: str = "",
    columns: int | None = None,
    tile_width_px: int = 360,
) -> UInt8Array:
    """Frames on a dark sheet, each with its caption (up to two lines), under a header.

    A caption's first line is bright, its second faint; lines too long end in an ellipsis. Frames
    of different shapes are fitted into the shape of the first. Raises ConfigError where there is
    no frame.
    """
    if not frames:
        raise ConfigError("a contact sheet needs at least one frame")
    if not 64 <= tile_width_px <= 2048:
        raise ConfigError(f"tile_width_px is {tile_width_px}; it must be in [64, 2048]")
    if columns is None:
        columns = min(len(frames), max(2, math.ceil(math.sqrt(len(frames)))), 5)
    if columns < 1:
        raise ConfigError(f"columns is {columns}; it must be 1 or more")
    first = check_picture(frames[0][0], "frame 0")
    tile_height_px = max(16, round(tile_width_px * first.shape[0] / first.shape[1]))
    size = tile_width_px / 760
    line_px = round(34 * size * 1.25)
    lines = max((len(caption.split("\n")[:2]) for _, caption in frames), default=0)
    caption_px = lines * line_px + line_px // 2
    gap, margin = tile_width_px // 20, tile_width_px // 11
    header_px = round(tile_width_px * (0.30 if subtitle else 0.22))
    rows = math.ceil(len(frames) / columns)
    card_px = tile_height_px + caption_px
    width_px = 2 * margin + columns * tile_width_px + (columns - 1) * gap
    height_px = header_px + rows * card_px + (rows - 1) * gap + margin
    sheet = np.full((height_px, width_px, 3), _NIGHT, np.uint8)
    inner = width_px - 2 * margin
    write(
        sheet,
        fit(title, inner, 1.9 * size, True),
        margin,
        header_px * (0.46 if subtitle else 0.62),
        1.9 * size,
        BRIGHT,
        True,
    )
    if subtitle:
        write(
            sheet,
            fit(subtitle, inner, 1.15 * size),
            margin,
            header_px * 0.76,
            1.15 * size,
            FAINT,
            False,
        )
    for number, (picture, caption) in enumerate(frames):
        x = margin + (number % columns) * (tile_width_px + gap)
        y = header_px + (number // columns) * (card_px + gap)
        cv2.rectangle(sheet, (x, y), (x + tile_width_px - 1, y + card_px - 1), _CARD, -1)
        tile = _letterbox(check_picture(picture, f"frame {number}"), tile_width_px, tile_height_px)
        sheet[y : y + tile_height_px, x : x + tile_width_px] = tile
        for row, text in enumerate(caption.split("\n")[:2]):
            bold, colour = (True, BRIGHT) if row == 0 else (False, FAINT)
            inner = tile_width_px - line_px
            baseline = y + tile_height_px + (row + 1) * line_px
            write(
                sheet, fit(text, inner, size, bold), x + line_px // 2, baseline, size, colour, bold
            )
    return sheet


def _letterbox(picture: UInt8Array, width_px: int, height_px: int) -> UInt8Array:
    """The whole picture, as large as fits, in the middle of a dark tile."""
    scale = min(width_px / picture.shape[1], height_px / picture.shape[0])
    wide = min(width_px, max(1, round(picture.shape[1] * scale)))
    high = min(height_px, max(1, round(picture.shape[0] * scale)))
    tile = np.full((height_px, width_px, 3), INK, np.uint8)
    x, y = (width_px - wide) // 2, (height_px - high) // 2
    tile[y : y + high, x : x + wide] = _resize(picture, wide, high)
    return tile


def _resize(picture: UInt8Array, width_px: int, height_px: int) -> UInt8Array:
    how = cv2.INTER_AREA if width_px < picture.shape[1] else cv2.INTER_CUBIC
    resized: UInt8Array = np.asarray(
        cv2.resize(picture, (width_px, height_px), interpolation=how), dtype=np.uint8
    )
    return resized


def as_png(rgb: UInt8Array) -> bytes:
    """A picture as PNG, which loses nothing."""
    _, data = cv2.imencode(".png", check_picture(rgb, "picture")[:, :, ::-1])
    return data.tobytes()


def from_png(png: bytes) -> UInt8Array:
    """The picture that :func:`as_png` made; ValueError where it is none."""
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("these bytes are no picture")
    return np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8, copy=False)


def save_picture(path: Path, rgb: UInt8Array) -> None:
    """Write a PNG, whole or not at all; DeviceError names the path where it cannot be written."""
    png = as_png(rgb)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(png)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DeviceError(f"cannot write {path}: {error.strerror}") from None
