"""Plain wordings for bringing, putting, following, guiding, saying and answering."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.irp.errors import ConfigError
from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    CATEGORIES,
    PEOPLE,
    ROOM_NAMES,
    objects_in_category,
    rooms_of,
)
from sage.skills.grammar import parse
from sage.skills.intent import INTENT_KINDS, PERSON, TOLD, Declined, Intent


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Could you fetch the coke from the fridge, please?", "bring me the coke from the fridge"),
        ("i want a coke", "bring me the coke"),
        ("get me something to drink", "bring me some drinks"),
        ("go get the milk", "bring me the milk"),
        ("bring the milk to Taylor", "bring the milk to Taylor"),
        ("give Taylor the apple", "bring the apple to Taylor"),
        ("bring the apple to the desk", "put the apple on the desk"),
        ("take this melon to the lounge", "bring the melon to the living room"),
        (
            "go to the kitchen, find the apple and bring it to me",
            "bring me the apple from the kitchen",
        ),
        (
            "get the mug from the desk, go to the sofa and give it to Jordan",
            "bring the mug from the desk to Jordan at the sofa",
        ),
        ("bring it here", "bring it to me"),
        ("put it on the coffee table", "put it on the coffee table"),
        ("drop it on the bed", "put it on the bed"),
        (
            "take the apple out of the fridge and put it on the bed",
            "take the apple from the fridge and put it on the bed",
        ),
        ("come with me", "follow me"),
        ("follow the person in the kitchen", "follow the person in the kitchen"),
        (
            "meet Taylor at the sofa, follow them, and go to the kitchen",
            "follow Taylor at the sofa to the kitchen",
        ),
        ("guide Taylor from the sofa to the kitchen", "guide Taylor at the sofa to the kitchen"),
        (
            "take the person in the kitchen to the bathroom",
            "guide the person in the kitchen to the bathroom",
        ),
        ("show me the way to the kitchen", "guide me to the kitchen"),
        ("find Alex in the bedroom and bring him here", "guide Alex in the bedroom back"),
        ("say hello", "say hello"),
        ("tell me what time it is", "tell me the time"),
        ("tell Morgan a joke", "say a joke to Morgan"),
        (
            "find someone in the bedroom and tell them the time",
            "say the time to a person in the bedroom",
        ),
        ("introduce yourself", "tell me something about yourself"),
        ("tell Taylor that dinner is ready", "say dinner is ready to Taylor"),
        ("i have a question", "answer a question"),
        ("answer Taylor's question", "answer a question to Taylor"),
        ("what is the capital of Canada?", "answer the question what is the capital of canada"),
        ("what time is it", "answer the question what time is it"),
    ],
)
def test_a_deed_is_understood(text: str, phrase: str) -> None:
    intent = parse(text)
    assert isinstance(intent, Intent), intent
    assert (intent.phrase, intent.text) == (phrase, text)


@pytest.mark.parametrize(
    ("text", "reason", "suggestions"),
    [
        ("put the coke on the sink", "2 rooms", ["put the coke on the sink in the kitchen"]),
        (
            "put it on the table",
            "several",
            ["put it on the side table", "put it on the dining table"],
        ),
        ("bring me the aple", "'aple'", ["bring me the apple"]),
        ("bring me the heaviest drink", "heaviest is not seen", ["bring me some drinks"]),
        ("bring me a fork", "not known by sight", []),
        ("follow the cat", "'cat'", []),
        ("follow it", "whom to follow", []),
        ("guide Robin", "where to guide Robin", ["guide Robin to the kitchen"]),
        ("guide the man in the kitchen to the bed", "man", []),
        ("answer the question of the dragon", "'the dragon'", []),
        ("don't follow me", "what not to do", []),
        ("bring me the apple and follow me", "one command", ["bring me the apple", "follow me"]),
    ],
)
def test_what_is_open_is_asked_back(text: str, reason: str, suggestions: list[str]) -> None:
    answer = parse(text)
    assert isinstance(answer, Declined), answer
    assert reason in answer.reason
    assert set(suggestions) <= set(answer.suggestions)
    assert bool(suggestions) == bool(answer.suggestions)


SPOTS = st.sampled_from(
    [
        (None, None),
        *((room, None) for room in ROOM_NAMES),
        *((room, name) for name in APARTMENT_FURNITURE for room in rooms_of(name)),
    ]
)
TOPS = st.sampled_from([(name, room) for name in APARTMENT_FURNITURE for room in rooms_of(name)])
ROOMS = st.sampled_from([(room, None) for room in ROOM_NAMES])
SEEN = [c for c in CATEGORIES if set(objects_in_category(c)) & set(APARTMENT_OBJECTS)]
THINGS = st.sampled_from([None, *APARTMENT_OBJECTS, *SEEN])
WHO = st.sampled_from([PERSON, *PEOPLE])


@st.composite
def _intents(draw: st.DrawFn) -> Intent:
    kind = draw(st.sampled_from(INTENT_KINDS[7:]))
    room, location = draw(SPOTS)
    if kind in ("say", "answer"):
        told = st.sampled_from([*TOLD, "hello", "dinner is ready"])
        words = draw(told) if kind == "say" else None
        person = draw(st.one_of(st.none(), WHO))
        if person is None:
            room = location = None
        return Intent(kind, None, "", room, location, person=person, words=words)
    if kind == "put":
        top, top_room = draw(TOPS)
        return Intent("put", draw(THINGS), "", room, location, top, top_room)
    if kind == "bring":
        person = draw(st.one_of(st.none(), WHO))
        ends = [st.just((None, None)), ROOMS, *([TOPS] if person else [])]
        to, to_room = draw(st.one_of(ends))
        return Intent("bring", draw(THINGS), "", room, location, to, to_room, person)
    to, to_room = draw(
        st.one_of(st.just((None, None)), ROOMS, *([TOPS] if kind == "guide" else []))
    )
    return Intent(kind, draw(WHO), "", room, location, to, to_room)


@settings(max_examples=400, deadline=None)
@given(_intents())
def test_the_phrase_of_an_intent_means_it(intent: Intent) -> None:
    answer = parse(intent.phrase)
    assert answer == replace(intent, text=intent.phrase), intent.phrase


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bring me " * 1200,
        "принеси мне яблоко",
        "\x00\x07\x1b[2J",
        "给我苹果",
        "bring \u202e me",
    ],
)
def test_bad_input_is_declined_in_one_sentence(text: str) -> None:
    answer = parse(text)
    assert isinstance(answer, Declined)
    assert answer.reason
    assert answer.reason.isprintable()
    assert len(answer.reason) < 400


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "put", "target": "apple"},
        {"kind": "put", "target": "apple", "to": "kitchen"},
        {"kind": "put", "target": "apple", "to": "desk", "to_room": "kitchen"},
        {"kind": "bring", "target": "dragon"},
        {"kind": "bring", "target": "apple", "person": "Nobody"},
        {"kind": "bring", "target": "apple", "words": "hello"},
        {"kind": "follow", "target": "apple"},
        {"kind": "follow", "target": None},
        {"kind": "follow", "target": "person", "to": "desk"},
        {"kind": "say", "target": None},
        {"kind": "say", "target": None, "words": " "},
        {"kind": "go", "target": "kitchen", "to": "desk"},
    ],
)
def test_an_intent_to_do_something_is_checked(values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"intent|nobody|words|there is no"):
        Intent(**values, text="")  # type: ignore[arg-type]


def test_furniture_of_one_room_brings_its_room() -> None:
    intent = Intent("put", "apple", "", location="fridge", to="desk")
    assert (intent.room, intent.to_room) == ("kitchen", "bedroom")
