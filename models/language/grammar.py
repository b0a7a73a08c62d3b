"""A grammar that makes commands with their logical forms, and what is none, for training.

Each frame draws a meaning and a way to say it independently, so that the parser meets every
combination of action, restrictions and wording rather than a list of sentences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from models.language import everyday
from models.language.errands import bring, bring_superlative, follow, guide, pour, put
from models.language.forms import GENDERS, POSTURES
from models.language.frames import AT, CATEGORY, OBJECT, PERSON, A, Pair, all_of, set_of, somebody
from models.language.lexicon import draw
from models.language.outside import outside
from models.language.talk import ask_person, say_superlative, speak
from sage.skills.meaning import UNKNOWN


def go(rng: random.Random) -> Pair:
    """To a room or a piece of furniture, perhaps with its room."""
    if rng.random() < 0.5:
        text = draw(
            "({go} {to} <room>|{go} {to} <room>|{go} <room>|enter the <room>|visit the <room>"
            "|goto the <room>"
            "|(i need|i want|we need) you in the <room>|(wait for me|meet me|go and wait|go "
            "stand|be) in the <room>"
            "|(get|go) in the <room>|go (check|check out|see|find|inspect|look at|have a look "
            "at) the <room>|find the <room>"
            "|(move|relocate|reposition) yourself to the <room>"
            "|leave (here|this room|the <room>) and (go|move) to the <room>|take yourself to "
            "the <room>"
            "|(bring yourself|show up|present yourself) (to|in) the <room>|your destination is "
            "the <room>|reach the <room>"
            "|go (out|off|back|straight|directly|over|down|up|through|on) to the <room>|go "
            "inside the <room>)",
            rng,
        )
        return text, '( go " <room> " )'
    place = "<location>" if rng.random() < 0.6 else "<location> (in|of|inside) the <room>"
    text = draw(
        f"({{go}} {{to}} {place}|{{go}} {{to}} {place}|(approach|find|visit|reach) the {place}"
        f"|goto the {place}"
        f"|(stand|wait|stop|park|stay) (by|at|near|next to|in front of|beside) the {place}"
        f"|(look for|locate|show me|where is|where's|find me|search for) the {place}|go (close"
        f"|near|next|straight) to the {place}"
        f"|(in the <room> {{go}} {{to}} <location>)|go (up|over|right) to the {place}|get (to"
        f"|close to|near) the {place}"
        f"|(move|drive|go) (near|next to|in front of|beside|by) the {place}|go (check|see"
        f"|inspect|and look at) the {place}"
        f"|go (to|into) the <room> and (find|approach|stop at|go to|stand by) the <location>)",
        rng,
    )
    return text, '( go " <location> " )'


def come_back(rng: random.Random) -> Pair:
    """Back to where the robot started."""
    return draw(
        "{return}(|| now| right now| at once| to me| immediately| again)", rng
    ), "( return )"


def stop(rng: random.Random) -> Pair:
    """Stand still."""
    return draw("{stop}(||| now| robot| please| right now| immediately)", rng), "( stop )"


def find(rng: random.Random) -> Pair:
    """Look for objects, a category or a person."""
    place, where = _somewhere(rng, 0.75)
    kind = rng.random()
    if kind < 0.55:
        if place == "room" and rng.random() < 0.2:
            text = draw(f"{{go}} {{to}} <room> {{and}} {{find}} {A} <object>", rng)
            return text, f"( find {set_of(OBJECT, AT['room'])} )"
        text = draw(
            f"({{find}} {A} <object> {where}|{{find}} {A} <object> {where}|{where} {{find}} "
            f"{A} <object>"
            f"|{{find}} {A} <object> {where}|{{find}} where {A} <object> is {where}"
            f"|where (is|are) {A} <object> {where}|where's {A} <object> {where}|is there {A} "
            f"<object> {where}"
            f"|(look|search|check|see) (whether|if) (there is|there's|you see) {A} <object> "
            f"{where}"
            f"|(do|can) you see {A} <object> {where}|i (cannot find|can't find|lost|am looking "
            f"for|am searching for) {A} <object> {where}"
            f"|(look|search|check|scan|explore) {where or 'around'} for {A} <object>|(show"
            f"|point) me (to|) {A} <object> {where}"
            f"|have you seen {A} <object> {where}|(tell me|show me) where {A} <object> is "
            f"{where}|any <object> {where})",
            rng,
        )
        return text, f"( find {set_of(OBJECT, AT.get(place, ''))} )"
    if kind < 0.68:
        number = rng.random() < 0.4
        what = (
            "(three|3|three of the|three of) {objects}"
            if number
            else "(the|some|any|all the|) {objects}"
        )
        text = draw(
            f"({{find}} {what} {where}|{{find}} {what} {where}|{where} {{find}} {what}|{where} "
            f"(there are|are) {what} find them"
            f"|(look|search|check) {where or 'around'} for {what})",
            rng,
        )
        if number:
            return text, f"( find {set_of(CATEGORY, AT.get(place, ''))} 3 )"
        form = all_of(CATEGORY, AT[place]) if place else set_of(CATEGORY)
        return text, f"( find {form} )"
    who, restrictions = somebody(rng)
    text = draw(
        f"({{find}} {who} {where}|{{find}} {who} {where}|{where} {{find}} {who}|where is {who} "
        f"{where}|is {who} {where}"
        f"|(look|search|check|see) (whether|if) {who} is {where or 'here'}|is there {who} {where}"
        f"|(look|search) {where or 'around'} for {who}|(can|do) you see {who} {where})",
        rng,
    )
    return text, f"( find {set_of(*restrictions, AT.get(place, ''))} )"


def _somewhere(rng: random.Random, often: float) -> tuple[str, str]:
    """A sort of place and how it is said, or two empty texts."""
    if rng.random() >= often:
        return "", ""
    if rng.random() < 0.7:
        return "room", "{roomin} <room>"
    return "location", "{on} <location>"


def count(rng: random.Random) -> Pair:
    """How many of something there are."""
    place, where = _somewhere(rng, 0.93)
    there = (
        f"(are there {where}|there are {where}|{where}|are {where}|you see {where}|can you "
        f"see {where}|do you see {where}|you find {where})"
    )
    kind = rng.random()
    restrictions: tuple[str, ...]
    qualified = False  # whether ``there`` also says what people are like
    if kind < 0.4:
        what, restrictions = "<object>", (OBJECT,)
    elif kind < 0.55:
        what, restrictions = ("<category>", (CATEGORY,))
    elif kind < 0.72:
        what, restrictions = "{things}", ()
        if not place:
            place, where = "room", "{roomin} <room>"
            there = f"(are there|there are|) {where}"
    else:
        what, restrictions, quality = "{people}", (PERSON,), rng.random()
        if quality < 0.35:
            posture = rng.choice(POSTURES)
            restrictions = (PERSON, f"( {posture} $1 )")
            qualified = True
            there = (
                f"(are {where} {{{posture}}}|{where} are {{{posture}}}|are {{{posture}}} "
                f"{where}|{{{posture}}} {where}|{where} {{{posture}}})"
            )
        elif quality < 0.6:
            gender = rng.choice(GENDERS)
            restrictions = (PERSON, f"( {gender} $1 )")
            plural = {
                "male": "(men|boys|male|males|guys|male people)",
                "female": "(women|girls|female|females|ladies|female people)",
            }[gender]
            if rng.random() < 0.5:
                what = plural
            else:
                there = f"({where} are {plural}|are {plural} {where})"
                qualified = True
    asked = (
        f"{{tellme}} {{howmany}} {what} {there}|{{tellme}} {{howmany}} {what} {there}"
        f"|{{howmany}} {what} {there}|{{howmany}} {what} {there}|{{howmany}} {what} {there}"
    )
    if not qualified:
        asked += (
            f"|(count|count up|count all|go count|tally|number) (the|all the|) {what} {where}(|| "
            f"and (tell me|report|report back|report to me|let me know))"
            f"|{where} {{howmany}} {what} (are there|there are|do you see|)"
            f"|{{go}} {{to}} <room> and count the {what}"
            f"|(go|look) {where} {{and}} {{tellme}} {{howmany}} {what} (there are|you see"
            f"|are there)"
        )
    text = draw(f"({asked})", rng)
    if "<room>" in text and not where:
        place = "room"
    elif "{go}" in text or (text.count("<room>") and place == "location"):
        return count(rng)
    if restrictions == (CATEGORY,) and place == "location":
        return text, f"( count {all_of(CATEGORY, AT['location'])} )"
    if not restrictions and place == "location":  # things in general are a category there
        return text, f"( count {all_of(CATEGORY, AT['location'])} )"
    return text, f"( say ( count {set_of(*restrictions, AT.get(place, ''))} ) )"


#: Frames with their share of the training data; the first are what this robot does today.
FRAMES: Final[tuple[tuple[Callable[[random.Random], Pair], float], ...]] = (
    (go, 10.0),
    (come_back, 3.5),
    (stop, 3.5),
    (find, 13.0),
    (count, 10.0),
    (bring, 15.0),
    (bring_superlative, 9.0),
    (put, 10.0),
    (pour, 1.5),
    (follow, 8.0),
    (guide, 9.0),
    (speak, 17.0),
    (ask_person, 6.0),
    (say_superlative, 9.0),
    (everyday.told, 5.0),
    (everyday.answered, 2.0),
    (everyday.follow_anyone, 5.0),
    (everyday.follow_named, 1.5),
    (everyday.guide_anyone, 5.0),
    (everyday.carry_it, 3.5),
    (everyday.carry_kind, 3.5),
    (everyday.bring_anyone, 4.0),
)
#: Those of a robot that drives, looks and counts.
DRIVEN: Final = (go, come_back, stop, find, count)
#: And of one that carries, leads and speaks too.
OWN: Final = (
    *DRIVEN,
    bring,
    put,
    everyday.told,
    everyday.answered,
    everyday.follow_anyone,
    everyday.guide_anyone,
    everyday.carry_it,
    everyday.carry_kind,
)

_BEFORE: Final = (
    "(please|please|robot|robot please|could you|could you please|can you|can you please|would "
    "you|would you please"
    "|will you|hey robot|hey|okay robot|robot can you|robot could you please|i want you to|i "
    "need you to|i would like you to"
    "|i'd like you to|kindly|now|go ahead and|you should|please can you|hi robot|excuse me|so"
    "|well|okay|um|uh|alright"
    "|hello robot|hello robot please|would you mind to|be so kind and|it would be great if you "
    "could|try to|dear robot"
    "|let's|next|right|ok|hmm|first|listen|just|do me a favor and|your task is to|you need to"
    "|you have to|go and)"
)
_AFTER: Final = (
    "(please|please|please|robot|now|for me|thanks|thank you|right now|if you can|okay|will you"
    "|would you"
    "|when you can|immediately|if possible|quickly|right away|at once|um|if you would|can you"
    "|could you|if you don't mind)"
)


def command(rng: random.Random, frames: Sequence[Callable[[random.Random], Pair]] = ()) -> Pair:
    """One command with its form; of any frame unless some are given."""
    if frames:
        frame = rng.choice(list(frames))
    else:
        frame = rng.choices([item for item, _ in FRAMES], [share for _, share in FRAMES])[0]
    text, form = frame(rng)
    if rng.random() < 0.45:
        text = f"{draw(_BEFORE, rng)} {text}"
    if rng.random() < 0.15:
        text = f"{text} {draw(_AFTER, rng)}"
    return " ".join(text.split()), form


def sample(
    rng: random.Random, outside_share: float = 0.12, common_words: tuple[str, ...] = ()
) -> Pair:
    """A command with its form, or something else with ``UNKNOWN``."""
    if rng.random() >= outside_share:
        return command(rng)
    text = outside(rng, common_words)
    if rng.random() < 0.25:
        text = f"{draw(_BEFORE, rng)} {text}"
    return " ".join(text.split()), UNKNOWN
