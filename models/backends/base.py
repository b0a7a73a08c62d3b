"""What the runtime asks of whatever executes a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

TensorMap = Mapping[str, npt.NDArray[Any]]


@runtime_checkable
class Backend(Protocol):
    """One network, ready to run: ``load``, ``warm_up``, ``infer`` any number of times, ``close``.

    ``infer`` may be called from several threads. ``cost_s`` is measured, never declared: the
    median time of one inference since loading, in seconds, or NaN before the first one.
    """

    @property
    def cost_s(self) -> float:
        """Measured median seconds per inference; NaN before the first."""
        ...

    def load(self) -> None:
        """Build the network; ModelError if its file cannot be used. Again is harmless."""
        ...

    def warm_up(self, runs: int = 3) -> None:
        """Run on zeros, so that the first real inference is no slower than the others."""
        ...

    def infer(self, inputs: TensorMap) -> dict[str, npt.NDArray[Any]]:
        """Outputs by name; ModelError names a missing or misshapen input."""
        ...

    def close(self) -> None:
        """Give the memory back; ``load`` may follow."""
        ...
