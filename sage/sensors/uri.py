"""Device URIs: ``scheme:place?option=value``, checked against one visible table of schemes."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from sage.irp.errors import ConfigError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# Up to the last @ of the authority; a password with a bare / in it ends at the first @ after.
_PASSWORD = re.compile(r"(//[^/:]*:)(?:[^/]*|[^@]*)(@)")
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class DeviceUri:
    """A URI taken apart: ``scheme``, ``place`` (what follows the colon), ``options`` as typed.

    ``text`` is the URI for messages and records: a password in it is hidden.
    """

    text: str
    scheme: str
    place: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Option:
    """What an option may be: a flag, a whole number or a number, by the type of ``default``.

    Numbers lie in [``low``, ``high``].
    """

    default: bool | int | float | None
    low: float = -math.inf
    high: float = math.inf

    def read(self, uri: str, name: str, text: str) -> bool | int | float:
        """The option's value; ConfigError names the value and the valid choice."""
        if isinstance(self.default, bool):
            if text.lower() not in _FLAGS:
                raise ConfigError(f"{uri!r}: option {name}={text!r} must be 1 or 0")
            return _FLAGS[text.lower()]
        whole = isinstance(self.default, int)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high:
            kind = "a whole number" if whole else "a number"
            raise ConfigError(
                f"{uri!r}: option {name}={text!r} must be {kind} in [{self.low:g}, {self.high:g}]"
            )
        return value


def closest(word: str, choices: Collection[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest choice, or nothing where none is near."""
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def parse_uri(text: object, forms: Mapping[str, str], *, kind: str) -> DeviceUri:
    """Take a URI apart.

    ``forms`` maps each valid scheme to the form shown to the user (``camera`` to ``camera:N``);
    ``kind`` says what is being opened. Raises ConfigError, one line that lists the valid forms.
    """
    valid = "valid: " + ", ".join(forms[name] for name in sorted(forms))
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{kind} {text!r} is no URI; {valid}")
    text = text.strip()
    if any(not character.isprintable() for character in text):
        raise ConfigError(f"{kind} {text!r} holds unprintable characters; {valid}")
    shown = _PASSWORD.sub(r"\1***\2", text)
    scheme, colon, place = text.partition(":")
    scheme = scheme.lower()
    if not colon:
        if scheme in forms:
            raise ConfigError(f"{kind} {shown!r} lacks its colon; write {forms[scheme]}")
        hint = closest(scheme, forms)
        if not hint and "file" in forms:
            hint = f"; for a file write 'file:{shown}'"
        raise ConfigError(f"{kind} {shown!r} has no scheme{hint}; {valid}")
    if scheme not in forms:
        if not _SCHEME.fullmatch(scheme):
            raise ConfigError(f"{kind} {shown!r} is malformed; {valid}")
        raise ConfigError(
            f"{kind} {shown!r}: unknown scheme {scheme!r}{closest(scheme, forms)}; {valid}"
        )
    if scheme == "rtsp":  # its query belongs to the server, not to us
        return DeviceUri(shown, scheme, place, {})
    head, mark, query = place.rpartition("?")
    if not mark or ("=" not in query and query):  # a question mark in a file's name
        return DeviceUri(shown, scheme, place, {})
    return DeviceUri(shown, scheme, head, _options(shown, query))


def _options(shown: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise ConfigError(f"{shown!r}: {part!r} is no option; write name=value")
        if name in options:
            raise ConfigError(f"{shown!r}: option {name!r} is given twice")
        options[name] = unquote_plus(value)
    return options


def read_options(uri: DeviceUri, known: Mapping[str, Option]) -> dict[str, Any]:
    """Every known option's value, given or default; ConfigError where one is unknown or wrong."""
    for name in uri.options:
        if name not in known:
            valid = ", ".join(sorted(known)) if known else "none"
            raise ConfigError(
                f"{uri.text!r}: unknown option {name!r}{closest(name, known)}; "
                f"options of {uri.scheme}: {valid}"
            )
    return {
        name: option.read(uri.text, name, uri.options[name])
        if name in uri.options
        else option.default
        for name, option in known.items()
    }
