"""SAGE: an edge robotics runtime that runs every model as an iterative refinement primitive."""

from sage.irp import HaltPolicy, HaltReason, Invariants, IRPPlugin, check_plugin, refine

__version__ = "0.1.0"

__all__ = ["HaltPolicy", "HaltReason", "IRPPlugin", "Invariants", "check_plugin", "refine"]
