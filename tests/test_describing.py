"""A scene in one line."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.describing import MAX_CHARS, describe
from sage.values import Detection, Scene

BOX = (0.0, 0.0, 9.0, 9.0)


def thing(
    label: str, distance_m: float | None = 1.0, bearing_deg: float = 0.0, sure: float = 0.9
) -> Detection:
    return Detection(label, sure, BOX, math.radians(bearing_deg), distance_m)


def test_room_things_and_where_they_are() -> None:
    things = (
        thing("mug", 2.6, 5.0),
        thing("dining table", 2.0, 25.0),
        thing("person", 1.2, -4.0),
        thing("mug", 2.5, -20.0),
        thing("apple", 3.0, -30.0),
    )
    assert describe(Scene(0.0, things, "kitchen", 0.95)) == (
        "in the kitchen: a person 1.2 m ahead, a dining table on the left at 2.0 m, two mugs, "
        "an apple on the right at 3.0 m"
    )


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (Scene(0.0, (), "kitchen", 0.9), "in the kitchen: nothing that I know"),
        (Scene(0.0, (), "kitchen", 0.5), "perhaps in the kitchen: nothing that I know"),
        (Scene(0.0, (), "kitchen", 0.2), "in a room that I cannot tell: nothing that I know"),
        (Scene(0.0, ()), "nothing that I know"),
        (Scene(0.0, (thing("car", None),) * 2 + (thing("bus", None),)), "a bus, two cars"),
        (Scene(0.0, (thing("person"),) * 12), "12 people"),
        (Scene(0.0, (thing("milk", 0.8),)), "milk 0.8 m ahead"),
        (Scene(0.0, (thing("box", 0.8, sure=0.3),)), "perhaps a box 0.8 m ahead"),
    ],
)
def test_what_is_not_known_is_said(scene: Scene, words: str) -> None:
    assert describe(scene) == words


def test_near_and_certain_come_first_whatever_their_order() -> None:
    far, unsure, near = thing("bed", 3.0), thing("box", 0.9, sure=0.35), thing("desk", 0.8)
    for things in ((far, unsure, near), (near, far, unsure), (unsure, near, far)):
        told = describe(Scene(0.0, things))
        assert told == "a desk 0.8 m ahead, a bed 3.0 m ahead, perhaps a box 0.9 m ahead"


def test_what_does_not_fit_is_counted() -> None:
    things = tuple(thing(f"thing number {n}", 1.0 + n, 40.0) for n in range(9))
    told = describe(Scene(0.0, things, "living room", 0.9))
    assert told.startswith("in the living room: a thing number 0 on the left at 1.0 m, ")
    assert told.endswith(", 7 more")
    assert len(told) <= MAX_CHARS


LABELS = st.text(min_size=1, max_size=200)


@given(
    st.lists(
        st.builds(
            thing,
            LABELS,
            st.none() | st.floats(0.0, 99.0),
            st.floats(-180.0, 180.0),
            st.floats(0.0, 1.0),
        ),
        max_size=20,
    ),
    st.none() | LABELS,
    st.floats(0.0, 1.0),
)
def test_any_scene_is_one_short_line(
    things: list[Detection], room: str | None, probability: float
) -> None:
    told = describe(Scene(0.0, tuple(things), room, probability))
    assert 0 < len(told) <= MAX_CHARS
    assert told.isprintable()
    assert told == describe(Scene(0.0, tuple(reversed(things)), room, probability))
