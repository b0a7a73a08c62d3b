"""A grammar that makes commands with their logical forms, and what is none, for training.

Each frame draws a meaning and a way to say it independently, so that the parser meets every
combination of action, restrictions and wording rather than a list of sentences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from models.language.forms import ASKED, GENDERS, POSTURES, RELATIONS, SUPERLATIVES
from models.language.lexicon import draw
from models.language.outside import outside
from sage.skills.meaning import UNKNOWN

Pair = tuple[str, str]
"""Words with class tokens, and the form in the dataset's notation."""

_OBJECT: Final = '( is_a $1 " <object> " )'
_CATEGORY: Final = '( is_a $1 " <category> " )'
_AT: Final = {"room": '( at $1 " <room> " )', "location": '( at $1 " <location> " )'}
_NAME: Final = '( name $1 " <name> " )'
_PERSON: Final = "( person $1 )"
_A: Final = "(the|the|the|a|an|some|my|that|this|one|)"
_GESTURE: Final = "(|who is|who's|that is|that's) <gesture>"


def _set(*restrictions: str) -> str:
    return f"( lambda $1 e {' '.join(part for part in restrictions if part)} )"


def _and(*restrictions: str) -> str:
    return f"( lambda $1 e ( and {' '.join(part for part in restrictions if part)} ) )"


def go(rng: random.Random) -> Pair:
    """To a room or a piece of furniture, perhaps with its room."""
    if rng.random() < 0.5:
        text = draw(
            "({go} {to} <room>|{go} {to} <room>|{go} <room>|enter the <room>|visit the <room>|goto the <room>"
            "|(i need|i want|we need) you in the <room>|(wait for me|meet me|go and wait|go stand|be) in the <room>"
            "|(get|go) in the <room>|go (check|check out|see|find|inspect|look at|have a look at) the <room>|find the <room>"
            "|(move|relocate|reposition) yourself to the <room>"
            "|leave (here|this room|the <room>) and (go|move) to the <room>|take yourself to the <room>"
            "|(bring yourself|show up|present yourself) (to|in) the <room>|your destination is the <room>|reach the <room>"
            "|go (out|off|back|straight|directly|over|down|up|through|on) to the <room>|go inside the <room>)",
            rng,
        )
        return text, '( go " <room> " )'
    place = "<location>" if rng.random() < 0.6 else "<location> (in|of|inside) the <room>"
    text = draw(
        f"({{go}} {{to}} {place}|{{go}} {{to}} {place}|(approach|find|visit|reach) the {place}|goto the {place}"
        f"|(stand|wait|stop|park|stay) (by|at|near|next to|in front of|beside) the {place}"
        f"|(look for|locate|show me|where is|where's|find me|search for) the {place}|go (close|near|next|straight) to the {place}"
        f"|(in the <room> {{go}} {{to}} <location>)|go (up|over|right) to the {place}|get (to|close to|near) the {place}"
        f"|(move|drive|go) (near|next to|in front of|beside|by) the {place}|go (check|see|inspect|and look at) the {place}"
        f"|go (to|into) the <room> and (find|approach|stop at|go to|stand by) the <location>)",
        rng,
    )
    return text, '( go " <location> " )'


def come_back(rng: random.Random) -> Pair:
    """Back to where the robot started."""
    return draw("{return}(|| now| right now| at once| to me| immediately| again)", rng), "( return )"


def stop(rng: random.Random) -> Pair:
    """Stand still."""
    return draw("{stop}(||| now| robot| please| right now| immediately)", rng), "( stop )"


def find(rng: random.Random) -> Pair:
    """Look for objects, a category or a person."""
    place, where = _somewhere(rng, 0.75)
    kind = rng.random()
    if kind < 0.55:
        if place == "room" and rng.random() < 0.2:
            text = draw(f"{{go}} {{to}} <room> {{and}} {{find}} {_A} <object>", rng)
            return text, f"( find {_set(_OBJECT, _AT['room'])} )"
        text = draw(
            f"({{find}} {_A} <object> {where}|{{find}} {_A} <object> {where}|{where} {{find}} {_A} <object>"
            f"|{{find}} {_A} <object> {where}|{{find}} where {_A} <object> is {where}"
            f"|where (is|are) {_A} <object> {where}|where's {_A} <object> {where}|is there {_A} <object> {where}"
            f"|(look|search|check|see) (whether|if) (there is|there's|you see) {_A} <object> {where}"
            f"|(do|can) you see {_A} <object> {where}|i (cannot find|can't find|lost|am looking for|am searching for) {_A} <object> {where}"
            f"|(look|search|check|scan|explore) {where or 'around'} for {_A} <object>|(show|point) me (to|) {_A} <object> {where}"
            f"|have you seen {_A} <object> {where}|(tell me|show me) where {_A} <object> is {where}|any <object> {where})",
            rng,
        )
        return text, f"( find {_set(_OBJECT, _AT.get(place, ''))} )"
    if kind < 0.68:
        number = rng.random() < 0.4
        what = "(three|3|three of the|three of) {objects}" if number else "(the|some|any|all the|) {objects}"
        text = draw(
            f"({{find}} {what} {where}|{{find}} {what} {where}|{where} {{find}} {what}|{where} (there are|are) {what} find them"
            f"|(look|search|check) {where or 'around'} for {what})",
            rng,
        )
        if number:
            return text, f"( find {_set(_CATEGORY, _AT.get(place, ''))} 3 )"
        form = _and(_CATEGORY, _AT[place]) if place else _set(_CATEGORY)
        return text, f"( find {form} )"
    who, restrictions = _who(rng)
    text = draw(
        f"({{find}} {who} {where}|{{find}} {who} {where}|{where} {{find}} {who}|where is {who} {where}|is {who} {where}"
        f"|(look|search|check|see) (whether|if) {who} is {where or 'here'}|is there {who} {where}"
        f"|(look|search) {where or 'around'} for {who}|(can|do) you see {who} {where})",
        rng,
    )
    return text, f"( find {_set(*restrictions, _AT.get(place, ''))} )"


def _somewhere(rng: random.Random, often: float) -> tuple[str, str]:
    """A sort of place and how it is said, or two empty texts."""
    if rng.random() >= often:
        return "", ""
    if rng.random() < 0.7:
        return "room", "{roomin} <room>"
    return "location", "{on} <location>"


def _who(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """A person: how said, and the restrictions that say it."""
    kind = rng.random()
    if kind < 0.3:
        return "<name>", (_PERSON, _NAME)
    if kind < 0.55:
        return "{someone}", (_PERSON,)
    if kind < 0.72:
        gender = rng.choice(GENDERS)
        return f"{{{gender}}}", (_PERSON, f"( {gender} $1 )")
    if kind < 0.9:
        posture = rng.choice(POSTURES)
        return f"{{someone}} {{{posture}}}", (_PERSON, f"( {posture} $1 )")
    return f"{{someone}} {_GESTURE}", (_PERSON, '( is $1 " <gesture> " )')


def count(rng: random.Random) -> Pair:
    """How many of something there are."""
    place, where = _somewhere(rng, 0.93)
    there = f"(are there {where}|there are {where}|{where}|are {where}|you see {where}|can you see {where}|do you see {where}|you find {where})"
    kind = rng.random()
    if kind < 0.4:
        what, restrictions = "<object>", (_OBJECT,)
    elif kind < 0.55:
        what, restrictions = ("<category>", (_CATEGORY,))
    elif kind < 0.72:
        what, restrictions = "{things}", ()
        if not place:
            place, where = "room", "{roomin} <room>"
            there = f"(are there|there are|) {where}"
    else:
        what, restrictions, quality = "{people}", (_PERSON,), rng.random()
        if quality < 0.35:
            posture = rng.choice(POSTURES)
            restrictions = (_PERSON, f"( {posture} $1 )")
            there = f"(are {where} {{{posture}}}|{where} are {{{posture}}}|are {{{posture}}} {where}|{{{posture}}} {where}|{where} {{{posture}}})"
        elif quality < 0.6:
            gender = rng.choice(GENDERS)
            restrictions = (_PERSON, f"( {gender} $1 )")
            plural = {
                "male": "(men|boys|male|males|guys|male people)",
                "female": "(women|girls|female|females|ladies|female people)",
            }[gender]
            if rng.random() < 0.5:
                what = plural
            else:
                there = f"({where} are {plural}|are {plural} {where})"
    text = draw(
        f"({{tellme}} {{howmany}} {what} {there}|{{tellme}} {{howmany}} {what} {there}|{{howmany}} {what} {there}"
        f"|{{howmany}} {what} {there}|{{howmany}} {what} {there}"
        f"|(count|count up|count all|go count|tally|number) (the|all the|) {what} {where}(|| and (tell me|report|report back|report to me|let me know))"
        f"|{where} {{howmany}} {what} (are there|there are|do you see|)|{{go}} {{to}} <room> and count the {what}"
        f"|(go|look) {where} {{and}} {{tellme}} {{howmany}} {what} (there are|you see|are there))",
        rng,
    )
    if "<room>" in text and not where:
        place = "room"
    elif "{go}" in text or (text.count("<room>") and place == "location"):
        return count(rng)
    if restrictions == (_CATEGORY,) and place == "location":
        return text, f"( count {_and(_CATEGORY, _AT['location'])} )"
    if not restrictions and place == "location":  # things in general are a category there
        return text, f"( count {_and(_CATEGORY, _AT['location'])} )"
    return text, f"( say ( count {_set(*restrictions, _AT.get(place, ''))} ) )"


def bring(rng: random.Random) -> Pair:
    """To the speaker or to a person, from somewhere or from wherever it is."""
    source = rng.choices(("", "location", "room"), (0.45, 0.4, 0.15))[0]
    origin = {"": "", "location": "{from} <location>", "room": "(in|from|inside|that is in) the <room>"}
    target = rng.choices(("me", "name", "named", "someone"), (0.45, 0.2, 0.2, 0.15))[0]
    taken = _set(_OBJECT, _AT.get(source, ""))
    place = origin[source]
    lead = {
        "": "(find|get|locate|pick up|grab|fetch|) ",
        "location": "({go} {to} <location> {and}|at the <location>|from the <location>|on the <location>) ",
        "room": "({go} {to} <room> {and}|in the <room>|from the <room>) ",
    }[source]
    if target == "me":
        text = draw(
            f"({{handme}} {_A} <object> {place}|{{handme}} {_A} <object> {place}|{{handme}} {_A} <object> {place}"
            f"|{{hand}} {_A} <object> {place} (to|over to|for) me|{{hand}} {_A} <object> (to|over to) me {place}"
            f"|{{grab}} {_A} <object> {place} {{and}} {{bringit}}|{{grab}} {_A} <object> {place} {{and}} {{bringit}}"
            f"|{lead}{{grab}} {_A} <object> {{and}} {{bringit}}|{lead}{{handme}} {_A} <object>"
            f"|{_A} <object> {place} {{bringit}}|(there is|there's) {_A} <object> {place or 'somewhere'} {{bringit}}"
            f"|(could i|can i|may i) (have|get) {_A} <object> {place}|{{bringit}} {_A} <object> {place}"
            f"|me {_A} <object> {place} {{handme}})",
            rng,
        )
        return text, f"( bring {taken} )"
    if target == "name":
        who, person = "<name>", _set(_PERSON, _NAME)
        pronoun = ""
    elif target == "named":
        room = rng.random() < 0.15
        spot = "(in|who is in|at) the <room>" if room else "(at the|at the|at the|by the|near the|in the|on the|who is at the|next to the|who's at the|over at the|who is by the) <location>"
        who = f"<name> {spot}"
        at = _AT["room" if room else "location"]
        if source:
            person = _set(_PERSON, at, _NAME)
        else:
            person = _set(_PERSON, _NAME, at)
        pronoun = spot
    else:
        gesture = rng.random()
        if gesture < 0.35:
            who, quality = f"the person {_GESTURE}", None
        elif gesture < 0.7:
            who, quality = "the <gesture> person", _PERSON
        else:
            kind = rng.choice((*GENDERS, *POSTURES))
            who = f"{{{kind}}}" if kind in GENDERS else f"{{someone}} {{{kind}}}"
            quality = kind
        who = f"{who} {{in}} <room>"
        if quality in (*GENDERS, *POSTURES):
            person = _set(_PERSON, f"( {quality} $1 )", _AT["room"])
        else:
            person = _set(quality or "", '( is $1 " <gesture> " )', _AT["room"])
        pronoun = ""
    it = "(it|it|it|them|that)"
    text = draw(
        f"({{hand}} {_A} <object> {place} (to|to|to|over to|for) {who}|{{hand}} {_A} <object> {place} to {who}|{{hand}} {who} {_A} <object> {place}"
        f"|{{grab}} {_A} <object> {place} {{and}} {{hand}} {it} to {who}|{{grab}} {_A} <object> {place} {{and}} {{hand}} {it} to {who}"
        f"|{{grab}} {_A} <object> {place} {{and}} {{hand}} {it} (over to|to) {who}"
        f"|{lead}{{grab}} {_A} <object> {{and}} {{hand}} {it} to {who}"
        f"|{who} (needs|wants|would like|asked for|wants to have|is waiting for) {_A} <object> {place}"
        f"|to {who} {{hand}} {_A} <object> {place}|{{handme}} {_A} <object> {place} (for|to) {who})",
        rng,
    )
    if pronoun and rng.random() < 0.15:
        text = draw(
            f"{{hand}} {_A} <object> {place} to <name> (he is|she is|he's|she's|you will find him|you will find her|you can find them|you may find them) {pronoun.replace('who is ', '').replace(chr(39) + 's at', ' at')}",
            rng,
        )
    return text, f"( bring {taken} {person} )"


def bring_superlative(rng: random.Random) -> Pair:
    """The biggest thing from somewhere, the thing behind another, the leftmost thing."""
    kind = rng.random()
    if kind < 0.62:
        word = rng.choice(SUPERLATIVES)
        category = rng.random() < 0.5
        what = "{objects}" if category else "{thing}"
        description = f"the {{{word}}} {what} {{from}} <location>"
        form = f"( bring {_set(_CATEGORY if category else '', f'( {word} $1 )')} \" <location> \" )"
    elif kind < 0.87:
        word = rng.choice(RELATIONS)
        description = (
            f"(the|the|the|an|whatever|a) (object|object|thing|item) (that is|that's|which is|located|)"
            f" {{{word}}} (the|the|a|) <object> {{from}} <location>"
        )
        form = f'( bring ( lambda $1 e ( lambda $2 e ( is_a $2 " <object> " ) ( {word} $1 $2 ) ) ) " <location> " )'
    else:
        word = rng.choice(("leftmost", "rightmost"))
        description = f"the {{{word}}} {{from}} <location>"
        form = f'( bring ( lambda $1 e ( {word} $1 " <location> " ) ) )'
    text = draw(
        f"({{handme}} {description}|{{handme}} {description}|{{handme}} {description}|{{hand}} {description} to me"
        f"|{{grab}} {description} {{and}} {{bringit}}|{{go}} {{to}} <location> {{and}} {{handme}} {description}"
        f"|{{grab}} {description} {{and}} {{bringit}}|(there is|there's|i see) {description} {{bringit}}|{description} {{bringit}})",
        rng,
    )
    pieces = text.split(" <location>")
    if len(pieces) > 2:  # the place is named once
        words = text.rsplit(" ", 3)
        text = words[0] if words[-1] == "<location>" and words[-2] == "the" else text
    return text, form


def put(rng: random.Random) -> Pair:
    """From somewhere to a piece of furniture."""
    source = rng.choices(("", "location", "room"), (0.5, 0.32, 0.18))[0]
    goal = "<location>" if rng.random() < 0.93 else "<room>"
    onto = "{onto}" if goal == "<location>" else "(to the|into the|in the)"
    place = {"": "", "location": "{from} <location>", "room": "(in|from|from|inside|that is in|located in) the <room>"}[source]
    lead = {
        "": "",
        "location": "({go} {to} <location> {and}|from the <location>|at the <location>)",
        "room": "({go} {to} <room> {and}|from the <room>|in the <room>)",
    }[source]
    it = "(it|it|it|them|that)"
    text = draw(
        f"({{put}} {_A} <object> {place} {onto} {goal}|{{put}} {_A} <object> {place} {onto} {goal}|{{move}} {_A} <object> {place} (to|to|over to) the {goal}"
        f"|{{grab}} {_A} <object> {place} {{and}} {{put}} {it} {onto} {goal}|{{grab}} {_A} <object> {place} {{and}} {{put}} {it} {onto} {goal}"
        f"|{lead} {{grab}} {_A} <object> {{and}} {{put}} {it} {onto} {goal}|{lead} {{put}} {_A} <object> {onto} {goal}"
        f"|{{move}} {_A} <object> (to the|onto the) {goal} {place}|{_A} <object> {place} (goes|belongs|should go|should be|needs to be|must go|has to go) {onto} {goal}"
        f"|{_A} <object> {place} {{put}} {it} {onto} {goal}|{onto} {goal} {{put}} {_A} <object> {place}"
        f"|{{grab}} {_A} <object> {place} to the {goal}|i (want|need|would like) {_A} <object> {place} (put|placed|moved|) {onto} {goal})",
        rng,
    )
    return text, f'( put {_set(_OBJECT, _AT.get(source, ""))} " {goal} " )'


def pour(rng: random.Random) -> Pair:
    """Cereal into a bowl; the tagger reads both as objects."""
    cereal = rng.choice(("<object>", "<object>", "cereal", "cereals"))
    bowl = rng.choice(("<object>", "<object>", "bowl"))
    text = draw(
        f"((pour|pour|pour|put|empty|dump|drop|place|shake|tip|add|serve|dispense|get|transfer|fill|distribute) (some|the|some of the|a little|) {cereal} (into|in|inside|to) (the|a|my|one) {bowl}"
        f"|fill (the|a|my|up the) {bowl} (with|up with) (some|the|) {cereal}"
        f"|(get|make|prepare|serve|fix|pour) (me|) a {bowl} of {cereal}|(in|into) the {bowl} pour (some|the|) {cereal}"
        f"|i (want|would like|need) (some|) {cereal} in (the|a|my) {bowl}|pour (me|) (some|) {cereal} (into|in) (the|a) {bowl})",
        rng,
    )
    return text, '( pour ( lambda $1 e ( is_a $1 " cereal " ) ) ( lambda $1 e ( is_a $1 " bowl " ) ) )'


_THEM: Final = "(them|them|him|her|the person|that person)"


def follow(rng: random.Random) -> Pair:
    """Behind a person, from somewhere, then on to a room."""
    kind = rng.random()
    if kind < 0.22:
        return draw(
            "({follow} <name>|{follow} <name>|{follow} (behind|after|) <name>(| around| wherever they go| closely| please)|go where <name> goes)", rng
        ), f"( follow {_set(_PERSON, _NAME)} )"
    meeting = (
        "({meet} <name> {at} <location>|{meet} <name> {at} <location>|{go} {to} <location> {and} {meet} <name>"
        "|{meet} <name> who is {at} <location>|at the <location> {meet} <name>|<name> is {at} <location>)"
    )
    person = f"{_PERSON} {_NAME} {_AT['location']}"
    if kind < 0.62:
        text = draw(
            f"({meeting} {{and}} {{follow}} {_THEM}(|| to the <room>| around| wherever they go| into the <room>)"
            f"|{{follow}} <name> (from|at|who is at) the <location>(| to the <room>| to the <room>)"
            f"|{meeting} {{and}} {{follow}} {_THEM}|{{go}} {{to}} <location> {{and}} {{follow}} <name>(| to the <room>))",
            rng,
        )
        return text, f"( follow {_set(person)} )"
    if kind < 0.8:
        text = draw(
            f"{meeting} {{and}} {{follow}} {_THEM} ({{and}}|before you|and afterwards) {{go}} {{to}} <room>", rng
        )
        return text, f'( sequence ( follow {_set(person)} ) ( go " <room> " ) )'
    text = draw(
        f"({meeting} {{and}} {{follow}} {_THEM} {{and}} {{guide}} {_THEM} (back|back|back here|back to me|back again|home)"
        f"|{meeting} {{and}} {{guide}} {_THEM} (back|back here|back to me|back again|to me))",
        rng,
    )
    return text, (
        f"( lambda $1 e ( sequence ( follow {person} ) ( guide $1 \" current \" ) ) )"
    )


def guide(rng: random.Random) -> Pair:
    """A person to a place, or to nobody says where."""
    kind = rng.random()
    goal = "location" if rng.random() < 0.93 else "room"
    to = f"(to|to|to|over to|towards) the <{goal}>"
    where = "(you (may|can|will|might|should|could) find (them|him|her)|(they are|he is|she is|he's|she's|they're|they will be|he will be)) (at|at|in|by|near|on) the <location>"
    meeting = "({meet} <name> {at} <location>|{go} {to} <location> {and} {meet} <name>|at the <location> {meet} <name>|<name> is {at} <location>)"
    if kind < 0.28:
        text = draw(
            f"({{guide}} <name> {to}|{{guide}} <name> {to}|{{meet}} <name> {{and}} {{guide}} {_THEM} {to}|show <name> (where the <{goal}> is|the way to the <{goal}>)"
            f"|<name> (wants|needs|would like) to (go|get|be taken) {to}|help <name> (find|get to|reach) the <{goal}>)",
            rng,
        )
        return text, f'( guide {_set(_PERSON, _NAME)} " <{goal}> " )'
    if kind < 0.62:
        text = draw(
            f"({{guide}} <name> (from|from|who is at|at) the <location> {to}|{{guide}} <name> (from|from) the <location> {to}|{{guide}} <name> {to} {where}"
            f"|{{guide}} <name> {to} {where}|{meeting} {{and}} {{guide}} {_THEM} {to}|{meeting} {{and}} {{guide}} {_THEM} {to}|{meeting} {{and}} {{guide}} {_THEM} {to}"
            f"|{meeting} {{and}} show {_THEM} (where the <{goal}> is|the way to the <{goal}>))",
            rng,
        )
        return text, f'( guide {_set(_PERSON, _NAME, _AT["location"])} " <{goal}> " )'
    nowhere = "(|||| somewhere| along| around| away| with you| out)"
    if kind < 0.8:
        text = draw(f"{{meet}} <name> {{and}} {{guide}} {_THEM}{nowhere}", rng)
        return text, f"( guide {_set(_PERSON, _NAME)} {UNKNOWN} )"
    text = draw(f"{meeting} {{and}} {{guide}} {_THEM}{nowhere}", rng)
    return text, f'( guide {_set(_PERSON, _NAME, _AT["location"])} {UNKNOWN} )'


def speak(rng: random.Random) -> Pair:
    """Say something to a person, or answer a question of theirs."""
    answer = rng.random() < 0.5
    who, restrictions = _who(rng)
    named = who == "<name>"
    room = not named or rng.random() < 0.35
    where = "{in} <room>" if room else "{at} <location>"
    act = "{answer}" if answer else "{tell}"
    direct = (
        (
            f"(answer (a|the) (question|<question>) (to|for|of|from|asked by) {who} {where}|answer a question (to|for|of|from) {who} {where}"
            f"|(reply|respond) to (a|the) question (of|from) {who} {where}|answer {who} 's question {where}|answer {who} {where} a question"
            f"|help {who} {where} with a question|{who} {where} has a question (please|) answer it|let {who} {where} ask you a question)"
        )
        if answer
        else (
            f"({{tellverb}} {who} {where} {{telltext}}|{{tellverb}} {who} {where} {{telltext}}|{{tellverb}} {{telltext}} to {who} {where}|say {{telltext}} to {who} {where}"
            f"|tell {{telltext}} to {who} {where}|let {who} {where} know {{telltext}}|{who} {where} (wants|needs|would like) to (know|hear) {{telltext}}"
            f"|inform {who} {where} (of|about) {{telltext}}|give {who} {where} {{telltext}})"
        )
    )
    place = "<room>" if room else "<location>"
    text = draw(
        f"({{find}} {who} {where} {{and}} {act}|{{find}} {who} {where} {{and}} {act}|{{meet}} {who} {where} {{and}} {act}"
        f"|{{go}} {{to}} {place} {{and}} {{find}} {who} {{and}} {act}|{{go}} {{to}} {place} {{and}} {{find}} {who} {{and}} {act}|{{go}} {{to}} {place} {{and}} {{find}} {who} {{and}} {act}"
        f"|{{go}} {{to}} {place} {{and}} {act} (to|for) {who}|{where} {{find}} {who} {{and}} {act}|{where} (there is|is) {who} {act}"
        f"|{direct}|{direct}|{direct})",
        rng,
    )
    told = '( answer " <question> " )' if answer else '" <whattosay> "'
    return text, f"( say {told} {_set(*restrictions, _AT['room' if room else 'location'])} )"


def ask_person(rng: random.Random) -> Pair:
    """The name, gender or pose of whoever is somewhere."""
    asked = rng.choice(ASKED)
    room = rng.random() < 0.65
    where = "{in} <room>" if room else "{at} <location>"
    person = "(the person|the person|the person|the human|the individual|someone|somebody|a person|the one|the guest|whoever is)"
    body = {
        "name": (
            f"({{tellme}} the name of {person} {where}|{{tellme}} the name of {person} {where}|{{tellme}} who (is|the person is|it is that is) {where}|who is {where}|who's {where}|who is {person} {where}"
            f"|what is the name of {person} {where}|what's the name of {person} {where}|{{tellme}} what {person} {where} is (called|named)|ask {person} {where} (for|what is|to tell you) (their|his|her) name"
            f"|{{find}} {person} {where} {{and}} (ask|tell me|get|learn|find out) (their|his|her|the) name|{{tellme}} {person} {where} 's name|what is {person} {where} (called|named)"
            f"|{{go}} {{to}} <{'room' if room else 'location'}> {{and}} (tell me who is there|find out who is there|ask the person 's name|tell me the name of the person there)|(identify|name|recognize) {person} {where})"
        ),
        "gender": (
            f"({{tellme}} the (gender|gender|sex) of {person} {where}|{{tellme}} the gender of {person} {where}|what (is|'s) the (gender|sex) of {person} {where}|what gender is {person} {where}|what sex is {person} {where}"
            f"|{{tellme}} (if|whether) {person} {where} is (a man or a woman|male or female|a boy or a girl|a male or a female|a woman or a man)|is {person} {where} (a man or a woman|male or female|a boy or a girl|a guy or a girl)"
            f"|{{find}} {person} {where} {{and}} (tell me|identify|determine) (their|the) gender|(identify|determine) the (gender|sex) of {person} {where}|{{tellme}} what gender {person} {where} is)"
        ),
        "pose": (
            f"({{tellme}} the (pose|pose|posture|position|stance) of {person} {where}|{{tellme}} the pose of {person} {where}|what is the (pose|posture|position) of {person} {where}|how is {person} {where} (posed|posing|positioned|standing|sitting)"
            f"|what (pose|posture|position) is {person} {where} (in|)|what pose does {person} {where} have|{{tellme}} (if|whether) {person} {where} is (sitting or standing|standing or sitting|lying or sitting|sitting standing or lying down)"
            f"|is {person} {where} (sitting or standing|standing or lying down)|{{tellme}} how {person} {where} is (posed|positioned|posing)|(describe|identify) the (pose|posture|position) of {person} {where}"
            f"|{{find}} {person} {where} {{and}} (tell me|identify|describe) (their|the) (pose|posture))"
        ),
    }[asked]
    at = '( at $2 " <room> " )' if room else '( at $2 " <location> " )'
    return draw(body, rng), (
        f"( say ( lambda $1 e ( lambda $2 e ( person $2 ) ( {asked} $2 $1 ) {at} ) ) )"
    )


def say_superlative(rng: random.Random) -> Pair:
    """Which is the biggest thing somewhere, or which three are."""
    word = rng.choice(SUPERLATIVES)
    three = rng.random() < 0.5
    category = rng.random() < 0.5
    if three:
        what = "{objects}" if category else "{things}"
        best = f"(three|three|three|3) {{{word}}} {what}"
    else:
        best = f"{{{word}}} {'{objects}' if category else '{thing}'}"
    weigh = f"|what {{thing}} {{weigh_{word}}} {{on}} <location>|which {{thing}} {{on}} <location> {{weigh_{word}}}" if (
        word in ("heaviest", "lightest") and not three and not category
    ) else ""
    text = draw(
        f"({{tellme}} (which are|which are|what are|what's|what is|which is|) the {best} {{on}} <location>|{{tellme}} (which are|what are|what's|what is|) the {best} {{on}} <location>"
        f"|(which|what) are the {best} {{on}} <location>|(what is|what's|which is) the {best} {{on}} <location>|{{tellme}} (the|which) {best} (there are|are|you see|lie|is|you find) {{on}} <location>"
        f"|{{go}} {{to}} <location> {{and}} {{tellme}} (which are|what are|what is|what's|) the {best}|{{on}} <location> (what are|which are|what is|what's) the {best}"
        f"|{{find}} the {best} {{on}} <location> {{and}} (tell me|let me know|report|name them|tell me what they are|tell me what it is)"
        f"|(name|list|identify|state|show me) the {best} {{on}} <location>|what {best} (are|is) {{on}} <location>{weigh})",
        rng,
    )
    kind = _CATEGORY if category else ""
    if three:
        return text, f"( say {_set(f'( {word} $1 3 )', kind, _AT['location'])} )"
    return text, f"( say {_and(f'( {word} $1 )', kind, _AT['location'])} )"


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
)
#: Those of a robot that drives, looks and counts.
OWN: Final = (go, come_back, stop, find, count)

_BEFORE: Final = (
    "(please|please|robot|robot please|could you|could you please|can you|can you please|would you|would you please"
    "|will you|hey robot|hey|okay robot|robot can you|robot could you please|i want you to|i need you to|i would like you to"
    "|i'd like you to|kindly|now|go ahead and|you should|please can you|hi robot|excuse me|so|well|okay|um|uh|alright"
    "|hello robot|hello robot please|would you mind to|be so kind and|it would be great if you could|try to|dear robot"
    "|let's|next|right|ok|hmm|first|listen|just|do me a favor and|your task is to|you need to|you have to|go and)"
)
_AFTER: Final = (
    "(please|please|please|robot|now|for me|thanks|thank you|right now|if you can|okay|will you|would you"
    "|when you can|immediately|if possible|quickly|right away|at once|um|if you would|can you|could you|if you don't mind)"
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
