"""Frames of the training grammar: what is said at home to a robot that is close by.

The competition's commands name a person and a place; at home it is "follow me", "what's the time",
"take it to the kitchen". And whoever is followed, guided, spoken to or brought something can be
any of the people that the other frames tell apart.
"""

from __future__ import annotations

import random

from models.language.frames import AT, CATEGORY, NAME, OBJECT, PERSON, A, Pair, set_of, somebody
from models.language.lexicon import draw

_TOLD = '( say " <whattosay> " )'
_ANSWERED = '( say ( answer " <question> " ) )'


def told(rng: random.Random) -> Pair:
    """Something said to whoever asks, or to somebody wherever they are."""
    if rng.random() < 0.62:
        text = draw(
            "(<whattosay>|<whattosay> please|tell me <whattosay>|tell me <whattosay>"
            "|say <whattosay>|say <whattosay>|what is <whattosay>|what 's <whattosay>"
            "|what 's <whattosay>"
            "|(do you know|do you have|i want to know|i'd like to know|i would like to hear"
            "|i want to hear|let me hear|let me know|give me|let us hear|share) <whattosay>"
            "|(what is|what 's|do you have|have you got|tell us|say) <whattosay>"
            "(| for me| to me| now| today| right now| please)"
            "|(can|could|would|will) you (tell|say|give) (me|us) <whattosay>"
            "|(can|could|may) i (have|hear|know) <whattosay>|{tellme} <whattosay>"
            "|(just|now) (say|tell me) <whattosay>|(say|tell me) <whattosay> (aloud|loud|again)"
            "|tell (everyone|everybody|us all|us) <whattosay>|(speak|announce|recite) <whattosay>)",
            rng,
        )
        return text, _TOLD
    who, restrictions = somebody(rng)
    if rng.random() < 0.5:
        text = draw(
            f"(say <whattosay> to {who}|say <whattosay> to {who}|tell {who} <whattosay>"
            f"|tell {who} <whattosay>|give {who} <whattosay>|let {who} know <whattosay>"
            f"|{{find}} {who} {{and}} {{tell}}|{{meet}} {who} {{and}} {{tell}}"
            f"|go to {who} {{and}} (say|tell them) <whattosay>|{who} (wants|needs|would like) to "
            f"(know|hear) <whattosay>)",
            rng,
        )
        return text, f'( say " <whattosay> " {set_of(*restrictions)} )'
    text = draw(
        f"({{find}} {who} {{and}} {{answer}}|{{meet}} {who} {{and}} {{answer}}|answer a question "
        f"(of|from|for|to) {who}|answer {who} 's question|go to {who} {{and}} {{answer}}"
        f"|help {who} with a question|{who} has a question (for you|) (please answer it|))",
        rng,
    )
    return text, f'( say ( answer " <question> " ) {set_of(*restrictions)} )'


def answered(rng: random.Random) -> Pair:
    """A question that is still to be asked."""
    text = draw(
        "((answer|please answer|reply to|respond to) (a|my|the|one|this|another) "
        "(question|<question>)"
        "|i have (a|one|another|some|a few) (question|questions) (for you|)"
        "|i (want|would like|need|'d like) to ask (you|) (a question|something|one thing)"
        "|(can|could|may) (i|we) ask (you|) (a question|something|you something)"
        "|let me ask (you|) (a question|something)|(can|could|would|will) you answer "
        "(a|my|me a|one) question (for me|please|)|answer me (a question|this|something)"
        "|i've got a question|help me with a question|answer questions|answer my questions"
        "|(take|hear) my question|there is something (i want|i'd like) to ask (you|)"
        "|(listen to|wait for) my question and answer it)",
        rng,
    )
    return text, _ANSWERED


def follow_anyone(rng: random.Random) -> Pair:
    """Behind the speaker, or behind whoever is described; perhaps on to a room."""
    if rng.random() < 0.5:
        restrictions: tuple[str, ...] = (PERSON,)
        text = draw(
            "({follow} me|{follow} me|follow me|come with me|come along|come after me|walk with me"
            "|stay (with|behind|close to) me|(come|walk|go|drive) behind me|keep up with me"
            "|come along with me|keep following me|start following me|be my shadow|i want you to "
            "follow me|track me|come and follow me|go where i go|after me|do follow me)"
            "(|| please| now| around| wherever i go| closely| until i stop)",
            rng,
        )
    else:
        who, restrictions = somebody(rng)
        place = rng.choices(("", "room", "location"), (0.35, 0.45, 0.2))[0]
        where = {"": "", "room": "{in} <room>", "location": "{at} <location>"}[place]
        restrictions = (*restrictions, *([AT[place]] if place else []))
        text = draw(
            f"({{follow}} {who} {where}|{{follow}} {who} {where}|{{meet}} {who} {where} {{and}} "
            f"{{follow}} {{pronoun}}|{{find}} {who} {where} {{and}} {{follow}} {{pronoun}}"
            f"|{where} {{follow}} {who})",
            rng,
        )
    if rng.random() < 0.22:
        to = "(to the|into the|to the|all the way to the|{and} {go} {to}) <room>"
        text = f"{text} {draw(to, rng)}"
        return text, f'( sequence ( follow {set_of(*restrictions)} ) ( go " <room> " ) )'
    return text, f"( follow {set_of(*restrictions)} )"


def guide_anyone(rng: random.Random) -> Pair:
    """The speaker, or whoever is described, to a place."""
    goal = "room" if rng.random() < 0.6 else "location"
    to = f"(to|to|to|over to|towards|into) the <{goal}>"
    if rng.random() < 0.45:
        text = draw(
            f"({{guide}} me {to}|{{guide}} me {to}|(take|lead|guide|bring|walk|escort) me {to}"
            f"|show me the way {to}|show me (how to get|where to go) {to}"
            f"|(can|could|will|would) you (take|lead|guide|walk|accompany|escort) me {to}"
            f"|i (want|need|would like|'d like) to (go|get|be taken|be led) {to} with you"
            f"|help me (get|go) {to}|(come|go) with me {to} and lead the way|lead the way {to}"
            f"|i want you to (take|guide|lead) me {to}|go ahead of me {to}|guide us {to})",
            rng,
        )
        return text, f'( guide {set_of(PERSON)} " <{goal}> " )'
    who, restrictions = somebody(rng)
    room = rng.random() < 0.6
    where = "{in} <room>" if room else ""
    restrictions = (*restrictions, *([AT["room"]] if room else []))
    text = draw(
        f"({{guide}} {who} {where} {to}|{{guide}} {who} {where} {to}|{{meet}} {who} {where} "
        f"{{and}} {{guide}} {{pronoun}} {to}|{{find}} {who} {where} {{and}} {{guide}} {{pronoun}} "
        f"{to}|show {who} {where} the way {to}|help {who} {where} (get|find the way) {to}"
        f"|{who} {where} (wants|needs|would like) to (go|get|be taken) {to})",
        rng,
    )
    return text, f'( guide {set_of(*restrictions)} " <{goal}> " )'


def carry_it(rng: random.Random) -> Pair:
    """What was just spoken of, or is held, to the speaker or to a place."""
    it = "(it|it|it|them|that|this|that one|this one|the thing|the object)"
    if rng.random() < 0.4:
        text = draw(
            f"({{bringit}}|{{bringit}}|{{hand}} {it} to me|{{handme}} {it}|(get|fetch) {it} for me"
            f"|(bring|give|hand|pass|take) me {it}|i want {it}|{{grab}} {it} {{and}} {{bringit}})",
            rng,
        )
        return text, f"( bring {set_of(OBJECT)} )"
    goal = "location" if rng.random() < 0.75 else "room"
    onto = "{onto}" if goal == "location" else "(to the|into the|in the)"
    text = draw(
        f"({{put}} {it} {onto} <{goal}>|{{put}} {it} {onto} <{goal}>|put {it} down {onto} <{goal}>"
        f"|{{move}} {it} (to|over to) the <{goal}>|{it} (goes|belongs|should be) {onto} <{goal}>)",
        rng,
    )
    return text, f'( put {set_of(OBJECT)} " <{goal}> " )'


def carry_kind(rng: random.Random) -> Pair:
    """Anything of a category: to the speaker, to somebody, to a place."""
    source = rng.choices(("", "location", "room"), (0.55, 0.25, 0.2))[0]
    place = {"": "", "location": "{from} <location>", "room": "{in} <room>"}[source]
    what = f"(a|some|the|any|one of the|a piece of|something from the|another|) <category> {place}"
    taken = set_of(CATEGORY, AT.get(source, ""))
    kind = rng.random()
    if kind < 0.5:
        text = draw(
            f"({{handme}} {what}|{{handme}} {what}|{{grab}} {what} {{and}} {{bringit}}"
            f"|{{hand}} {what} to me|(could|can|may) i have {what}"
            f"|i (want|need|would like) {what})",
            rng,
        )
        return text, f"( bring {taken} )"
    if kind < 0.75:
        who, restrictions = somebody(rng)
        text = draw(
            f"({{hand}} {what} (to|to|for) {who}|{{hand}} {who} {what}|{{grab}} {what} {{and}} "
            f"{{hand}} (it|them|that) to {who}|{who} (needs|wants|would like) {what})",
            rng,
        )
        return text, f"( bring {taken} {set_of(*restrictions)} )"
    text = draw(
        f"({{put}} {what} {{onto}} <location>|{{move}} {what} to the <location>"
        f"|{{grab}} {what} {{and}} {{put}} (it|them|that) {{onto}} <location>)",
        rng,
    )
    return text, f'( put {taken} " <location> " )'


def bring_anyone(rng: random.Random) -> Pair:
    """A thing to whoever is described, wherever they are."""
    who, restrictions = somebody(rng)
    room = rng.random() < 0.6
    where = "{in} <room>" if room else ""
    person = set_of(*restrictions, *([AT["room"]] if room else []))
    text = draw(
        f"({{hand}} {A} <object> (to|to|over to|for) {who} {where}|{{hand}} {who} {where} {A} "
        f"<object>|{{grab}} {A} <object> {{and}} {{hand}} (it|them|that) to {who} {where}"
        f"|{who} {where} (needs|wants|would like|asked for) {A} <object>|{{hand}} {A} <object> to "
        f"{who} {where}|{{go}} {{to}} <room> {{and}} {{hand}} {A} <object> to {who})"
        if room
        else f"({{hand}} {A} <object> (to|to|over to|for) {who}|{{hand}} {who} {A} <object>"
        f"|{{grab}} {A} <object> {{and}} {{hand}} (it|them|that) to {who}|{{find}} {who} {{and}} "
        f"{{hand}} {{pronoun}} {A} <object>|{who} (needs|wants|would like) {A} <object>)",
        rng,
    )
    return text, f"( bring {set_of(OBJECT)} {person} )"


def follow_named(rng: random.Random) -> Pair:
    """Somebody by name in a room, perhaps on to another one."""
    text = draw(
        "({meet} <name> {in} <room> {and} {follow} {pronoun}|{follow} <name> {in} <room>"
        "|{go} {to} <room> {and} {follow} <name>|{go} {to} <room> {meet} <name> {and} {follow} "
        "{pronoun})",
        rng,
    )
    return text, f"( follow {set_of(PERSON, NAME, AT['room'])} )"
