"""Plain wordings for saying something and for answering."""

from __future__ import annotations

import re

from sage.skills.acting import Deed
from sage.skills.answers import quoted
from sage.skills.intent import MAX_WORDS_CHARS
from sage.skills.nouns import THEM, No, Who, name_of, the_same, who_meant
from sage.skills.vocabulary import without_article

_SAY = re.compile(r"(?:say|saying|speak out|announce|utter) (?P<words>.+?)(?: to (?P<who>.+))?")
_TELL = re.compile(r"(?:tell|give|inform|explain to) (?P<rest>.+)")
_TELL_TO = re.compile(r"(?:tell|say) (?P<words>.+) to (?P<who>.+)")
_GREET = re.compile(
    r"(?:greet|welcome|say (?:hello|hi|good day) to|talk to|speak (?:to|with)) (?P<who>.+)"
)
_INTRODUCE = re.compile(
    r"(?:introduce|present) yourself(?: to (?P<who>.+))?|(?:talk|speak) about yourself"
    r"|who are you|what are you"
)
_ANSWER = re.compile(
    r"answer (?:to )?(?:(?:a|the|my|his|her|their|some|any|one|another|all|of) )*questions?"
    r"(?: (?:of|from|by|to|for|asked by) (?P<who>.+))?"
    r"|answer (?:to )?(?P<whose>.+?)(?: 's|'s)? (?:a |the )?questions?"
    r"|(?:i have|i've got|i have got|there is)(?: a| some| another)? questions?(?: for you)?"
    r"|(?:can|may|could) i ask(?: you)?(?: a question| something)|(?:let me )?ask you a question"
)
_ANSWER_THIS = re.compile(r"answer (?:the |this )?question (?P<words>(?!of |from |by |to ).+)")
_QUESTION = re.compile(
    r"(?:(?:please )?(?:tell|let) (?:me|us)(?: know)? |do you know |can you tell me )?"
    r"(?P<words>(?:what|what's|whats|who|who's|when|where|which|in which|how|why|do you"
    r"|is there)\b.+)"
)
# Words of the questions that the ontology has answers to.
_KNOWN_QUESTION = re.compile(
    r"programming language|\bcompiler\b|\bbug\b|\bplatform league\b|\bopl\b|\bdspl\b|\bsspl\b"
    r"|\brobocup\b|\bcanada\b|\bcanadian\b|\bdreams?\b|your team|team's name|\b(?:c|b) language"
    r"|what time|the time\b|what day|what date|which day|today's date"
)
_TOLD_WORDS = (
    ("the day of the week", r"(?:the |what |which )?(?:current )?(?:day of the week|weekday)\b.*"),
    ("the day of the month", r"(?:the |what |which )?(?:current )?day of the month\b.*"),
    (
        "what day tomorrow is",
        r"(?:what|which) (?:day|date)\b.*\btomorrow\b.*|tomorrow's (?:day|date)",
    ),
    (
        "what day it is",
        r"(?:what|which) (?:day|date)\b.*|(?:the|today's) (?:day|date)\b.*|what today is",
    ),
    ("the time", r"(?:the |what )(?:current )?time\b.*|what time it is|how late it is"),
    ("a joke", r"(?:a |your best |some |one |another )?(?:\w+ )?jokes?|something funny"),
    ("your team's name", r"(?:your team's name|the name of your team|your team name)"),
    ("your name", r"(?:your|the robot's)(?: own)? name|who you are|what your name is"),
    ("something about yourself", r"(?:something )?(?:about yourself|about you|personal)"),
    ("hello", r"hello|hi"),
)
_TOLD = tuple((name, re.compile(pattern)) for name, pattern in _TOLD_WORDS)
_VAGUE = re.compile(r"(?:it|that|this|so|what|how|where|who|why)\b.*")
_MOST_WORDS = 20


def asks(clause: str) -> str | None:
    """The question that a clause is, if it sounds like one that has an answer."""
    match = _QUESTION.fullmatch(clause)
    if match is None or len(clause) > MAX_WORDS_CHARS or _KNOWN_QUESTION.search(clause) is None:
        return None
    return str(match["words"])


def told(words: str) -> str | None:
    """What is to be told, where words stand for something else: one of ``TOLD``, or hello."""
    plain = words.strip()
    return next((name for name, pattern in _TOLD if pattern.fullmatch(plain)), None)


def speech(clause: str, who: Who | None) -> Deed | None:
    """What a clause asks to say or to answer; ``who`` is the person named before."""
    if (match := _INTRODUCE.fullmatch(clause)) is not None:
        return _said("something about yourself", _listener(match["who"], who))
    if (match := _GREET.fullmatch(clause)) is not None and (
        met := who_meant(match["who"])
    ) is not None:
        if clause.startswith(("talk", "speak")):
            raise No("what to say was not said", [_said("hello", the_same(met, who))])
        return _said("hello", the_same(met, who))
    if (match := _ANSWER.fullmatch(clause)) is not None:
        whose = match["who"] or match["whose"]
        if match["whose"] and who_meant(re.sub(r" ?'s$", "", match["whose"])) is None:
            return None
        listener = _listener(re.sub(r" ?'s$", "", whose) if whose else None, who)
        if listener is None or listener.somebody in ("me", "it"):
            return Deed("answer")
        return Deed("answer", at=listener.at, person=name_of(listener))
    if (match := _ANSWER_THIS.fullmatch(clause)) is not None:
        return Deed("answer", words=match["words"])
    if (match := _TELL_TO.fullmatch(clause)) is not None and (
        met := who_meant(match["who"])
    ) is not None:
        words = told(match["words"]) or (match["words"] if clause.startswith("say") else None)
        if words is not None:
            return _said(words, the_same(met, who))
    if (match := _TELL.fullmatch(clause)) is not None:
        return _telling(match["rest"], who)
    if (match := _SAY.fullmatch(clause)) is not None:
        words = match["words"] if match["who"] is None else f"{match['words']} to {match['who']}"
        plain = without_article(words)
        if plain in (*THEM, "him", "her") or _VAGUE.fullmatch(words):
            if (known := told(words)) is None:
                return None
            words = known
        if len(words.split(" ")) > _MOST_WORDS or len(words) > MAX_WORDS_CHARS:
            return None
        return _said(told(words) or words, who)
    if who is None and re.fullmatch(r"what(?:'s| is) your name", clause):
        return _said("your name", None)
    return None


def _telling(rest: str, who: Who | None) -> Deed | None:
    """Tell somebody something: "me the time", "Taylor a joke", "the person in the kitchen hi"."""
    words = rest.split(" ")
    if (known := told(rest)) is not None:
        return _said(known, who)
    for cut in range(min(len(words) - 1, 9), 0, -1):
        met = who_meant(" ".join(words[:cut]))
        if met is None:
            continue
        what = " ".join(words[cut:])
        met = the_same(met, who)
        if (known := told(what)) is not None:
            return _said(known, met)
        if what.startswith("that ") and len(what) <= MAX_WORDS_CHARS and met.somebody != "me":
            return _said(what.removeprefix("that "), met)
        break
    return None


def _said(words: str, listener: Who | None) -> Deed:
    if listener is None or listener.somebody in ("me", "it"):
        return Deed("say", words=words)
    return Deed("say", at=listener.at, person=name_of(listener), words=words)


def _listener(phrase: str | None, before: Who | None) -> Who | None:
    if phrase is None:
        return before
    somebody = who_meant(phrase)
    if somebody is None:
        raise No(f"{quoted(phrase)} is nobody here to speak to")
    return the_same(somebody, before)
