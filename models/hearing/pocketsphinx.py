"""Commands from speech with PocketSphinx: offline, light enough for any core, bound to a grammar.

Two decoders listen at the same time: one for the sentences of the grammar, one for mere phones.
What the first heard is believed as far as it explains the sound hardly worse than the second.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from models.hearing.artifacts import load_card
from models.hearing.confidence import Confidence, Span, confidence_from, evidence
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.hearing.speech_grammar import PRONUNCIATIONS, covers, jsgf
from sage.irp.errors import ModelError
from sage.values import Float32Array

# The spectrum of the voice and room (cepstral mean) is taken from this much of each utterance.
_LISTEN_S: Final = 0.8
# How much is decoded at most in one call, so that catching up delays no caller for long.
_CHUNK_S: Final = 0.128
_PEAK: Final = 0.25
_MAX_GAIN: Final = 30.0
_BEAMS: Final = {"beam": 1e-60, "pbeam": 1e-60, "wbeam": 1e-40}
_SILENT: Final = ("<s>", "</s>", "<sil>", "(NULL)", "SIL")
NOTHING: Final = Hypothesis("", 0.0)


class PocketsphinxRecogniser:
    """The grammar of :mod:`sage.hearing.speech_grammar`, as a ``Recogniser``.

    Takes a fifth of one core while somebody speaks. Each utterance is heard on its own: nothing is
    carried over from the one before. Samples beyond [-1, 1] are clipped.

    Args:
        confidence: another calibration than the shipped one.

    Raises:
        ModelError: PocketSphinx or its English model is missing or damaged.
    """

    name = "pocketsphinx"
    any_words = False

    def __init__(self, confidence: Confidence | None = None) -> None:
        self._confidence = confidence or confidence_from(load_card())
        self._words, self._phones, self._spectrum = _decoders()
        self._waiting: list[Float32Array] = []
        self._pending = np.zeros(0, np.int16)
        self._gain = 1.0
        self._open = self._started = False

    def begin(self) -> None:
        """A new utterance; an unfinished one is dropped. ModelError after ``close``."""
        if self._words is None:
            raise ModelError("the recogniser 'pocketsphinx' was closed")
        if self._started:
            self._words.end_utt()
            self._phones.end_utt()
        self._waiting = []
        self._pending = np.zeros(0, np.int16)
        self._open, self._started = True, False

    def feed(self, samples: Float32Array) -> None:
        """Its next samples; decodes at most an eighth of a second of what is there."""
        if not self._open:
            self.begin()
        self._waiting.append(np.nan_to_num(samples))
        if self._started:
            self._accept()
        elif sum(map(len, self._waiting)) >= _LISTEN_S * RATE_HZ:
            self._start()
        self._decode(int(_CHUNK_S * RATE_HZ))

    def partial(self) -> Hypothesis:
        """The words so far; complete if they are a whole sentence of the grammar."""
        return self._hypothesis() if self._started else NOTHING

    def finish(self) -> Hypothesis:
        """The words; empty, with confidence 0, where no sentence of the grammar fits."""
        if not self._started and self._waiting:
            self._start()
        if not self._started:
            self._open = False
            return NOTHING
        self._decode(len(self._pending))
        self._words.end_utt()
        self._phones.end_utt()
        self._open = self._started = False
        heard = self._hypothesis()
        return heard if heard.complete else NOTHING

    def close(self) -> None:
        """Give the decoders' memory back; nothing can be recognised after."""
        self._open = self._started = False
        self._words = self._phones = self._spectrum = None

    def evidence(self) -> tuple[float, ...]:
        """The features of the present hypothesis; empty where there are no words."""
        words = [span for span in _spans(self._words) if not _silent(span.word)]
        return evidence(words, _spans(self._phones)) if words else ()

    def _start(self) -> None:
        """Level and spectrum from what was heard so far, then on with decoding."""
        heard = np.concatenate(self._waiting)
        peak = float(np.abs(heard).max(initial=0.0))
        self._gain = min(_MAX_GAIN, _PEAK / peak) if peak > 0 else 1.0
        self._accept()
        # The cepstral mean of everything so far is what both searches start from.
        # New features each time: the estimate of the noise is not carried over either.
        for decoder in (self._spectrum, self._words, self._phones):
            decoder.reinit_feat()
        self._spectrum.start_utt()
        self._spectrum.process_raw(self._pending.tobytes(), True, True)
        mean = self._spectrum.get_cmn(False)
        self._spectrum.end_utt()
        for decoder in (self._words, self._phones):
            decoder.set_cmn(mean)
            decoder.start_utt()
        self._started = True

    def _accept(self) -> None:
        loud = np.concatenate(self._waiting) * (self._gain * 32767.0)
        self._waiting = []
        new = np.clip(np.rint(loud), -32768, 32767).astype(np.int16)
        self._pending = np.concatenate([self._pending, new])

    def _decode(self, limit: int) -> None:
        if self._started and limit:
            block, self._pending = self._pending[:limit].tobytes(), self._pending[limit:]
            self._words.process_raw(block, False, False)
            self._phones.process_raw(block, False, False)

    def _hypothesis(self) -> Hypothesis:
        heard = self._words.hyp()
        text = heard.hypstr if heard is not None else ""
        features = self.evidence() if text else ()
        if not features:
            return NOTHING
        return Hypothesis(text, self._confidence.of(features), covers(text))


def _decoders() -> tuple[Any, Any, Any]:
    """One bound to the grammar, one free over phones, one that only measures the spectrum."""
    try:
        import pocketsphinx
    except ImportError as error:
        raise ModelError(
            f"PocketSphinx cannot be loaded ({error}); run `pip install pocketsphinx`"
        ) from error
    # Scores of all states, so that both decoders scale a frame alike. The lattice's best path
    # would ignore where the grammar lets a sentence end.
    common = {"loglevel": "FATAL", "compallsen": True, "bestpath": False}
    try:
        words = pocketsphinx.Decoder(lm=None, **common, **_BEAMS)
        for word, phones in PRONUNCIATIONS.items():
            words.add_word(word, phones, False)
        words.add_jsgf_string("commands", jsgf())
        words.activate_search("commands")
        free = pocketsphinx.Decoder(
            lm=None,
            allphone=pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin"),
            allphone_ci=True,
            lw=2.0,
            beam=1e-20,
            pbeam=1e-10,
            **common,
        )
        # Features cannot be had without a search, so it gets the least of one.
        spectrum = pocketsphinx.Decoder(lm=None, dict=None, loglevel="FATAL", ds=8, topn=1)
        spectrum.add_word("a", "AH", False)
        spectrum.add_jsgf_string("a", "#JSGF V1.0; grammar a; public <a> = a;")
        spectrum.activate_search("a")
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"PocketSphinx has no usable English model ({error}); "
            "run `pip install --force-reinstall pocketsphinx`"
        ) from error
    return words, free, spectrum


def _spans(decoder: Any) -> list[Span]:
    """The stretches of a decoder's best path so far."""
    if decoder.hyp() is None:
        return []
    return [
        # An alternative pronunciation is written "to(2)".
        Span(
            part.word.partition("(")[0] or part.word,
            part.start_frame,
            part.end_frame,
            math.log(max(part.ascore, 1e-300)),
        )
        for part in decoder.seg()
        if part.end_frame >= part.start_frame >= 0 and part.word != "(NULL)"
    ]


def _silent(word: str) -> bool:
    """Silence and the noises that PocketSphinx knows."""
    return word in _SILENT or word.startswith(("[", "+", "<"))
