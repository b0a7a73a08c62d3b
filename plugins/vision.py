"""Vision: a VAE's 7 x 7 x 256 latent, refined toward the frame; things and room read from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.vision import artifacts
from models.vision.layout import ROOMS, STEPS
from models.vision.picture import Letterbox, letterboxed
from models.vision.reading import SlotCalibration, calibration_from, things_in
from sage.irp import ConfigError, Context, HaltPolicy, Invariants, IRPPlugin, PluginError
from sage.values import CameraModel, Detection, Frame, Observation, Scene

Float32Array = npt.NDArray[np.float32]

_MAX_STEPS: Final = 16


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Settings of the vision plugin.

    Attributes:
        max_steps: refinement steps per frame, 1 to 16; training unrolled four.
        slope_eps: a step that lowers the energy by less than this fraction ends the refinement.
        threads: processor threads of one inference, 1 to 64.
        min_confidence: report only detections at least this certain, in (0, 1); None takes the
            thresholds that calibration found for furniture and for objects.
    """

    max_steps: int = STEPS
    slope_eps: float = 0.01
    threads: int = 1
    min_confidence: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_steps <= _MAX_STEPS:
            raise ConfigError(f"vision max_steps {self.max_steps} must be in [1, {_MAX_STEPS}]")
        if not 0.0 <= self.slope_eps < 1.0:
            raise ConfigError(f"vision slope_eps {self.slope_eps} must be in [0, 1)")
        if not 1 <= self.threads <= 64:
            raise ConfigError(f"vision threads {self.threads} must be in [1, 64]")
        if self.min_confidence is not None and not 0.0 < self.min_confidence < 1.0:
            raise ConfigError(f"vision min_confidence {self.min_confidence} must be in (0, 1)")


@dataclass(frozen=True, slots=True)
class VisionState:
    """A frame being looked at. Arrays are float32 with a leading batch axis of 1.

    ``latent`` (1, 256, 7, 7); ``thumbnail`` (1, 3, 56, 56) is the frame in [0, 1] and
    ``residual`` (1, 3, 56, 56) what of it the latent does not explain; ``features``
    (1, 192, 7, 7); ``energy_value`` belongs to ``latent``; ``steps`` counts those made.
    """

    latent: Float32Array
    residual: Float32Array
    features: Float32Array
    thumbnail: Float32Array
    energy_value: float
    steps: int
    captured_s: float
    letterbox: Letterbox
    camera: CameraModel | None

    @property
    def reconstruction(self) -> Float32Array:
        """What the latent says the frame looks like: (56, 56, 3) in [0, 1]."""
        picture = (self.thumbnail - self.residual)[0].transpose(1, 2, 0)
        return np.clip(picture, 0.0, 1.0)


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
        state_space="a 7 x 7 x 256 latent of the frame, with the residual of its decoding",
        noise_model="Gaussian: the encoder's posterior on the latent, pixel noise on the frame",
        energy="mean squared error of the decoded latent against the 56 x 56 frame, plus prior",
        coherence="things with bearing and distance, and the room, for grounding and planning",
    )

    def __init__(
        self, config: VisionConfig | None = None, weights: Mapping[str, bytes] | None = None
    ) -> None:
        self.config = config or VisionConfig()
        self.halting = HaltPolicy(
            max_steps=self.config.max_steps, slope_eps=self.config.slope_eps, window=1
        )
        card = artifacts.load_card()
        self._focal_px = float(card["focal_px"])
        self._calibration = calibration_from(card)
        if self.config.min_confidence is not None:
            self._calibration = {
                name: SlotCalibration(rule.scale, rule.bias, self.config.min_confidence)
                for name, rule in self._calibration.items()
            }
        self._room_scale = float(card["room_scale"])
        graphs = artifacts.backends(weights, self.config.threads)
        self._encode, self._step, self._read = (graphs[name] for name in artifacts.GRAPHS)

    @property
    def cost_s(self) -> dict[str, float]:
        """Measured median seconds of one run of each graph; NaN where none was made."""
        return {
            "encode": self._encode.cost_s,
            "step": self._step.cost_s,
            "read": self._read.cost_s,
        }

    def init_state(self, observation: Any, context: Context) -> VisionState:
        """Encode a camera observation; PluginError if it holds no picture."""
        if not isinstance(observation, Observation) or not isinstance(observation.data, Frame):
            raise PluginError(f"vision needs an Observation of a Frame, got {observation!r:.80}")
        frame = observation.data
        try:
            picture, letterbox = letterboxed(frame.rgb)
        except ValueError as error:
            raise PluginError(f"vision: {error}") from error
        out = self._encode.infer({"frame": picture[None]})
        return VisionState(
            latent=out["latent"],
            residual=out["residual"],
            features=out["features"],
            thumbnail=out["thumbnail"],
            energy_value=float(out["energy"][0]),
            steps=0,
            captured_s=observation.captured_s,
            letterbox=letterbox,
            camera=frame.camera,
        )

    def step(self, state: VisionState) -> VisionState:
        """One refinement step of the latent, and its decoding."""
        out = self._step.infer(
            {
                "latent": state.latent,
                "residual": state.residual,
                "features": state.features,
                "thumbnail": state.thumbnail,
                "step": np.array(state.steps, np.int64),
            }
        )
        return VisionState(
            latent=out["next_latent"],
            residual=out["next_residual"],
            features=state.features,
            thumbnail=state.thumbnail,
            energy_value=float(out["energy"][0]),
            steps=state.steps + 1,
            captured_s=state.captured_s,
            letterbox=state.letterbox,
            camera=state.camera,
        )

    def energy(self, state: VisionState) -> float:
        """Mean squared error of the decoded latent against the frame, plus a small prior."""
        return state.energy_value

    def result(self, state: VisionState) -> Scene:
        """Things and room, read from the latent; boxes in the camera's own pixels."""
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
        return Scene(state.captured_s, tuple(detections), ROOMS[room], float(probabilities[room]))

    @staticmethod
    def _bearing_rad(state: VisionState, column_px: float, focal_px: float) -> float:
        """Bearing of a column of the network's picture, left positive."""
        column = state.letterbox.column_to_source(column_px)
        middle = 0.5 * state.letterbox.width_px
        return -math.atan2((column - middle) * state.letterbox.scale, focal_px)
