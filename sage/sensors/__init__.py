"""Sources: everything that captures, opened by URI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sage.clock import Clock
from sage.irp.errors import ConfigError
from sage.sensors import apartment, devices, file
from sage.sensors.apartment import World
from sage.sensors.feed import Feed
from sage.sensors.mailbox import Mailbox
from sage.sensors.source import DROP_REASONS, Deliver, DropReason, Source, SourceCounts
from sage.sensors.uri import DeviceUri, parse_uri

__all__ = [
    "DROP_REASONS",
    "SOURCES",
    "Deliver",
    "DropReason",
    "Feed",
    "Mailbox",
    "Source",
    "SourceCounts",
    "check_source",
    "open_apartment",
    "open_source",
]


@dataclass(frozen=True, slots=True)
class _Request:
    uri: DeviceUri
    address: str
    clock: Clock
    world: World | None
    lockstep: bool


@dataclass(frozen=True, slots=True)
class _Scheme:
    form: str
    live: bool
    open: Callable[[_Request], Source]


SOURCES = {
    "sim": _Scheme(
        "sim:apartment",
        False,
        lambda r: apartment.open_sim(r.uri, r.clock, world=r.world, lockstep=r.lockstep),
    ),
    "file": _Scheme(
        "file:PATH", False, lambda r: file.open_file(r.uri, r.clock, lockstep=r.lockstep)
    ),
    "camera": _Scheme("camera:N", True, lambda r: devices.open_camera(r.uri, r.clock)),
    "csi": _Scheme("csi://N", True, lambda r: devices.open_csi(r.uri, r.clock)),
    "rtsp": _Scheme(
        "rtsp://HOST/PATH", True, lambda r: devices.open_rtsp(r.uri, r.address, r.clock)
    ),
}
"""Every scheme that opens a source."""


def check_source(uri: str) -> DeviceUri:
    """Take a source's URI apart; ConfigError, one line, lists the valid schemes."""
    forms = {name: scheme.form for name, scheme in SOURCES.items()}
    return parse_uri(uri, forms, kind="source")


def open_source(
    uri: str, *, clock: Clock, world: World | None = None, lockstep: bool = False
) -> Source:
    """Open a source by URI: ``sim:apartment?seed=3``, ``file:clip.mp4``, ``camera:0``, ...

    ``world`` is the world that a ``sim:`` source shares with the run's effector; without it the
    source opens one of its own. With ``lockstep`` no thread runs and ``pump`` drives the source.

    Raises ConfigError where the URI is wrong, DeviceError where the device is missing: one line
    that names the value and the valid choice.
    """
    parsed = check_source(uri)
    scheme = SOURCES[parsed.scheme]
    if lockstep and scheme.live:
        raise ConfigError(
            f"{parsed.text!r} runs in real time only; lock-step wants sim:apartment or file:PATH"
        )
    return scheme.open(_Request(parsed, uri.strip(), clock, world, lockstep))


def open_apartment(uri: str, *, clock: Clock, lockstep: bool = False) -> Any:
    """Start the world that a ``sim:`` URI asks for, to be shared by a source and an effector.

    The caller closes it. Raises ConfigError where the URI is wrong.
    """
    return apartment.open_apartment(check_source(uri), clock, lockstep=lockstep)
