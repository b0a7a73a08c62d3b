"""An experience as a row of the store, and back: verbatim, and checked both ways."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np

from memory.experience import Experience, Scores
from sage.values import Float32Array

SCORES = ("surprise", "novelty", "arousal", "reward", "conflict")
COLUMNS = (
    *("at_s", "wall_us", "wall_time", "modality", "summary"),
    *SCORES,
    *("salience", "why", "payload", "embedding", "picture_bytes", "size_bytes"),
)
MOST_BYTES = 64 * 2**20  # of one experience
_PNG = b"\x89PNG\r\n\x1a\n"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Row = tuple[Any, ...]


def encode(experience: Experience, picture: bytes | None) -> Row:
    """The values of ``COLUMNS``.

    Tuples in the payload come back as lists, numpy's scalars as Python's.

    Raises:
        ValueError: the experience cannot be kept as it is; the text names the field.
    """
    why, payload = _json(experience.why, "why"), _json(experience.payload, "payload")
    embedding = np.ascontiguousarray(experience.embedding, dtype="<f4")
    if embedding.ndim != 1 or not np.isfinite(embedding).all():
        raise ValueError(f"embedding must be (D,) and finite, got shape {embedding.shape}")
    if picture is not None and not picture.startswith(_PNG):
        raise ValueError("picture must be a PNG")
    for name in ("modality", "summary", "wall_time"):
        _text(getattr(experience, name), name)
    if not experience.modality:
        raise ValueError("modality must not be empty")
    scores = experience.scores
    numbers = [_fraction(getattr(scores, name), name) for name in SCORES]
    picture_bytes = -1 if picture is None else len(picture)
    blob = embedding.tobytes()
    size = len(why) + len(payload) + len(blob) + max(picture_bytes, 0) + len(experience.summary)
    if size > MOST_BYTES:
        raise ValueError(f"an experience may have {MOST_BYTES} bytes at most, got {size}")
    return (
        _finite(experience.at_s, "at_s"),
        wall_us(experience.wall_time),
        experience.wall_time,
        experience.modality,
        experience.summary,
        *numbers,
        _fraction(experience.salience, "salience"),
        why,
        payload,
        blob,
        picture_bytes,
        size,
    )


def decode(row: Sequence[Any], picture: bytes | None) -> Experience:
    """The experience of a row as ``COLUMNS``; ValueError naming the field that is damaged."""
    values = dict(zip(COLUMNS, row, strict=True))
    if picture is not None and not (isinstance(picture, bytes) and picture.startswith(_PNG)):
        raise ValueError("picture is no PNG")
    return Experience(
        at_s=_finite(values["at_s"], "at_s"),
        wall_time=_text(values["wall_time"], "wall_time"),
        modality=_text(values["modality"], "modality"),
        summary=_text(values["summary"], "summary"),
        scores=Scores(*(_fraction(values[name], name) for name in SCORES)),
        salience=_fraction(values["salience"], "salience"),
        why=_sentences(values["why"]),
        embedding=decode_embedding(values["embedding"]),
        payload=_object(values["payload"], "payload"),
        picture=picture,
    )


def decode_embedding(blob: Any) -> Float32Array:
    """float32 (D,) of a stored embedding; ValueError where it is damaged."""
    if not isinstance(blob, bytes) or len(blob) % 4:
        raise ValueError("embedding is no whole number of float32 values")
    embedding = np.frombuffer(blob, dtype="<f4").astype(np.float32)
    if not np.isfinite(embedding).all():
        raise ValueError("embedding has values that are not finite")
    return embedding


def wall_us(wall_time: str) -> int:
    """Microseconds since 1970 of an ISO 8601 time, UTC unless it says another zone.

    Raises:
        ValueError: it is none.
    """
    text = wall_time[:-1] + "+00:00" if wall_time.endswith(("Z", "z")) else wall_time
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"wall_time must be ISO 8601, got {wall_time!r}") from error
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _json(value: Mapping[str, Any], name: str) -> str:
    try:
        _check_keys(value, name)
        return json.dumps(
            value, allow_nan=False, default=_plain, ensure_ascii=True, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not plain JSON: {error}") from error


def _check_keys(value: Any, name: str) -> None:
    """``json`` would turn other keys into text, which is not verbatim."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not text")
            _check_keys(item, name)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_keys(item, name)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is none of its types")


def _object(text: Any, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_float=_number, parse_constant=_number)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not a JSON object")
    return value


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _sentences(text: Any) -> dict[str, str]:
    value = _object(text, "why")
    for name, sentence in value.items():
        if not isinstance(sentence, str):
            raise ValueError(f"why says {sentence!r} of {name}, which is not text")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} must be valid Unicode: {error.reason}") from error
    return value


def _finite(value: Any, name: str) -> float:
    if isinstance(value, (str, bytes, type(None))) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def _fraction(value: Any, name: str) -> float:
    number = _finite(value, name)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {number}")
    return number
