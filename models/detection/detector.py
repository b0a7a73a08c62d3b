"""A detector, ready to look at any part of a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.backends import Backend, OnnxRuntimeBackend
from models.detection.boxes import NONE, Boxes, suppressed
from models.detection.config import COCO, FORMS, DetectorConfig, class_names
from models.detection.crops import Region
from models.detection.decoders import DECODERS, Decoder, FocalHead, SsdHead, recognised
from sage.irp.errors import ConfigError, ModelError
from sage.values import UInt8Array

_FIELD: Final = 114.0  # the grey around a picture that does not fill the input


class Detector:
    """One network with all that it takes to look at a part of a frame.

    Args:
        backend: what runs it: ONNX Runtime, a TensorRT engine, anything that is a ``Backend``.
        input_name: of its one input.
        input_px: width and height of that input.
        config: see :class:`DetectorConfig`.
        layout: order of the input's axes.
        dtype: of the input; whole numbers are fed as they are, without mean and std.
        decoder: reads the outputs; the head that ``config`` names or its outputs tell by default.

    Raises:
        ModelError: the head cannot be told, or does not fit the outputs or the class names.
    """

    def __init__(
        self,
        backend: Backend,
        input_name: str,
        input_px: tuple[int, int],
        config: DetectorConfig,
        *,
        layout: str = "nchw",
        dtype: Any = np.float32,
        decoder: Decoder | None = None,
    ) -> None:
        self.input_px = input_px
        self._backend = backend
        self._input = input_name
        self._nhwc = (config.layout or layout) == "nhwc"
        self._dtype = np.dtype(dtype)
        self._overlap = config.overlap
        names = class_names(Path(config.labels) if config.labels else COCO)
        self.names = names
        backend.load()
        outputs = self._infer(np.zeros((input_px[1], input_px[0], 3), np.float32))
        known = len(names) if config.labels else None
        self.head = config.head or ("" if decoder else recognised(outputs, input_px, known))
        if decoder is None:
            decoder = DECODERS[self.head]
            if self.head == "gfl":
                decoder = FocalHead(known)
            elif self.head == "ssd" and config.priors:
                decoder = SsdHead(_priors(Path(config.priors)))
        self._decoder = decoder
        form = FORMS.get(self.head, FORMS["yolo"])
        self._bgr = (config.order or form.order) == "bgr"
        self._fit = config.fit or form.fit
        std = np.array(config.std or form.std, np.float32)
        self._scale = 1.0 / std
        self._shift = -np.array(config.mean or form.mean, np.float32) / std
        decoder.decode(outputs, input_px, 2.0)  # now, not at the first frame
        self._check_classes(outputs, config)

    @property
    def cost_s(self) -> float:
        """Measured median seconds of one run; NaN before the first."""
        return self._backend.cost_s

    def look(self, rgb: UInt8Array, region: Region, least: float) -> Boxes:
        """What is seen in a region, in pixels of the frame, once each.

        Args:
            rgb: the frame, (height, width, 3) uint8.
            region: the part of it to look at.
            least: leave out what scores less.
        """
        part = rgb[region.top : region.bottom, region.left : region.right]
        picture, scale_x, scale_y, left, top = self._fitted(part)
        found = self._decoder.decode(self._infer(picture), self.input_px, least)
        if not len(found):
            return NONE
        corners = found.corners_px
        shift = np.array([left, top, left, top], np.float32)
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        start = np.array([region.left, region.top, region.left, region.top], np.float32)
        found = Boxes((corners - shift) / scale + start, found.scores, found.labels)
        finite = np.isfinite(found.corners_px).all(axis=1) & np.isfinite(found.scores)
        finite &= (found.labels >= 0) & (found.labels < len(self.names))
        found = found[finite].clipped(region.left, region.top, region.right, region.bottom)
        return suppressed(found, self._overlap)

    def _fitted(self, part: UInt8Array) -> tuple[npt.NDArray[Any], float, float, int, int]:
        """The input's picture, how much larger it is than ``part``, and where it begins."""
        import cv2

        width, height = self.input_px
        scale_x, scale_y = width / part.shape[1], height / part.shape[0]
        if self._fit != "stretch":
            scale_x = scale_y = min(scale_x, scale_y)
        size = (
            max(1, min(width, round(part.shape[1] * scale_x))),
            max(1, min(height, round(part.shape[0] * scale_y))),
        )
        how = cv2.INTER_AREA if scale_x < 1.0 else cv2.INTER_LINEAR
        scaled = cv2.resize(part, size, interpolation=how)
        if self._bgr:
            scaled = cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR)
        left = top = 0
        if size != self.input_px:
            if self._fit == "centre":
                left, top = (width - size[0]) // 2, (height - size[1]) // 2
            scaled = cv2.copyMakeBorder(
                scaled,
                top,
                height - size[1] - top,
                left,
                width - size[0] - left,
                cv2.BORDER_CONSTANT,
                value=(_FIELD,) * 3,
            )
        if self._dtype.kind == "f":
            scaled = scaled.astype(np.float32) * self._scale + self._shift
        return scaled, scale_x, scale_y, left, top

    def _infer(self, picture: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        ordered = picture if self._nhwc else picture.transpose(2, 0, 1)
        batch = np.ascontiguousarray(ordered[None], self._dtype)
        return self._backend.infer({self._input: batch})

    def _check_classes(self, outputs: dict[str, npt.NDArray[Any]], config: DetectorConfig) -> None:
        """That there are as many names as classes, where the outputs tell how many there are."""
        shapes = [value.shape for value in outputs.values()]
        count = None
        if self.head in ("yolo", "yolox"):
            count = shapes[0][-1] - 5
        elif self.head == "yolov8":
            count = min(shapes[0][-2:]) - 4
        elif self.head == "ssd":
            count = SsdHead.parts(outputs)[1].shape[1] - 1
        elif self.head == "gfl" and len(shapes) > 1 and not config.labels:
            widths = {shape[-1] for shape in shapes}
            count = len(self.names) if len(self.names) in widths else min(widths)
        if count is not None and count != len(self.names):
            raise ModelError(
                f"the network tells {count} classes apart and "
                f"{config.labels or 'coco.txt'} names {len(self.names)}; give --labels FILE"
            )


def open_detector(
    path: str | Path,
    config: DetectorConfig | None = None,
    *,
    threads: int = 1,
) -> Detector:
    """A detector from an ONNX file; settings from the YAML file beside it unless given.

    Raises:
        ModelError: the file is missing or no detector; ConfigError: a setting that cannot be.
    """
    path = Path(path)
    config = config or DetectorConfig.beside(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"detector {path} cannot be read ({error.strerror})") from error
    backend = OnnxRuntimeBackend(content, path.name, threads)
    backend.load()
    if len(backend.inputs) != 1:
        raise ModelError(
            f"detector {path.name} must have one input, got {', '.join(sorted(backend.inputs))}"
        )
    ((name, (dtype, shape)),) = backend.inputs.items()
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ModelError(f"detector {path.name}: input {name!r} of {shape} is no colour picture")
    layout = "nchw" if shape[1] == 3 else "nhwc"
    height, width = shape[2:] if layout == "nchw" else shape[1:3]
    size = config.input_px or (width, height)
    if min(size) < 16:
        raise ConfigError(
            f"detector {path.name} takes any size; say which as input_px in {path.stem}.yaml"
        )
    return Detector(backend, name, size, config, layout=layout, dtype=dtype)


def _priors(path: Path) -> npt.NDArray[np.float32]:
    try:
        priors = np.loadtxt(path, np.float32, ndmin=2, delimiter=None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"priors {path} cannot be read ({error})") from error
    if priors.shape[1] != 4:
        raise ConfigError(f"priors {path} must hold four numbers a line, got {priors.shape[1]}")
    return priors
