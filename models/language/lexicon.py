"""Words and turns of phrase that the training grammar draws from.

Templates: ``(a|b|)`` is a choice, which may nest; ``{key}`` stands for an entry of ``LEXICON``;
``<room>`` and the like are class tokens. Written from the rule book of the RoboCup@Home General
Purpose Service Robot test and from common English.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import Final

LEXICON: Final[dict[str, str]] = {
    "go": (
        "go|go|go|navigate|move|head|travel|proceed|walk|drive|run|make your way|get over|go over"
        "|journey|go on|step|roll|hurry|get yourself|go ahead|come|advance|transport yourself"
    ),
    "to": (
        "to the|to the|to the|to|into the|over to the|towards the|toward the|up to the|down to the"
    ),
    "at": (
        "at the|at the|in the|on the|by the|near the|next to the|beside the|close to the|around the"
    ),
    "on": "on the|on the|on|at the|in the|on top of the|inside the|upon the|in",
    "onto": (
        "on the|on the|on|onto the|in the|into the|to the|on top of the|at the|inside the|upon the"
        "|by the|over the|over on the|back on the|down on the"
    ),
    "from": (
        "from the|from the|from the|from|off the|off of the|out of the|on the|in the|at the"
        "|that is on the"
        "|that's on the|which is on the|that is in the|lying on the|located at the|sitting on the"
        "|over on the|inside the|placed on the|that's in the|which is in the|that you find on the"
        "|standing on the|over at the|you see on the|by the|resting on the|near the"
    ),
    "in": (
        "in the|in the|in the|in the|in|inside the|inside of the|within the|at the|over in the"
        "|who is in the"
        "|who's in the|that is in the|that's in the|located in the|from the|somewhere in the"
    ),
    "roomin": "in the|in the|in the|inside the|in|within the|at the|from the|over in the",
    "find": (
        "find|find|find|locate|locate|look for|look for|search for|seek|seek out|hunt for|spot"
        "|discover"
        "|track down|go find|go look for|go and find|try to find|see if you can find|detect"
        "|scan for"
        "|check for|hunt down|find me|help me find|figure out where to find|keep an eye out for"
        "|do a search for|start looking for|begin a search for|uncover"
    ),
    "meet": (
        "meet|meet|meet|find|locate|look for|greet|join|go to|approach|see|go see|go meet"
        "|encounter|go find"
        "|catch up with|meet up with|seek|pick up|fetch|get|introduce yourself to|rendezvous with"
        "|get together with|search for|contact|say hello to|walk up to|wait for"
    ),
    "grab": (
        "get|get|grasp|grasp|grab|grab|pick up|pick up|take|take|fetch|retrieve|collect|lift"
        "|obtain|acquire"
        "|seize|find|locate|look for|pick|remove|go get|go grab|go fetch|hold|pull|gather"
        "|procure|secure"
        "|choose|select|snatch|take hold of|lift up|go pick up|bring|extract|carry|clutch|scoop up"
    ),
    "hand": (
        "bring|bring|give|give|deliver|deliver|hand|carry|take|pass|hand over|bring over|serve"
        "|present|return"
        "|offer|transport|pass over|send|convey|haul|supply"
    ),
    "handme": (
        "bring me|bring me|bring me|give me|give me|give me|hand me|get me|fetch me|pass me"
        "|deliver me"
        "|get|grab me|grab|fetch|retrieve|retrieve for me|go get|go get me|go grab|go fetch"
        "|deliver|hand over"
        "|i want|i need|i would like|i'd like|i want you to bring me|i need you to get me|let "
        "me have"
        "|can i have|can i get|could i have|may i have|can you get me|i'll take|help me get"
        "|bring to me"
        "|give to me|deliver to me|bring over|bring here|serve me|i require|get hold of|procure "
        "for me"
        "|i'm looking to have|pick up|provide me with|supply me with|carry me|bring back|take me"
        "|present me with|i desire|pick me up|send me|i am in need of|pass|hand|slide me|obtain "
        "for me"
    ),
    "bringit": (
        "bring it to me|bring it to me|give it to me|deliver it to me|hand it to me|bring it here"
        "|bring it back|bring it back to me|bring it over|carry it to me|pass it to me|hand it over"
        "|hand it over to me|take it to me|return it to me|bring it over here|let me have it"
        "|give me it"
        "|bring me it|get it to me|return with it|bring it over to me|give it over|come back "
        "with it"
        "|bring it my way|deliver it here|bring that to me|bring them to me|give them to me"
        "|fetch it for me"
        "|get it for me|bring it for me|return to me with it|i need it here|hand that to me"
        "|present it to me"
    ),
    "put": (
        "put|put|put|place|place|place|set|leave|drop|deposit|position|lay|store|rest|move"
        "|transfer|relocate"
        "|put down|set down|bring|take|carry|deliver|transport|drop off|stick|return|stow|shift"
        "|arrange"
        "|sit|situate|load|get|install|put away|lay down|stash|insert"
    ),
    "move": (
        "bring|take|move|transfer|relocate|carry|transport|deliver|get|shift|haul|convey|lug"
        "|bring over"
        "|pick up|give|return|grasp|send|lift|switch"
    ),
    "follow": (
        "follow|follow|follow|follow|trail|chase|go after|track|shadow|tail|go with|stay with"
        "|walk behind"
        "|follow behind|walk with|stay behind|accompany along|pursue|go along with|keep up with"
        "|stick with"
        "|move behind|trail behind|tag along with|come after|follow along with|stay close to"
        "|run after"
    ),
    "guide": (
        "guide|guide|lead|lead|escort|escort|accompany|accompany|take|take|conduct|usher|walk"
        "|bring|direct"
        "|show|steer|help|shepherd|go with|send|navigate|pilot|deliver|move"
    ),
    "someone": (
        "a person|a person|someone|someone|somebody|a human|an individual|anyone|anybody|the "
        "person|people"
        "|a guest|a human being|any person|one person|a visitor|some person|whoever is|whoever "
        "you find"
    ),
    "female": (
        "a woman|a woman|a girl|a girl|a female|a female person|a lady|the woman|the girl|the "
        "female"
        "|the lady|the female person|any woman|any girl|some girl|some woman|a female "
        "individual|a female human"
        "|a person who is female|a gal|a young woman|a young lady"
    ),
    "male": (
        "a man|a man|a boy|a boy|a male|a male person|a guy|the man|the boy|the male|the guy"
        "|the male person"
        "|any man|any boy|some man|some guy|a gentleman|the gentleman|a male individual|a male "
        "human"
        "|a person who is male|a dude|a young man|a fellow"
    ),
    "lying": (
        "lying down|lying down|lying|laying down|laying|who is lying down|who's lying down|that "
        "is lying down"
        "|who is laying down|on the floor|lying on the floor|reclining|who is lying|that is "
        "laying down"
        "|stretched out|resting on the floor|in a lying position|flat on the ground|who lies "
        "down|lying flat"
        "|laid down|lay down|who is reclined"
    ),
    "sitting": (
        "sitting|sitting|sitting down|seated|who is sitting|who's sitting|that is sitting|who "
        "is seated"
        "|in a sitting position|who sits|sitting in a seat|who is sitting down|sat down|that is "
        "seated|in a seat"
    ),
    "standing": (
        "standing|standing|standing up|who is standing|who's standing|that is standing|who is "
        "standing up"
        "|on their feet|in a standing position|upright|who stands|that's standing|who is "
        "upright|stood up"
    ),
    "and": (
        "and|and|and|and then|then|and|and after that|after that|and afterwards|afterwards"
        "|next|and next|and also|"
    ),
    "pronoun": "them|them|them|him|her|the person|that person",
    "their": "their|their|his|her|the person 's|that person 's|the",
    "answer": (
        "answer a question|answer a question|answer a <question>|answer a <question>|answer "
        "{their} question"
        "|answer {their} question|answer the question|answer the <question>|reply to a question"
        "|respond to a question"
        "|respond to {their} question|answer one question|answer any question|answer any questions"
        "|answer {their} questions|answer a question for {pronoun}|answer a question from {pronoun}"
        "|answer a question that {pronoun} asks|answer questions|reply to {their} question|give "
        "an answer to a question"
        "|give {pronoun} an answer to {their} question|help {pronoun} with a question|solve "
        "{their} question"
        "|address {their} question|take {their} question|resolve a question|provide an answer "
        "to {their} question"
        "|answer {pronoun} a question|answer what {pronoun} asks|answer something {pronoun} "
        "asks|respond to a query"
        "|answer an inquiry|let {pronoun} ask you a question|answer whatever question {pronoun} "
        "has|field a question"
        "|give {pronoun} the answer to a question|answer some questions|answer whatever they ask"
    ),
    "tell": (
        "tell <whattosay>|say <whattosay>|tell {pronoun} <whattosay>|tell {pronoun} <whattosay>"
        "|tell {pronoun} <whattosay>"
        "|say <whattosay>|say <whattosay> to {pronoun}|inform {pronoun} of <whattosay>|let "
        "{pronoun} know <whattosay>"
        "|announce <whattosay>|state <whattosay>|mention <whattosay>|give {pronoun} <whattosay>"
        "|share <whattosay>"
        "|share <whattosay> with {pronoun}|inform {pronoun} <whattosay>|relay <whattosay>"
        "|recite <whattosay>"
        "|speak <whattosay>|tell <whattosay> to {pronoun}|explain <whattosay>|notify {pronoun} "
        "of <whattosay>"
        "|report <whattosay>|let {pronoun} hear <whattosay>|advise {pronoun} <whattosay>|talk "
        "<whattosay>"
        "|tell {pronoun} {text}|say {text}|tell {pronoun} {text}|say {text} to {pronoun}|give "
        "{pronoun} {text}"
    ),
    "text": (
        "something about you|something funny|something interesting|a fact about yourself|what "
        "weekday it is"
        "|which day it is|what the time is|which day of the week it is|a story|something nice"
        "|what today is"
        "|what you are called|a few words about you|the day|what day we have|a riddle|the name "
        "of the team"
        "|what hour it is|who made you|some facts about yourself|the current day|the current "
        "date|the weekday"
    ),
    "telltext": "<whattosay>|<whattosay>|<whattosay>|<whattosay>|<whattosay>|<whattosay>|{text}",
    "tellverb": "tell|say|tell|inform|let|announce to|state to|mention to|relay to|speak to",
    "tellme": (
        "tell me|tell me|tell me|tell me|let me know|inform me|report|say|report to me|find out"
        "|give me|relay to me"
        "|determine|figure out|share with me|identify|check|can you tell me|could you tell me|i "
        "want to know|"
        "i need to know|i would like to know|i'd like to know|please tell me|do you know|advise "
        "me|state|explain to me"
        "|name|see|find out and tell me|come tell me|go see and tell me|update me on|inform me "
        "of|look and tell me|"
    ),
    "biggest": "biggest|biggest|biggest|most big|bulkiest",
    "largest": "largest|largest|largest|most large|greatest size|hugest|most sizable",
    "heaviest": "heaviest|heaviest|heaviest|most heavy|weightiest|most weighty",
    "lightest": "lightest|lightest|lightest|most light|least heavy|most lightweight",
    "smallest": (
        "smallest|smallest|smallest|most small|littlest|tiniest|most tiny|least big|teeniest"
    ),
    "thinnest": (
        "thinnest|thinnest|thinnest|most thin|slimmest|skinniest|narrowest|slenderest|most slender"
    ),
    "weigh_heaviest": "weighs the most|has the most weight|has the greatest weight|weigh the most",
    "weigh_lightest": "weighs the least|has the least weight|weigh the least|has the lowest weight",
    "thing": "object|object|object|thing|thing|item|item|piece|article|one",
    "things": "objects|objects|objects|things|things|items|items|stuff|pieces",
    "objects": "<category>|<category>|objects|objects|things|things|items|items|kinds of objects",
    "howmany": (
        "how many|how many|how many|the number of|the amount of|the count of|how much"
        "|the quantity of"
    ),
    "people": "people|people|people|persons|humans|individuals|guests|folks",
    "behind": (
        "behind|behind|in back of|at the back of|to the rear of|in the back of|after|hidden behind"
    ),
    "below": "under|under|below|beneath|underneath|at the bottom of|right under|below",
    "above": "above|on top of|over|on|atop|on the top of|higher than",
    "right_of": (
        "at the right of|to the right of|on the right of|right of|at the right side of|to the "
        "right hand side of"
        "|on the right side of|on the right hand of|rightward of|right next to the right of"
    ),
    "left_of": (
        "at the left of|to the left of|on the left of|left of|at the left side of|to the left "
        "hand side of"
        "|on the left side of|on the left hand of|leftward of"
    ),
    "in_front_of": "in front of|before|ahead of|at the front of",
    "leftmost": (
        "left most object|leftmost object|left most thing|object farthest to the left|leftmost item"
        "|object on the far left|left object|thing furthest left|object on the left side|object "
        "on the left"
        "|item on the far left|first object from the left|object all the way to the left|left one"
    ),
    "rightmost": (
        "right most object|rightmost object|right most thing|object farthest to the right"
        "|rightmost item"
        "|object on the far right|right object|thing furthest right|object on the right side"
        "|object on the right|item on the far right|first object from the right|right one"
    ),
    "return": (
        "come back|come back|come back|return|return|go back|go home|come home|come back here"
        "|return here"
        "|(go|return|come|get|drive|move|head|walk|navigate) back to (the|your) (start"
        "|beginning|base|starting point"
        "|starting position|starting place|home position|dock|charging station|origin|first "
        "place|initial position"
        "|home base|home)|return to (me|us|base|base|the base|the start|your start|your "
        "starting point"
        "|the starting point|the starting position|your home|where you started|where you came "
        "from|the beginning"
        "|your dock|the origin|start|home)|(go|come|drive|get|head|walk) back (to|over to) (me"
        "|where you (started|"
        "came from|were|began)|here|where we started)|(go|head|get|drive|navigate) to (the "
        "start|your start|the starting point"
        "|your starting position|the beginning|base|home|your base|your dock|the charging "
        "station|where you started)"
        "|(come|drive|get|move) (back to me|to me|here|over here|back over here)|back to (base"
        "|start|the start|me|home)"
        "|back up to the start|go all the way back|get back here|get back|you can come back"
        "|come on back|time to come home"
        "|drive back|move back here|head back|head home|go back to where you (started|were|came "
        "from)|get home|come here"
    ),
    "stop": (
        "stop|stop|stop|stop|halt|halt|freeze|freeze|stop moving|stop now|stop right there|stop "
        "there|stop it"
        "|stop what you are doing|stop everything|stop the robot|stop driving|stop immediately"
        "|stop at once|wait"
        "|wait a (moment|second|minute)|hold on|hold it|hold still|stay|stay there|stay put"
        "|stay where you are"
        "|stand still|keep still|be still|do not move|don't move|don't go any further|pause"
        "|abort|abort the mission"
        "|cancel|cancel that|cancel the command|abort that|emergency stop|whoa|that's enough"
        "|stop stop|stop stop stop"
        "|halt now|come to a (stop|halt)|quit moving|cease|stop that|no stop|stop stop right "
        "now|freeze right there"
        "|stop going|stop walking|hang on|wait there|wait here|stay here|park"
    ),
}

_CHOICE: Final = re.compile(r"\(([^()]*)\)")
_KEY: Final = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=4096)
def _options(text: str) -> tuple[str, ...]:
    """Alternatives at the top level of a text; those inside brackets stay together."""
    parts, depth, last = [], 0, 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            parts.append(text[last:index])
            last = index + 1
    return (*parts, text[last:])


def draw(template: str, rng: random.Random) -> str:
    """One text from a template, blanks tidied."""
    text = template
    while True:
        if (key := _KEY.search(text)) is not None:
            chosen = rng.choice(_options(LEXICON[key[1]]))
            text = text[: key.start()] + chosen + text[key.end() :]
        elif (choice := _CHOICE.search(text)) is not None:
            chosen = rng.choice(choice[1].split("|"))
            text = text[: choice.start()] + chosen + text[choice.end() :]
        else:
            return " ".join(text.split())
