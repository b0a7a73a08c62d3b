"""Backends run exported models behind one small interface.

:class:`Backend` is the interface; :class:`OnnxRuntimeBackend` runs ONNX on any processor.
"""

from models.backends.base import Backend, TensorMap
from models.backends.onnx_runtime import OnnxRuntimeBackend

__all__ = ["Backend", "OnnxRuntimeBackend", "TensorMap"]
