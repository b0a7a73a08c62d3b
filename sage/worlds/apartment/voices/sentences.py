"""What is said in the recordings that ship, sentence by sentence, with what each one means.

The meaning is written down here beside the words, not read from them: what a robot did is held
against it, whatever its own grammar makes of the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Final

from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    OBJECTS,
    PEOPLE,
    ROOM_NAMES,
    rooms_of,
)
from sage.skills.intent import OBJECT, PERSON, Intent, IntentKind, plural


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing to say.

    Attributes:
        kind: one of the script's kinds of command, or a part of one: ``reply`` answers the robot's
            question, ``question`` asks it one. ``declined`` and ``elsewhere`` are to be declined,
            ``foreign`` is another language.
        text: the words, lower case.
        wanted: what is asked for; None where that takes more than this sentence, or nothing is.
        about: for ``ambiguous`` the furniture that stands in two rooms; for ``reply`` the room;
            for ``correction`` the room or furniture that is meant.
        takes: in how many voices it is recorded.
    """

    kind: str
    text: str
    wanted: Intent | None = None
    about: str = ""
    takes: int = 1


GO: Final = ("go to the", "drive to the", "move to the", "please go to the")
FIND: Final = ("find the", "look for the", "where is the", "locate the", "please find the")
BRING: Final = ("bring me the", "get me the", "fetch the")
ENDS: Final = ("dining table", "counter", "desk", "nightstand", "coffee table", "sofa", "dresser")
"""Where things are brought and put."""

QUESTIONS: Final = {
    "who invented the c programming language": ("ritchie", "thompson"),
    "when was the c programming language invented": ("1972",),
    "when was the b programming language invented": ("1969",),
    "where does the term computer bug come from": ("moth",),
    "who invented the first compiler": ("hopper",),
    "do you have dreams": ("electric sheep",),
    "what is the capital of canada": ("ottawa",),
    "what is the national anthem of canada": ("o canada",),
    "what is the origin of the name canada": ("kanata",),
    "which robot is used in the domestic standard platform league": ("toyota",),
}
"""Questions, and the words that an answer has."""

ELSEWHERE: Final = (
    "what is the weather tomorrow",
    "sing me a song about the sea",
    "set an alarm for half past seven",
    "who won the football game last night",
    "translate good evening into spanish",
    "play some quiet piano music",
    "the train to berlin was late again",
    "order two large pizzas with mushrooms",
    "how far away is the moon",
    "remind me to call the dentist on friday",
    "my neighbour bought a yellow bicycle",
    "turn the volume down a little",
)

FOREIGN: Final = {
    "bitte fahr jetzt in die küche und hol mir ein glas wasser": "de",
    "je voudrais dormir maintenant parce que je suis fatigué": "fr",
}
"""Go to the kitchen, please; I would like to sleep now: with the language of each."""


@cache
def sentences() -> tuple[Sentence, ...]:
    """All of them, in the order in which they are recorded."""
    parts = (_driving, _finding, _counting, _short, _carrying, _accompanying, _talking, _others)
    return tuple(sentence for part in parts for sentence in part())


def sentence_for(text: str, kind: str) -> Sentence | None:
    """The one with these words, as a part of this kind of command."""
    return next((s for s in sentences() if s.text == text and s.kind == kind), None)


def _says(
    kind: str, does: IntentKind, target: str | None, text: str, takes: int = 1, **more: str | None
) -> Sentence:
    return Sentence(kind, text, Intent(does, target, text, **more), takes=takes)


def _driving() -> Iterator[Sentence]:
    for index, room in enumerate(ROOM_NAMES):
        for shift in (0, 3):
            yield _says("go", "go", room, f"{GO[_turn(index, shift)]} {room}")
    for index, name in enumerate(APARTMENT_FURNITURE):
        rooms = rooms_of(name)
        for room in rooms:
            place = f"{name} in the {room}" if len(rooms) > 1 else name
            for shift in (0, 3):
                text = f"{GO[_turn(index, shift)]} {place}"
                yield _says("approach", "approach", name, text, room=room)
    for name in ("sink", "cabinet"):
        for opening in GO[:2]:
            yield Sentence("ambiguous", f"{opening} {name}", about=name, takes=2)
    for room in ("kitchen", "bathroom", "corridor"):
        yield Sentence("reply", f"the {room}", about=room)
        yield Sentence("reply", f"the one in the {room}", about=room)
    for room in ROOM_NAMES:
        yield Sentence("correction", f"no i meant the {room}", about=room)
    for name in ("fridge", "desk", "sofa", "dining table", "bed", "toilet"):
        yield Sentence("correction", f"no i meant the {name}", about=name)


def _turn(index: int, shift: int) -> int:
    return (index + shift) % 4 if shift else index % 3


def _finding() -> Iterator[Sentence]:
    for index, name in enumerate(APARTMENT_OBJECTS):
        for shift, opening in ((0, FIND[index % 3]), (3, FIND[(index + 3) % 5])):
            yield _says("find", "find", name, f"{opening} {name}", takes=1 + (shift == 0))
    for index, name in enumerate(APARTMENT_OBJECTS):
        room = OBJECTS[name].default_room
        text = f"{FIND[index % 2]} {name} in the {room}"
        yield _says("find_in", "find", name, text, room=room)
    text = "find the apple in the kitchen"
    yield _says("find_in", "find", "apple", text, room="kitchen")
    yield _says("find_person", "find", PERSON, "find a person", 2)
    for index, room in enumerate(ROOM_NAMES):
        text = f"{('look for', 'find')[index % 2]} a person in the {room}"
        yield _says("find_person", "find", PERSON, text, room=room)


def _counting() -> Iterator[Sentence]:
    asks = ("how many {0} are there on the {1}", "count the {0} on the {1}")
    spots = ("dining table", "counter", "side table", "fridge", "center table", "coffee table",
             "dresser", "desk", "cupboard", "bathroom cabinet")  # fmt: skip
    for ask, spot in zip(cycle(asks), spots, strict=False):
        text = ask.format("objects", spot)
        yield _says("count", "count", OBJECT, text, room=rooms_of(spot)[0], location=spot)
    for index, room in enumerate(ROOM_NAMES):
        ask = ("how many people are in the", "count the people in the")[index % 2]
        yield _says("count_people", "count", PERSON, f"{ask} {room}", room=room)
    for name, room in (
        ("apple", "kitchen"),
        ("fruits", "dining room"),
        ("drinks", "kitchen"),
        ("bowl", "kitchen"),
        ("containers", "kitchen"),
        ("towel", "bathroom"),
    ):
        text = f"how many {plural(name)} are there in the {room}"
        yield _says("count_in", "count", name, text, room=room)


def _short() -> Iterator[Sentence]:
    for text in ("describe what you see", "what do you see", "tell me what you see"):
        yield _says("describe", "describe", None, text, 2)
    for text in ("come back", "come back to me", "go back home", "return to me"):
        yield _says("return", "return", None, text, 2)
    for text in ("stop", "please stop", "halt", "stop moving"):
        yield _says("stop", "stop", None, text, 2)


def _carrying() -> Iterator[Sentence]:
    for index, name in enumerate(APARTMENT_OBJECTS):
        yield _says("bring", "bring", name, f"{BRING[index % 3]} {name}", 1 + (name == "coke"))
    for index, name in enumerate(APARTMENT_OBJECTS):
        room = ROOM_NAMES[index % len(ROOM_NAMES)]
        yield _says("bring_to", "bring", name, f"bring the {name} to the {room}", to=room)
    for name in ENDS:
        yield _says("put_it", "put", None, f"put it on the {name}", to=name)
    for index, name in enumerate(APARTMENT_OBJECTS):
        end = ENDS[index % len(ENDS)]
        yield _says("put", "put", name, f"put the {name} on the {end}", to=end)


def _accompanying() -> Iterator[Sentence]:
    for name in PEOPLE:
        yield _says("follow", "follow", name, f"follow {name.lower()}")
    for room in ROOM_NAMES[:4]:
        text = f"follow the person in the {room}"
        yield _says("follow", "follow", PERSON, text, room=room)
    for index, name in enumerate(PEOPLE):
        for shift, verb in ((0, "guide"), (3, "take")):
            room = ROOM_NAMES[(index + shift) % len(ROOM_NAMES)]
            text = f"{verb} {name.lower()} to the {room}"
            yield _says("guide", "guide", name, text, to=room)


def _talking() -> Iterator[Sentence]:
    for text, words in (
        ("tell me the time", "the time"),
        ("tell me a joke", "a joke"),
        ("what is your name", "your name"),
        ("tell me something about yourself", "something about yourself"),
        ("tell me the day of the week", "the day of the week"),
    ):
        yield _says("say", "say", None, text, words=words)
    for name in PEOPLE:
        yield _says("say", "say", None, f"say hello to {name.lower()}", person=name, words="hello")
    for question in QUESTIONS:
        yield _says("question", "answer", None, question, words=question)
    yield Sentence("answer", "answer a question", takes=2)


def _others() -> Iterator[Sentence]:
    for index, person in enumerate(PEOPLE):
        opening = ("find", "look for", "where is")[index % 3]
        yield Sentence("declined", f"{opening} {person.lower()}", takes=2)
    for text in ELSEWHERE:
        yield Sentence("elsewhere", text, takes=2)
    for text in FOREIGN:
        yield Sentence("foreign", text)
