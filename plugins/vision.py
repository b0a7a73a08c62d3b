"""Vision: a VAE's 7 x 7 x 256 latent of the frame, refined; things and room are read from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.vision import artifacts
from models.vision.halting import FLAT_STEPS
from models.vision.layout import (
    MISSING_CHANNELS,
    PATCH_PX,
    PATCHES,
    ROOMS,
    STEPS,
)
from models.vision.observing import filled, missing_cells
from models.vision.picture import Letterbox, letterboxed, missing_in
from models.vision.reading import SlotCalibration, calibration_from, things_in
from models.vision.tracing import Refined, encoded, stepped
from sage.irp import (
    ConfigError,
    Context,
    HaltPolicy,
    HaltReason,
    Invariants,
    IRPPlugin,
    PluginError,
)
from sage.values import CameraModel, Detection, Frame, Observation, Scene

BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]

_MAX_STEPS: Final = 20
_MAX_THREADS: Final = 64
_MAX_TOLERANCE_DB: Final = 40.0
#: Standard deviation of the patches' brightness over a frame that shows nothing, in units of some
#: 60 of 255 grey levels. Flat pictures with noise of 50 levels measure 0.06 at most; the evenest of
#: views 0.14, of photographs 0.3.
_BLANK: Final = 0.1


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Settings of the vision plugin.

    Attributes:
        max_steps: refinement steps per frame, 1 to 20; training unrolled sixteen.
        slope_eps: four steps in a row, once round the frame, that each move the energy by less
            than this fraction of the first step's end the refinement.
        tolerance_db: the refinement also ends where the error head expects all further steps
            together to win less than this, 0 (never) to 40 dB; None takes what calibration found
            to cost at most a hundredth of the quality gained.
        threads: processor threads of one inference, 1 to 64.
        min_confidence: report only detections at least this certain, in (0, 1); None takes the
            thresholds that calibration found for furniture and for objects.
    """

    max_steps: int = STEPS
    slope_eps: float = 0.01
    tolerance_db: float | None = None
    threads: int = 1
    min_confidence: float | None = None

    def __post_init__(self) -> None:
        for name, most in (("max_steps", _MAX_STEPS), ("threads", _MAX_THREADS)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise ConfigError(f"vision {name} {value!r} must be a whole number in [1, {most}]")
        if not (_is_number(self.slope_eps) and 0.0 <= self.slope_eps < 1.0):
            raise ConfigError(f"vision slope_eps {self.slope_eps!r} must be a number in [0, 1)")
        tolerance = self.tolerance_db
        if tolerance is not None and not (
            _is_number(tolerance) and 0.0 <= tolerance <= _MAX_TOLERANCE_DB
        ):
            raise ConfigError(
                f"vision tolerance_db {tolerance!r} must be a number in "
                f"[0, {_MAX_TOLERANCE_DB:g}], or None"
            )
        least = self.min_confidence
        if least is not None and not (_is_number(least) and 0.0 < least < 1.0):
            raise ConfigError(
                f"vision min_confidence {least!r} must be a number in (0, 1), or None"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class VisionState(Refined):
    """A frame being looked at: ``seen`` (224, 224, 3) and ``mask`` (224, 224), what is missing."""

    seen: UInt8Array
    mask: BoolArray | None
    captured_s: float
    letterbox: Letterbox
    camera: CameraModel | None


class VisionPlugin(IRPPlugin[VisionState, Scene]):
    """Camera observations to scenes.

    Args:
        config: see :class:`VisionConfig`.
        weights: graph name to serialised ONNX model; the shipped ones unless given
            (``models.vision.artifacts.random_weights(seed)`` is the benchmarks' control).

    Raises:
        ModelError: weights missing or corrupt; the text names the command that restores them.

    Example:
        >>> vision = VisionPlugin()
        >>> scene = vision.result(vision.step(vision.init_state(observation, {})))
    """

    name = "vision"
    invariants = Invariants(
        state_space="a 7 x 7 x 256 latent of the frame, with what was observed of it",
        noise_model="sensor noise, motion blur, and pixels that are missing, as trained on",
        energy="expected mean squared error of the decoded latent, by a head trained on the truth",
        coherence="things with bearing and distance, and the room, for grounding and planning",
    )

    def __init__(
        self, config: VisionConfig | None = None, weights: Mapping[str, bytes] | None = None
    ) -> None:
        self.config = config or VisionConfig()
        self.halting = HaltPolicy(self.config.max_steps, self.config.slope_eps, FLAT_STEPS)
        card = artifacts.load_card()
        self._focal_px = float(card["focal_px"])
        tolerance = self.config.tolerance_db
        self._tolerance_db = float(card["tolerance_db"]) if tolerance is None else tolerance
        self._calibration = calibration_from(card)
        if self.config.min_confidence is not None:
            self._calibration = {
                name: SlotCalibration(rule.scale, rule.bias, self.config.min_confidence)
                for name, rule in self._calibration.items()
            }
        self._room_scale = float(card["room_scale"])
        graphs = artifacts.backends(weights, self.config.threads)
        self._encode, self._step, self._decode, self._read = (
            graphs[name] for name in artifacts.GRAPHS
        )
        self._whole = np.zeros((1, MISSING_CHANNELS, PATCHES, PATCHES), np.float32)

    @property
    def cost_s(self) -> dict[str, float]:
        """Measured median seconds of one run of each graph; NaN where none was made."""
        backends = (self._encode, self._step, self._decode, self._read)
        return dict(zip(artifacts.GRAPHS, (b.cost_s for b in backends), strict=True))

    def init_state(self, observation: Any, context: Context) -> VisionState:
        """Encode a camera observation; PluginError if it holds no picture."""
        if not isinstance(observation, Observation) or not isinstance(observation.data, Frame):
            raise PluginError(f"vision needs an Observation of a Frame, got {observation!r:.80}")
        frame = observation.data
        mask, missing, unseen = None, self._whole, None
        try:
            picture, letterbox = letterboxed(frame.rgb)
            if frame.missing is not None:
                mask = missing_in(frame.missing, letterbox)
        except ValueError as error:
            raise PluginError(f"vision: {error}") from error
        if mask is not None and mask.any():
            picture = filled(picture, mask)
            missing = missing_cells(mask)
            unseen = np.ones_like(mask)  # the bars around a picture tell nothing of it
            unseen[letterbox.inside()] = mask[letterbox.inside()]
        return VisionState(
            **encoded(self._encode, picture, missing, unseen),
            seen=picture,
            mask=mask,
            captured_s=observation.captured_s,
            letterbox=letterbox,
            camera=frame.camera,
        )

    def step(self, state: VisionState) -> VisionState:
        """One refinement step, of the window where most is to be gained, and what it brought.

        Of a refiner that brings nothing it is the state itself, which the engine calls stuck.
        """
        return stepped(self._step, state)

    def energy(self, state: VisionState) -> float:
        """The expected mean squared error of the picture that the latent stands for."""
        return state.energy

    def settled(self, previous: VisionState, state: VisionState) -> HaltReason | None:
        """STABLE where all further steps together are expected to win next to nothing.

        A refiner that changes nothing has settled nothing, whatever is expected of it.
        """
        if state.steps == previous.steps or state.remaining_db >= self._tolerance_db:
            return None
        return HaltReason.STABLE

    def restored(self, state: VisionState) -> UInt8Array:
        """The picture that a state stands for, (224, 224, 3); what was observed of an incomplete
        frame is kept."""
        picture: UInt8Array = self._decode.infer({"latent": state.latent})["picture"][0]
        if state.mask is None or not state.mask.any():
            return picture
        return np.where(state.mask[..., None], picture, state.seen)

    def result(self, state: VisionState) -> Scene:
        """Things and room, read from the latent; boxes in the camera's own pixels.

        A picture that shows nothing (a lens that is covered, a wall from near) tells no room.
        """
        out = self._read.infer({"latent": state.latent})
        logits = out["room_logits"][0].astype(np.float64) * self._room_scale
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        room = int(probabilities.argmax())
        focal = self._focal_px
        if state.camera is not None:
            focal = state.letterbox.focal_px(state.camera)
        detections = []
        for found in things_in(out["maps"][0], self._calibration):
            detections.append(
                Detection(
                    label=found.label,
                    confidence=self._calibration[found.slot].probability(found.logit),
                    box_px=state.letterbox.box_to_source(found.box_px),
                    bearing_rad=self._bearing_rad(state, found.column_px, focal),
                    distance_m=found.distance_m * focal / self._focal_px,
                )
            )
        # The first component of a patch is its brightness, of unit variance in photographs.
        brightness = state.observed[0, 0][_inside(state.letterbox)]
        blank = brightness.size == 0 or float(brightness.std()) < _BLANK
        return Scene(
            state.captured_s,
            tuple(detections),
            None if blank else ROOMS[room],
            0.0 if blank else float(probabilities[room]),
            out["embedding"][0],
        )

    @staticmethod
    def _bearing_rad(state: VisionState, column_px: float, focal_px: float) -> float:
        """Bearing of a column of the network's picture, left positive."""
        column = state.letterbox.column_to_source(column_px)
        middle = 0.5 * state.letterbox.width_px
        return -math.atan2((column - middle) * state.letterbox.scale, focal_px)


def _inside(letterbox: Letterbox) -> tuple[slice, slice]:
    """The patches that lie wholly in the camera's picture, not on the bars around it."""
    rows, columns = (
        slice(-(-side.start // PATCH_PX), side.stop // PATCH_PX) for side in letterbox.inside()
    )
    return rows, columns
