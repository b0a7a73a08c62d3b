"""What a detector's file does not say of itself: its head, its input, its classes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sage.irp.errors import ConfigError

Order = Literal["rgb", "bgr"]
Fit = Literal["corner", "centre", "stretch"]
HEADS: Final = ("gfl", "yolo", "yolov8", "yolox", "ssd", "finished")
COCO: Final = Path(__file__).with_name("coco.txt")

_Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """How to feed one detector and read it. None takes what the head is trained with.

    The same names serve as keys of a YAML file beside the model (``mine.onnx``, ``mine.yaml``).

    Attributes:
        head: the family of its outputs; None recognises it by their names and shapes.
        labels: text file of class names, one a line; the 80 of COCO unless given.
        input_px: width and height of the input; None reads them from the model.
        layout: order of the input's axes; None reads it from the model.
        order: of the colours.
        mean: subtracted from each colour, 0 to 255, in the order that the network sees.
        std: what each colour is divided by after that.
        fit: how a picture of another shape gets in: scaled to fit, at the corner or the centre of
            a grey field, or stretched.
        priors: SSD only: text file of priors, one a line (centre x, y, width, height as fractions).
        overlap: intersection over union from which two boxes of a class are one thing.
    """

    head: str | None = None
    labels: str | None = None
    input_px: tuple[int, int] | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    order: Order | None = None
    mean: _Three | None = None
    std: _Three | None = None
    fit: Fit | None = None
    priors: str | None = None
    overlap: float = 0.6

    def __post_init__(self) -> None:
        for name, value, valid in (
            ("head", self.head, HEADS),
            ("layout", self.layout, ("nchw", "nhwc")),
            ("order", self.order, ("rgb", "bgr")),
            ("fit", self.fit, ("corner", "centre", "stretch")),
        ):
            if value is not None and value not in valid:
                raise ConfigError(f"detector {name} {value!r} is none of {', '.join(valid)}")
        if self.input_px is not None and not (
            len(self.input_px) == 2
            and all(isinstance(n, int) and 16 <= n <= 8192 for n in self.input_px)
        ):
            raise ConfigError(
                f"detector input_px {self.input_px!r} must be width and height in [16, 8192]"
            )
        for name, three in (("mean", self.mean), ("std", self.std)):
            if three is not None and not (len(three) == 3 and all(map(math.isfinite, three))):
                raise ConfigError(f"detector {name} {three!r} must be three finite numbers")
        if self.std is not None and min(self.std) <= 0.0:
            raise ConfigError(f"detector std {self.std!r} must be positive")
        if not 0.0 < self.overlap < 1.0:
            raise ConfigError(f"detector overlap {self.overlap} must lie in (0, 1)")

    @classmethod
    def beside(cls, model: Path) -> DetectorConfig:
        """The settings in the YAML file beside a model; the defaults where there is none.

        Raises:
            ConfigError: a key or value that cannot be.
        """
        path = model.with_suffix(".yaml")
        if not path.is_file():
            return cls()
        import yaml

        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            why = str(error).splitlines()[0]
            raise ConfigError(f"{path} cannot be read as YAML ({why})") from error
        known = {item.name for item in dataclasses.fields(cls)}
        if not isinstance(data, Mapping) or (unknown := sorted(set(map(str, data)) - known)):
            what = f"unknown key {unknown[0]!r}" if isinstance(data, Mapping) else "it has no keys"
            raise ConfigError(f"{path}: {what}; valid: {', '.join(sorted(known))}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        for key in ("labels", "priors"):  # named from where the file lies
            if isinstance(values.get(key), str):
                values[key] = str(path.parent / values[key])
        try:
            return cls(**values)
        except (TypeError, ConfigError) as error:
            raise ConfigError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class InputForm:
    """What a family of heads is usually trained on."""

    order: Order
    mean: _Three
    std: _Three
    fit: Fit


_GREY_BGR: Final = InputForm("bgr", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), "corner")
_UNIT_RGB: Final = InputForm("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "centre")
FORMS: Final[Mapping[str, InputForm]] = {
    "gfl": _GREY_BGR,
    "yolo": _UNIT_RGB,
    "yolov8": _UNIT_RGB,
    "yolox": InputForm("bgr", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "corner"),
    "ssd": InputForm("rgb", (123.0, 117.0, 104.0), (1.0, 1.0, 1.0), "stretch"),
    "finished": InputForm("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "stretch"),
}


def class_names(path: Path) -> tuple[str, ...]:
    """The lines of a text file; ConfigError where it is missing, empty or no text."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"class names {path} cannot be read ({error})") from error
    while lines and not lines[-1].strip():
        lines.pop()
    names = tuple(line.strip() for line in lines)
    if not names or not all(names):
        raise ConfigError(f"class names {path} must hold one name a line, none of them empty")
    return names
