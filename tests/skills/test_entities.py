"""What a command names, found and replaced by class tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.ontology import CATEGORIES, OBJECTS, PEOPLE, ROOM_NAMES, furniture_names
from sage.skills import entities
from sage.skills.entities import CLASS_TOKENS, plain_words, tag
from sage.skills.meaning import Entity


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bring me the coke from the kitchen.", "bring me the <object> from the <room>"),
        ("go to the dining table", "go to the <location>"),
        ("go to the dining room", "go to the <room>"),
        ("GO TO THE LIVINGROOM!!", "go to the <room>"),
        ("how many apples are on the side table?", "how many <object> are on the <location>"),
        ("find the fruits", "find the <category>"),
        ("follow Jordan", "follow <name>"),
        ("answer jordan's question", "answer <name> 's question"),
        ("give it to the person waving", "give it to the person <gesture>"),
        ("the person raising their left arm", "the person <gesture>"),
        ("find someone and tell them what day it is", "find someone and tell them <whattosay>"),
        ("hello robot say hello to Alex", "hello robot say <whattosay> to <name>"),
        ("bring me a bottle of water", "bring me a <object>"),
        ("look in the refrigerater", "look in the <location>"),
        ("go to the dinning room", "go to the <room>"),
        ("go to the <room> and find <object>", "go to the <room> and find <object>"),
        ("go to the <room 1>", "go to the <room>"),
        ("is there anything in <nonsense>", "is there anything in nonsense"),
        ("put the tea spoon on the tv couch", "put the <object> on the <location>"),
        ("", ""),
        ("?!... --", ""),
    ],
)
def test_names_become_class_tokens(text: str, words: str) -> None:
    assert tag(text).text == words


def test_entities_are_in_the_order_of_mention_with_the_words_said() -> None:
    tagged = tag("take the cup from the couch to Michael in the hallway")
    assert tagged.entities == (
        Entity("object", "mug", "cup"),
        Entity("location", "sofa", "couch"),
        Entity("name", "Michael", "michael"),
        Entity("room", "corridor", "hallway"),
    )


def test_every_name_of_the_ontology_is_found() -> None:
    sorts = {
        "room": ROOM_NAMES,
        "location": furniture_names(),
        "object": tuple(OBJECTS),
        "category": CATEGORIES,
        "name": PEOPLE,
    }
    for sort, names in sorts.items():
        for name in names:
            tagged = tag(f"it is about the {name} now")
            assert [(one.sort, one.name) for one in tagged.entities] == [(sort, name)]


def test_there_is_one_entity_for_every_class_token() -> None:
    for text in ("<room> or kitchen", "bring the apple to <name> and Alex", "<whattosay>"):
        tagged = tag(text)
        tokens = [word for word in tagged.words if word in CLASS_TOKENS]
        assert [f"<{one.sort}>" for one in tagged.entities] == tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("go to the go to the kitchen", "go to the <room>"),
        ("stop stop stop", "stop"),
        ("go to the cabinet go to the cabinet and stop", "go to the <location> and stop"),
        ("put the cup on the sink on the sink", "put the <object> on the <location>"),
        (
            "take the cup from the sink to the bed",
            "take the <object> from the <location> to the <location>",
        ),
    ],
)
def test_what_is_said_twice_in_a_row_counts_once(text: str, words: str) -> None:
    assert tag(text).text == words


def test_people_in_general_are_no_names() -> None:
    for text in ("find a person", "follow the woman", "look for somebody", "is anyone there"):
        assert tag(text).entities == ()


def test_case_punctuation_and_accents_do_no_harm() -> None:
    assert plain_words("Café, DON\u2019T  go--now!") == ["café", "don't", "go", "now"]
    assert plain_words("a_b 3.5 \u202e\x00 ok") == ["a", "b", "3", "5", "ok"]


@pytest.mark.parametrize("index", range(len(entities._COMPILED)))
@given(data=st.data())
@settings(max_examples=40)
def test_no_gesture_or_text_to_say_is_without_a_cue(index: int, data: st.DataObject) -> None:
    """What is looked at first lets through all that the patterns find."""
    said = data.draw(st.from_regex(entities._COMPILED[index][2].pattern, fullmatch=False))
    assert entities._CUES.search(said)


def test_words_that_are_said_once_stay_as_they_are() -> None:
    words = ["go", "to", "the", "sink"]
    assert entities.without_restarts(words) == words
    assert entities.without_restarts(["go", "to", "the", "go", "to", "the", "sink"]) == words
