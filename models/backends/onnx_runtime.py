"""ONNX Runtime on the processor, with the number of threads said out loud."""

from __future__ import annotations

import statistics
import time
from collections import deque
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.backends.base import TensorMap
from sage.irp.errors import ConfigError, ModelError

_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(bool)": np.dtype(np.bool_),
}
_MAX_THREADS: Final = 64


class OnnxRuntimeBackend:
    """One ONNX graph on the processor.

    Args:
        model: the serialised ONNX model. It is data: loading it executes nothing of its own.
        name: what errors call it, usually its file name.
        threads: intra-op threads; 1 leaves the other cores to the other lanes.
        remedy: the command that restores the file, for error messages.
    """

    def __init__(self, model: bytes, name: str, threads: int = 1, remedy: str = "") -> None:
        if not 1 <= threads <= _MAX_THREADS:
            raise ConfigError(f"threads {threads} must be in [1, {_MAX_THREADS}]")
        self._model = model
        self.name = name
        self._threads = threads
        self._remedy = remedy
        self._session: Any = None
        self._inputs: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        self._outputs: list[str] = []
        self._costs_s: deque[float] = deque(maxlen=101)

    @property
    def cost_s(self) -> float:
        """Measured median seconds per inference over the last hundred; NaN before the first."""
        return statistics.median(tuple(self._costs_s)) if self._costs_s else float("nan")

    @property
    def inputs(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Name to (type, shape) of every input; a free axis is 1. Empty before ``load``."""
        return dict(self._inputs)

    def load(self) -> None:
        """Build the session; ModelError if the bytes are no model that this runtime can run."""
        if self._session is not None:
            return
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # A waiting worker that spins burns a core that another lane needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types
            reason = str(error).splitlines()[0]
            raise ModelError(f"{self.name} is no usable ONNX model ({reason}){self._advice}") from (
                error
            )
        self._inputs = {}
        for item in session.get_inputs():
            if item.type not in _TYPES:
                raise ModelError(f"{self.name}: input {item.name!r} has type {item.type}")
            shape = tuple(n if isinstance(n, int) else 1 for n in item.shape)
            self._inputs[item.name] = (_TYPES[item.type], shape)
        self._outputs = [item.name for item in session.get_outputs()]
        self._session = session

    def warm_up(self, runs: int = 3) -> None:
        """Load if needed, run on zeros and forget those costs."""
        self.load()
        zeros = {name: np.zeros(shape, dtype) for name, (dtype, shape) in self._inputs.items()}
        for _ in range(runs):
            self.infer(zeros)
        self._costs_s.clear()

    def infer(self, inputs: TensorMap) -> dict[str, npt.NDArray[Any]]:
        """Outputs by name; ModelError if not loaded or an input does not fit."""
        session = self._session
        if session is None:
            raise ModelError(f"{self.name} is not loaded; call load() first")
        if inputs.keys() != self._inputs.keys():
            raise ModelError(
                f"{self.name} takes inputs {sorted(self._inputs)}, got {sorted(inputs)}"
            )
        started = time.perf_counter()
        try:
            values = session.run(self._outputs, dict(inputs))
        except Exception as error:  # as above
            raise ModelError(f"{self.name}: {str(error).splitlines()[0]}") from error
        self._costs_s.append(time.perf_counter() - started)
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        """Drop the session."""
        self._session = None

    @property
    def _advice(self) -> str:
        return f"; restore it with `{self._remedy}`" if self._remedy else ""
