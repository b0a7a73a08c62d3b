"""Any English sentence, with Whisper on the processor (faster-whisper and CTranslate2).

Not bound to a grammar, so that it follows people who paraphrase, restart and pause. It decodes
when the speaker pauses, not when the utterance has ended: where nothing follows, the words are
there before the pause is long enough to be an end. The network reads as much time as there is
sound, 8 s at least, and not always 30 s; where it then begins to repeat itself, as it does now and
then without the silence that it was trained with, what is said once counts. Where it is not sure,
or no command was understood, it reads once more and is told commands with the names of the home in
them as if heard before: a "hiding room" is the dining room.
A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.hearing.activity import BLOCK_SAMPLES, SileroActivity
from models.hearing.artifacts import load_card
from models.hearing.belief import Belief, Signs, belief_from
from models.hearing.judge import Judge, shipped_judge
from models.hearing.near_misses import near_misses, prepare, unknown_words
from models.hearing.weights import LIBRARY, WEIGHTS, checked_folder, line, shipped_folder
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.irp.errors import ConfigError, ModelError
from sage.values import Float32Array

LONGEST_S: Final = 30.0
"""What one pass of the network takes; the rest of a longer utterance is not heard."""
SHORTEST_S: Final = 0.1

# Sets the style.
_PROMPT: Final = " Robot, go to the living room. Find the pringles. Bring the coke to Robin."
# The words that would be misheard; it also makes them heard where others were said.
_HOME: Final = (
    " Go to the dining room. Find the towel in the corridor. Bring the tray to Hayden."
    " Put the bowl on the bookshelf. How many apples are there in the bathroom? Where is the mug?"
    " Locate the shampoo. Follow Jamie to the bedroom. Look for Jordan in the kitchen."
    " Guide Morgan to the coffee table. Move to the cupboard. Count the people in the living room."
    " Drive to the fridge. Bring me the coke. Head to the dining table. Take Peyton to the sofa."
    " Is there a box on the nightstand? Get Alex the pringles. Come back. Stop."
    " Who is at the stove? Leave the melon on the desk."
)
_LEAST_S: Final = 8.0
_BEHIND_S: Final = 2.0
_FRAMES_PER_S: Final = 100
# Fewer words are said again by people: "stop, stop".
_FEWEST_REPEATED: Final = 3
# What is said again is likely for that alone.
_REPEATED_NATS: Final = 0.2
_ON: Final = 0.35
_PAUSE_BLOCKS: Final = 2
# Nobody says more words in a second of speech: the network repeats itself.
_WORDS_PER_S: Final = 5.0
_MOST_WORDS: Final = 6
_TOKENS: Final = 8
_TOKENS_PER_S: Final = 7.0
_BEAM: Final = 5
_MUCH_LESS_NATS: Final = 0.3
# A reading with a mean log probability and a parser's chance above these is not doubted.
_SURE_NATS: Final = -0.4
_SURE: Final = 0.5
# The parser's chance below which it is tried whether names were misheard; of how many hypotheses,
# and how many texts each.
_DOUBTED: Final = 0.5
_REPAIRED: Final = 3
_REPAIRS: Final = 4
_NOTHING: Final = Hypothesis("", 0.0)


@dataclass(frozen=True, slots=True)
class _Read:
    """Words with the mean log probability of a token, the likeliest first; and what it was.

    ``no_speech`` is a chance in [0, 1].
    """

    likeliest: tuple[tuple[str, float], ...]
    no_speech: float

    @property
    def words(self) -> int:
        """How many the likeliest has."""
        return len(self.likeliest[0][0].split())


class WhisperRecogniser:
    """English, whatever is said.

    Args:
        folder: a CTranslate2 Whisper model (``model.bin``, ``config.json``, ``tokenizer.json``);
            without one, Whisper base from the installed weight packages, joined in the cache.
        threads: processor threads of one transcription, 1 to 64. Two hear no sooner where the
            other core is busy: they wait for each other.
        judge: how likely words are a command; the shipped parser's own doubt unless given.
        belief: another calibration than the shipped one.

    Raises:
        ConfigError: faster-whisper or the weights are not installed, or ``folder`` holds none; the
            text says how to get them.
        ModelError: the weights are damaged.
    """

    name = "whisper"
    any_words = True

    def __init__(
        self,
        folder: str | Path | None = None,
        threads: int = 1,
        judge: Judge | None = None,
        belief: Belief | None = None,
    ) -> None:
        if not 1 <= threads <= 64:
            raise ConfigError(f"threads {threads} must be in [1, 64]")
        if importlib.util.find_spec("faster_whisper") is None:
            raise ConfigError(
                f"recogniser 'whisper' needs faster-whisper; run `{LIBRARY}` and `{WEIGHTS}`"
            )
        weights = checked_folder(Path(folder)) if folder is not None else shipped_folder()
        self._belief = belief or belief_from(load_card())
        self._judge = judge or shipped_judge()
        self._activity = SileroActivity()
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        try:
            self._model: Any = WhisperModel(
                str(weights),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads,
                local_files_only=True,
            )
            self._tokenizer: Any = Tokenizer(
                self._model.hf_tokenizer, True, task="transcribe", language="en"
            )
            words = self._tokenizer
            begun = (*words.sot_sequence, words.no_timestamps)
            self._before, self._at_home = (
                [words.sot_prev, *words.encode(prompt), *begun] for prompt in (_PROMPT, _HOME)
            )
        except Exception as error:  # CTranslate2 raises whatever its C++ does
            raise ModelError(
                f"the Whisper model in {weights} cannot be loaded ({line(error)}); "
                "remove that folder and install its weights anew"
            ) from error
        encoded, _ = self._encode(np.zeros(RATE_HZ, np.float32))
        self._read(encoded, 1.0, self._at_home)  # the first one is slow
        prepare()
        self.begin()

    def begin(self) -> None:
        """A new utterance; an unfinished one is dropped."""
        self._heard: list[Float32Array] = []
        self._count = 0
        self._rest = np.empty(0, np.float32)
        self._voiced = 0  # blocks of speech so far
        self._silent = 0  # blocks in a row without, since
        self._found = _NOTHING
        self._found_voiced = 0  # blocks of speech that it was found in
        self._signs: Signs | None = None
        self._activity.reset()

    def feed(self, samples: Float32Array) -> None:
        """Its next samples, kept for the next pause."""
        if self._count >= LONGEST_S * RATE_HZ:
            return
        clean = np.clip(np.nan_to_num(samples), -1.0, 1.0).astype(np.float32)
        self._heard.append(clean)
        self._count += len(clean)
        waiting = np.concatenate([self._rest, clean])
        whole = len(waiting) - len(waiting) % BLOCK_SAMPLES
        for at in range(0, whole, BLOCK_SAMPLES):
            if self._activity.probability(waiting[at : at + BLOCK_SAMPLES]) >= _ON:
                self._voiced += 1
                self._silent = 0
            else:
                self._silent += 1
        self._rest = waiting[whole:]

    def partial(self) -> Hypothesis:
        """The words so far, decoded once in each pause; complete if they are a whole command."""
        paused = self._voiced > 0 and self._silent >= _PAUSE_BLOCKS
        if paused and self._found_voiced != self._voiced:
            self._decode()
        if paused:
            return self._found
        return Hypothesis(self._found.text, self._found.confidence)

    def finish(self) -> Hypothesis:
        """The words, without capitals and punctuation, and the chance that they are a command.

        The confidence is calibrated from how likely the tokens are, how likely it was speech and
        English, and what the parser thinks of the words; see :mod:`models.hearing.belief`.
        """
        if self._found_voiced == 0 or self._found_voiced != self._voiced:
            self._decode()
        self._heard, self._count = [], 0
        found, self._found = self._found, _NOTHING
        self._found_voiced = self._voiced = 0
        return found

    def signs(self) -> Signs | None:
        """What the confidence of the newest words comes from; None where there are none."""
        return self._signs

    def close(self) -> None:
        """Give the memory back; nothing can be recognised after."""
        self._model = None
        self.begin()

    def _decode(self) -> None:
        if self._model is None:
            raise ModelError("the recogniser 'whisper' was closed")
        self._found, self._signs = _NOTHING, None
        self._found_voiced = self._voiced
        if self._count < SHORTEST_S * RATE_HZ:
            return
        samples = np.concatenate(self._heard)[: int(LONGEST_S * RATE_HZ)]
        voiced_s = (self._voiced * BLOCK_SAMPLES or len(samples)) / RATE_HZ
        encoded, english = self._encode(samples)
        found = self._read(encoded, voiced_s, self._before)
        text, log_probability, understood = self._likeliest(found)
        if log_probability < _SURE_NATS or understood < _SURE:
            again = self._read(encoded, voiced_s, self._at_home)
            other = self._likeliest(again, repair=True)
            if other[2] > _DOUBTED and (understood <= _DOUBTED or other[1] > log_probability):
                found, (text, log_probability, understood) = again, other
        if not text or found.words > _MOST_WORDS + 2 * _WORDS_PER_S * voiced_s:
            return
        self._signs = Signs(
            log_probability,
            found.no_speech,
            english,
            understood,
            voiced_s,
            text,
            unknown_words(text),
            f" {text} " in f" {plain_words(_PROMPT)} ",
        )
        chance = self._belief.of(self._signs)
        self._found = Hypothesis(text, chance, understood > self._belief.complete)

    def _likeliest(self, found: _Read, *, repair: bool = False) -> tuple[str, float, float]:
        """The first words that are a command, unless they are much less likely than the first.

        With their mean log probability and the parser's chance. With ``repair``, where none is,
        names are put in for what sounds like them, at the price of a nat for all.
        """
        likely = {
            text: log_probability
            for text, log_probability in found.likeliest
            if log_probability >= found.likeliest[0][1] - _MUCH_LESS_NATS
        }
        best = (*found.likeliest[0], 0.0)
        for text, log_probability in likely.items():
            understood = self._judge(text)
            if understood > _DOUBTED:
                return text, log_probability, understood
            if understood > best[2]:
                best = (text, log_probability, understood)
        near = [
            (log_probability - far, text)
            for heard, log_probability in [*likely.items()][: _REPAIRED * repair]
            for text, far in near_misses(heard)[:_REPAIRS]
        ]
        for log_probability, text in sorted(near, reverse=True):
            understood = self._judge(text)
            if understood > _DOUBTED:
                return text, log_probability, understood
        return best

    def _encode(self, samples: Float32Array) -> tuple[Any, float]:
        """What the network makes of the sound, and the chance that it is English."""
        from faster_whisper.audio import pad_or_trim

        try:
            features = self._model.feature_extractor(samples)
            context_s = min(max(_LEAST_S, len(samples) / RATE_HZ + _BEHIND_S), LONGEST_S)
            frames = int(context_s * _FRAMES_PER_S) // 2 * 2
            encoded = self._model.encode(pad_or_trim(features, frames))
            english = 1.0
            if self._model.model.is_multilingual:
                chances = dict(self._model.model.detect_language(encoded)[0])
                english = float(chances.get("<|en|>", 0.0))
        except Exception as error:  # as above
            raise ModelError(f"Whisper failed: {line(error)}") from error
        return encoded, english

    def _read(self, encoded: Any, voiced_s: float, before: list[int]) -> _Read:
        """The words for it, each sentence once."""
        limit = _TOKENS + int(_TOKENS_PER_S * voiced_s)
        try:
            result = self._model.model.generate(
                encoded,
                [before],
                beam_size=_BEAM,
                num_hypotheses=_BEAM,
                max_length=min(len(before) + limit, 448),
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
            heard = [
                (plain_words(self._tokenizer.decode(tokens)), float(score))
                for tokens, score in zip(result.sequences_ids, result.scores, strict=True)
            ]
        except Exception as error:  # as above
            raise ModelError(f"Whisper failed: {line(error)}") from error
        once: dict[str, float] = {}
        for text, score in heard:
            plain = said_once(text)
            once.setdefault(plain, score - _REPEATED_NATS * (plain != text))
        return _Read(tuple(once.items()), float(result.no_speech_prob))


def said_once(text: str) -> str:
    """Words without their repetition, where they are nothing but one sentence again and again."""
    words = text.split()
    for count in range(_FEWEST_REPEATED, 2 * len(words) // 3 + 1):  # the last may be cut
        if all(word == words[i % count] for i, word in enumerate(words)):
            return " ".join(words[:count])
    return text


def plain_words(text: str) -> str:
    """Lower-case words and apostrophes, nothing else."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(re.sub(r"[^\w']|_", " ", folded).split())
