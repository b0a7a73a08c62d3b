"""Experiences for the tests of the store."""

from __future__ import annotations

from typing import Any

import numpy as np

from memory.experience import Experience, Scores

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def unit(*values: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    vector = np.array(values, dtype=np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def experience(number: int = 0, **changes: Any) -> Experience:
    fields: dict[str, Any] = {
        "at_s": float(number),
        "wall_time": f"2026-01-31T12:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "modality": "scene",
        "summary": f"thing {number}",
        "scores": Scores(surprise=0.25, novelty=0.5),
        "salience": 0.5,
        "why": {"novelty": "Nothing was remembered to compare it with."},
        "embedding": unit(1.0, number, 0.5, -1.0),
        "payload": {"number": number, "labels": ["apple", None, True], "at": {"x_m": 0.1}},
        "picture": None,
    }
    return Experience(**{**fields, **changes})


def same(left: Experience, right: Experience) -> bool:
    """Whether two experiences are the same, bit by bit."""
    names = ("at_s", "wall_time", "modality", "summary", "scores", "salience", "picture")
    return (
        all(getattr(left, name) == getattr(right, name) for name in names)
        and dict(left.why) == dict(right.why)
        and dict(left.payload) == dict(right.payload)
        and left.embedding.dtype == right.embedding.dtype
        and left.embedding.tobytes() == right.embedding.tobytes()
    )
