"""The kernel: what every iterative refinement primitive is, and the loop that runs it."""

from sage.irp.batch import advance_together, most_in_batch
from sage.irp.conformance import check_plugin
from sage.irp.errors import (
    BudgetError,
    ConfigError,
    DeviceError,
    ModelError,
    PluginError,
    ProcessDiedError,
    SageError,
)
from sage.irp.halting import HaltPolicy, HaltReason
from sage.irp.meter import Meter
from sage.irp.plugin import Batches, Context, Invariants, IRPPlugin, Settles, Verifies, WarmStarts
from sage.irp.refine import NO_CONTEXT, Refinement, refine, unchanged
from sage.irp.trajectory import Outcome, StepRecord, Trajectory
from sage.irp.trust import TrustMetrics, trust_metrics

__all__ = [
    "NO_CONTEXT",
    "Batches",
    "BudgetError",
    "ConfigError",
    "Context",
    "DeviceError",
    "HaltPolicy",
    "HaltReason",
    "IRPPlugin",
    "Invariants",
    "Meter",
    "ModelError",
    "Outcome",
    "PluginError",
    "ProcessDiedError",
    "Refinement",
    "SageError",
    "Settles",
    "StepRecord",
    "Trajectory",
    "TrustMetrics",
    "Verifies",
    "WarmStarts",
    "advance_together",
    "check_plugin",
    "most_in_batch",
    "refine",
    "trust_metrics",
    "unchanged",
]
