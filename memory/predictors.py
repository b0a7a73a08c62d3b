"""Small predictors, one a modality: what is expected next, and an embedding of what came.

Each takes an input in, says how far off its prediction was (nats, or units where 1 is ordinary),
then learns from it: :class:`memory.snarc.Signal` is what comes out. All are bounded in time and
memory, deterministic, and meant for one thread at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from zlib import crc32

import numpy as np

from memory.places import Misfit, PlaceConfig, PlaceMemory
from memory.snarc import Signal
from sage.ontology import ROOMS
from sage.values import (
    CameraModel,
    Float32Array,
    Float64Array,
    Odometry,
    Pose,
    Scene,
    Twist,
    UInt8Array,
    wrap_angle,
)

SCENE_DIMENSIONS = 64
SPEECH_DIMENSIONS = 256
MOTION_DIMENSIONS = 32

THUMBNAIL_PX = 28

_FURNITURE = frozenset(piece.name for pieces in ROOMS.values() for piece in pieces)
_STILL_M, _STILL_RAD = 0.004, 0.006
_AHEAD_M = (0.0, 0.8, 1.6, 2.4)
_DOUBT_RATE = 0.1  # one frame's idea of the room is no disagreement yet
_WORD = re.compile(r"[a-z0-9']+")
_UNHEARD = 0.05
_RARE_NATS = 3.0
_LITTLE_WORDS = (
    "a an and are at can could do for hey hi i in is it me my of ok on please robot the there this "
    "to up was with would you your"
)
_LITTLE = frozenset(_LITTLE_WORDS.split())
_LITTLE_WEIGHT = 0.25  # words that say little, politeness among them
_KNOWN_WORDS = 4000


def thumbnail(rgb: UInt8Array) -> Float32Array:
    """The brightness of a picture in blocks, float32 (28, 28) at most, in [0, 1].

    Every few pixels of the green channel are looked at: it takes some 20 us.
    """
    green = rgb[..., 1]
    step = max(1, min(green.shape) // (4 * THUMBNAIL_PX))
    green = green[::step, ::step]
    block_y = max(1, green.shape[0] // THUMBNAIL_PX)
    block_x = max(1, green.shape[1] // THUMBNAIL_PX)
    height, width = green.shape[0] // block_y, green.shape[1] // block_x
    blocks = green[: height * block_y, : width * block_x]
    blocks = blocks.reshape(height, block_y, width, block_x)
    small: Float32Array = blocks.mean(axis=(1, 3), dtype=np.float32) / np.float32(255.0)
    return small


class ScenePredictor:
    """What should be seen from here (:mod:`memory.places`), and the picture while standing still.

    Args:
        room_at: the room of a map point, where there is a map.
        config: how things are expected.
    """

    def __init__(
        self,
        room_at: Callable[[float, float], str | None] | None = None,
        config: PlaceConfig | None = None,
    ) -> None:
        self._places = PlaceMemory(config, room_at)
        self._room_at = room_at
        self._wander = frozenset(self._places.config.wander)
        self._doubt = 0.0
        self._last: tuple[Float32Array, Pose | None, np.ndarray] | None = None

    def observe(
        self,
        scene: Scene,
        picture: Float32Array | None = None,
        pose: Pose | None = None,
        camera: CameraModel | None = None,
    ) -> Signal:
        """Compare a scene with what was expected here.

        Args:
            scene: what vision read.
            picture: the frame's :func:`thumbnail`.
            pose: where it was captured, on the map; None where that is not known, then only the
                picture is predicted.
            camera: the camera; with a pose.
        """
        misfits: tuple[Misfit, ...] = ()
        if pose is not None and camera is not None:
            misfits = self._places.look(scene, pose, camera)
        stirred, change = self._stirred(scene, picture, pose, camera)
        error = stirred
        if misfits:
            error += misfits[0].nats + (0.5 * misfits[1].nats if len(misfits) > 1 else 0.0)
        beliefs: tuple[float, ...] = ()
        if pose is not None and self._room_at is not None and scene.room is not None:
            # From a doorway it is the next room that is seen.
            ahead = (pose.point_at(0.0, away_m) for away_m in _AHEAD_M)
            rooms = {self._room_at(x_m, y_m) for x_m, y_m in ahead}
            agrees = scene.room in rooms or rooms == {None}
            sure = scene.room_probability
            self._doubt += _DOUBT_RATE * ((0.0 if agrees else sure) - self._doubt)
            beliefs = (sure, max(0.0, sure - self._doubt))
        return Signal(
            embedding=scene_embedding(scene),
            error=error,
            change=change,
            beliefs=beliefs,
            because=self._say(misfits, stirred),
        )

    def _stirred(
        self,
        scene: Scene,
        picture: Float32Array | None,
        pose: Pose | None,
        camera: CameraModel | None,
    ) -> tuple[float, float]:
        """Nats by which a part of the picture changed while the camera stood still; the change."""
        if picture is None:
            return 0.0, 0.0
        walks = self._covered(scene, picture.shape, camera)
        last, self._last = self._last, (picture, pose, walks)
        if last is None or last[0].shape != picture.shape:
            return 0.0, 0.0
        if pose is not None and last[1] is not None and not _still(pose, last[1]):
            return 0.0, 0.0
        change = np.abs(picture - last[0])
        if float(np.median(change)) > 0.02:  # the camera moved, or the light went
            return 0.0, 0.0
        most = float(np.where(walks | last[2], np.float32(0.0), change).max())
        return min(12.0, 0.5 * (max(0.0, most - 0.03) / 0.05) ** 2), most

    def _covered(
        self, scene: Scene, shape: tuple[int, ...], camera: CameraModel | None
    ) -> np.ndarray:
        """Blocks of the thumbnail that show somebody who walks about."""
        covered = np.zeros(shape, dtype=bool)
        if camera is None:
            return covered
        scale_x, scale_y = shape[1] / camera.width_px, shape[0] / camera.height_px
        for detection in scene.detections:
            if detection.label in self._wander:
                left, top, right, bottom = detection.box_px
                rows = slice(max(0, int(top * scale_y) - 2), int(bottom * scale_y) + 3)
                columns = slice(max(0, int(left * scale_x) - 2), int(right * scale_x) + 3)
                covered[rows, columns] = True
        return covered

    def _say(self, misfits: Sequence[Misfit], stirred: float) -> str:
        """The worst misfit in words."""
        if not misfits or misfits[0].nats < max(1.0, stirred):
            return "something changed in the picture" if stirred > 1.0 else ""
        worst = misfits[0]
        label = worst.label
        both = any(
            other.label == label and other.appeared != worst.appeared and other.nats > 1.0
            for other in misfits[1:]
        )
        if both:
            return f"the {label} is not where it was"
        where = ""
        if label not in _FURNITURE:
            below = self._places.nearest(_FURNITURE, worst.x_m, worst.y_m, 0.9)
            where = f" on the {below}" if below else ""
        if worst.appeared:
            return f"{_article(label)} appeared{where}"
        return f"the {label} is gone{' from' + where[3:] if where else ''}"


class SpeechPredictor:
    """Which words, and which of them together, are to be heard: by how often they were.

    Words that say little do not count, nor does the order: a word that the recogniser lost or a
    "please" makes no new pair.
    """

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._utterances = 0.0

    def observe(self, text: str, beliefs: tuple[float, ...] = ()) -> Signal:
        """Compare an utterance with those before; ``beliefs`` that it was understood."""
        words = dict.fromkeys(word for word in _words(text) if word not in _LITTLE)
        pairs = (f"{a} ... {b}" for a, b in combinations(list(words)[:12], 2))
        parts = dict.fromkeys([*words, *pairs])
        error, odd = 0.0, ""
        for part in parts:
            rate = (self._heard.get(part, 0.0) + _UNHEARD) / (self._utterances + 2 * _UNHEARD)
            nats = -math.log(min(rate, 1.0))
            if nats > _RARE_NATS:
                error += 2.0 * (nats - _RARE_NATS)
                odd = odd or part
        for part in parts:
            self._heard[part] = self._heard.get(part, 0.0) + 1.0
        self._utterances += 1.0
        if len(self._heard) > _KNOWN_WORDS or self._utterances > 500.0:
            self._utterances *= 0.5
            self._heard = {p: 0.5 * n for p, n in self._heard.items() if n > 1.0}
        because = f"{odd!r} is hardly ever said" if odd else ""
        return Signal(text_embedding(text), error=error, beliefs=beliefs, because=because)


class MotionPredictor:
    """How the base follows its commands: recursive least squares with forgetting, and a bumper.

    Predicts both speeds of the next reading from the last two readings and commands (Haykin 2002,
    "Adaptive Filter Theory", chapter 9).
    """

    _FORGET = 0.998
    _UNIT = (0.03, 0.08)  # m/s and rad/s that an ordinary prediction is off by

    def __init__(self) -> None:
        # The state of one axis: this and the last speed, this and the last command, a constant.
        self._theta: Float64Array = np.zeros((2, 5))
        self._theta[:, 0] = 1.0
        self._spread: Float64Array = np.stack([np.eye(5), np.eye(5)])
        self._speeds: list[tuple[float, float]] = []
        self._commands: list[tuple[float, float]] = []
        self._captured_s = -math.inf
        self._pressed = 0.0
        self._readings = 0.0
        draw = np.random.default_rng(20_117)
        self._waves = draw.standard_normal((MOTION_DIMENSIONS // 2, 5))

    def observe(self, captured_s: float, odometry: Odometry, commanded: Twist) -> Signal:
        """Compare a reading of the wheels with what the last command should have done."""
        speed = (odometry.linear_m_s, odometry.angular_rad_s)
        command = (commanded.linear_m_s, commanded.angular_rad_s)
        gap_s, self._captured_s = captured_s - self._captured_s, captured_s
        error, because = 0.0, ""
        if gap_s > 0.5 or gap_s <= 0.0:
            self._speeds, self._commands = [], []
        if len(self._speeds) == 2:
            off = [self._learn(axis, speed[axis]) for axis in (0, 1)]
            error = max(off)
            if error > 3.0:
                what = ("the speed", "the turn")[off.index(error)]
                because = f"{what} was not as commanded"
        if odometry.bumper:
            rate = (self._pressed + _UNHEARD) / (self._readings + 2 * _UNHEARD)
            error -= 2.0 * math.log(min(rate, 1.0))
            because = "it ran into something"
        keep = 1.0 - 1.0 / 2000.0
        self._pressed = keep * self._pressed + float(odometry.bumper)
        self._readings = keep * self._readings + 1.0
        self._speeds = [*self._speeds[-1:], speed]
        self._commands = [*self._commands[-1:], command]
        return Signal(
            self._embedding(speed, command, odometry.bumper), error=error, because=because
        )

    def _learn(self, axis: int, measured: float) -> float:
        before, now = self._speeds[0][axis], self._speeds[1][axis]
        asked_before, asked = self._commands[0][axis], self._commands[1][axis]
        x = np.array([now, before, asked, asked_before, 0.1])
        theta, spread = self._theta[axis], self._spread[axis]
        residual = measured - float(theta @ x)
        gain = spread @ x
        gain /= self._FORGET + float(x @ gain)
        # A shock teaches no more than a few ordinary residuals would.
        most = 5.0 * self._UNIT[axis]
        theta += gain * min(max(residual, -most), most)
        spread -= np.outer(gain, x @ spread)
        if float(np.trace(spread)) < 100.0:  # standing still must not blow it up
            spread /= self._FORGET
        return abs(residual) / self._UNIT[axis]

    def _embedding(
        self, speed: tuple[float, float], command: tuple[float, float], bumper: bool
    ) -> Float32Array:
        """Random Fourier features (Rahimi and Recht 2007): cosines are a Gaussian kernel."""
        state = np.array(
            [
                speed[0] / 0.8,
                speed[1] / 2.0,
                (command[0] - speed[0]) / 0.8,
                (command[1] - speed[1]) / 2.0,
                1.0 * bumper,
            ]
        )
        phase = self._waves @ state
        made = np.concatenate([np.cos(phase), np.sin(phase)])
        unit: Float32Array = (made / math.sqrt(MOTION_DIMENSIONS / 2)).astype(np.float32)
        return unit


class OutcomePredictor:
    """Whether a command of this kind is done, and how long it takes."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[float, float]] = {}

    def observe(self, text: str, done: bool, probability: float | None, used: float) -> Signal:
        """Compare an outcome with those of commands that begin alike.

        Args:
            text: the command.
            done: what became of it, as verified.
            probability: what was believed of it beforehand, in [0, 1].
            used: share of the allowed time that it took, in [0, 1].
        """
        words = _WORD.findall(text.lower())
        kind = words[0] if words else ""
        hits, tries = self._done.get(kind, (0.0, 0.0))
        expected = (hits + 0.5) / (tries + 1.0)
        error = -math.log(expected if done else 1.0 - expected)
        if len(self._done) < 256 or kind in self._done:
            self._done[kind] = 0.95 * hits + float(done), 0.95 * tries + 1.0
        embedding = text_embedding(text) + 0.5 * _direction(
            "done" if done else "failed", SPEECH_DIMENSIONS
        )
        return Signal(
            (embedding / np.linalg.norm(embedding)).astype(np.float32),
            error=error,
            pressure=min(max(used, 0.0), 1.0),
            outcome=float(done),
            beliefs=() if probability is None else (probability, float(done)),
            because=f"{kind!r} was done in {expected:.0%} of the cases" if kind else "",
        )


def scene_embedding(scene: Scene) -> Float32Array:
    """What is seen and in which room, float32 (64,), unit length; positions do not enter.

    Novelty is of this and not of :attr:`Scene.embedding`, which tells single views apart: every
    turn of the head would be new to it, and noise moves it more.
    """
    total = 0.5 * _direction("a scene", SCENE_DIMENSIONS)
    for detection in scene.detections:
        total = total + detection.confidence * _direction(detection.label, SCENE_DIMENSIONS)
    if scene.room is not None:
        room = _direction(f"in the {scene.room}", SCENE_DIMENSIONS)
        total = total + scene.room_probability * room
    unit: Float32Array = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


def text_embedding(text: str) -> Float32Array:
    """Words and letter trigrams, hashed with signs (Weinberger et al. 2009); (256,)."""
    total = 0.1 * _direction("words", SPEECH_DIMENSIONS)
    for word in _words(text):
        weight = _LITTLE_WEIGHT if word in _LITTLE else 1.0
        total = total + weight * _direction(word, SPEECH_DIMENSIONS)
        padded = f"_{word[:24]}_"
        for at in range(len(padded) - 2):
            part = crc32(padded[at : at + 3].encode())
            sign = 0.3 if part & 0x8000_0000 else -0.3
            total[part % SPEECH_DIMENSIONS] += sign * weight
    unit: Float32Array = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())[:64]


@lru_cache(maxsize=4096)
def _direction(name: str, dimensions: int) -> Float64Array:
    """A fixed random unit vector of a name."""
    made = np.random.default_rng(crc32(name.encode())).standard_normal(dimensions)
    made /= np.linalg.norm(made)
    made.flags.writeable = False
    return made


def _still(a: Pose, b: Pose) -> bool:
    turned = abs(wrap_angle(a.yaw_rad - b.yaw_rad))
    return a.distance_to(b.x_m, b.y_m) < _STILL_M and turned < _STILL_RAD


def _article(label: str) -> str:
    return f"{'an' if label[:1] in 'aeiou' else 'a'} {label}"
