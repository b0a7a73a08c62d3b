"""``python:module:Class``: a base of the user's own, from a file in the current directory."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.uri import DeviceUri, closest
from sage.values import Effect, Twist

log = logging.getLogger(__name__)

FORM = "python:module:Class"
SIGNATURES = {"apply": "apply(self, twist, captured_s)", "stop": "stop(self)"}
_ARGUMENTS = {"apply": (Twist(), 0.0), "stop": (), "close": ()}


class UserEffector:
    """Wraps a user's object: its failures become one-line errors that name it.

    ``apply`` returns what was really sent: a Twist, or an Effect to say more.
    """

    def __init__(self, uri: str, base: Any, clock: Clock) -> None:
        self.uri = uri
        self._base = base
        self._clock = clock
        self._closed = False

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Send a command."""
        sent = self._call("apply", twist, captured_s)
        if isinstance(sent, Effect):
            return sent
        if isinstance(sent, Twist):
            return Effect(self._clock.now_s(), sent, captured_s, clipped=sent != twist)
        raise DeviceError(
            f"{self.uri}: apply() returned {type(sent).__name__}; "
            "return the sage.values.Twist that was really sent, or an Effect"
        )

    def stop(self) -> None:
        """Stand still now."""
        self._call("stop")

    def close(self) -> None:
        """Stop, and close the object where it has a ``close``. May be repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            self.stop()
        finally:
            if hasattr(self._base, "close"):
                self._call("close")

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            return getattr(self._base, method)(*arguments)
        except (Exception, SystemExit) as error:
            log.debug("%s: %s() raised", self.uri, method, exc_info=True)
            raise DeviceError(
                f"{self.uri}: {method}() raised {type(error).__name__}: {_line(error)}"
            ) from error


def open_user(uri: DeviceUri, clock: Clock) -> UserEffector:
    """Import and construct ``python:module:Class``; ``?name=value`` reach it as keyword strings.

    The current directory is searched last, and only for this import: a ``models/`` or ``memory/``
    folder that lies there hides nothing of the runtime's. Raises ConfigError where the URI, the
    class or its methods are wrong, DeviceError where its constructor fails.
    """
    module_name, colon, class_name = uri.place.partition(":")
    words = [*module_name.split("."), class_name]
    if not colon or not all(word.isidentifier() for word in words):
        raise ConfigError(f"{uri.text!r} is malformed; write {FORM}, for example python:robot:Base")
    factory = _find_class(uri, _import(uri, module_name), class_name)
    for method, signature in SIGNATURES.items():
        if not callable(getattr(factory, method, None)):
            raise ConfigError(f"{uri.text}: {class_name} has no method {signature}")
    try:
        base = factory(**uri.options)
    except (Exception, SystemExit) as error:
        log.debug("%s: the constructor raised", uri.text, exc_info=True)
        raise DeviceError(
            f"{uri.text}: {class_name}() raised {type(error).__name__}: {_line(error)}"
        ) from error
    for method in (*SIGNATURES, "close"):
        if hasattr(base, method):
            _check_signature(uri, class_name, method, getattr(base, method))
    return UserEffector(uri.text, base, clock)


def _import(uri: DeviceUri, name: str) -> ModuleType:
    here = os.getcwd()
    sys.path.append(here)
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ConfigError(
                f"{uri.text}: there is no module {name!r}; looked in {here} and the environment"
            ) from None
        raise ConfigError(f"{uri.text}: module {name!r} needs {error.name!r}; install it") from None
    except (Exception, SystemExit) as error:  # a script without a main guard may exit
        log.debug("%s: importing failed", uri.text, exc_info=True)
        raise ConfigError(
            f"{uri.text}: importing {name!r} raised {type(error).__name__}: {_line(error)}"
        ) from error
    finally:
        sys.path.reverse()  # take away the last one, which is ours
        sys.path.remove(here)
        sys.path.reverse()


def _find_class(uri: DeviceUri, module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = sorted(
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        )
        what = "has no class" if found is None else f"holds {type(found).__name__}, no class,"
        raise ConfigError(
            f"{uri.text}: {module.__file__} {what} {name!r}{closest(name, classes)}; "
            f"classes there: {', '.join(classes) or 'none'}"
        )
    return found


def _check_signature(uri: DeviceUri, owner: str, method: str, function: Any) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C: it shows when it is called
        return
    try:
        signature.bind(*_ARGUMENTS[method])
    except TypeError:
        wanted = SIGNATURES.get(method, "close(self)")
        raise ConfigError(
            f"{uri.text}: {owner}.{method}{signature} cannot be called as {wanted}"
        ) from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or "no message"
