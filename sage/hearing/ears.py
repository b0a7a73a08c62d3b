"""The ears: sound in, utterances out."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from sage.clock import Clock
from sage.hearing.continuing import Continuing
from sage.hearing.counts import EarsCounts
from sage.hearing.endpoint import EPS_S, EarsConfig, EndPointer
from sage.hearing.guard import Guard
from sage.hearing.recogniser import RATE_HZ, Recogniser, VoiceActivity
from sage.hearing.tolerant import TolerantRecogniser
from sage.irp.errors import ConfigError
from sage.telemetry.events import Dropped, Event, Heard
from sage.values import AudioBlock, Float32Array, Observation, Utterance

log = logging.getLogger(__name__)

STOP_S = 1.0
DRAIN_S = 0.5
"""How much of ``STOP_S`` may go into sound that was waiting."""
_COUNTED = ("blocks", "overflow_samples", "overflows", "utterances", "empty", "rejected")
_ACTIVITY = "voice activity"


class Ears:
    """Takes utterances out of consecutive audio blocks and has them recognised.

    The recogniser is fed while somebody speaks, so that little is left to do at the end. Where it
    fails, the utterance is delivered without words and the ears live on; where it keeps failing
    they are unhealthy for a while and deliver all speech without words.

    A short pause ends a whole command, and people pause within one. So speech that goes on soon
    after is heard together with what came before, by a recogniser that takes any words, and
    delivered again as a whole: an utterance that begins when the one before it began replaces it.
    "Stop" is delivered alone, and so is what is said after the robot has :meth:`answered`.

    In real time one thread listens, which also ends what nothing follows: a microphone that went
    away, a file at its end. With ``synchronous`` all is done inside ``take``, and ``flush`` ends
    what is unfinished. The ears close the recogniser when they are stopped.
    """

    def __init__(
        self,
        vad: VoiceActivity,
        recogniser: Recogniser,
        on_utterance: Callable[[Observation], None],
        *,
        clock: Clock,
        config: EarsConfig | None = None,
        on_event: Callable[[Event], None] | None = None,
        synchronous: bool = False,
    ) -> None:
        self._vad = vad
        self._on_utterance = on_utterance
        self._guard = Guard(clock, on_event)
        self._clock = clock
        self._config = config or EarsConfig()
        self._recogniser = TolerantRecogniser(recogniser, self._guard, clock, self._config)
        self._synchronous = synchronous
        self._block_samples = vad.block_samples
        block_s = self._block_samples / RATE_HZ
        kept_s = self._config.preroll_s + self._config.begin_s
        self._preroll: deque[Float32Array] = deque(maxlen=max(1, math.ceil(kept_s / block_s)))
        self._pointer = EndPointer(self._config)
        self._rest = np.empty(0, np.float32)  # of a block for voice activity
        self._heard_s: float | None = None  # up to when all was heard
        self._paused_text: str | None = None  # what it was when the pause began
        self._continuing = Continuing(self._config)
        self._source = ""
        self._sequence = 0
        self._deaf = 0  # blocks in a row in which voice activity failed
        self._heard_samples = 0
        self._peak = 0.0
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._lock = threading.Condition()  # of the queue and what belongs to it
        self._queue: deque[Observation | None] = deque()  # None: flush
        self._queued = 0  # samples
        self._overflowing = False
        self._stopping = self._muted = False
        self._deadline_s = math.inf
        self._idle = True
        self._thread: threading.Thread | None = None
        if not synchronous:
            self._thread = threading.Thread(target=self._run, name="ears", daemon=True)
            self._thread.start()

    @property
    def healthy(self) -> bool:
        """False while voice activity fails, or the recogniser is left alone because it failed."""
        return self._guard.reason is None

    @property
    def reason(self) -> str | None:
        """Why they are unhealthy."""
        return self._guard.reason

    @property
    def speaking(self) -> bool:
        """Whether somebody is speaking now."""
        return self._pointer.speaking

    @property
    def idle(self) -> bool:
        """True when nothing waits and nothing is being worked on."""
        with self._lock:
            return self._idle and not self._queue

    @property
    def backlog_s(self) -> float:
        """How much sound waits to be listened to."""
        return self._queued / RATE_HZ

    def counts(self) -> EarsCounts:
        """What they did so far."""
        return EarsCounts(
            **self._counts,
            errors=self._guard.errors,
            heard_s=self._heard_samples / RATE_HZ,
            peak=min(1.0, self._peak),
        )

    def take(self, observation: Observation) -> None:
        """The next block of sound; from the source's thread, which is never held up.

        Raises ConfigError for anything but 16 kHz audio. After ``stop`` nothing is taken.
        """
        block = observation.data
        if not isinstance(block, AudioBlock) or block.rate_hz != RATE_HZ or block.samples.ndim != 1:
            raise ConfigError(
                f"{observation.source}: the ears were given {observation.modality!r} that is not "
                f"one-channel audio at {RATE_HZ} Hz"
            )
        if self._synchronous:
            if not (self._stopping or self._muted):
                self._listen(observation)
            return
        dropped: Observation | None = None
        with self._lock:
            if self._stopping or self._muted:
                return
            self._queue.append(observation)
            self._queued += len(block.samples)
            while self._queued > self._config.backlog_s * RATE_HZ:
                dropped = self._drop_oldest() or dropped
            began = dropped is not None and not self._overflowing
            # It is over once half of it was caught up, lest each single block counts anew.
            half = 0.5 * self._config.backlog_s * RATE_HZ
            self._overflowing = dropped is not None or (self._overflowing and self._queued > half)
            self._counts["overflows"] += began
            self._lock.notify()
        if began and dropped is not None:
            log.warning("the ears are %.0f s behind; sound is lost", self._config.backlog_s)
            self._guard.tell(Dropped(self._clock.now_s(), "ears", "stale", dropped.captured_s))

    def flush(self) -> None:
        """Nothing follows for now: end what is unfinished, once all that waits was heard."""
        if self._synchronous:
            self._break()
            return
        with self._lock:
            self._queue.append(None)
            self._lock.notify()

    def mute(self, muted: bool) -> None:
        """Hear nothing while the robot itself speaks; what was unfinished before it is ended.

        May be called from any thread; with ``synchronous`` from the one that calls ``take``.
        """
        if muted and not self._muted:
            self.flush()
        self._muted = muted

    def answered(self) -> None:
        """What was heard last is dealt with: who speaks from now on does not continue it.

        May be called from any thread. Who speaks already goes on with what came before.
        """
        self._continuing.answered()

    def stop(self) -> None:
        """End within a second: hear what waits, deliver what is unfinished. May be repeated."""
        with self._lock:
            first, self._stopping = not self._stopping, True
            self._deadline_s = self._clock.now_s() + DRAIN_S
            self._lock.notify()
        if self._thread is None:
            if first:
                self._shut()
        elif self._thread is not threading.current_thread():
            self._thread.join(STOP_S)
            if self._thread.is_alive():
                log.warning("the ears' thread is stuck in recogniser %r", self._recogniser.name)

    # The worker

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle = True
                if not self._queue and not self._stopping:
                    # A block that should have come: the source has ended or gone away.
                    waited = self._lock.wait(
                        self._config.pause_s if self._pointer.speaking else None
                    )
                    if not waited and not self._queue:
                        self._queue.append(None)
                    continue
                self._idle = False
                over = self._stopping and self._clock.now_s() > self._deadline_s
                if over or not self._queue:
                    break
                observation = self._queue.popleft()
                if observation is not None:
                    self._queued -= len(observation.data.samples)
            if observation is None:
                self._break()
            else:
                self._listen(observation)
        self._shut()

    def _shut(self) -> None:
        self._break()
        self._recogniser.close()

    def _drop_oldest(self) -> Observation | None:
        oldest = self._queue.popleft()
        if oldest is not None:
            self._queued -= len(oldest.data.samples)
            self._counts["overflow_samples"] += len(oldest.data.samples)
        return oldest

    def _listen(self, observation: Observation) -> None:
        samples: Float32Array = observation.data.samples
        began_s = observation.captured_s - len(samples) / RATE_HZ
        if self._heard_s is not None and began_s - self._heard_s >= self._config.pause_s:
            self._break()  # sound is missing
        self._source = observation.source
        if not np.isfinite(samples).all():  # one NaN would deafen a recurrent network for good
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        self._heard_samples += len(samples)
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        size = self._block_samples
        whole = len(samples) - len(samples) % size
        self._rest = samples[whole:]
        self._heard_s = observation.captured_s
        for end in range(size, whole + 1, size):
            ended_s = observation.captured_s - (len(samples) - end) / RATE_HZ
            self._hear(samples[end - size : end], ended_s)

    def _hear(self, block: Float32Array, ended_s: float) -> None:
        self._counts["blocks"] += 1
        probability = self._activity(block)
        began = self._pointer.hear(probability, ended_s - len(block) / RATE_HZ, ended_s)
        if not self._pointer.speaking:
            self._preroll.append(block)
            self._continuing.wait(block, ended_s)
            return
        if began:
            self._begin()
        self._feed(block)
        if self._is_over(ended_s):
            self._end()

    def _activity(self, block: Float32Array) -> float:
        probability = self._guard.call(_ACTIVITY, lambda: self._vad.probability(block), math.nan)
        if not math.isnan(probability):
            self._deaf = 0
            self._guard.works(_ACTIVITY)
            return probability
        self._deaf += 1
        self._guard.call(_ACTIVITY, self._vad.reset, None)
        if self._deaf == self._config.failures:
            self._guard.out_of_order(_ACTIVITY, f"{self._deaf} blocks in a row")
        return 0.0

    def _begin(self) -> None:
        self._paused_text = None
        before = np.concatenate(self._preroll) if self._preroll else None
        self._preroll.clear()
        self._recogniser.begin()
        earlier = self._continuing.begin()
        if earlier:
            before = np.concatenate(earlier)
        if before is not None:
            self._feed(before)

    def _feed(self, samples: Float32Array) -> None:
        if self._may_continue:
            self._continuing.hear(samples)
        self._recogniser.feed(samples)

    @property
    def _may_continue(self) -> bool:
        return self._config.continue_s > 0 and self._recogniser.any_words

    def _is_over(self, now_s: float) -> bool:
        config, pointer = self._config, self._pointer
        heard_s = now_s - self._continuing.began_s(pointer.began_s)
        if heard_s >= config.max_utterance_s - EPS_S or pointer.silent(now_s, config.pause_s):
            return True
        if not pointer.silent(now_s, 0.5 * config.pause_complete_s):
            self._paused_text = None
            return False
        if self._recogniser.broken:
            return False
        partial = self._recogniser.partial()
        before, self._paused_text = self._paused_text, partial.text
        return (
            pointer.silent(now_s, config.pause_complete_s)
            and partial.complete
            and partial.text == before
        )

    def _break(self) -> None:
        """What follows, if anything, does not belong to what came before."""
        if self._pointer.speaking:
            self._end()
        self._pointer.end()
        self._continuing.forget()
        self._preroll.clear()
        self._rest = self._rest[:0]
        self._heard_s = None
        self._guard.call(_ACTIVITY, self._vad.reset, None)

    def _end(self) -> None:
        pointer = self._pointer
        pointer.end()
        hypothesis = self._recogniser.finish()
        whole = self._continuing.end(hypothesis.text, pointer.began_s)
        if pointer.too_short or whole is None:
            self._counts["rejected"] += 1
            return
        text, began_s = whole
        if self._may_continue:
            self._continuing.keep(text, began_s, pointer.ended_s)
        said = Utterance(
            text,
            hypothesis.confidence if text else 0.0,
            began_s,
            pointer.ended_s,
            self._recogniser.name,
        )
        self._counts["utterances"] += 1
        self._counts["empty"] += not text
        heard = Observation(self._source, "speech", pointer.ended_s, self._sequence, said)
        self._sequence += 1
        self._guard.tell(
            Heard(
                self._clock.now_s(),
                text,
                said.confidence,
                began_s,
                pointer.ended_s,
                said.recogniser,
            )
        )
        self._guard.call("the consumer of utterances", lambda: self._on_utterance(heard), None)
