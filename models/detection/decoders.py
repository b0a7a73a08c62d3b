"""From a network's raw outputs to boxes: one small class per family of heads.

Add your own by writing ``decode`` and putting an instance into :data:`DECODERS`, or hand any
object with that method to :class:`models.detection.Detector`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from models.detection.boxes import NONE, Boxes, Float32Array
from sage.irp.errors import ModelError

Outputs = Mapping[str, npt.NDArray[Any]]

_STRIDES: Final = (8, 16, 32, 64, 128)


class Decoder(Protocol):
    """Makes boxes of what a network put out."""

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """Boxes in pixels of the network's input, not yet suppressed.

        Args:
            outputs: by name, for one picture.
            size_px: width and height of the network's input.
            least: leave out what scores less.

        Raises:
            ModelError: the outputs are not this head's; the text says which were found.
        """
        ...


def described(outputs: Outputs) -> str:
    """Names and shapes, as errors quote them."""
    return ", ".join(f"{name} {'x'.join(map(str, v.shape))}" for name, v in outputs.items())


def cells(size_px: tuple[int, int], stride: int) -> int:
    """How many cells of a stride cover an input."""
    return -(-size_px[0] // stride) * -(-size_px[1] // stride)


def strides_of(count: int, size_px: tuple[int, int]) -> tuple[int, ...]:
    """The run of strides from 8 on whose cells are ``count`` in all; empty where none is."""
    total = 0
    for last, stride in enumerate(_STRIDES, 1):
        total += cells(size_px, stride)
        if total == count and last >= 2:
            return _STRIDES[:last]
    return ()


def grid_px(
    size_px: tuple[int, int], strides: Sequence[int], offset: float
) -> tuple[Float32Array, Float32Array]:
    """(N, 2) points of all cells, row by row and stride by stride, and (N, 1) their strides."""
    points, steps = [], []
    for stride in strides:
        columns, rows = -(-size_px[0] // stride), -(-size_px[1] // stride)
        y, x = np.mgrid[0:rows, 0:columns].reshape(2, -1)
        points.append((np.stack([x, y], 1) + offset) * stride)
        steps.append(np.full((len(x), 1), stride))
    return np.concatenate(points).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _flat(value: npt.NDArray[Any]) -> Float32Array:
    """Without the batch axis; half precision widened."""
    value = value[0] if value.ndim >= 3 else value
    return np.ascontiguousarray(value, np.float32)


def _single(outputs: Outputs, head: str) -> Float32Array:
    if len(outputs) != 1 or (value := _flat(next(iter(outputs.values())))).ndim != 2:
        raise ModelError(f"head {head!r} needs one output of 1 x N x M, got {described(outputs)}")
    return value


def _best(scores: Float32Array, corners: Float32Array, least: float) -> Boxes:
    labels = scores.argmax(axis=1)
    best = scores.max(axis=1)
    kept = best >= least
    return Boxes(corners[kept], best[kept], labels[kept].astype(np.int64))


def _from_centres(boxes: Float32Array) -> Float32Array:
    """Left, top, right, bottom of centre x, centre y, width, height."""
    half = 0.5 * boxes[:, 2:4]
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _softmax(logits: Float32Array) -> Float32Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share: Float32Array = powers / powers.sum(axis=-1, keepdims=True)
    return share


@dataclass(frozen=True, slots=True)
class FocalHead:
    """Generalized focal loss (Li et al. 2020, NanoDet): a distribution for each side of a box.

    Either scores (1, cells, classes) and distributions (1, cells, 4 x bins) for every stride, as
    NanoDet exports, or both in one output for all strides, as NanoDet-Plus does.

    Attributes:
        classes: how many; None works it out (scores lie in [0, 1], distributions are logits).
        bins: of one side in the joint output.
    """

    classes: int | None = None
    bins: int = 8

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """See :meth:`Decoder.decode`."""
        if len(outputs) == 1:
            return self._joint(_single(outputs, "gfl"), size_px, least)
        scores, sides = self._levels(outputs, size_px)
        parts_scores, parts_corners = [], []
        for stride, score in scores.items():
            chosen = np.flatnonzero(score.max(axis=1) >= least)
            if not len(chosen):
                continue
            points, steps = grid_px(size_px, (stride,), 0.5)
            parts_scores.append(score[chosen])
            parts_corners.append(self._corners(sides[stride][chosen], points[chosen], steps[0]))
        if not parts_scores:
            return NONE
        return _best(np.concatenate(parts_scores), np.concatenate(parts_corners), least)

    def _joint(self, value: Float32Array, size_px: tuple[int, int], least: float) -> Boxes:
        strides = strides_of(len(value), size_px)
        classes = value.shape[1] - 4 * self.bins
        if not strides or classes < 1:
            raise ModelError(f"head 'gfl' cannot read one output of {value.shape}")
        points, steps = grid_px(size_px, strides, 0.0)
        chosen = np.flatnonzero(value[:, :classes].max(axis=1) >= least)
        corners = self._corners(value[chosen, classes:], points[chosen], steps[chosen])
        return _best(value[chosen, :classes], corners, least)

    @staticmethod
    def _corners(sides: Float32Array, points: Float32Array, stride: Float32Array) -> Float32Array:
        share = _softmax(sides.reshape(len(sides), 4, -1))
        far = share @ np.arange(share.shape[-1], dtype=np.float32) * stride
        return np.concatenate([points - far[:, :2], points + far[:, 2:]], axis=1)

    def _levels(
        self, outputs: Outputs, size_px: tuple[int, int]
    ) -> tuple[dict[int, Float32Array], dict[int, Float32Array]]:
        """Scores and sides by stride."""
        stride_of = {cells(size_px, stride): stride for stride in reversed(_STRIDES)}
        groups: dict[int, dict[int, Float32Array]] = {}
        for value in outputs.values():
            flat = _flat(value)
            if flat.ndim == 2 and len(flat) in stride_of:
                groups.setdefault(flat.shape[1], {})[stride_of[len(flat)]] = flat
        if len(groups) == 2 and len(outputs) == sum(map(len, groups.values())):
            for width, scores in groups.items():
                (other, sides) = next((w, g) for w, g in groups.items() if w != width)
                if other % 4 or other < 8 or scores.keys() != sides.keys():
                    continue
                if self.classes == width or (self.classes is None and _are_shares(scores)):
                    return scores, sides
        raise ModelError(
            "head 'gfl' needs scores (1 x cells x classes) and distributions (1 x cells x 4 bins) "
            f"for every stride, got {described(outputs)}"
        )


def _are_shares(levels: Mapping[int, Float32Array]) -> bool:
    return all(bool(((v >= 0.0) & (v <= 1.0)).all()) for v in levels.values())


@dataclass(frozen=True, slots=True)
class YoloHead:
    """YOLO v3 to v7 exported with its grid: (1, N, 5 + classes), centre and size in pixels.

    A score is objectness times class, both in [0, 1].
    """

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """See :meth:`Decoder.decode`."""
        value = _single(outputs, "yolo")
        if value.shape[1] < 6:
            raise ModelError(f"head 'yolo' needs 5 + classes columns, got {described(outputs)}")
        value = value[value[:, 4] >= least]
        return _best(value[:, 5:] * value[:, 4:5], _from_centres(value), least)


@dataclass(frozen=True, slots=True)
class YoloFreeHead:
    """YOLO v8 to v11: (1, 4 + classes, N), no objectness, centre and size in pixels."""

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """See :meth:`Decoder.decode`."""
        value = _single(outputs, "yolov8")
        if value.shape[0] < value.shape[1]:
            value = value.T
        if value.shape[1] < 5:
            raise ModelError(f"head 'yolov8' needs 4 + classes rows, got {described(outputs)}")
        value = value[value[:, 4:].max(axis=1) >= least]
        return _best(value[:, 4:], _from_centres(value), least)


@dataclass(frozen=True, slots=True)
class YoloxHead:
    """YOLOX (Ge et al. 2021) as exported: (1, cells, 5 + classes), offsets and log sizes."""

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """See :meth:`Decoder.decode`."""
        value = _single(outputs, "yolox")
        strides = strides_of(len(value), size_px)
        if not strides or value.shape[1] < 6:
            raise ModelError(
                f"head 'yolox' needs one row per cell of strides 8, 16, 32 of a {size_px[0]} x "
                f"{size_px[1]} input and 5 + classes columns, got {described(outputs)}"
            )
        points, steps = grid_px(size_px, strides, 0.0)
        kept = value[:, 4] >= least
        value, points, steps = value[kept], points[kept], steps[kept]
        boxes = np.concatenate(
            [points + value[:, :2] * steps, np.exp(np.minimum(value[:, 2:4], 20.0)) * steps], axis=1
        )
        return _best(value[:, 5:] * value[:, 4:5], _from_centres(boxes), least)


@dataclass(frozen=True, slots=True)
class SsdHead:
    """SSD (Liu et al. 2016): boxes (1, N, 4) and class scores (1, N, 1 + classes).

    Attributes:
        priors: (N, 4) centre and size as fractions of the input, which the boxes are offsets of;
            None where the boxes are corners already, as fractions of the input.
        variances: scale of the offsets of centre and of size.
    """

    priors: Float32Array | None = None
    variances: tuple[float, float] = (0.1, 0.2)

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """See :meth:`Decoder.decode`."""
        boxes, scores = self.parts(outputs)
        if not _are_shares({0: scores}):
            scores = _softmax(scores)
        if self.priors is not None:
            if len(self.priors) != len(boxes):
                raise ModelError(f"{len(self.priors)} priors do not fit {len(boxes)} boxes")
            centre, size = self.priors[:, :2], self.priors[:, 2:]
            middle = centre + boxes[:, :2] * self.variances[0] * size
            grown = size * np.exp(np.minimum(boxes[:, 2:] * self.variances[1], 20.0))
            boxes = _from_centres(np.concatenate([middle, grown], axis=1))
        corners = boxes * np.array([*size_px, *size_px], np.float32)
        return _best(scores[:, 1:], corners, least)  # column 0 is the background

    @staticmethod
    def parts(outputs: Outputs) -> tuple[Float32Array, Float32Array]:
        """Boxes (N, 4) and scores (N, 1 + classes); ModelError where these are not the outputs."""
        flat = {name: _flat(value) for name, value in outputs.items()}
        if len(flat) == 2 and all(value.ndim == 2 for value in flat.values()):
            # Three classes and the background are four columns too; then their names must tell.
            named = sorted(flat, key=lambda n: (flat[n].shape[1] != 4, _names_scores(n)))
            boxes, scores = (flat[name] for name in named)
            if boxes.shape[1] == 4 and scores.shape[1] > 1 and len(boxes) == len(scores):
                return boxes, scores
        raise ModelError(
            "head 'ssd' needs boxes 1 x N x 4 and scores 1 x N x (1 + classes), got "
            + described(outputs)
        )


def _names_scores(name: str) -> bool:
    return any(word in name.casefold() for word in ("score", "conf", "cls", "class", "prob"))


@dataclass(frozen=True, slots=True)
class FinishedHead:
    """Heads that end in their own suppression: TensorFlow's ``detection_boxes`` (top, left, bottom,
    right, as fractions), torchvision's ``boxes``, ``scores``, ``labels`` (pixels), and rows of
    left, top, right, bottom, score, class (YOLO v10 and other end-to-end exports, pixels).

    Attributes:
        first_label: what the network calls its first class: 1 where 0 is the background.
    """

    first_label: int = 1

    def decode(self, outputs: Outputs, size_px: tuple[int, int], least: float) -> Boxes:
        """See :meth:`Decoder.decode`."""
        part = {name.split(":")[0].rsplit("/", 1)[-1]: value for name, value in outputs.items()}
        if "detection_boxes" in part and "detection_scores" in part:
            corners = _flat(part["detection_boxes"])[:, [1, 0, 3, 2]]
            corners = corners * np.array([*size_px, *size_px], np.float32)
            scores = part["detection_scores"].reshape(-1)
            labels = part.get("detection_classes", np.ones(len(scores))).reshape(-1)
            if "num_detections" in part:
                scores = scores[: int(part["num_detections"].reshape(-1)[0])]
            corners, labels = corners[: len(scores)], labels[: len(scores)]
            first = self.first_label
        elif {"boxes", "scores", "labels"} <= part.keys():
            corners = _flat(part["boxes"])
            scores, labels = part["scores"].reshape(-1), part["labels"].reshape(-1)
            first = self.first_label
        else:
            rows = _single(outputs, "finished")
            if rows.shape[1] != 6:
                raise ModelError(f"head 'finished' needs rows of 6, got {described(outputs)}")
            corners, scores, labels, first = rows[:, :4], rows[:, 4], rows[:, 5], 0
        kept = scores >= least
        return Boxes(
            corners[kept].astype(np.float32),
            scores[kept].astype(np.float32),
            labels[kept].astype(np.int64) - first,
        )


DECODERS: Final[Mapping[str, Decoder]] = {
    "gfl": FocalHead(),
    "yolo": YoloHead(),
    "yolov8": YoloFreeHead(),
    "yolox": YoloxHead(),
    "ssd": SsdHead(),
    "finished": FinishedHead(),
}


def recognised(outputs: Outputs, size_px: tuple[int, int], classes: int | None) -> str:
    """The head that put these out, by names and shapes.

    Args:
        outputs: of one run on anything.
        size_px: width and height of the network's input.
        classes: how many there are, where that is known.

    Raises:
        ModelError: none fits, or several do; the text names what was found and the choices.
    """
    names = {name.split(":")[0].rsplit("/", 1)[-1] for name in outputs}
    if {"detection_boxes", "detection_scores"} <= names or {"boxes", "scores", "labels"} <= names:
        return "finished"
    fitting = _fitting(outputs, size_px, classes)
    if len(fitting) == 1:
        return fitting[0]
    found = f"several heads fit ({', '.join(fitting)})" if fitting else "no known head fits"
    raise ModelError(
        f"{found} a network that puts out {described(outputs)}; say which with --head: "
        + ", ".join(DECODERS)
    )


def _fitting(outputs: Outputs, size_px: tuple[int, int], classes: int | None) -> list[str]:
    if len(outputs) > 1:
        fitting = []
        for name, decoder in (("gfl", FocalHead(classes)), ("ssd", SsdHead())):
            try:
                decoder.decode(outputs, size_px, 2.0)
            except ModelError:
                continue
            fitting.append(name)
        return fitting
    shape = next(iter(outputs.values())).shape
    if len(shape) != 3 or shape[0] != 1:
        return ["finished"] if len(shape) == 2 and shape[1] == 6 and classes != 1 else []
    rows, columns = shape[1:]
    if rows < columns:
        return ["yolov8"] if rows >= 5 and classes in (None, rows - 4) else []
    if columns == 6 and rows <= 1000 and classes != 1:
        return ["finished"]
    strides = strides_of(rows, size_px)
    if len(strides) >= 4 and classes in (None, columns - 32) and columns > 32:
        return ["gfl"]
    if classes is not None and columns == 4 + classes:
        return ["yolov8"]
    if columns < 6 or classes not in (None, columns - 5):
        return []
    return ["yolo", "yolox"] if strides else ["yolo"]
