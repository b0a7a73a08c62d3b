"""Frames of the training grammar: carrying things, following and guiding people."""

from __future__ import annotations

import random
from typing import Final

from models.language.forms import GENDERS, POSTURES, RELATIONS, SUPERLATIVES
from models.language.frames import AT, CATEGORY, GESTURE, NAME, OBJECT, PERSON, A, Pair, set_of
from models.language.lexicon import draw
from sage.skills.meaning import UNKNOWN

_THEM: Final = "(them|them|him|her|the person|that person)"


def bring(rng: random.Random) -> Pair:
    """To the speaker or to a person, from somewhere or from wherever it is."""
    source = rng.choices(("", "location", "room"), (0.45, 0.4, 0.15))[0]
    origin = {
        "": "",
        "location": "{from} <location>(|||||||||| in the <room>| of the <room>)",
        "room": "(in|from|inside|that is in) the <room>",
    }
    target = rng.choices(("me", "name", "named", "someone"), (0.45, 0.2, 0.2, 0.15))[0]
    taken = set_of(OBJECT, AT.get(source, ""))
    place = origin[source]
    lead = {
        "": "(find|get|locate|pick up|grab|fetch|) ",
        "location": (
            "({go} {to} <location> {and}|at the <location>|from the <location>|on the <location>) "
        ),
        "room": "({go} {to} <room> {and}|in the <room>|from the <room>) ",
    }[source]
    if target == "me":
        text = draw(
            f"({{handme}} {A} <object> {place}|{{handme}} {A} <object> {place}|{{handme}} "
            f"{A} <object> {place}"
            f"|{{hand}} {A} <object> {place} (to|over to|for) me|{{hand}} {A} <object> (to"
            f"|over to) me {place}"
            f"|{{grab}} {A} <object> {place} {{and}} {{bringit}}|{{grab}} {A} <object> "
            f"{place} {{and}} {{bringit}}"
            f"|{lead}{{grab}} {A} <object> {{and}} {{bringit}}|{lead}{{handme}} {A} <object>"
            f"|{A} <object> {place} {{bringit}}|(there is|there's) {A} <object> "
            f"{place or 'somewhere'} {{bringit}}"
            f"|(could i|can i|may i) (have|get) {A} <object> {place}|{{bringit}} {A} <object> "
            f"{place}"
            f"|me {A} <object> {place} {{handme}})",
            rng,
        )
        return text, f"( bring {taken} )"
    if target == "name":
        who, person = "<name>", set_of(PERSON, NAME)
        pronoun = ""
    elif target == "named":
        room = rng.random() < 0.15
        spot = (
            "(in|who is in|at) the <room>"
            if room
            else (
                "(at the|at the|at the|by the|near the|in the|on the|who is at the|next to the"
                "|who's at the|over at the|who is by the) <location>"
            )
        )
        who = f"<name> {spot}"
        at = AT["room" if room else "location"]
        if source:
            person = set_of(PERSON, at, NAME)
        else:
            person = set_of(PERSON, NAME, at)
        pronoun = spot
    else:
        gesture = rng.random()
        if gesture < 0.35:
            who, quality = f"the person {GESTURE}", None
        elif gesture < 0.7:
            who, quality = "the <gesture> person", PERSON
        else:
            kind = rng.choice((*GENDERS, *POSTURES))
            who = f"{{{kind}}}" if kind in GENDERS else f"{{someone}} {{{kind}}}"
            quality = kind
        who = f"{who} {{in}} <room>"
        if quality in (*GENDERS, *POSTURES):
            person = set_of(PERSON, f"( {quality} $1 )", AT["room"])
        else:
            person = set_of(quality or "", '( is $1 " <gesture> " )', AT["room"])
        pronoun = ""
    it = "(it|it|it|them|that)"
    text = draw(
        f"({{hand}} {A} <object> {place} (to|to|to|over to|for) {who}|{{hand}} {A} <object> "
        f"{place} to {who}|{{hand}} {who} {A} <object> {place}"
        f"|{{grab}} {A} <object> {place} {{and}} {{hand}} {it} to {who}|{{grab}} {A} <object> "
        f"{place} {{and}} {{hand}} {it} to {who}"
        f"|{{grab}} {A} <object> {place} {{and}} {{hand}} {it} (over to|to) {who}"
        f"|{lead}{{grab}} {A} <object> {{and}} {{hand}} {it} to {who}"
        f"|{who} (needs|wants|would like|asked for|wants to have|is waiting for) {A} <object> "
        f"{place}"
        f"|to {who} {{hand}} {A} <object> {place}|{{handme}} {A} <object> {place} (for|to) "
        f"{who})",
        rng,
    )
    if pronoun and rng.random() < 0.15:
        text = draw(
            (
                f"{{hand}} {A} <object> {place} to <name> (he is|she is|he's|she's|you will find "
                f"him|you will find her|you can find them|you may find them) "
                f"{pronoun.replace('who is ', '').replace(chr(39) + 's at', ' at')}"
            ),
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
        form = f'( bring {set_of(CATEGORY if category else "", f"( {word} $1 )")} " <location> " )'
    elif kind < 0.87:
        word = rng.choice(RELATIONS)
        description = (
            f"(the|the|the|an|whatever|a) (object|object|thing|item) (that is|that's|which is"
            f"|located|)"
            f" {{{word}}} (the|the|a|) <object> {{from}} <location>"
        )
        form = (
            f'( bring ( lambda $1 e ( lambda $2 e ( is_a $2 " <object> " ) ( {word} $1 $2 ) '
            f') ) " <location> " )'
        )
    else:
        word = rng.choice(("leftmost", "rightmost"))
        description = f"the {{{word}}} {{from}} <location>"
        form = f'( bring ( lambda $1 e ( {word} $1 " <location> " ) ) )'
    text = draw(
        f"({{handme}} {description}|{{handme}} {description}|{{handme}} {description}|{{hand}} "
        f"{description} to me"
        f"|{{grab}} {description} {{and}} {{bringit}}|{{go}} {{to}} <location> {{and}} {{handme}} "
        f"{description}"
        f"|{{grab}} {description} {{and}} {{bringit}}|(there is|there's|i see) {description} "
        f"{{bringit}}|{description} {{bringit}})",
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
    place = {
        "": "",
        "location": "{from} <location>(|||||||||| in the <room>| of the <room>)",
        "room": "(in|from|from|inside|that is in|located in) the <room>",
    }[source]
    lead = {
        "": "",
        "location": "({go} {to} <location> {and}|from the <location>|at the <location>)",
        "room": "({go} {to} <room> {and}|from the <room>|in the <room>)",
    }[source]
    it = "(it|it|it|them|that)"
    text = draw(
        f"({{put}} {A} <object> {place} {onto} {goal}|{{put}} {A} <object> {place} {onto} "
        f"{goal}|{{move}} {A} <object> {place} (to|to|over to) the {goal}"
        f"|{{grab}} {A} <object> {place} {{and}} {{put}} {it} {onto} {goal}|{{grab}} {A} "
        f"<object> {place} {{and}} {{put}} {it} {onto} {goal}"
        f"|{lead} {{grab}} {A} <object> {{and}} {{put}} {it} {onto} {goal}|{lead} {{put}} {A} "
        f"<object> {onto} {goal}"
        f"|{{move}} {A} <object> (to the|onto the) {goal} {place}|{A} <object> {place} (goes"
        f"|belongs|should go|should be|needs to be|must go|has to go) {onto} {goal}"
        f"|{A} <object> {place} {{put}} {it} {onto} {goal}|{onto} {goal} {{put}} {A} <object> "
        f"{place}"
        f"|{{grab}} {A} <object> {place} to the {goal}|i (want|need|would like) {A} <object> "
        f"{place} (put|placed|moved|) {onto} {goal})",
        rng,
    )
    return text, f'( put {set_of(OBJECT, AT.get(source, ""))} " {goal} " )'


def pour(rng: random.Random) -> Pair:
    """Cereal into a bowl; the tagger reads both as objects."""
    cereal = rng.choice(("<object>", "<object>", "cereal", "cereals"))
    bowl = rng.choice(("<object>", "<object>", "bowl"))
    text = draw(
        f"((pour|pour|pour|put|empty|dump|drop|place|shake|tip|add|serve|dispense|get|transfer"
        f"|fill|distribute) (some|the|some of the|a little|) {cereal} (into|in|inside|to) (the"
        f"|a|my|one) {bowl}"
        f"|fill (the|a|my|up the) {bowl} (with|up with) (some|the|) {cereal}"
        f"|(get|make|prepare|serve|fix|pour) (me|) a {bowl} of {cereal}|(in|into) the {bowl} "
        f"pour (some|the|) {cereal}"
        f"|i (want|would like|need) (some|) {cereal} in (the|a|my) {bowl}|pour (me|) (some|) "
        f"{cereal} (into|in) (the|a) {bowl})",
        rng,
    )
    return (
        text,
        '( pour ( lambda $1 e ( is_a $1 " cereal " ) ) ( lambda $1 e ( is_a $1 " bowl " ) ) )',
    )


def follow(rng: random.Random) -> Pair:
    """Behind a person, from somewhere, then on to a room."""
    kind = rng.random()
    if kind < 0.22:
        return draw(
            (
                "({follow} <name>|{follow} <name>|{follow} (behind|after|) <name>(| around| "
                "wherever they go| closely| please)|go where <name> goes)"
            ),
            rng,
        ), f"( follow {set_of(PERSON, NAME)} )"
    meeting = (
        "({meet} <name> {at} <location>|{meet} <name> {at} <location>|{go} {to} <location> "
        "{and} {meet} <name>"
        "|{meet} <name> who is {at} <location>|at the <location> {meet} <name>|<name> is {at} "
        "<location>)"
    )
    person = f"{PERSON} {NAME} {AT['location']}"
    if kind < 0.62:
        text = draw(
            f"({meeting} {{and}} {{follow}} {_THEM}(|| to the <room>| around| wherever they go| "
            f"into the <room>)"
            f"|{{follow}} <name> (from|at|who is at) the <location>(| to the <room>| to the <room>)"
            f"|{meeting} {{and}} {{follow}} {_THEM}|{{go}} {{to}} <location> {{and}} {{follow}} "
            f"<name>(| to the <room>))",
            rng,
        )
        return text, f"( follow {set_of(person)} )"
    if kind < 0.8:
        text = draw(
            (
                f"{meeting} {{and}} {{follow}} {_THEM} ({{and}}|before you|and afterwards) {{go}} "
                f"{{to}} <room>"
            ),
            rng,
        )
        return text, f'( sequence ( follow {set_of(person)} ) ( go " <room> " ) )'
    text = draw(
        f"({meeting} {{and}} {{follow}} {_THEM} {{and}} {{guide}} {_THEM} (back|back|back here"
        f"|back to me|back again|home)"
        f"|{meeting} {{and}} {{guide}} {_THEM} (back|back here|back to me|back again|to me))",
        rng,
    )
    return text, (f'( lambda $1 e ( sequence ( follow {person} ) ( guide $1 " current " ) ) )')


def guide(rng: random.Random) -> Pair:
    """A person to a place, or to nobody says where."""
    kind = rng.random()
    goal = "location" if rng.random() < 0.93 else "room"
    to = f"(to|to|to|over to|towards) the <{goal}>"
    where = (
        "(you (may|can|will|might|should|could) find (them|him|her)|(they are|he is|she is"
        "|he's|she's|they're|they will be|he will be)) (at|at|in|by|near|on) the <location>"
    )
    meeting = (
        "({meet} <name> {at} <location>|{go} {to} <location> {and} {meet} <name>|at the "
        "<location> {meet} <name>|<name> is {at} <location>)"
    )
    if kind < 0.28:
        text = draw(
            f"({{guide}} <name> {to}|{{guide}} <name> {to}|{{meet}} <name> {{and}} {{guide}} "
            f"{_THEM} {to}|show <name> (where the <{goal}> is|the way to the <{goal}>)"
            f"|<name> (wants|needs|would like) to (go|get|be taken) {to}|help <name> (find|get "
            f"to|reach) the <{goal}>)",
            rng,
        )
        return text, f'( guide {set_of(PERSON, NAME)} " <{goal}> " )'
    if kind < 0.62:
        text = draw(
            f"({{guide}} <name> (from|from|who is at|at) the <location> {to}|{{guide}} <name> "
            f"(from|from) the <location> {to}|{{guide}} <name> {to} {where}"
            f"|{{guide}} <name> {to} {where}|{meeting} {{and}} {{guide}} {_THEM} {to}|{meeting} "
            f"{{and}} {{guide}} {_THEM} {to}|{meeting} {{and}} {{guide}} {_THEM} {to}"
            f"|{meeting} {{and}} show {_THEM} (where the <{goal}> is|the way to the <{goal}>))",
            rng,
        )
        return text, f'( guide {set_of(PERSON, NAME, AT["location"])} " <{goal}> " )'
    nowhere = "(|||| somewhere| along| around| away| with you| out)"
    if kind < 0.8:
        text = draw(f"{{meet}} <name> {{and}} {{guide}} {_THEM}{nowhere}", rng)
        return text, f"( guide {set_of(PERSON, NAME)} {UNKNOWN} )"
    text = draw(f"{meeting} {{and}} {{guide}} {_THEM}{nowhere}", rng)
    return text, f"( guide {set_of(PERSON, NAME, AT['location'])} {UNKNOWN} )"
