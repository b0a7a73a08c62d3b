"""The error tree, named by who must act."""

from __future__ import annotations


class SageError(Exception):
    """Root of every error that SAGE raises on purpose; its text is one line for the user."""


class ConfigError(SageError):
    """You gave a value that cannot be; the text names it and the valid choice."""


class DeviceError(SageError):
    """A camera, robot, file or world is missing or went away; the text names what was tried."""


class ModelError(SageError):
    """Weights are missing or corrupt; the text names the command that restores them."""


class PluginError(SageError):
    """A plugin broke the contract or failed inside a step; the text names the plugin."""


class ProcessDiedError(PluginError):
    """A plugin's process died or was killed in a step. Its lane went on with others meanwhile, so
    what was waited for it is no cost of the lane."""


class BudgetError(SageError):
    """The books of the budget do not balance: more was asked of a meter than it can give."""
