"""Vision: a VAE's 7 x 7 x 256 latent of the frame, refined; things and room are read from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.vision import artifacts
from models.vision.halting import FLAT_STEPS
from models.vision.judgement import expected_errors, expected_gains, patch_weights, steadied
from models.vision.layout import (
    LATENT_CELLS,
    MISSING_CHANNELS,
    PATCH_PX,
    PATCHES,
    ROOMS,
    STEPS,
)
from models.vision.observing import filled, missing_cells
from models.vision.picture import Letterbox, letterboxed, missing_in
from models.vision.reading import SlotCalibration, calibration_from, things_in
from models.vision.windows import best_window, cut, pasted, visited
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
Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

_MAX_STEPS: Final = 20
_NO_VISITS: Final = np.zeros((LATENT_CELLS, LATENT_CELLS), np.uint8)
_MAX_TOLERANCE_DB: Final = 40.0
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
        if not 1 <= self.max_steps <= _MAX_STEPS:
            raise ConfigError(f"vision max_steps {self.max_steps} must be in [1, {_MAX_STEPS}]")
        if not 0.0 <= self.slope_eps < 1.0:
            raise ConfigError(f"vision slope_eps {self.slope_eps} must be in [0, 1)")
        if self.tolerance_db is not None and not 0.0 <= self.tolerance_db <= _MAX_TOLERANCE_DB:
            raise ConfigError(
                f"vision tolerance_db {self.tolerance_db} must be in [0, {_MAX_TOLERANCE_DB:g}]"
            )
        if not 1 <= self.threads <= 64:
            raise ConfigError(f"vision threads {self.threads} must be in [1, 64]")
        if self.min_confidence is not None and not 0.0 < self.min_confidence < 1.0:
            raise ConfigError(f"vision min_confidence {self.min_confidence} must be in (0, 1)")


@dataclass(frozen=True, slots=True)
class VisionState:
    """A frame being looked at. Network arrays are float32 with a leading batch axis of 1.

    ``latent`` (1, 256, 7, 7); ``glance`` (1, 48, 28, 28) and ``context`` (1, 64), what the
    first look at the frame told of its patches, and of it all;
    ``thought`` (1, 48, 28, 28), which begins there and is what the steps hand on to each other;
    ``observed`` (1, 64, 28, 28), the components of the frame's patches;
    ``missing`` (1, 16, 28, 28), what of them was not delivered. ``errors`` (2, 28, 28) are the
    squared errors that the patches are expected to have (pixels in [0, 1]), now and after all
    steps; ``weights`` (28, 28) say how much each counts. ``visits`` (7, 7) counts the looks at
    each cell and ``steps`` those made in all; ``energy`` is the error expected of it all.
    ``seen`` (224, 224, 3) and ``mask`` (224, 224) are the frame itself.
    """

    latent: Float32Array
    glance: Float32Array
    context: Float32Array
    thought: Float32Array
    observed: Float32Array
    missing: Float32Array
    weights: Float32Array
    errors: Float32Array
    visits: UInt8Array
    steps: int
    energy: float
    seen: UInt8Array
    mask: BoolArray | None
    captured_s: float
    letterbox: Letterbox
    camera: CameraModel | None

    @property
    def remaining_db(self) -> float:
        """What all further steps together are expected to win, in dB."""
        now, settled = expected_errors(self.errors, self.weights, self.visits)
        return 10.0 * math.log10(now / settled)


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
        mask, missing = None, self._whole
        try:
            picture, letterbox = letterboxed(frame.rgb)
            if frame.missing is not None:
                mask = missing_in(frame.missing, letterbox)
        except ValueError as error:
            raise PluginError(f"vision: {error}") from error
        if mask is not None and mask.any():
            picture = filled(picture, mask)
            missing = missing_cells(mask)
        out = self._encode.infer({"frame": picture[None], "missing": missing})
        weights = patch_weights(missing)
        return VisionState(
            latent=out["latent"],
            thought=out["glance"],
            glance=out["glance"],
            context=out["context"],
            observed=out["observed"],
            missing=missing,
            weights=weights,
            errors=out["errors"][0],
            visits=_NO_VISITS,
            steps=0,
            energy=expected_errors(out["errors"][0], weights, _NO_VISITS)[0],
            seen=picture,
            mask=mask,
            captured_s=observation.captured_s,
            letterbox=letterbox,
            camera=frame.camera,
        )

    def step(self, state: VisionState) -> VisionState:
        """One refinement step, of the window where most is to be gained, and what it brought."""
        at = best_window(expected_gains(state.errors, state.weights), state.visits)
        observed, missing = cut(state.observed, at), cut(state.missing, at)
        latent = cut(state.latent, at)
        out = self._step.infer(
            {
                "latent": latent,
                "thought": cut(state.thought, at),
                "observed": observed,
                "missing": missing,
                "glance": cut(state.glance, at),
                "context": state.context,
                "step": np.array(state.steps, np.int64),
            }
        )
        if np.array_equal(out["next_latent"], latent):
            return state  # nothing came of it, and nothing will: it must not look like a step
        errors = pasted(state.errors[None], out["errors"], at)[0]
        visits = visited(state.visits, at)
        estimate, _ = expected_errors(errors, state.weights, visits)
        return replace(
            state,
            latent=pasted(state.latent, out["next_latent"], at),
            thought=pasted(state.thought, out["next_thought"], at),
            errors=errors,
            visits=visits,
            steps=state.steps + 1,
            energy=estimate if state.steps == 0 else steadied(estimate, state.energy),
        )

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
    sides = (
        (letterbox.top_px, letterbox.height_px * letterbox.scale),
        (letterbox.left_px, letterbox.width_px * letterbox.scale),
    )
    rows, columns = (
        slice(math.ceil(first / PATCH_PX), math.floor((first + length) / PATCH_PX))
        for first, length in sides
    )
    return rows, columns
