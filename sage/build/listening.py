"""From a microphone to utterances: the source, the ears behind it, and what is played into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sage.build.config import RunConfig
from sage.clock import Clock
from sage.hearing import SimulatedMicrophone, check_microphone, open_microphone
from sage.hearing.ears import Ears
from sage.hearing.isolated import IsolatedRecogniser
from sage.hearing.recogniser import Recogniser, VoiceActivity
from sage.irp import ConfigError
from sage.sensors import Source
from sage.skills.agent import Report
from sage.telemetry import Observer
from sage.values import Observation
from sage.voice import Voice, open_voice

_SENTENCE_WORDS = 5


class Listening:
    """A microphone and the ears that listen to it.

    Args:
        config: which microphone, which recogniser, how the ears end an utterance.
        clock: the runtime's.
        on_utterance: told each utterance, on the ears' thread.
        emit: where ``Heard`` goes.
        simulated: whether the world is the apartment, whose microphone is the default.
        lockstep: nothing runs by itself; :meth:`pump` does it.

    Raises:
        ConfigError: a URI or a name that is not valid. DeviceError: a device that is missing.
        ModelError: a model that is missing or damaged.
    """

    def __init__(
        self,
        config: RunConfig,
        clock: Clock,
        on_utterance: Callable[[Observation], None],
        emit: Observer,
        *,
        simulated: bool,
        lockstep: bool,
    ) -> None:
        uri = config.mic or ("sim:apartment" if simulated else "none:")
        self.scheme = check_microphone(uri).scheme
        if self.scheme == "sim" and not simulated:
            raise ConfigError(
                f"--mic {uri!r} is the apartment's microphone, and {config.camera!r} is not the "
                "apartment; use mic:, file:PATH or none:"
            )
        self._told = 0  # reports
        self.ears: Ears | None = None
        self.recogniser = ""
        """Who makes words of speech, by name; empty where nothing is heard."""
        self.microphone: Source = open_microphone(uri, clock=clock, lockstep=lockstep)
        if self.scheme == "none":
            return
        try:
            recogniser = _recogniser(config.recogniser, isolated=not lockstep)
            self.recogniser = recogniser.name
            self.ears = Ears(
                _activity(),
                recogniser,
                on_utterance,
                clock=clock,
                config=config.hearing,
                on_event=emit,
                synchronous=lockstep,
            )
        except BaseException:
            self.microphone.stop()
            raise

    def mute(self, speaking: bool) -> None:
        """Close the ears while the robot speaks, where they would hear it."""
        if self.scheme == "mic" and self.ears is not None:
            self.ears.mute(speaking)

    @property
    def loudspeaker(self) -> SimulatedMicrophone | None:
        """Where voices are played; None where real people speak."""
        return self.microphone if isinstance(self.microphone, SimulatedMicrophone) else None

    @property
    def waits(self) -> bool:
        """Whether somebody may still say something that nobody here knows beforehand."""
        if self.ears is None or self.scheme == "sim":
            return False
        return not (self.microphone.finished and self.ears.idle and not self.ears.speaking)

    def start(self) -> None:
        """Begin to hear."""
        if self.ears is not None:
            self.microphone.start(self.ears.take)

    def pump(self, until_s: float) -> None:
        """Lock-step: hear everything up to ``until_s``."""
        if self.ears is not None:
            self.microphone.pump(until_s)

    def answer(self, reports: Sequence[Report]) -> None:
        """What is said next does not continue what was done, asked back, or a misheard sentence.

        Few words that mean nothing may be a beginning, though: their speaker pauses.

        Args:
            reports: all so far, the oldest first.
        """
        new, self._told = reports[self._told :], len(reports)
        if self.ears is not None and any(map(_is_over, new)):
            self.ears.answered()

    def stop(self) -> None:
        """Hear nothing more; what is unfinished is delivered."""
        self.microphone.stop()
        if self.ears is not None:
            self.ears.stop()


def _is_over(report: Report) -> bool:
    """Whether the speaker has had an answer to a whole sentence."""
    misheard = report.intent is None and len(report.text.split()) >= _SENTENCE_WORDS
    return report.verdict.done or bool(report.asked) or misheard


def voice_for(config: RunConfig, on_speaking: Callable[[bool], None]) -> Voice:
    """Who says aloud what the robot tells; ConfigError where that voice is not installed."""
    people = config.mic is not None and check_microphone(config.mic).scheme == "mic"
    return open_voice(config.voice or ("auto" if people else "none"), on_speaking)


def _activity() -> VoiceActivity:
    from models.hearing import SileroActivity

    return SileroActivity()


def _recogniser(name: str, *, isolated: bool) -> Recogniser:
    """In a process of its own, so that decoding never holds up a wheel command."""
    if isolated:
        return IsolatedRecogniser("models.hearing:open_recogniser", {"name": name})
    from models.hearing import open_recogniser

    return open_recogniser(name)
