"""Effectors: everything that moves, opened by URI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sage.clock import Clock
from sage.effectors.effector import Effector
from sage.effectors.record import open_record
from sage.effectors.simple import NoEffector, WorldEffector
from sage.effectors.user import open_user
from sage.irp.errors import ConfigError
from sage.sensors.apartment import World, apartment_options
from sage.sensors.uri import DeviceUri, parse_uri, read_options

__all__ = ["EFFECTORS", "Effector", "check_effector", "open_effector"]


def _open_sim(uri: DeviceUri, clock: Clock, world: World | None) -> Effector:
    apartment_options(uri)
    if world is None:
        raise ConfigError(
            f"{uri.text!r} drives the robot of sim:apartment, and no world is open; "
            "use --camera sim:apartment, or --robot none: to watch only"
        )
    return WorldEffector(uri.text, world)


def _open_none(uri: DeviceUri, clock: Clock, world: World | None) -> Effector:
    read_options(uri, {})
    if uri.place:
        raise ConfigError(f"{uri.text!r}: nothing follows none:")
    return NoEffector(uri.text, clock)


@dataclass(frozen=True, slots=True)
class _Scheme:
    form: str
    open: Callable[[DeviceUri, Clock, World | None], Effector]


EFFECTORS = {
    "sim": _Scheme("sim:", _open_sim),
    "record": _Scheme("record:PATH.jsonl", lambda uri, clock, _: open_record(uri, clock)),
    "python": _Scheme("python:module:Class", lambda uri, clock, _: open_user(uri, clock)),
    "none": _Scheme("none:", _open_none),
}
"""Every scheme that opens an effector."""


def check_effector(uri: str) -> DeviceUri:
    """Take an effector's URI apart; ConfigError, one line, lists the valid schemes."""
    forms = {name: scheme.form for name, scheme in EFFECTORS.items()}
    return parse_uri(uri, forms, kind="effector")


def open_effector(uri: str, *, clock: Clock, world: World | None = None) -> Effector:
    """Open an effector by URI: ``sim:``, ``record:run.jsonl``, ``python:robot:Base``, ``none:``.

    ``world`` is the world that ``sim:`` drives. Raises ConfigError where the URI is wrong,
    DeviceError where the device is missing: one line that names the value and the valid choice.
    """
    parsed = check_effector(uri)
    return EFFECTORS[parsed.scheme].open(parsed, clock, world)
