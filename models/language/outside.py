"""What people say to a robot that is none of its commands: the training grammar's other half."""

from __future__ import annotations

import random
from typing import Final

from models.language.lexicon import draw

_X: Final = "(<object>|<category>|<room>|<location>|<name>|thing|robot|dog|car|house|music|phone)"

_CHAT: Final = (
    "(what is|what's|how is) the weather (like|today|tomorrow|like today|outside|going to be)",
    "(will|is) it (rain|raining|snow|snowing|sunny|cold) (today|tomorrow|outside|)",
    (
        "how (are you|are you doing|do you do|old are you|tall are you|do you feel"
        "|does it work|was "
        "your day)"
    ),
    (
        "(hello|hi|hey|good morning|good evening|good night|goodbye|bye|see you|welcome) (robot"
        "|there|everyone|<name>|)"
    ),
    (
        "(thanks|thank you|thank you very much|nice|great|well done|good job|good robot|bad robot"
        "|sorry|yes|no|maybe|okay|sure|right)"
    ),
    "(tell|say) me (a|another|your best|) (story|secret|poem|fairy tale)",
    (
        "(sing|play|hum|whistle) (me|) (a|the|some|my favorite|another) (song|music|tune|album"
        "|melody|game|movie|video|chess)"
    ),
    (
        "(do you|can you|did you|would you) (like|love|dream|think|sleep|eat|hear me|understand me"
        "|know me|speak german|dance|swim|fly|see <name>|like <category>)"
    ),
    (
        "(who|what) (are you|is your name|made you|is the president|won the game|is the capital of "
        "france|is love|is that|do you think|is <name> doing)"
    ),
    "(what|which) (year|month) is it",
    (
        "(i am|i'm|we are|she is|he is|<name> is) (tired|hungry|happy|sad|cold|bored|late|busy|here"
        "|at home|sick|leaving|thirsty|coming soon)"
    ),
    (
        "(i|we|they|you) (like|love|hate|saw|had|want to eat|used to have|do not like|bought|ate"
        "|miss|forgot|lost) (the|a|some|my|) (<object>|<category>|<name>|music|football|winter"
        "|school|it|him)"
    ),
    (
        "the (<object>|<location>|<category>|<room>) (is|are|was|looks|smells|seems) (nice|dirty"
        "|clean|broken|empty|too small|old|red|blue|very good|expensive|missing|cold|wet|ready)"
    ),
    (
        "(is|are) the (<object>|<location>|<category>|<room>|door|window|lights) (nice|dirty|clean"
        "|broken|empty|open|closed|ready|on|off|hot|fresh)"
    ),
    (
        "(what|which) (color|colour|shape|brand|price) (is|has|does) the (<object>|<location>"
        "|<room>|wall|car) (have|)"
    ),
    "how much (does|do|is|are) (the|a|) (<object>|<category>|it|milk|this) (cost|)",
    (
        "(why|when|how|where) (did|do|does|is|was|will) (you|he|she|they|<name>|the <object>|the "
        "train) (say|go|do|come from|leave|work|arrive|happen|made) (that|this|)"
    ),
    (
        "(let's|let us|we should|you should|i should) (go out|eat|dance|play|watch a movie|talk"
        "|sleep|have dinner|leave|start over|go shopping|take a break)"
    ),
    (
        "(happy birthday|merry christmas|congratulations|good luck|bless you|never mind|forget it"
        "|whatever|not you|nothing|excuse me|ouch|oh my god|by the way) (<name>|)"
    ),
    (
        "(and|so|but|because|well|um|uh) (then|i|we|they|you know|the other day|yesterday) (went"
        "|said|told|was|were|saw|thought) (to|that|him|her|it|the|about) (the store|school|work"
        "|yesterday|a friend|<room>|me)"
    ),
    (
        "(yesterday|tomorrow|last week|next year|every day) (i|we|they|my sister"
        "|<name>) (went|will "
        "go|goes|flew|travel|works) (to|in|at) (paris|the city|school|work|the beach|the office)"
    ),
    (
        "(what|who) is (the meaning of life|a robot|an atom|two plus two|seven times nine|the "
        "tallest mountain|your favorite color|your favourite food)"
    ),
)
_UNABLE: Final = (
    (
        "(turn|switch) (on|off) the (light|lights|lamp|tv|television|radio|heating|fan|oven"
        "|<location>|alarm|music) (in the <room>|)"
    ),
    (
        "(turn|switch) the (light|lights|lamp|tv|radio|heating|volume|<location>) (on|off|up|down) "
        "(in the <room>|please|)"
    ),
    (
        "(cook|bake|boil|fry|heat|prepare|make|chop|peel|cut|slice|roast|grill|eat|drink|taste"
        "|order|buy|sell|pay for) (me|) (the|a|some|an|) (<object>|<category>|dinner|lunch"
        "|breakfast|cake|pizza|soup|sandwich|coffee|egg|meal|rice)"
    ),
    (
        "(clean|vacuum|sweep|mop|wash|dust|scrub|tidy|tidy up|clean up|wipe|paint|decorate|repair"
        "|fix|build|sell|rent|measure|photograph) (the|my|this|that|all the) (<room>|<location>"
        "|<object>|<category>|floor|windows|dishes|car|house|laundry|table|mess|garden|door)"
    ),
    (
        "(open|close|shut|lock|unlock|knock on|push|kick|break|throw|throw away|burn|smell|touch"
        "|shake|squeeze|wash|dry|iron|fold|empty|fill|hide|weigh|rub|wear|water|feed|unplug|charge"
        "|assemble|destroy) (the|a|my|that) (<object>|<location>|<category>|door|window|drawer"
        "|curtains|box|bag|plants|cat|dog|trash|clothes|shirt|gate|chair)"
    ),
    (
        "(call|phone|text|email|message|marry|kiss|hug|fight|hit|invite|wake up|ask|thank"
        "|photograph|draw|remember|pay|teach) (<name>|my mother|a doctor|the police|someone|him|her"
        "|a taxi|my boss|the neighbours)"
    ),
    (
        "(set|start|cancel|stop) (a|the|my) (timer|alarm|reminder|meeting|stopwatch|download) (for"
        "|at|in) (five|ten|six|twenty|thirty) (minutes|hours|o'clock|)"
    ),
    (
        "(remind|wake) me (to|at|in|when) (call|buy|six|ten|go to|the|tomorrow|clean) (<name>"
        "|<object>|<room>|morning|shopping|)"
    ),
    (
        "(jump|dance|spin|fly|swim|climb|clap|smile|laugh|cry|sit down|lie down|wave|nod|bow|sleep"
        "|hop|crawl|sneeze) (please|robot|around|now|for me|up and down|twice|)"
    ),
    (
        "(play|read|write|type|print|translate|spell|calculate|compute|download|install|record|book"
        "|schedule|draw|paint) (a|the|some|my|this|me) (song|book|letter|email|song|page|sum|game"
        "|flight|hotel|meeting|picture|newspaper|story|password|movie)"
    ),
    (
        "(drive|take|fly|go|walk|travel|run) (me|us|) to (the|) (airport|paris|work|school|the moon"
        "|new york|supermarket|hospital|store|park|church|beach|train station|office|gym|mars|city"
        "|garden|garage|roof|basement|street)"
    ),
    (
        "(find|bring|get|give|show|buy) (me|) (a|an|the|my|some) (restaurant|hotel|movie|taxi|job"
        "|flight|recipe|ticket|answer|girlfriend|unicorn|elephant|airplane|bank|million dollars"
        "|newspaper|wallet|keys|glasses|phone|hammer|shoes|umbrella|pizza|dragon)"
    ),
    (
        "(go to|look for|follow|bring|put|find|take) (a|the|my) (blorf|wug|zorb|flimp|gribble|snark"
        "|quux|plonk|dax|fep|tove|mimsy|borogove|frob|xyzzy)"
    ),
    (
        "(charge|reboot|restart|shut down|update|reset|power off|calibrate|upgrade) (yourself|the "
        "robot|the system|your battery|now|please|)"
    ),
    "(be|stay|go|drive) (quiet|faster|slower|careful|louder|nice|silent|happy|loud)",
    (
        "(turn|rotate|spin|look|drive|go|move|lean) (left|right|around|up|down|straight|forward"
        "|backwards|back a bit|ninety degrees|in circles|a meter)"
    ),
    (
        "(meet|find|go to the <location> meet) the (<object>|<category>) and (follow|guide|lead"
        "|escort|accompany|trail) (it|them) (to the <location>|)"
    ),
    (
        "(guide|lead|escort|accompany|follow|conduct|greet|usher) the (<object>|<category>) (from "
        "the <location> to the <location>|to the <location>|)"
    ),
    (
        "{go} to the <location> ({and}|) (meet|greet|join|find) the (<object>|<category>) {and} "
        "(follow|accompany|escort|go after|trail) (it|them)"
    ),
    (
        "(accompany|lead|escort|guide|conduct) the (<object>|<category>) from the <location> (over"
        "|) to the <location>"
    ),
)
_PLACED: Final = (
    "(wash|dry|clean|cook|heat|cut|peel|slice|smash|paint|burn|hide|eat|drink|lick|kick|weigh|sell"
    "|steal|open|close|fill|empty|fold|iron|repair|draw|photograph|stack|sort|melt|crush|bury|rinse"
    "|scrub|polish|unpack|taste|steam|toast|stir|chill|defrost|disinfect|measure|decorate|water"
    "|feed|brush|wrap|glue|hammer|chew|swallow|juggle|bounce|scratch|spill|check out|label|rent)"
    " (the|my|a|some|that|these|all the|) (<object>|<category>|flowers|dishes|floor|shirt|cat)"
    " (|{on} <location>|in the <room>|from the <location>|with <name>|for <name>|before dinner)",
    "(sing|play|talk|argue|fight|eat|sleep|study|exercise|pray|laugh|chat|gossip|wrestle"
    "|cook|flirt)"
    " (with|for|about) <name> (|{in} <room>|{on} <location>|tonight)",
    "(there is|there's|i see|i saw|i left|i put|we have|she has|he found|<name> has|<name> took)"
    " (the|a|my|some|an) <object> (in the <room>|{on} <location>|yesterday|again)",
    "(<name>|my brother|the dog|the cat|a person|someone) (is|was|lives|sleeps|sat|stood|works)"
    " (in the <room>|{on} <location>|in the <room> yesterday)",
    "(<object>|<category>|<name>|<location>) (<object>|<location>|and|<name>) (<location>|<room>"
    "|<object>|and <object>)",
    "(the|a) <object> (and the|and a|or the|with the) <object> (|{on} <location>|in the <room>)",
    "(put|place|take|grab|move|pick up|hold|lift|get rid of) (the|a|my|that) <object> (|and|then)",
    "(is|are|was) (the|my) (<object>|<category>|<location>) (still|already|really|too|very)"
    " (warm|good|open|full|heavy|dangerous|there|yours|cheap|big|on fire|sweet|free)",
    "(the|this|my) (<location>|<room>|<object>|<name>) (makes|needs|wants|feels|sounds"
    "|costs|became)"
    " (a|some|very|too|like|no) (noise|repair|money|loud|old|problem|salt|cleaning|sense)",
    "what (do|does|did) (<name>|the <object>|you|the <location>|people) (want|cost|look like|eat"
    "|like|need|think of the <object>|do in the <room>|have on the <location>)",
)
_HALF: Final = (
    "(bring|give|hand|get|fetch|pass|deliver) (me|)(| the| a| some)",
    "(go|move|navigate|drive|walk|head) (to|to the|into|into the|from|over|near the)",
    (
        "(find|locate|look for|search|search for|count|follow|guide|put|place|take|pick up|grab"
        "|bring|pour|tell|say|answer|meet|lead) (the|a|some|)"
    ),
    "(put|place|take|move) (the <object> (and|on|on the|to the|from the)|it on the|the)",
    "(from|to|on|in|at|under|behind|near) the (<room>|<location>|)",
    "(the|a|an|some|my|) (<object>|<category>|<room>|<location>|<name>|<gesture>)",
    (
        "(how many|how many are|where is|where is the|who is|which are the|what is the"
        "|tell me|tell "
        "me how many|tell me the|let me know|i want to know)"
    ),
    "(find|look for) (the|a) (in the <room>|on the <location>|person who)",
    (
        "(the|a|and|to|of|it|is|me|you|robot|please|could you|can you|would you please|robot please"
        "|hey robot|okay)"
    ),
    "(and|then) (put|take|guide|follow) (it|them)",
    "to (me|<name>|the <location>|the <room>)",
    "(bring|give) (it|them) to",
    "(put|place|set|drop) (it|them|that) (|on|on the|to|into the)",
    (
        "(<object>|<room>|<location>|<name>) (<object>|<room>|<location>|<name>|and|the) (<object>"
        "|<category>|)"
    ),
    "(from|to) the <location> to the",
    "(yes|no|not) (the|that|this|a) (<object>|<room>|<location>|one)",
)
_FOREIGN: Final = (
    "geh in die küche|bring mir den apfel|wo ist das bad|komm zurück|wie geht es dir|ich möchte "
    "ein bier"
    "|suche die tasse im wohnzimmer|halt an bitte|guten morgen|wie spät ist es|folge mir bitte"
    "|das ist ein test"
    "|va à la cuisine|apporte moi la pomme|où est la salle de bain|reviens ici|comment ça va"
    "|arrête toi"
    "|cherche la tasse dans le salon|bonjour mon ami|quelle heure est il|suis moi s'il te plaît"
    "|c'est la vie"
    "|ve a la cocina|tráeme la manzana|dónde está el baño|vuelve aquí|cómo estás|busca la taza "
    "en la sala"
    "|buenos días|qué hora es|sígueme por favor|para ahora|cuántas manzanas hay en la mesa|me "
    "gusta el fútbol"
    "|vai in cucina|portami la mela|dov'è il bagno|torna qui|come stai|cerca la tazza nel "
    "soggiorno|buongiorno"
    "|ga naar de keuken|breng mij de appel|waar is de badkamer|kom terug|hoe gaat het|zoek de "
    "mok|goedemorgen"
    "|vá para a cozinha|traga me a maçã|onde fica o banheiro|volte aqui|como vai você|procure a "
    "caneca|bom dia"
    "|gå till köket|hämta äpplet|var är badrummet|kom tillbaka|hur mår du|leta efter muggen"
    "|idź do kuchni|przynieś mi jabłko|gdzie jest łazienka|wróć tutaj|jak się masz|chodź za mną"
    "|mutfağa git|bana elmayı getir|banyo nerede|geri gel|nasılsın|lütfen beni takip et"
    "|kitchin e ike|ringo o motte kite|doko desu ka|ohayou gozaimasu|arigatou|qu chufang|ni hao ma"
)


def outside(rng: random.Random, common_words: tuple[str, ...] = ()) -> str:
    """One utterance that no command of the domain can be made of.

    Args:
        rng: where randomness comes from.
        common_words: English words for word salad; without any there is none.
    """
    kind = rng.random()
    if kind < 0.28:
        return draw(rng.choice(_CHAT), rng)
    if kind < 0.48:
        return draw(rng.choice(_UNABLE), rng)
    if kind < 0.64:
        return draw(rng.choice(_PLACED), rng)
    if kind < 0.78:
        return draw(rng.choice(_HALF), rng)
    if kind < 0.82:
        return draw(f"({_FOREIGN})", rng)
    words = common_words or tuple(draw(rng.choice(_CHAT), rng).split())
    salad = [rng.choice(words) for _ in range(rng.randint(1, 9))]
    if rng.random() < 0.5:  # words of the domain among them do not make it a command
        for _ in range(rng.randint(1, 2)):
            position = rng.randrange(len(salad) + 1)
            salad.insert(position, rng.choice(("the", "to", "my", "is", "in", draw(_X, rng))))
    return " ".join(salad)
