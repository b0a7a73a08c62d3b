"""Hearing: from a microphone's samples to words. Microphones are sources, opened by URI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sage.clock import Clock
from sage.hearing import microphone, silent, simulated, sound_file
from sage.hearing.counts import EarsCounts
from sage.hearing.ears import Ears
from sage.hearing.endpoint import EarsConfig
from sage.hearing.recogniser import RATE_HZ, Hypothesis, Recogniser, VoiceActivity
from sage.hearing.simulated import SimulatedMicrophone
from sage.irp.errors import ConfigError
from sage.sensors.source import Source
from sage.sensors.uri import DeviceUri, parse_uri

__all__ = [
    "MICROPHONES",
    "RATE_HZ",
    "Ears",
    "EarsConfig",
    "EarsCounts",
    "Hypothesis",
    "Recogniser",
    "SimulatedMicrophone",
    "VoiceActivity",
    "check_microphone",
    "open_microphone",
]


@dataclass(frozen=True, slots=True)
class _Scheme:
    form: str
    live: bool
    open: Callable[[DeviceUri, Clock, bool], Source]


MICROPHONES = {
    "mic": _Scheme("mic: (or mic:N, mic:NAME)", True, lambda u, c, _: microphone.open_mic(u, c)),
    "file": _Scheme(
        "file:take.wav",
        False,
        lambda uri, clock, lockstep: sound_file.open_file(uri, clock, lockstep=lockstep),
    ),
    "sim": _Scheme(
        "sim:apartment",
        False,
        lambda uri, clock, lockstep: simulated.open_simulated(uri, clock, lockstep=lockstep),
    ),
    "none": _Scheme("none:", False, lambda uri, clock, _: silent.open_none(uri, clock)),
}
"""Every scheme that opens a microphone."""


def check_microphone(uri: str) -> DeviceUri:
    """Take a microphone's URI apart; ConfigError, one line, lists the valid schemes."""
    forms = {name: scheme.form for name, scheme in MICROPHONES.items()}
    return parse_uri(uri, forms, kind="microphone")


def open_microphone(uri: str, *, clock: Clock, lockstep: bool = False) -> Source:
    """Open a microphone by URI: ``mic:``, ``file:take.wav``, ``sim:apartment``, ``none:``.

    It delivers observations of modality ``audio``: consecutive blocks of 512 samples, 16 kHz mono.
    A gap in their sequence is sound that was lost. With ``lockstep`` no thread runs and ``pump``
    drives the source.

    Raises ConfigError where the URI is wrong, DeviceError where the device is missing: one line
    that names the value and the valid choice.
    """
    parsed = check_microphone(uri)
    scheme = MICROPHONES[parsed.scheme]
    if lockstep and scheme.live:
        raise ConfigError(
            f"{parsed.text!r} runs in real time only; lock-step wants sim:apartment or file:PATH"
        )
    return scheme.open(parsed, clock, lockstep)
