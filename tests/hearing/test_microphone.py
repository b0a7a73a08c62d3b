"""Real microphones, by a strict stand-in for sounddevice: found, recorded, lost, found again."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.hearing import microphone, open_microphone
from sage.hearing.microphone import Microphone, Recorder
from sage.hearing.portaudio import InputDevice
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.camera import ReconnectConfig
from sage.values import Float32Array, Observation
from tests.hearing.doubles import InputStream, PortAudioError, Sounddevice, card, sound, until

QUICK = ReconnectConfig(first_s=0.002, cap_s=0.01, silent_s=0.3)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Sounddevice:
    found = Sounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", found)
    return found


def started(uri: str = "mic:", reconnect: ReconnectConfig = QUICK):
    source = Microphone(uri, uri.removeprefix("mic:"), RealClock(), reconnect=reconnect)
    got: list[Observation] = []
    source.start(got.append)
    return source, got


def running(machine: Sounddevice, number: int = 0) -> InputStream:
    until(lambda: len(machine.streams) > number and machine.streams[number].started)
    return machine.streams[number]


def joined(got: list[Observation]) -> Float32Array:
    return np.concatenate([block.data.samples for block in got])


def test_what_is_said_is_delivered_in_blocks(machine: Sounddevice):
    clock = RealClock()
    source, got = started()
    stream = running(machine)
    assert (stream.rate_hz, stream.channels) == (16000, 1)
    stream.say(sound(0.32))
    said_s = clock.now_s()
    until(lambda: len(got) == 10)
    np.testing.assert_array_equal(joined(got), sound(0.32))
    assert [block.sequence for block in got] == list(range(10))
    assert got[-1].captured_s <= said_s
    assert np.diff([block.captured_s for block in got]) == pytest.approx(0.032, abs=0.002)
    assert source.healthy
    assert source.overflow_samples == 0
    assert source.latest("audio", 10.0) is got[-1]
    source.stop()
    assert source.finished
    assert not stream.open
    source.stop()


def test_a_card_that_has_neither_16_khz_nor_one_channel(machine: Sounddevice):
    machine.rates, machine.channels = {44100}, {2}
    source, got = started()
    stream = running(machine)
    assert (stream.rate_hz, stream.channels) == (44100, 2)
    stream.say(sound(1.0, rate_hz=44100), frames=441)
    until(lambda: len(got) >= 29)
    samples = joined(got)
    np.testing.assert_allclose(samples[800:14000], sound(1.0)[800:14000], atol=0.01)
    source.stop()


def test_microphones_by_number_and_name(machine: Sounddevice):
    machine.plugged[:] = [
        card("HDMI", inputs=0),
        card("USB Mic"),
        card("USB Mic (2)"),
        card("Headset"),
    ]
    machine._listed = list(machine.plugged)
    machine.default = 3
    for uri, name in [
        ("mic:", "Headset"),
        ("mic:1", "USB Mic"),
        ("mic:usb mic", "USB Mic"),
        ("mic:(2)", "USB Mic (2)"),
        ("mic:head", "Headset"),
    ]:
        source = open_microphone(uri, clock=VirtualClock())
        assert machine.streams[-1]._device["name"] == name
        source.stop()
    listed = r"mic:1 \(USB Mic\), mic:2 \(USB Mic \(2\)\), mic:3 \(Headset\)"
    for uri, says in [
        ("mic:0", "no such microphone"),
        ("mic:9", "no such microphone"),
        ("mic:USB", "several microphones fit"),
        ("mic:webcam", "no microphone has that name"),
    ]:
        with pytest.raises(DeviceError, match=f"{says}; those that exist: {listed}"):
            open_microphone(uri, clock=VirtualClock())


def test_without_a_chosen_default_the_first_input_is_taken(machine: Sounddevice):
    machine.default = -1
    open_microphone("mic:", clock=VirtualClock()).stop()
    assert machine.streams[0]._device["name"] == "Built-in Mic"


def test_a_machine_without_inputs(machine: Sounddevice):
    machine._listed = [card("HDMI", inputs=0)]
    with pytest.raises(DeviceError, match=r"has no microphone .*--mic sim:apartment"):
        open_microphone("mic:", clock=VirtualClock())


def test_without_the_library_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
):
    def missing(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("sage.hearing.portaudio.importlib.import_module", missing)
    with pytest.raises(DeviceError, match="sudo apt-get install libportaudio2"):
        open_microphone("mic:", clock=VirtualClock())


def test_without_the_package_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="pip install sounddevice"):
        open_microphone("mic:", clock=VirtualClock())


def test_a_device_that_no_setting_suits_or_that_is_taken(machine: Sounddevice):
    machine.rates = {96000}
    with pytest.raises(DeviceError, match="cannot be recorded at 16000 nor 44100 Hz: Invalid"):
        open_microphone("mic:", clock=VirtualClock())
    machine.rates = {16000}
    machine.plugged.clear()
    with pytest.raises(DeviceError, match=r"'Built-in Mic' cannot be opened: .*unavailable"):
        open_microphone("mic:", clock=VirtualClock())


def test_a_microphone_that_vanishes_is_sought_and_found_again(machine: Sounddevice, caplog):
    with caplog.at_level(logging.INFO):
        source, got = started()
        running(machine).say(sound(0.32))
        until(lambda: len(got) == 10)
        machine.plugged.clear()
        until(lambda: not source.healthy and source.reconnects >= 3)
        assert "went away (Unanticipated host error)" in str(source.error)
        assert not source.finished
        clock, away_s = RealClock(), RealClock().now_s()
        until(lambda: clock.now_s() > away_s + 0.5)
        machine.plugged.append(card("Another Mic"))  # which PortAudio's old list does not have
        running(machine, 1).say(sound(0.32))
        until(lambda: len(got) == 20)
        assert source.healthy
        assert source.error is None
    source.stop()
    assert not any(stream.open for stream in machine.streams)
    assert got[10].sequence > 10  # a gap: sound was lost
    gap_s = got[10].captured_s - 0.032 - got[9].captured_s
    assert gap_s > 0.1
    assert (got[10].sequence - 10) * 0.032 == pytest.approx(gap_s, abs=0.033)
    counts = source.counts()
    assert counts.delivered == 20
    assert counts.produced == counts.delivered + counts.dropped["stale"]
    assert caplog.text.count("went away") == 1
    assert "is back" in caplog.text


@pytest.mark.parametrize("how", ["stream ended", "callback stopped"])
def test_a_stream_that_goes_quiet_is_opened_anew(machine: Sounddevice, how: str):
    source, got = started()
    stream = running(machine)
    stream.say(sound(0.1))
    stream.dead = how == "stream ended"
    running(machine, 1)
    assert ("its stream ended" if stream.dead else "no sound for 0.3 s") in str(source.error)
    machine.streams[-1].say(sound(0.1))
    until(lambda: source.healthy and len(got) >= 6)
    source.stop()


def test_the_search_backs_off_up_to_its_cap(machine: Sounddevice, monkeypatch: pytest.MonkeyPatch):
    source = Microphone(
        "mic:", "", RealClock(), reconnect=ReconnectConfig(first_s=0.001, cap_s=0.004)
    )
    waits: list[float] = []
    monkeypatch.setattr(source._stopping, "wait", lambda wait_s: waits.append(wait_s))
    machine.plugged.clear()
    source.start(lambda _: None)
    until(lambda: len(waits) > 5)
    source.stop()
    assert waits[:5] == [0.001, 0.002, 0.004, 0.004, 0.004]


def test_stop_does_not_wait_for_the_search(machine: Sounddevice):
    source, _ = started(reconnect=ReconnectConfig(first_s=60.0, cap_s=60.0))
    running(machine)
    machine.plugged.clear()
    until(lambda: not source.healthy)
    clock = RealClock()
    began_s = clock.now_s()
    source.stop()
    assert clock.now_s() - began_s < 1.0


def test_stopped_before_it_started(machine: Sounddevice):
    source = Microphone("mic:", "", VirtualClock())
    source.stop()
    assert not machine.streams[0].open
    with pytest.raises(DeviceError, match="already started"):
        source.start(lambda _: None)
    with pytest.raises(ConfigError, match="real time only"):
        source.pump(1.0)


def recorder(machine: Sounddevice, clock: VirtualClock, rate_hz: int = 16000) -> Recorder:
    machine.rates = {rate_hz}
    device = InputDevice(0, "Built-in Mic", 2, float(rate_hz))
    found = Recorder(machine, device, "mic:", clock, threading.Event())
    found.start()
    return found


def test_capture_times_tell_the_driver_s_delay_and_not_the_callback_s(machine: Sounddevice):
    clock = VirtualClock(10.0)
    recording = recorder(machine, clock)
    stream = machine.streams[0]
    late_s = iter([0.0, 0.03, 0.0, 0.05, 0.01])
    for number, late in enumerate(late_s):
        clock = recording._clock = VirtualClock(10.1 + 0.1 * number + late)
        # The first of 1600 samples is 0.12 s old: 0.02 s were spent in the driver.
        stream.say(sound(0.1), frames=1600, adc_age_s=0.12)
        part = recording.read()
        assert part is not None
        samples, ended_s, lost_s = part
        assert len(samples) == 1600
        assert lost_s == 0.0
        assert ended_s == pytest.approx(10.08 + 0.1 * number, abs=1e-3)


def test_sound_lost_here_is_counted_and_leaves_the_time_right(machine: Sounddevice):
    clock = VirtualClock(10.0)
    recording = recorder(machine, clock, 48000)
    stream = machine.streams[0]
    for number in range(60):  # 6 s into a ring of 4 s
        recording._clock = VirtualClock(10.1 + 0.1 * number)
        stream.say(sound(0.1, rate_hz=48000), frames=4800)
    part = recording.read()
    assert part is not None
    samples, ended_s, lost_s = part
    assert lost_s == pytest.approx(2.0)
    assert recording.ring.overflow_samples == 2 * 48000
    assert recording.ring.overflow_episodes == 1
    assert ended_s == pytest.approx(12.0 + len(samples) / 16000, abs=1e-3)


def test_sound_lost_by_the_driver_moves_the_time_on(machine: Sounddevice):
    clock = VirtualClock(10.1)
    recording = recorder(machine, clock)
    stream = machine.streams[0]
    stream.say(sound(0.1), frames=1600)
    assert recording.read() is not None
    recording._clock = VirtualClock(10.4)  # 0.2 s never came
    stream.say(sound(0.1), frames=1600, overflow=True)
    part = recording.read()
    assert part is not None
    assert part[1] == pytest.approx(10.4)
    assert part[2] == pytest.approx(0.2)
    assert recording.take_overflows() == 1
    assert recording.take_overflows() == 0


def test_overflow_that_the_driver_reports_is_counted(machine: Sounddevice):
    source, got = started()
    stream = running(machine)
    stream.say(sound(0.1), overflow=True)
    until(lambda: len(got) >= 3)
    until(lambda: source.driver_overflows == 1)
    source.stop()


def test_a_consumer_that_is_held_up_makes_the_ring_overflow(
    machine: Sounddevice, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(microphone, "RING_S", 0.1)
    source = Microphone("mic:", "", RealClock(), reconnect=QUICK)
    go, got = threading.Event(), []

    def consume(block: Observation) -> None:
        got.append(block)
        go.wait(5.0)

    source.start(consume)
    stream = running(machine)
    stream.say(sound(0.032))
    until(lambda: len(got) == 1)
    stream.say(sound(0.512))
    go.set()
    until(lambda: len(got) >= 4)
    assert source.overflow_samples == 8192 - 1600
    assert source.overflow_episodes == 1
    assert got[1].sequence > 1
    source.stop()
    assert source.overflow_samples == 8192 - 1600


def test_numbers_that_are_none_do_not_get_through(machine: Sounddevice):
    source, got = started()
    bad = sound(0.32)
    bad[1000:1010] = np.nan
    running(machine).say(bad)
    until(lambda: len(got) == 10)
    assert np.isfinite(joined(got)).all()
    assert source.cleaned == 10
    source.stop()
    assert source.cleaned == 10


def test_the_double_refuses_what_portaudio_refuses(machine: Sounddevice):
    with pytest.raises(PortAudioError, match="sample rate"):
        machine.check_input_settings(device=0, channels=1, dtype="float32", samplerate=7)


def test_the_real_sounddevice_has_what_is_used_of_it():
    sounddevice = pytest.importorskip("sounddevice", exc_type=(ImportError, OSError))
    for name in ("InputStream", "query_devices", "check_input_settings", "PortAudioError"):
        assert hasattr(sounddevice, name)
    for name in ("_terminate", "_initialize"):
        assert callable(getattr(sounddevice, name))
    assert isinstance(sounddevice.CallbackFlags.input_overflow, property)


ALSA = Path("/usr/share/alsa/alsa.conf")
SCRIPT = """
import sys, time
import sounddevice
from sage.clock import RealClock
from sage.hearing import open_microphone
from sage.hearing.portaudio import refresh
refresh(sounddevice)
microphone = open_microphone("mic:testinput", clock=RealClock())
got = []
microphone.start(got.append)
until = time.monotonic() + 10.0
while len(got) < 50 and time.monotonic() < until:
    time.sleep(0.01)
assert microphone.healthy, microphone.error
microphone.stop()
assert [block.sequence for block in got[:50]] == list(range(50))
assert all(len(block.data.samples) == 512 for block in got)
assert max(abs(block.data.samples).max() for block in got[:50]) > 0.1
print("heard")
"""


def test_the_real_portaudio_records_a_device_made_of_a_file(tmp_path: Path, repository: Path):
    pytest.importorskip("sounddevice", exc_type=(ImportError, OSError))
    if not ALSA.exists():
        pytest.skip(f"needs ALSA: there is no {ALSA}")
    raw = tmp_path / "in.raw"
    raw.write_bytes((sound(60.0) * 32767).astype("<i2").tobytes() * 4)
    config = tmp_path / "asound.conf"
    config.write_text(
        f"<{ALSA}>\n"
        'pcm.testinput { type file slave.pcm "null" file "/dev/null" format "raw" '
        f'infile "{raw}" hint {{ show on description "test input" }} }}\n'
    )
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=repository,
        env={**os.environ, "ALSA_CONFIG_PATH": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.strip() == "heard", ran.stderr
