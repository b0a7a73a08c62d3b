"""Frames of the training grammar: saying, answering, and telling what is to be seen."""

from __future__ import annotations

import random

from models.language.forms import ASKED, SUPERLATIVES
from models.language.frames import AT, CATEGORY, Pair, all_of, set_of, somebody
from models.language.lexicon import draw


def speak(rng: random.Random) -> Pair:
    """Say something to a person, or answer a question of theirs.

    The notation looks for somebody who is named at a piece of furniture, whatever was said.
    """
    answer = rng.random() < 0.5
    who, restrictions = somebody(rng)
    named = who == "<name>"
    room = not named
    place = "room" if room or rng.random() < 0.5 else "location"
    where = "{in} <room>" if place == "room" else "{at} <location>"
    act = "{answer}" if answer else "{tell}"
    direct = (
        (
            f"(answer (a|the) (question|<question>) (to|for|of|from|asked by) {who} {where}"
            f"|answer a question (to|for|of|from) {who} {where}"
            f"|(reply|respond) to (a|the) question (of|from) {who} {where}|answer {who} 's "
            f"question {where}|answer {who} {where} a question"
            f"|help {who} {where} with a question|{who} {where} has a question (please|) answer "
            f"it|let {who} {where} ask you a question)"
        )
        if answer
        else (
            f"({{tellverb}} {who} {where} {{telltext}}|{{tellverb}} {who} {where} {{telltext}}"
            f"|{{tellverb}} {{telltext}} to {who} {where}|say {{telltext}} to {who} {where}"
            f"|tell {{telltext}} to {who} {where}|let {who} {where} know {{telltext}}|{who} "
            f"{where} (wants|needs|would like) to (know|hear) {{telltext}}"
            f"|inform {who} {where} (of|about) {{telltext}}|give {who} {where} {{telltext}})"
        )
    )
    place = f"<{place}>"
    text = draw(
        f"({{find}} {who} {where} {{and}} {act}|{{find}} {who} {where} {{and}} {act}|{{meet}} "
        f"{who} {where} {{and}} {act}"
        f"|{{go}} {{to}} {place} {{and}} {{find}} {who} {{and}} {act}|{{go}} {{to}} {place} "
        f"{{and}} {{find}} {who} {{and}} {act}|{{go}} {{to}} {place} {{and}} {{find}} {who} "
        f"{{and}} {act}"
        f"|{{go}} {{to}} {place} {{and}} {act} (to|for) {who}|{where} {{find}} {who} {{and}} "
        f"{act}|{where} (there is|is) {who} {act}"
        f"|{direct}|{direct}|{direct})",
        rng,
    )
    told = '( answer " <question> " )' if answer else '" <whattosay> "'
    return text, f"( say {told} {set_of(*restrictions, AT['room' if room else 'location'])} )"


def ask_person(rng: random.Random) -> Pair:
    """The name, gender or pose of whoever is somewhere.

    The notation looks for whoever's name is asked for in a room, whatever was said.
    """
    asked = rng.choice(ASKED)
    room = rng.random() < 0.65
    where = "{in} <room>" if room else "{at} <location>"
    person = (
        "(the person|the person|the person|the human|the individual|someone|somebody|a "
        "person|the one|the guest|whoever is)"
    )
    body = {
        "name": (
            f"({{tellme}} the name of {person} {where}|{{tellme}} the name of {person} {where}"
            f"|{{tellme}} who (is|the person is|it is that is) {where}|who is {where}|who's "
            f"{where}|who is {person} {where}"
            f"|what is the name of {person} {where}|what's the name of {person} {where}"
            f"|{{tellme}} what {person} {where} is (called|named)|ask {person} {where} (for"
            f"|what is|to tell you) (their|his|her) name"
            f"|{{find}} {person} {where} {{and}} (ask|tell me|get|learn|find out) (their|his"
            f"|her|the) name|{{tellme}} {person} {where} 's name|what is {person} {where} "
            f"(called|named)"
            f"|{{go}} {{to}} <{'room' if room else 'location'}> {{and}} (tell me who is there"
            f"|find out who is there|ask the person 's name|tell me the name of the person "
            f"there)|(identify|name|recognize) {person} {where})"
        ),
        "gender": (
            f"({{tellme}} the (gender|gender|sex) of {person} {where}|{{tellme}} the gender of "
            f"{person} {where}|what (is|'s) the (gender|sex) of {person} {where}|what gender is "
            f"{person} {where}|what sex is {person} {where}"
            f"|{{tellme}} (if|whether) {person} {where} is (a man or a woman|male or female|a "
            f"boy or a girl|a male or a female|a woman or a man)|is {person} {where} (a man or "
            f"a woman|male or female|a boy or a girl|a guy or a girl)"
            f"|{{find}} {person} {where} {{and}} (tell me|identify|determine) (their|the) "
            f"gender|(identify|determine) the (gender|sex) of {person} {where}|{{tellme}} what "
            f"gender {person} {where} is)"
        ),
        "pose": (
            f"({{tellme}} the (pose|pose|posture|position|stance) of {person} {where}|{{tellme}} "
            f"the pose of {person} {where}|what is the (pose|posture|position) of {person} "
            f"{where}|how is {person} {where} (posed|posing|positioned|standing|sitting)"
            f"|what (pose|posture|position) is {person} {where} (in|)|what pose does {person} "
            f"{where} have|{{tellme}} (if|whether) {person} {where} is (sitting or standing"
            f"|standing or sitting|lying or sitting|sitting standing or lying down)"
            f"|is {person} {where} (sitting or standing|standing or lying down)|{{tellme}} how "
            f"{person} {where} is (posed|positioned|posing)|(describe|identify) the (pose"
            f"|posture|position) of {person} {where}"
            f"|{{find}} {person} {where} {{and}} (tell me|identify|describe) (their|the) (pose"
            f"|posture))"
        ),
    }[asked]
    at = '( at $2 " <room> " )' if room or asked == "name" else '( at $2 " <location> " )'
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
    weigh = (
        (
            f"|what {{thing}} {{weigh_{word}}} {{on}} <location>|which {{thing}} {{on}} <location> "
            f"{{weigh_{word}}}"
        )
        if (word in ("heaviest", "lightest") and not three and not category)
        else ""
    )
    text = draw(
        f"({{tellme}} (which are|which are|what are|what's|what is|which is|) the {best} {{on}} "
        f"<location>|{{tellme}} (which are|what are|what's|what is|) the {best} {{on}} "
        f"<location>"
        f"|(which|what) are the {best} {{on}} <location>|(what is|what's|which is) the {best} "
        f"{{on}} <location>|{{tellme}} (the|which) {best} (there are|are|you see|lie|is|you "
        f"find) {{on}} <location>"
        f"|{{go}} {{to}} <location> {{and}} {{tellme}} (which are|what are|what is|what's|) the "
        f"{best}|{{on}} <location> (what are|which are|what is|what's) the {best}"
        f"|{{find}} the {best} {{on}} <location> {{and}} (tell me|let me know|report|name them"
        f"|tell me what they are|tell me what it is)"
        f"|(name|list|identify|state|show me) the {best} {{on}} <location>|what {best} (are|is) "
        f"{{on}} <location>{weigh})",
        rng,
    )
    kind = CATEGORY if category else ""
    if three:
        return text, f"( say {set_of(f'( {word} $1 3 )', kind, AT['location'])} )"
    return text, f"( say {all_of(f'( {word} $1 )', kind, AT['location'])} )"
