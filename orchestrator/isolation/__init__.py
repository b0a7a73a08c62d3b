"""The process tier: plugins in processes of their own, which may hang, crash or lie there."""

from orchestrator.isolation.plugin import IsolatedPlugin

__all__ = ["IsolatedPlugin"]
