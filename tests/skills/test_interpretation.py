"""From logical forms to intents: what is understood, what is refused, what is asked back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.ontology import APARTMENT_FURNITURE, APARTMENT_OBJECTS, ROOM_NAMES, rooms_of
from sage.skills.forms import MalformedForm, tree
from sage.skills.grammar import parse
from sage.skills.intent import OBJECT, Declined, Intent
from sage.skills.interpretation import SURE, interpret, together
from sage.skills.meaning import UNKNOWN, Entity, Meaning

COMMANDS = Path(__file__).parents[2].parent / "shared/data/gpsr/paraphrased.txt"

GO_ROOM = '( go " <room> " )'
GO_LOCATION = '( go " <location> " )'
FIND = '( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) )'
FIND_AND = '( find ( lambda $1 e ( and ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) ) )'
FIND_AT = '( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) )'
FIND_PERSON = '( find ( lambda $1 e ( person $1 ) ( at $1 " <room> " ) ) )'
COUNT = '( say ( count ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) ) )'
COUNT_ROOM = '( say ( count ( lambda $1 e ( is_a $1 " <category> " ) ( at $1 " <room> " ) ) ) )'
COUNT_CATEGORY = (
    '( count ( lambda $1 e ( and ( is_a $1 " <category> " ) ( at $1 " <location> " ) ) ) )'
)
COUNT_PEOPLE = '( say ( count ( lambda $1 e ( person $1 ) ( at $1 " <room> " ) ) ) )'
COUNT_THINGS = '( say ( count ( lambda $1 e ( at $1 " <room> " ) ) ) )'
BRING_TO = (
    '( bring ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) '
    '( lambda $1 e ( person $1 ) ( name $1 " <name> " ) ) )'
)
BIGGEST = '( bring ( lambda $1 e ( is_a $1 " <category> " ) ( biggest $1 ) ) " <location> " )'
PUT = '( put ( lambda $1 e ( is_a $1 " <object> " ) ) " <location> " )'
FOLLOW = '( follow ( lambda $1 e ( person $1 ) ( name $1 " <name> " ) ) )'
GUIDE = (
    '( guide ( lambda $1 e ( person $1 ) ( name $1 " <name> " ) ( at $1 " <location> " ) )'
    ' " <room> " )'
)
SAY = (
    '( say " <whattosay> " ( lambda $1 e ( person $1 ) ( name $1 " <name> " )'
    ' ( at $1 " <location> " ) ) )'
)
BRING = '( bring ( lambda $1 e ( is_a $1 " <object> " ) ) )'


def entities(**names: str) -> tuple[Entity, ...]:
    return tuple(Entity(sort, name, name) for sort, name in names.items())


def meaning(form: str, probability: float = 1.0, runner_up: str = "", **names: str) -> Meaning:
    return Meaning(
        "as it was said",
        tuple(form.split()),
        entities(**names),
        probability,
        tuple(runner_up.split()),
    )


def declined(said: Meaning) -> Declined:
    answer = interpret(said)
    assert isinstance(answer, Declined), answer
    assert answer.text == said.text
    return answer


@pytest.mark.parametrize(
    ("form", "names", "phrase"),
    [
        (GO_ROOM, {"room": "kitchen"}, "go to the kitchen"),
        (GO_LOCATION, {"location": "sofa"}, "go to the sofa"),
        (GO_LOCATION, {"location": "sink", "room": "bathroom"}, "go to the sink in the bathroom"),
        ('( go " <location> " " <room> " )', {"location": "sink", "room": "kitchen"},
         "go to the sink in the kitchen"),
        (GO_LOCATION, {"location": "cabinet", "room": "bathroom"}, "go to the bathroom cabinet"),
        ('( go " kitchen " )', {}, "go to the kitchen"),
        ('( find ( lambda $1 e ( is_a $1 " <object> " ) ) )', {"object": "milk"}, "find the milk"),
        (FIND, {"object": "apple", "room": "bedroom"}, "find the apple in the bedroom"),
        (FIND_AND, {"room": "bedroom", "object": "apple"}, "find the apple in the bedroom"),
        (FIND_AT, {"object": "mug", "location": "sofa"}, "find the mug in the living room"),
        (FIND_PERSON, {"room": "kitchen"}, "find a person in the kitchen"),
        ("( find ( lambda $1 e ( person $1 ) ) )", {}, "find a person"),
        ("( return )", {}, "come back"),
        ("( stop )", {}, "stop"),
        (COUNT, {"object": "apple", "location": "dining table"},
         "count the apples on the dining table in the dining room"),
        (COUNT, {"object": "towel", "location": "sink", "room": "bathroom"},
         "count the towels on the sink in the bathroom"),
        (COUNT_ROOM, {"category": "drinks", "room": "kitchen"}, "count the drinks in the kitchen"),
        (BRING, {"object": "apple"}, "bring me the apple"),
        (BRING, {}, "bring it to me"),
        (BRING_TO, {"object": "apple", "location": "fridge", "name": "Alex"},
         "bring the apple from the fridge to Alex"),
        (BIGGEST.replace("( biggest $1 )", ""), {"category": "drinks", "location": "fridge"},
         "bring me some drinks from the fridge"),
        (PUT, {"object": "mug", "location": "sofa"}, "put the mug on the sofa"),
        (PUT, {"location": "sofa"}, "put it on the sofa"),
        (PUT.replace("location", "room"), {"object": "mug", "room": "kitchen"},
         "bring the mug to the kitchen"),
        (FOLLOW, {"name": "Alex"}, "follow Alex"),
        (f'( sequence {FOLLOW} ( go " <room> " ) )', {"name": "Alex", "room": "kitchen"},
         "follow Alex to the kitchen"),
        (GUIDE, {"name": "Alex", "location": "sofa", "room": "kitchen"},
         "guide Alex at the sofa to the kitchen"),
        (SAY, {"whattosay": "a joke", "name": "Alex", "room": "kitchen"},
         "say a joke to Alex in the kitchen"),
        ('( say " <whattosay> " )', {"whattosay": "the time"}, "tell me the time"),
        ('( say ( answer " <question> " ) )', {}, "answer a question"),
        (COUNT_CATEGORY, {"category": "fruits", "location": "counter"},
         "count the fruits on the counter in the kitchen"),
        (COUNT_PEOPLE, {"room": "living room"}, "count the people in the living room"),
        ('( count ( lambda $1 e ( person $1 ) ( at $1 " <location> " ) ) )', {"location": "sofa"},
         "count the people in the living room"),
        (COUNT_THINGS, {"room": "bathroom"}, "count the objects in the bathroom"),
    ],
)  # fmt: skip
def test_what_is_understood(form: str, names: dict[str, str], phrase: str) -> None:
    answer = interpret(meaning(form, **names))
    assert isinstance(answer, Intent), answer
    assert (answer.phrase, answer.text) == (phrase, "as it was said")


@pytest.mark.parametrize("name", ROOM_NAMES)
def test_every_room(name: str) -> None:
    assert interpret(meaning(GO_ROOM, room=name)) == Intent("go", name, "as it was said")


@pytest.mark.parametrize("name", APARTMENT_FURNITURE)
def test_every_piece_of_furniture(name: str) -> None:
    for room in rooms_of(name):
        answer = interpret(meaning(GO_LOCATION, location=name, room=room))
        assert answer == Intent("approach", name, "as it was said", room=room)


@pytest.mark.parametrize("name", APARTMENT_OBJECTS)
def test_every_object(name: str) -> None:
    answer = interpret(meaning(FIND, object=name, room="bedroom"))
    assert answer == Intent("find", name, "as it was said", room="bedroom")


@pytest.mark.parametrize(
    ("form", "names", "reason", "suggestions"),
    [
        (UNKNOWN, {}, "not understood; this robot can go", ()),
        (GO_LOCATION, {"location": "sink"}, "2 rooms",
         ("go to the sink in the kitchen", "go to the sink in the bathroom")),
        (GO_LOCATION, {"location": "sofa", "room": "kitchen"}, "no sofa in the kitchen",
         ("go to the sofa",)),
        (GO_LOCATION, {"location": "freezer"}, "not known by sight", ()),
        (FIND, {"object": "fork", "room": "kitchen"}, "'fork' is not known by sight", ()),
        (FIND_AT, {"object": "mug", "location": "sink"}, "more than one room",
         ("find the mug in the kitchen", "find the mug in the bathroom")),
        ('( find ( lambda $1 e ( is_a $1 " <category> " ) ( at $1 " <room> " ) ) )',
         {"category": "drinks", "room": "kitchen"}, "whole category", None),
        ('( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) 3 )',
         {"object": "apple", "room": "kitchen"}, "one thing", ("find the apple in the kitchen",)),
        ('( find ( lambda $1 e ( person $1 ) ( name $1 " <name> " ) ( at $1 " <room> " ) ) )',
         {"name": "Alex", "room": "kitchen"}, "'Alex'", ("find a person in the kitchen",)),
        ("( find ( lambda $1 e ( person $1 ) ( lying $1 ) ) )", {}, "lying is not seen",
         ("find a person",)),
        (COUNT, {"object": "beer", "location": "sofa"}, "'beer' cannot be counted", ()),
        (COUNT, {"object": "mug", "location": "freezer"}, "'freezer' is not known by sight", ()),
        (COUNT, {"object": "mug", "location": "sink"}, "2 rooms",
         tuple(f"count the mugs on the sink in the {room}" for room in ("kitchen", "bathroom"))),
        ('( count ( lambda $1 e ( is_a $1 " <object> " ) ) )', {"object": "mug"}, "where", None),
        ('( say ( count ( lambda $1 e ( person $1 ) ( male $1 ) ( at $1 " <room> " ) ) ) )',
         {"room": "kitchen"}, "male is not seen", ("count the people in the kitchen",)),
        (BRING, {"object": "knife"}, "'knife' cannot be taken", ()),
        ('( bring ( lambda $1 e ( is_a $1 " <category> " ) ( biggest $1 ) ) " <location> " )',
         {"category": "fruits", "location": "sofa"}, "biggest is not seen",
         ("bring me some fruits from the sofa",)),
        ('( put ( lambda $1 e ( is_a $1 " <object> " ) ) " <location> " )',
         {"object": "mug", "location": "sink"}, "2 rooms",
         tuple(f"put the mug on the sink in the {room}" for room in ("kitchen", "bathroom"))),
        ('( guide ( lambda $1 e ( person $1 ) ( name $1 " <name> " ) ) UNKNOWN )',
         {"name": "Alex"}, "where to guide Alex", None),
        ('( say ( answer " <question> " ) ( lambda $1 e ( person $1 ) ( lying $1 ) '
         '( at $1 " <room> " ) ) )',
         {"room": "kitchen"}, "lying is not seen",
         ("answer a question to a person in the kitchen",)),
        ('( say ( lambda $1 e ( smallest $1 3 ) ( at $1 " <location> " ) ) )',
         {"location": "sofa"}, "smallest is not seen", ()),
        ('( pour ( lambda $1 e ( is_a $1 " cereal " ) ) ( lambda $1 e ( is_a $1 " bowl " ) ) )',
         {}, "cannot open, pour", ()),
        ('( sequence ( find ( lambda $1 e ( person $1 ) ) ) ( go " <room> " ) )',
         {"room": "kitchen"}, "one command at a time", ("find a person", "go to the kitchen")),
        ('( lambda $1 e ( sequence ( follow ( person $1 ) ) ( guide $1 " current " ) ) )', {},
         "one command at a time", ("follow me", "guide me back")),
    ],
)  # fmt: skip
def test_what_is_declined(
    form: str, names: dict[str, str], reason: str, suggestions: tuple[str, ...] | None
) -> None:
    answer = declined(meaning(form, **names))
    assert reason in answer.reason
    if suggestions is None:
        assert answer.suggestions
    else:
        assert answer.suggestions == suggestions


@pytest.mark.parametrize(
    "form",
    [
        "go",
        ")",
        "(",
        "( )",
        "( ( ) )",
        '( go " <room> )',
        '( go " <room> " ) ( stop )',
        "( go )",
        "( go kitchen )",
        '( go " <room> " " <room> " )',
        '( go " atlantis " )',
        '( go " <weapon> " )',
        "( fly )",
        '( stop " <room> " )',
        "( find )",
        "( find ( lambda ) )",
        '( find ( lambda $1 e ( is_a $2 " <object> " ) ) )',
        '( find ( lambda $1 e ( at $1 " <room> " ) ) )',
        "( find ( lambda $1 e ( is_a $1 ) ) )",
        '( find ( lambda $1 e ( at $1 " <object> " ) ) )',
        "( count )",
        "( count ( count ( count ) ) )",
        "UNKNOWN UNKNOWN",
        "( " * 5000,
        "( " * 40 + ") " * 40,
    ],
)
def test_what_is_no_form_is_not_understood(form: str) -> None:
    said = meaning(form, object="apple", room="kitchen")
    assert "not understood; this robot can" in declined(said).reason


def test_a_name_that_the_command_does_not_hold_is_not_invented() -> None:
    assert "not understood" in declined(meaning(GO_ROOM)).reason
    assert "not understood" in declined(meaning(GO_ROOM, location="sofa")).reason
    assert "not understood" in declined(meaning(GO_ROOM, room="atlantis")).reason
    assert "not understood" in declined(meaning(FIND, object="apple")).reason


def test_what_is_not_sure_is_asked_back() -> None:
    answer = declined(meaning(GO_ROOM, 0.45, FIND, room="kitchen", object="apple"))
    assert answer.suggestions == ("go to the kitchen", "find the apple in the kitchen")
    assert answer.answer == (
        "I am not sure what is meant; did you mean 'go to the kitchen' or "
        "'find the apple in the kitchen'?"
    )
    sure = interpret(meaning(GO_ROOM, 0.5, room="kitchen"), sure=0.4)
    assert isinstance(sure, Intent)


def test_what_is_not_sure_to_be_impossible_offers_the_runner_up() -> None:
    answer = declined(
        meaning(BIGGEST, 0.4, GO_ROOM, room="kitchen", category="fruits", location="sofa")
    )
    assert "biggest is not seen" in answer.reason
    assert answer.suggestions == ("bring me some fruits from the sofa", "go to the kitchen")
    unknown = declined(meaning(UNKNOWN, 0.4, GO_ROOM, room="kitchen"))
    assert unknown.suggestions == ("go to the kitchen",)


def test_language_comes_first_and_plain_words_where_it_knows_nothing() -> None:
    plain = parse("bring me the apple")
    go = together(meaning(GO_ROOM, room="kitchen"), plain)
    assert isinstance(go, Intent)
    assert go.kind == "go"
    assert together(meaning(UNKNOWN), plain) is plain
    assert together(meaning(GO_ROOM, 0.2, room="kitchen"), plain) is plain
    unsure = together(meaning(GO_ROOM, 0.2, room="kitchen"), parse("mumble"))
    assert isinstance(unsure, Declined)
    assert unsure.suggestions == ("go to the kitchen",)
    refused = parse("put the apple on the table")
    assert together(meaning(UNKNOWN), refused) is refused


def test_what_plain_words_ask_for_in_vain_is_not_taken_for_another_deed() -> None:
    follow = meaning(FOLLOW, name="Taylor")
    assert isinstance(together(follow, parse("follow taylor")), Intent)
    answer = together(follow, parse("find taylor"))
    assert isinstance(answer, Declined)
    assert "told apart" in answer.reason


def test_stop_is_obeyed_even_when_it_is_not_sure() -> None:
    answer = interpret(meaning("( stop )", 0.1))
    assert isinstance(answer, Intent)
    assert answer.kind == "stop"


def test_a_tree_of_tokens() -> None:
    node = tree(FIND.split())
    assert isinstance(node, tuple)
    assert node[0] == "find"
    with pytest.raises(MalformedForm, match="left open"):
        tree(["(", "go"])


SORTS = ("object", "category", "room", "location", "name", "gesture", "question", "whattosay")
TOKENS = (
    *("(", ")", '"', "lambda", "$1", "$2", "e", "and", "is_a", "at", "person", "name", "3"),
    *("go", "find", "count", "say", "bring", "stop", "return", "sequence", UNKNOWN, "kitchen"),
    *(f"<{sort}>" for sort in SORTS),
)
NAMES = st.sampled_from(["kitchen", "sink", "sofa", "apple", "fork", "drinks", "Alex", "", "x y"])
ENTITIES = st.lists(
    st.builds(lambda sort, name: Entity(sort, name, name), st.sampled_from(SORTS), NAMES),
    max_size=4,
)
FORMS = st.one_of(
    st.lists(st.sampled_from(TOKENS), min_size=1, max_size=24),
    st.recursive(
        st.sampled_from([[token] for token in TOKENS if token not in "()"]),
        lambda inner: st.lists(inner, max_size=5).map(
            lambda parts: ["(", *(token for part in parts for token in part), ")"]
        ),
        max_leaves=12,
    ),
)


@settings(max_examples=300, deadline=None)
@given(FORMS, st.lists(st.sampled_from(TOKENS), max_size=9), ENTITIES, st.floats(0.0, 1.0))
def test_any_form_has_an_answer(
    form: list[str], other: list[str], names: list[Entity], probability: float
) -> None:
    answer = interpret(Meaning("so", tuple(form), tuple(names), probability, tuple(other)))
    if isinstance(answer, Intent):
        assert probability >= SURE or answer.kind == "stop"
        assert parse(answer.phrase) == replace(answer, text=answer.phrase)
        return
    assert answer.reason
    assert len(answer.suggestions) <= 4
    for suggestion in answer.suggestions:
        assert isinstance(parse(suggestion), Intent)


@pytest.mark.skipif(not COMMANDS.exists(), reason="../shared/data/gpsr is not there")
def test_every_form_of_the_dataset_has_an_answer_that_is_no_misunderstanding() -> None:
    forms = sorted(set(COMMANDS.read_text(encoding="utf-8").splitlines()[1::2]))
    names = {
        "object": "apple",
        "category": "fruits",
        "room": "kitchen",
        "location": "counter",
        "name": "Alex",
        "whattosay": "a joke",
    }
    twice = tuple(Entity(sort, name, name) for sort, name in names.items()) * 2
    intents = set()
    for form in forms:
        answer = interpret(Meaning("", tuple(form.split()), twice))
        if isinstance(answer, Intent):
            intents.add(answer.phrase)
        elif form != UNKNOWN:
            assert "not understood" not in answer.reason, form
    assert len(intents) == 21
    assert {parse(phrase).kind for phrase in intents} == {  # type: ignore[union-attr]
        *("go", "find", "count", "bring", "put", "follow", "guide", "say", "answer")
    }


def test_a_category_without_a_name_means_objects_of_every_kind() -> None:
    form = '( count ( lambda $1 e ( and ( is_a $1 " <category> " ) ( at $1 " <location> " ) ) ) )'
    counter = Entity("location", "counter", "counter")
    everything = Meaning("how many things are on the counter", tuple(form.split()), (counter,))
    answer = interpret(everything)
    assert isinstance(answer, Intent)
    assert (answer.target, answer.room, answer.location) == (OBJECT, "kitchen", "counter")
    nothing = Meaning("how many gadgets are on the counter", tuple(form.split()), (counter,))
    assert isinstance(interpret(nothing), Declined)
