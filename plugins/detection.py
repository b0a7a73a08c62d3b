"""Detection with anybody's network: the whole frame first, then crops while they are worth it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from models.detection import DetectorConfig, Region, open_detector, regions_of
from models.detection.boxes import Boxes
from models.detection.crops import corners_of, cut_by
from plugins.detection_belief import believed, differences, replaced, snapped
from plugins.detection_gain import gains_of
from plugins.detection_memory import (
    NOTHING,
    Changes,
    DetectionMemory,
    Things,
    View,
    carry,
    thumbnail,
)
from sage.irp import (
    ConfigError,
    Context,
    HaltPolicy,
    HaltReason,
    Invariants,
    IRPPlugin,
    PluginError,
)
from sage.values import CameraModel, Detection, Float32Array, Frame, Observation, Scene, UInt8Array

_MOST_CROPS: Final = 120


@dataclass(frozen=True, slots=True)
class DetectionConfig:
    """Settings of the detection plugin.

    Attributes:
        model: the ONNX file; its own settings may lie beside it as YAML.
        labels: text file of class names, one a line; the 80 of COCO unless given.
        head: the family of the network's outputs; recognised unless given.
        threshold: the score from which something is reported, in (0, 1).
        margin: something reported stays so down to this much below the threshold, and something
            else must rise this much above it, in [0, 0.3]: no flicker at the threshold.
        pace: how far one look moves a known thing's score, in (0, 1].
        zooms: how much larger than the frame each level of crops shows it.
        max_crops: the most crops that a frame is divided into, 0 to 120.
        min_gain: a look must be expected to put right at least so many things, in [0, 1]; 0
            looks at every region of every frame.
        threads: processor threads of one inference, 1 to 64.
    """

    model: str = ""
    labels: str | None = None
    head: str | None = None
    threshold: float = 0.5
    margin: float = 0.1
    pace: float = 0.5
    zooms: tuple[float, ...] = (1.0, 2.0)
    max_crops: int = 60
    min_gain: float = 0.008
    threads: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("threshold", 0.01, 0.99),
            ("margin", 0.0, 0.3),
            ("pace", 0.01, 1.0),
            ("max_crops", 0, _MOST_CROPS),
            ("min_gain", 0.0, 1.0),
            ("threads", 1, 64),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"detection {name} {value} must be in [{low:g}, {high:g}]")
        if not all(0.25 <= zoom <= 8.0 for zoom in self.zooms):
            raise ConfigError(f"detection zooms {self.zooms} must each be in [0.25, 8]")

    @property
    def least(self) -> float:
        """The score from which a raw box is kept in mind: half of what is reported."""
        return 0.5 * self.threshold


class Looker(Protocol):
    """What the plugin asks of a detector; :class:`models.detection.Detector` is one."""

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height of the network's input."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of its classes, in order."""
        ...

    def look(self, rgb: UInt8Array, region: Region, least: float) -> Boxes:
        """What it sees in a region, in pixels of the frame, scoring ``least`` or more."""
        ...


@dataclass(frozen=True, slots=True)
class DetectionState:
    """A frame being looked at.

    Attributes:
        rgb: the frame; ``thumb`` its thumbnail.
        regions: all that could be looked at; the first is the whole.
        views: the latest look at each, of this frame (age 0) or carried along; ``changes`` since
            those that were carried.
        base: what was believed before this frame was looked at, ``things`` what is now.
        gains: (regions,) how many things a look there is expected to put right.
        steps: made so far; ``looks`` how many of them ran the network.
    """

    rgb: UInt8Array
    thumb: UInt8Array
    regions: tuple[Region, ...]
    views: tuple[View | None, ...]
    changes: Changes
    base: Things
    things: Things
    gains: Float32Array
    yields: Float32Array
    steps: int
    looks: int
    captured_s: float
    camera: CameraModel | None


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found, how many looks it took, and what the next frame may know of this one."""

    scene: Scene
    looks: int
    memory: DetectionMemory


class DetectionPlugin(IRPPlugin[DetectionState, Detected]):
    """Anytime detection with any detector.

    One plugin serves any number of cameras: what it knows of a camera's last frame is in the
    result, and comes back with the next frame's context.

    Args:
        config: see :class:`DetectionConfig`.
        detector: looks at regions; opened from ``config.model`` unless given. A TensorRT engine
            behind a ``Backend`` is a ``models.detection.Detector`` like any other.

    Raises:
        ConfigError: no model. ModelError: it cannot be used; the text says why.

    Example:
        >>> plugin = DetectionPlugin(DetectionConfig("yolo.onnx"))
        >>> first = refine(plugin, observation).result
        >>> second = refine(plugin, later, context={"previous": first.memory}).result
    """

    name = "detection"
    invariants = Invariants(
        state_space="boxes with classes and scores, per region of the frame and merged",
        noise_model="a detector's scores vary from look to look, most of all of small things",
        energy="expected number of things still missing, wrong or out of place",
        coherence="things with bearing, for grounding and planning",
    )

    def __init__(
        self, config: DetectionConfig | None = None, detector: Looker | None = None
    ) -> None:
        self.config = config or DetectionConfig()
        if detector is None:
            detector = _opened(self.config)
        self._detector = detector
        most = self.config.max_crops + 2
        self.halting = HaltPolicy(max_steps=most, slope_eps=0.0, window=most)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes that the detector tells apart."""
        return self._detector.names

    def init_state(self, observation: Any, context: Context) -> DetectionState:
        """The frame, with what ``context["previous"]`` knows of the one before."""
        if not isinstance(observation, Observation) or not isinstance(observation.data, Frame):
            raise PluginError(f"detection needs an Observation of a Frame, got {observation!r:.80}")
        rgb = observation.data.rgb
        if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
            raise PluginError(
                f"detection needs uint8 pixels, got {getattr(rgb, 'dtype', rgb)!r:.60}"
            )
        if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise PluginError(f"detection needs height x width x 3 pixels, got {rgb.shape}")
        height, width = rgb.shape[:2]
        config = self.config
        regions = regions_of(
            width, height, max(self._detector.input_px), config.zooms, config.max_crops
        )
        thumb = thumbnail(rgb)
        corners = corners_of(regions)
        previous = context.get("previous")
        past = None
        if (
            isinstance(previous, DetectionMemory)
            and previous.size_px == (width, height)
            and len(previous.views) == len(regions)
        ):
            past = carry(previous, thumb, regions, corners)
        views: tuple[View | None, ...] = (None,) * len(regions) if past is None else past.views
        base = NOTHING if past is None else past.things
        yields = np.full(len(regions), 0.5, np.float32) if past is None else past.yields
        state = DetectionState(
            rgb=rgb,
            thumb=thumb,
            regions=regions,
            views=views,
            changes=Changes.since(thumb, views, (width, height)),
            base=base,
            things=base,
            gains=np.full(len(regions), np.inf, np.float32),
            yields=yields,
            steps=0,
            looks=0,
            captured_s=observation.captured_s,
            camera=observation.data.camera,
        )
        return dataclasses.replace(state, gains=self._gains(state))

    def step(self, state: DetectionState) -> DetectionState:
        """One look where it is expected to put most right; none where nothing is to be gained."""
        chosen = self._chosen(state)
        if chosen is None:
            return dataclasses.replace(state, steps=state.steps + 1) if not state.steps else state
        region = state.regions[chosen]
        found = self._detector.look(state.rgb, region, self.config.least)
        # What a crop's border cuts is whole in a neighbour, or in a coarser view: half a person
        # beside a whole one is nobody else.
        found = found[~cut_by(found, region, state.rgb.shape[1], state.rgb.shape[0])]
        views = snapped(state.views, state.things.boxes, found)
        views = replaced(views, state.regions, chosen, found, state.thumb)
        things = believed(
            state.base,
            state.regions,
            views,
            threshold=self.config.threshold,
            margin=self.config.margin,
            pace=self.config.pace,
            least=self.config.least,
        )
        changed = differences(state.things, things)
        yields = state.yields.copy()
        yields[chosen] += 0.2 * (min(changed, 3.0) - yields[chosen])
        after = dataclasses.replace(
            state,
            views=views,
            things=things,
            yields=yields,
            steps=state.steps + 1,
            looks=state.looks + 1,
        )
        return dataclasses.replace(after, gains=np.minimum(self._gains(after), state.gains))

    def energy(self, state: DetectionState) -> float:
        """How many things further looks are expected to put right."""
        return float(state.gains.sum())

    def settled(self, previous: DetectionState, state: DetectionState) -> HaltReason | None:
        """STABLE once no look is worth its while."""
        return HaltReason.STABLE if self._chosen(state) is None else None

    def result(self, state: DetectionState) -> Detected:
        """What is believed to be there, the surest first."""
        shown = state.things.boxes[state.things.shown]
        order = np.argsort(-shown.scores, kind="stable")
        detections = []
        for index in order.tolist():
            left, top, right, bottom = shown.corners_px[index].tolist()
            bearing = 0.0
            if state.camera is not None:
                bearing = state.camera.bearing_rad(0.5 * (left + right))
            label = self._detector.names[int(shown.labels[index])]
            score = min(1.0, float(shown.scores[index]))
            detections.append(Detection(label, score, (left, top, right, bottom), bearing))
        height, width = state.rgb.shape[:2]
        memory = DetectionMemory(
            (width, height), state.thumb, state.views, state.things, state.yields
        )
        return Detected(Scene(state.captured_s, tuple(detections)), state.looks, memory)

    def _chosen(self, state: DetectionState) -> int | None:
        """Where to look next; the whole frame where nothing was looked at yet."""
        if state.views[0] is None:
            return 0 if state.gains[0] > 0.0 else None
        if self.config.min_gain == 0.0:
            waiting = [i for i, view in enumerate(state.views) if view is None or view.age]
            return max(waiting, key=lambda i: float(state.gains[i])) if waiting else None
        best = int(state.gains.argmax())
        return best if state.gains[best] >= self.config.min_gain else None

    def _gains(self, state: DetectionState) -> Float32Array:
        return gains_of(
            state.thumb,
            state.regions,
            state.views,
            state.things,
            state.yields,
            state.changes,
            self.config.threshold,
            self.config.margin,
        )


def _opened(config: DetectionConfig) -> Looker:
    if not config.model:
        raise ConfigError("detection needs a detector: give one with --detector MODEL.onnx")
    path = Path(config.model)
    form = DetectorConfig.beside(path)
    if config.labels is not None:
        form = dataclasses.replace(form, labels=config.labels)
    if config.head is not None:
        form = dataclasses.replace(form, head=config.head)
    return open_detector(path, form, threads=config.threads)
