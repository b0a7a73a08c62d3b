"""Names that were misheard are found by how they sound."""

from __future__ import annotations

import pytest

from models.hearing.near_misses import FARTHEST, distance, near_misses, phones


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("go to the nighting room", "go to the dining room"),
        ("put the coke on the boat shelf", "put the coke on the bookshelf"),
        ("bring the shampoo to aiden", "bring the shampoo to hayden"),
        ("find the towel in the tiny room", "find the towel in the dining room"),
        ("bring the tree to aiden", "bring the tray to hayden"),
    ],
)
def test_what_sounds_like_a_name_becomes_that_name(heard: str, said: str) -> None:
    found = dict(near_misses(heard))
    assert said in found
    assert heard not in found
    assert list(found.values()) == sorted(found.values())


@pytest.mark.parametrize(
    "text",
    [
        "go to the moon",  # sounds like nothing here
        "go to the kitchen",  # was heard rightly
        "",
        "tomorrow morning everybody should certainly remember yesterday's nighting room",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert near_misses(text) == []


def test_distance_is_by_sounds() -> None:
    dining, nighting, kitchen = (
        phones(word) for word in ("dining room", "nighting room", "kitchen")
    )
    assert dining is not None
    assert nighting is not None
    assert kitchen is not None
    assert distance(dining, dining) == 0.0
    assert distance(nighting, dining) <= FARTHEST < distance(kitchen, dining)
    assert distance(("AA",), ("AO",)) < distance(("AA",), ("K",))
    assert phones("xqzt") is None
