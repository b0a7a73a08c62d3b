"""Plugins that other packages registered."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from sage.irp import ConfigError, IRPPlugin, PluginError

PLUGIN_GROUP = "sage.plugins"


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
