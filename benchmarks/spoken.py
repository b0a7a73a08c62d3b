"""The script of 20 kinds of command: what is said in an apartment, and whether it was done.

Sentences are drawn from those that are recorded, by what is there when they are said: objects,
furniture and people that are in the apartment, and rooms where the robot is not yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from sage.irp.errors import ConfigError
from sage.ontology import APARTMENT_FURNITURE, OBJECTS, ROOM_NAMES, rooms_of
from sage.skills.agent import Report
from sage.skills.grammar import parse
from sage.skills.intent import Intent
from sage.values import Pose
from sage.worlds.apartment.handling import GRIPPER
from sage.worlds.apartment.judge import Judgement, judge
from sage.worlds.apartment.truth import Truth
from sage.worlds.apartment.voices import recordings
from sage.worlds.apartment.voices.sentences import QUESTIONS, Sentence, sentence_for

#: In the order of a run: what is held after "bring" is put down, what was asked is asked again.
KINDS: Final = (
    "go", "ambiguous", "find", "describe", "approach", "correction", "find_in", "say", "count",
    "remembered", "stop", "find_person", "count_people", "follow", "guide", "return", "answer",
    "bring", "put", "bring_to",
)  # fmt: skip
REFUSED: Final = ("declined", "elsewhere")
#: Kinds of a quick run, which are soon over.
QUICK: Final = ("go", "say", "stop", "elsewhere")
STOP_AFTER_S: Final = 2.0
STANDS_WITHIN_M: Final = 0.05
#: What the robot says where it is not sure of the words; they are said once more then.
SAY_AGAIN: Final = "please say "

_SAME: Final = ({"bring", "put"}, {"say", "answer"})
_DAYS: Final = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_LEAST_WORDS: Final = 6
_DESCRIBED_WITHIN_M: Final = 7.0
_NUMBERS: Final = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "noon",
]


_Draw = Callable[..., Sentence]


@dataclass(frozen=True, slots=True)
class Command:
    """One kind of command in one apartment.

    Attributes:
        kind: one of ``KINDS`` or ``REFUSED``.
        says: its sentences, in their order.
        wanted: what is to be done in the end; None where it is to be declined.
    """

    kind: str
    says: tuple[Sentence, ...]
    wanted: Intent | None

    @property
    def text(self) -> str:
        """All that is said."""
        return " / ".join(sentence.text for sentence in self.says)


@dataclass(frozen=True, slots=True)
class There:
    """What a sentence may be about: what is there, and the rooms of the map."""

    truth: Truth
    rooms: Sequence[str]

    def fits(self, sentence: Sentence) -> bool:
        """Whether what a sentence asks for can be done here, and is not done already."""
        wanted, truth = sentence.wanted, self.truth
        if wanted is None:
            return True
        if any(room not in (None, *self.rooms) for room in (wanted.room, wanted.to_room)):
            return False
        if wanted.kind == "go":
            return wanted.target in self.rooms and wanted.target != truth.room
        if wanted.kind == "approach":
            return self.stands(wanted.target, wanted.room)
        if wanted.kind == "find":
            return self._is_found(wanted)
        if wanted.kind == "count":
            return self._is_counted(wanted)
        if wanted.kind in ("bring", "put"):
            return self._is_moved(wanted)
        if wanted.kind in ("follow", "guide"):
            return any(
                wanted.target in ("person", person.name)
                and wanted.room in (None, person.room)
                and wanted.to != person.room
                for person in truth.people
            ) and wanted.to in (None, *self.rooms)
        names = {person.name for person in truth.people}
        return wanted.person is None or wanted.person in names

    def stands(self, name: str | None, room: str | None = None) -> bool:
        """Whether there is such a piece of furniture, in that room."""
        pieces = self.truth.furniture
        return any(piece.name == name and room in (None, piece.room) for piece in pieces)

    def _is_found(self, wanted: Intent) -> bool:
        if wanted.target not in OBJECTS:
            people = {person.room for person in self.truth.people}
            return wanted.room in (None, *people)
        return any(
            thing.name == wanted.target and wanted.room in (None, thing.room)
            for thing in self.truth.objects
        )

    def _is_counted(self, wanted: Intent) -> bool:
        """Nothing is counted where nothing is: who sees nothing at all would be right."""
        if wanted.location is None:
            return wanted.room in {person.room for person in self.truth.people}
        return any(
            (thing.furniture, thing.room) == (wanted.location, wanted.room)
            for thing in self.truth.objects
        )

    def _is_moved(self, wanted: Intent) -> bool:
        held = [thing for thing in self.truth.objects if thing.furniture == GRIPPER]
        if wanted.to is not None:
            there = wanted.to in self.rooms or self.stands(wanted.to, wanted.to_room)
            if not there:
                return False
        if wanted.target is None:
            return bool(held)
        return any(
            thing.name == wanted.target
            and not thing.handled
            and wanted.to not in (thing.room, thing.furniture)
            for thing in self.truth.objects
        )


class Script:
    """Draws the commands of one apartment, one after the other.

    Args:
        seed: the same one draws the same sentences where the same things are there.
        voices: the folder of the recordings.
    """

    def __init__(self, seed: int, voices: Path) -> None:
        self._seed = seed
        self._voices = voices
        self._asked: Command | None = None

    def command(self, kind: str, there: There) -> Command:
        """The command of a kind; ConfigError where the folder has no sentence for it that fits."""
        rng = np.random.default_rng([self._seed, 20183, (*KINDS, *REFUSED).index(kind)])

        def one(part: str, fits: Callable[[Sentence], bool] = lambda s: True) -> Sentence:
            known = [s for s in _recorded(self._voices).get(part, ()) if there.fits(s) and fits(s)]
            if not known:
                raise ConfigError(
                    f"{self._voices} has no sentence of the kind {part!r} that fits apartment "
                    f"{self._seed}; add recordings, or leave {kind!r} out of --kinds"
                )
            return known[rng.integers(len(known))]

        if kind == "ambiguous":
            return self._ambiguous(one, there)
        if kind == "remembered":
            if self._asked is None:
                raise ConfigError("'remembered' comes after 'ambiguous'; add it to --kinds")
            return replace(self._asked, kind=kind, says=self._asked.says[:1])
        if kind == "correction":
            return _correction(one, there)
        if kind == "stop":
            return _plain(kind, one("go"), one("stop"))
        if kind == "answer":
            question = one("question")
            asked = (one("answer"),) if rng.random() < 0.5 else ()
            return _plain(kind, *asked, question)
        if kind == "put" and any(thing.furniture == GRIPPER for thing in there.truth.objects):
            return _plain(kind, one("put_it"))
        return _plain(kind, one(kind))

    def _ambiguous(self, one: _Draw, there: There) -> Command:
        first = one("ambiguous", lambda s: there.stands(s.about))
        rooms = [piece.room for piece in there.truth.furniture if piece.name == first.about]
        reply = one("reply", lambda s: s.about in rooms)
        wanted = Intent("approach", first.about, first.text, room=reply.about)
        self._asked = Command("ambiguous", (first, reply), wanted)
        return self._asked


def _plain(kind: str, *says: Sentence) -> Command:
    return Command(kind, says, says[-1].wanted)


def _correction(one: _Draw, there: There) -> Command:
    first = one("go")
    said = first.wanted.target if first.wanted is not None else None

    def other(sentence: Sentence) -> bool:
        if sentence.about in ROOM_NAMES:
            return sentence.about in there.rooms and sentence.about not in (said, there.truth.room)
        return there.stands(sentence.about)

    meant = one("correction", other)
    kind = "go" if meant.about in ROOM_NAMES else "approach"
    return Command("correction", (first, meant), Intent(kind, meant.about, meant.text))  # type: ignore[arg-type]


@cache
def _recorded(voices: Path) -> Mapping[str, Sequence[Sentence]]:
    """The recorded sentences by kind; those of other folders mean what the rule grammar reads."""
    found: dict[str, dict[str, Sentence]] = {}
    for item in recordings(voices):
        sentence = sentence_for(item.text, item.kind)
        if sentence is None:
            read = None if item.kind in REFUSED else parse(item.text)
            if item.kind not in REFUSED and not isinstance(read, Intent):
                continue
            sentence = Sentence(item.kind, item.text, read if isinstance(read, Intent) else None)
        found.setdefault(item.kind, {})[item.text] = sentence
    return {kind: tuple(texts.values()) for kind, texts in found.items()}


def done(
    command: Command, reports: Sequence[Report], truth: Truth, start: Pose | None
) -> Judgement:
    """Whether a command was done, by ground truth; ``reports`` are those since it was given."""
    if not reports:
        return False, "nothing came of it"
    report, wanted = reports[-1], command.wanted
    if wanted is None:
        return report.intent is None, report.verdict.text
    if report.intent is None:
        return False, f"heard {report.text!r}: {report.verdict.text}"
    kinds = {report.intent.kind, wanted.kind}
    if len(kinds) > 1 and kinds not in _SAME:
        return False, f"heard {report.text!r}: {report.intent.phrase}"
    if command.kind == "ambiguous" and not (len(reports) > 1 and reports[-2].asked):
        return False, "it did not ask which one"
    if command.kind == "remembered" and any(earlier.asked for earlier in reports):
        return False, "it asked again"
    if command.kind == "stop" and not any(earlier.ended_by == "stop" for earlier in reports):
        return False, "nothing ran that could be stopped"
    if command.kind == "describe":
        return _described(report.verdict.text, truth)
    right, why = judge(replace(report, intent=wanted), truth, start)
    if wanted.words is not None:
        told = f"{report.verdict.text} {truth.said}".lower()
        if not says(wanted.words, told):
            return False, f"{report.verdict.text!r} does not tell {wanted.words!r}"
    return right and report.verdict.done, why


def says(words: str, told: str, today: date | None = None) -> bool:
    """Whether what was told, in lower case, has what was to be said."""
    today = date.today() if today is None else today
    if words in QUESTIONS:
        return all(part in told for part in QUESTIONS[words])
    if words == "the day of the week":
        return _DAYS[today.weekday()] in told
    if words == "what day tomorrow is":
        return _DAYS[(today + timedelta(days=1)).weekday()] in told
    if words == "the time":
        return re.search(rf"\d|\b(?:{'|'.join(_NUMBERS)})\b", told) is not None
    if words == "your name":
        return "sage" in told
    if words in ("a joke", "something about yourself"):
        return len(told.split()) >= _LEAST_WORDS
    return words in told


def _described(text: str, truth: Truth) -> Judgement:
    """Everything that is named without doubt is in sight, and something is."""
    room = re.match(r"in the ([a-z ]+):", text)
    if room is not None and room[1] != truth.room:
        return False, f"{text!r}, and the robot is in the {truth.room}"
    near: set[str] = set()
    spots = [(piece.name, piece.x_m, piece.y_m) for piece in truth.furniture]
    spots += [(thing.name, thing.x_m, thing.y_m) for thing in truth.objects]
    spots += [("person", person.x_m, person.y_m) for person in truth.people]
    for name, x_m, y_m in spots:
        if truth.robot.distance_to(x_m, y_m) <= _DESCRIBED_WITHIN_M:
            near.add(name)
    known = sorted({*OBJECTS, *(name for name, _, _ in spots)}, key=len, reverse=True)
    told = set()
    for part in re.sub(r"^[^:]*: ", "", text).split(","):
        if "perhaps" in part:
            continue
        for name in known:
            if re.search(rf"\b{name}(?:e?s)?\b", part) or (name == "person" and "people" in part):
                told.add(name)
                break
    wrong = told - near
    return bool(told) and not wrong, f"{text!r}: {', '.join(sorted(wrong)) or 'nothing'} is wrong"


def names_place(text: str) -> str | None:
    """The first room or piece of furniture that a text names, as the ontology calls it."""
    names = (*ROOM_NAMES, *APARTMENT_FURNITURE)
    found = [
        (match.start(), -len(name), name)
        for name in names
        if (match := re.search(rf"\b{name}\b", text))
    ]
    if not found:
        return None
    name = min(found)[2]
    rooms = () if name in ROOM_NAMES else rooms_of(name)
    return f"{name} in the {rooms[0]}" if len(rooms) > 1 else name
