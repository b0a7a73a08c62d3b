"""Detectors that users bring: any head, any input, behind one small interface.

:func:`open_detector` opens an ONNX file; :class:`Detector` takes any ``Backend``;
:class:`Decoder` is what a new kind of head implements.
"""

from models.detection.boxes import Boxes, merged
from models.detection.config import DetectorConfig, class_names
from models.detection.crops import Region, regions_of
from models.detection.decoders import DECODERS, Decoder, recognised
from models.detection.detector import Detector, open_detector

__all__ = [
    "DECODERS",
    "Boxes",
    "Decoder",
    "Detector",
    "DetectorConfig",
    "Region",
    "class_names",
    "merged",
    "open_detector",
    "recognised",
    "regions_of",
]
