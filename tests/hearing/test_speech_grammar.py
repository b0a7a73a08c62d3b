from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sage.hearing import speech_grammar
from sage.hearing.speech_grammar import PRONUNCIATIONS, RULES, covers, jsgf, phrases, words
from sage.ontology import CATEGORIES, OBJECTS, PEOPLE, ROOM_NAMES, furniture_names
from sage.skills.entities import tag
from sage.skills.vocabulary import look_up


@pytest.mark.parametrize(
    "text",
    [
        "go to the kitchen",
        "could you please drive to the washing machine",
        "go to the sink in the bathroom please",
        "find the pringles",
        "look for a person in the living room",
        "where is taylor",
        "go to the kitchen and find the apple",
        "how many apples are there on the dining table",
        "count the people in the bedroom",
        "tell me how many drinks there are in the kitchen",
        "come back",
        "robot stop",
        "bring me the coke",
        "follow morgan to the kitchen",
        "put the mug on the sofa",
        "tell me a joke",
    ],
)
def test_whole_commands_are_covered(text: str) -> None:
    assert covers(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "go", "go to", "go to the", "find the", "how many", "put the apple", "please"),
        *("what is the weather tomorrow", "go to the moon", "kitchen", "stop the music"),
        *("Go to the kitchen", "go to the kitchen.", "gotothekitchen", "go to the kitchen and"),
    ],
)
def test_parts_of_commands_and_other_sentences_are_not_covered(text: str) -> None:
    assert not covers(text)


def test_spaces_do_not_matter() -> None:
    assert covers("  go to   the kitchen ")


@pytest.mark.parametrize("name", [*ROOM_NAMES, *furniture_names()])
def test_every_place_can_be_gone_to(name: str) -> None:
    assert covers(f"go to the {name}")


@pytest.mark.parametrize("name", [*OBJECTS, *(person.lower() for person in PEOPLE)])
def test_every_thing_and_person_can_be_looked_for(name: str) -> None:
    article = "" if name.capitalize() in PEOPLE else "the "
    assert covers(f"find {article}{name}")


def test_phrases_are_covered_differ_and_repeat_with_the_seed() -> None:
    drawn = phrases(300, np.random.default_rng(4))
    assert all(covers(text) for text in drawn)
    assert len(set(drawn)) > 200
    assert drawn == phrases(300, np.random.default_rng(4))
    assert drawn != phrases(300, np.random.default_rng(5))
    assert set(phrases(200, np.random.default_rng(0), rule="room")) >= set(ROOM_NAMES)


def alternatives(rule: str) -> list[str]:
    return [text.rpartition("/ ")[2].strip() for text in RULES[rule].split(" | ")]


def named(phrase: str) -> tuple[str, str]:
    """Sort and name of a phrase, as language or the vocabulary of the skills has it."""
    entities = tag(f"where is {phrase}").entities
    if len(entities) == 1 and entities[0].words == phrase:
        return entities[0].sort, entities[0].name
    found = look_up(phrase)
    assert found is not None, phrase
    return found.sort, found.name


@pytest.mark.parametrize(
    ("rule", "sorts"),
    [
        ("room", {"room"}),
        ("furniture", {"location"}),
        ("object", {"object"}),
        ("objects", {"object", "category"}),
        ("name", {"name"}),
    ],
)
def test_what_is_listened_for_is_a_name_that_is_known(rule: str, sorts: set[str]) -> None:
    for phrase in alternatives(rule):
        assert named(phrase)[0] in sorts, phrase


def test_every_category_can_be_counted_or_has_no_plural() -> None:
    counted = {named(phrase)[1] for phrase in alternatives("objects")}
    assert set(CATEGORIES) - counted == {"food", "cutlery", "tableware"}


def test_the_recogniser_can_pronounce_every_word() -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    known = {line.split(" ", 1)[0] for line in path.read_text(encoding="utf-8").splitlines()}
    assert [word for word in words() if word not in known and word not in PRONUNCIATIONS] == []
    bases = {word.partition("(")[0] for word in PRONUNCIATIONS}
    assert bases <= set(words()), "a pronunciation of a word that the grammar does not hold"


def test_jsgf_names_every_rule_and_one_is_public() -> None:
    text = jsgf()
    assert text.startswith("#JSGF V1.0;\ngrammar sage;\npublic <command> = ")
    assert text.count("public") == 1
    assert [line.split(">")[0] for line in text.splitlines()[3:]] == [
        f"<{name}" for name in list(RULES)[1:]
    ]


def test_no_rule_is_unused_or_missing() -> None:
    used = {match[1] for body in RULES.values() for match in speech_grammar._TOKEN.finditer(body)}
    assert used - {None, "NULL"} == set(RULES) - {"command"}
