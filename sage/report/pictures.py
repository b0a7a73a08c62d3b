"""Pictures inside a page: made smaller, as data URIs."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

_QUALITY = 80
_LARGEST_BYTES = 64_000_000
_SUFFIXES = (".png", ".jpg", ".jpeg")


def picture_names(folder: Path) -> list[str]:
    """The pictures that lie in a run's folder, by name."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.suffix.lower() in _SUFFIXES and entry.is_file()
    )


def data_uris(
    folder: Path, names: Sequence[str], *, width_px: int, budget_bytes: int
) -> dict[str, str]:
    """JPEG data URIs by file name, at most ``width_px`` wide.

    What is no picture, does not lie in the folder itself, or no longer fits into the budget is
    left out.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        path = folder / name
        if Path(name).name != name or path.suffix.lower() not in _SUFFIXES or not path.is_file():
            continue
        body = _jpeg(path, width_px)
        if body is None:
            continue
        uri = "data:image/jpeg;base64," + base64.b64encode(body).decode("ascii")
        if len(uri) <= budget_bytes:
            budget_bytes -= len(uri)
            found[name] = uri
    return found


def _jpeg(path: Path, width_px: int) -> bytes | None:
    import cv2
    import numpy as np

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        logger.warning("%s is left out of the report: %s", path, error)
        return None
    if picture is None:
        logger.warning("%s is left out of the report: it is no picture", path)
        return None
    if picture.shape[1] > width_px:
        height_px = max(1, round(picture.shape[0] * width_px / picture.shape[1]))
        picture = cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA)
    done, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return coded.tobytes() if done else None
