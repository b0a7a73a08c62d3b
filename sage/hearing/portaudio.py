"""PortAudio's inputs by way of sounddevice, loaded when a microphone is first asked for."""

from __future__ import annotations

import contextlib
import importlib
import re
from dataclasses import dataclass
from typing import Any

from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import DeviceError

WITHOUT = "without a microphone: --mic sim:apartment, file:take.wav or none:"


@dataclass(frozen=True, slots=True)
class InputDevice:
    """An input as PortAudio lists it."""

    index: int
    name: str
    channels: int
    rate_hz: float


def load_sounddevice() -> Any:
    """The sounddevice module; DeviceError with the command that installs what is missing."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise DeviceError(
            f"sounddevice cannot be loaded ({error}); run: pip install sounddevice"
        ) from None
    except OSError as error:  # the PortAudio library itself
        raise DeviceError(
            f"microphones need the PortAudio library ({error}); "
            f"run: sudo apt-get install libportaudio2 ({WITHOUT})"
        ) from None


def refresh(sounddevice: Any) -> None:
    """Look for devices anew: PortAudio lists what was there when it was initialised."""
    with contextlib.suppress(sounddevice.PortAudioError):
        sounddevice._terminate()
    sounddevice._initialize()


def inputs(sounddevice: Any) -> list[InputDevice]:
    """Every input that exists."""
    return [
        InputDevice(
            index,
            str(device["name"]),
            int(device["max_input_channels"]),
            float(device["default_samplerate"]),
        )
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def find_input(sounddevice: Any, place: str, uri: str) -> InputDevice:
    """The input that a ``mic:`` URI means: the default, a number, or the one name that fits.

    DeviceError lists the inputs that exist.
    """
    try:
        found = inputs(sounddevice)
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"{uri!r}: PortAudio cannot list its devices: {error}") from None
    if not found:
        raise DeviceError(f"{uri!r}: this machine has no microphone ({WITHOUT})")
    listed = ", ".join(f"mic:{device.index} ({device.name})" for device in found)
    if not place:
        return _default(sounddevice, found)
    if re.fullmatch(r"[0-9]{1,4}", place):
        wanted = [device for device in found if device.index == int(place)]
        problem = "no such microphone"
    else:
        # A whole name decides before a part of one: "USB" is also in "USB (2)".
        wanted = [device for device in found if device.name.lower() == place.lower()]
        wanted = wanted or [device for device in found if place.lower() in device.name.lower()]
        problem = "several microphones fit" if wanted else "no microphone has that name"
    if len(wanted) != 1:
        raise DeviceError(f"{uri!r}: {problem}; those that exist: {listed}")
    return wanted[0]


def _default(sounddevice: Any, found: list[InputDevice]) -> InputDevice:
    """The system's default input, or the first one where it has chosen none."""
    with contextlib.suppress(sounddevice.PortAudioError, ValueError, KeyError):
        index = sounddevice.query_devices(kind="input")["index"]
        for device in found:
            if device.index == index:
                return device
    return found[0]


def check_input(sounddevice: Any, device: InputDevice, uri: str) -> tuple[int, int]:
    """(rate in Hz, channels) at which the device can be recorded; DeviceError where at none.

    16 kHz first, then the device's own rate; one channel first, since a microphone has one.
    """
    problem: Exception | None = None
    for rate_hz in dict.fromkeys((RATE_HZ, round(device.rate_hz))):
        for channels in dict.fromkeys((1, min(2, device.channels), device.channels)):
            try:
                sounddevice.check_input_settings(
                    device=device.index, channels=channels, dtype="float32", samplerate=rate_hz
                )
            except (sounddevice.PortAudioError, ValueError) as error:
                problem = error
            else:
                return rate_hz, channels
    raise DeviceError(
        f"{uri!r}: {device.name!r} cannot be recorded at {RATE_HZ} nor {device.rate_hz:.0f} Hz: "
        f"{' '.join(str(problem).split())}"
    )
