"""Plugins that other packages registered, and what is known of those that ship."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from sage.irp import ConfigError, IRPPlugin, PluginError

PLUGIN_GROUP = "sage.plugins"

# What all steps after the first add to an answer, where the first is worth 1: true error on the
# training split of `python -m benchmarks.curves`; of detection, what all looks find over the whole
# frame's (strict F1 1 against 0.82, frames 110-219 and 510-579 of vtest.avi).
_LATER_WORTH = {"vision": 0.02, "language": 0.0, "control": 0.06, "detection": 0.22}
_UNKNOWN_LATER_WORTH = 0.1


def later_worth(name: str) -> float:
    """What a plugin's refinement adds to its first answer, as far as that was measured."""
    return _LATER_WORTH.get(name, _UNKNOWN_LATER_WORTH)


def installed_plugin(name: str) -> Callable[[], IRPPlugin[Any, Any]]:
    """The factory that another package registered under a name."""
    found = {entry.name: entry for entry in metadata.entry_points(group=PLUGIN_GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none installed"
        raise ConfigError(f"unknown plugin {name!r}; installed in group {PLUGIN_GROUP!r}: {known}")
    try:
        factory: Callable[[], IRPPlugin[Any, Any]] = found[name].load()
    except Exception as error:
        raise PluginError(f"plugin {name!r} cannot be imported: {error}") from error
    return factory
