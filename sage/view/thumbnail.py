"""A camera picture in a terminal: two pixels to a character cell, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sage.values import Detection, UInt8Array

Cells = list[list[str]]
"""Rows of cells; each is a colour sequence and, last, its one character."""

BOX_COLOURS = ("#ffb000", "#00d7ff", "#ff5faf", "#87ff5f", "#d787ff", "#ffff5f")

_OUTLINE_COLUMNS = 40
_SHADES = " .:-=+*#%@"
_BOX_RGB = tuple(
    tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5)) for colour in BOX_COLOURS
)
_CUBE_STEPS = np.array([48, 115, 155, 195, 235])  # between the levels of the 6 x 6 x 6 cube


def size_for(shape: tuple[int, ...], width: int, height: int) -> tuple[int, int]:
    """The largest (columns, rows) of cells inside the given ones that keep a picture's shape."""
    aspect = shape[1] / shape[0]
    columns = min(width, round(2 * height * aspect))
    return max(1, columns), max(1, min(height, round(columns / aspect / 2)))


def shrink(rgb: UInt8Array, columns: int, rows: int) -> UInt8Array:
    """The picture at ``rows`` x ``columns`` pixels, each the mean of four samples."""
    height, width = rgb.shape[:2]
    y = ((np.arange(2 * rows) + 0.5) * (height / (2 * rows))).astype(np.intp)
    x = ((np.arange(2 * columns) + 0.5) * (width / (2 * columns))).astype(np.intp)
    picked = rgb[y][:, x].astype(np.uint16)
    halved = picked[0::2] + picked[1::2]
    return np.asarray((halved[:, 0::2] + halved[:, 1::2]) >> 2, dtype=np.uint8)


def draw_boxes(
    pixels: UInt8Array, shape: tuple[int, ...], detections: Sequence[Detection]
) -> UInt8Array:
    """The small picture with the detections' outlines, in the colours of their list."""
    drawn = pixels.copy()
    rows, columns = pixels.shape[:2]
    scale = np.array([columns / shape[1], rows / shape[0]] * 2)
    limits = np.array([columns - 1, rows - 1] * 2)
    # The surest comes last, so that it lies on top.
    for index, found in reversed(list(enumerate(detections))):
        corners = np.asarray(found.box_px, dtype=np.float64) * scale
        if not np.all(np.isfinite(corners)):
            continue
        left, top, right, bottom = np.clip(np.floor(corners), 0, limits).astype(int)
        x, y = np.arange(left, right + 1), np.arange(top, bottom + 1)
        if columns < _OUTLINE_COLUMNS:  # whole outlines would hide what they surround
            x = x[np.minimum(x - left, right - x) <= (right - left) // 4]
            y = y[np.minimum(y - top, bottom - y) <= (bottom - top) // 4]
        colour = _BOX_RGB[index % len(_BOX_RGB)]
        drawn[top, x] = drawn[bottom, x] = drawn[y, left] = drawn[y, right] = colour
    return drawn


def thumbnail(
    rgb: UInt8Array,
    detections: Sequence[Detection],
    columns: int,
    rows: int,
    *,
    colours: int,
    half_blocks: bool,
) -> Cells:
    """A picture as ``rows`` x ``columns`` cells.

    Args:
        rgb: (height, width, 3) uint8, red first.
        detections: outlined in the picture where it has colour.
        columns: cells across.
        rows: cells down.
        colours: how many the terminal has; with fewer than 256 the picture is shades of characters.
        half_blocks: whether it can show the upper-half block, which doubles the rows.
    """
    if colours < 256:
        grey = shrink(rgb, columns, rows) @ np.array([0.299, 0.587, 0.114])
        shades = (grey * (len(_SHADES) / 256.0)).astype(int)
        return [[_SHADES[shade] for shade in row] for row in shades.tolist()]
    pixels = shrink(rgb, columns, 2 * rows if half_blocks else rows)
    codes = _codes(draw_boxes(pixels, rgb.shape, detections), exact=colours > 256)
    cell = _exact_cell if colours > 256 else _cube_cell
    if half_blocks:
        pairs = (codes[::2] << 15) | codes[1::2]
        return [[cell(pair, "▀") for pair in row] for row in pairs.tolist()]
    return [[cell(code, " ") for code in row] for row in codes.tolist()]


def _codes(pixels: UInt8Array, *, exact: bool) -> npt.NDArray[np.int64]:
    """Each pixel as one number: five bits a channel, or its place in the 256-colour cube."""
    if exact:
        return np.asarray((pixels >> 3).astype(np.int64) @ np.array([1024, 32, 1]))
    return np.asarray(16 + np.searchsorted(_CUBE_STEPS, pixels) @ np.array([36, 6, 1]))


@lru_cache(maxsize=32_768)
def _exact_cell(code: int, character: str) -> str:
    lower = _rgb(code & 0x7FFF)
    if character == " ":
        return f"\x1b[48;2;{lower}m "
    return f"\x1b[38;2;{_rgb(code >> 15)};48;2;{lower}m{character}"


def _rgb(code: int) -> str:
    red, green, blue = ((code >> shift & 31) * 255 // 31 for shift in (10, 5, 0))
    return f"{red};{green};{blue}"


@lru_cache(maxsize=32_768)
def _cube_cell(code: int, character: str) -> str:
    if character == " ":
        return f"\x1b[48;5;{code}m "
    return f"\x1b[38;5;{code >> 15};48;5;{code & 0x7FFF}m{character}"
