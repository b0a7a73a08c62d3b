"""Ink: the colours and the lettering that all of SAGE's pictures share."""

from __future__ import annotations

import colorsys
import zlib
from typing import Any

import cv2
import numpy as np

from sage.irp.errors import ConfigError
from sage.values import UInt8Array

Colour = tuple[int, int, int]

INK: Colour = (24, 27, 33)
FAINT: Colour = (138, 144, 156)
BRIGHT: Colour = (238, 240, 244)


def class_colour(label: str) -> Colour:
    """A bright colour that belongs to a label, the same in every run."""
    hue = (zlib.crc32(label.encode()) % 997) / 997.0
    red, green, blue = colorsys.hls_to_rgb(hue, 0.60, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def text_size(text: str, size: float, bold: bool) -> tuple[int, int]:
    """Width and height of a text in pixels."""
    font = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    return int(width), int(height)


def write(
    picture: UInt8Array, text: str, x: float, y: float, size: float, colour: Colour, bold: bool
) -> None:
    """Text whose baseline starts at (x, y)."""
    font = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, text, (round(x), round(y)), font, size, colour, 1, cv2.LINE_AA)


def fit(text: str, width_px: int, size: float, bold: bool = False) -> str:
    """The text, shortened to a width with an ellipsis where it is too long."""
    if text_size(text, size, bold)[0] <= width_px:
        return text
    while text and text_size(text + "...", size, bold)[0] > width_px:
        text = text[:-1]
    return text.rstrip() + "..." if text else ""


def readable_on(colour: Colour) -> Colour:
    """Dark or white ink, whichever reads better on a colour."""
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return INK if luminance > 140 else (255, 255, 255)


def check_picture(picture: Any, what: str) -> UInt8Array:
    """The picture, contiguous; ConfigError where it is not uint8 (height, width, 3)."""
    shape: tuple[int, ...] = getattr(picture, "shape", ())
    dtype = getattr(picture, "dtype", None)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or not picture.size:
        raise ConfigError(f"{what} is {dtype} {shape}; it must be uint8 (height, width, 3)")
    return np.ascontiguousarray(picture)


def chip(
    picture: UInt8Array, x: int, y: int, wide: int, high: int, colour: Colour, opacity: float
) -> None:
    """A translucent rectangle; what lies outside the picture is cut off."""
    area = picture[max(y, 0) : max(y + high, 0), max(x, 0) : max(x + wide, 0)]
    area[:] = np.round((1.0 - opacity) * area + opacity * np.array(colour)).astype(np.uint8)
