from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sage.hearing.speech_grammar import covers
from sage.irp.errors import ConfigError, DeviceError
from sage.ontology import APARTMENT_FURNITURE, APARTMENT_OBJECTS, PEOPLE, ROOM_NAMES, rooms_of
from sage.skills.grammar import parse
from sage.skills.intent import Intent
from sage.worlds.apartment.voices import (
    COLUMNS,
    FOLDER,
    INDEX,
    RATE_HZ,
    recording_for,
    recordings,
    with_noise,
)
from sage.worlds.apartment.voices.sentences import sentences


def test_the_index_and_the_files_agree() -> None:
    listed = [item.path.name for item in recordings()]
    assert len(set(listed)) == len(listed)
    assert sorted(listed) == sorted(path.name for path in FOLDER.glob("*.flac"))
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 12e6


def test_every_file_is_what_the_index_says() -> None:
    for item in recordings():
        info = soundfile.info(item.path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE_HZ, 1, "PCM_16"), item.path
        assert info.duration == pytest.approx(item.duration_s, abs=1e-3)
        assert 0.3 < item.speech_ends_s <= item.duration_s


def test_speech_ends_where_the_index_says() -> None:
    for item in recordings()[::20]:
        samples = item.samples()
        assert samples.dtype == np.float32
        assert 0.4 < np.abs(samples).max() <= 0.6
        end = round(item.speech_ends_s * RATE_HZ)
        assert np.abs(samples[end - 320 : end]).max() > 0.003
        assert np.sqrt(np.mean(samples[end + 160 :] ** 2)) < 0.02 * np.abs(samples).max()


def test_voices_differ_and_none_says_little() -> None:
    voices = Counter(item.voice for item in recordings() if item.kind != "foreign")
    assert set(voices) >= {"iris", "nora", "bruno", "otto", "colin"}
    assert min(voices.values()) >= 30


@pytest.mark.parametrize("room", ROOM_NAMES)
def test_every_room_is_gone_to_in_two_voices(room: str) -> None:
    spoken = [i for i in recordings() if i.kind == "go" and i.text.endswith(f" the {room}")]
    assert len({item.voice for item in spoken}) >= 2
    assert len({item.text for item in spoken}) >= 2


@pytest.mark.parametrize("name", APARTMENT_FURNITURE)
def test_all_furniture_is_gone_to_in_two_voices(name: str) -> None:
    rooms = rooms_of(name)
    for room in rooms:
        ending = f" the {name} in the {room}" if len(rooms) > 1 else f" the {name}"
        spoken = [i for i in recordings() if i.kind == "approach" and i.text.endswith(ending)]
        assert len({item.voice for item in spoken}) >= 2, ending


@pytest.mark.parametrize("name", [*APARTMENT_OBJECTS, "person", *map(str.lower, PEOPLE)])
def test_every_thing_and_person_is_looked_for_in_two_voices(name: str) -> None:
    looked = ("find", "find_person", "declined")
    spoken = [i for i in recordings() if i.kind in looked and i.text.split()[-1] == name]
    assert len({item.voice for item in spoken}) >= 2


def test_the_recordings_are_the_sentences() -> None:
    spoken = Counter((item.kind, item.text) for item in recordings())
    assert spoken == sum(
        (Counter({(s.kind, s.text): s.takes}) for s in sentences()), start=Counter()
    )
    assert {item.split for item in recordings()} == {"test"}


def test_what_is_asked_for_is_what_the_grammar_reads() -> None:
    for sentence in sentences():
        if sentence.wanted is None:
            continue
        read = parse(sentence.text)
        assert isinstance(read, Intent), sentence.text
        assert (read.kind, read.target) == (sentence.wanted.kind, sentence.wanted.target)
        for field in ("room", "location", "to", "to_room", "person", "words"):
            assert getattr(read, field) in (None, getattr(sentence.wanted, field)), sentence.text


def test_what_is_for_nobody_is_not_in_the_grammar() -> None:
    for item in recordings():
        if item.kind in ("elsewhere", "foreign"):
            assert not covers(item.text), item.text
    heard = [s for s in sentences() if s.wanted is not None and s.kind != "question"]
    assert sum(covers(s.text) for s in heard) >= 0.95 * len(heard)


def test_a_recording_is_found_by_its_words() -> None:
    found = recording_for(" Come  back! ")
    assert found.text == "come back"
    other = [i.voice for i in recordings() if i.text == "come back" and i.voice != found.voice]
    assert recording_for("come back", other[0]).voice == other[0]


def test_a_sentence_that_nobody_recorded_names_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"nobody has recorded 'come backk'; near: 'come back'"):
        recording_for("come backk")
    with pytest.raises(ConfigError, match=r"nobody has recorded 'xyzzy'; \d+ others are"):
        recording_for("xyzzy")
    with pytest.raises(ConfigError, match="not recorded in the voice 'zoe'; valid: "):
        recording_for("come back", "zoe")


def test_noise_has_its_level_and_its_seed() -> None:
    samples = recording_for("come back").samples()
    loud = with_noise(samples, 10.0, np.random.default_rng(1), 0.5)
    assert len(loud) == len(samples) + RATE_HZ
    assert np.array_equal(loud, with_noise(samples, 10.0, np.random.default_rng(1), 0.5))
    assert not np.array_equal(loud, with_noise(samples, 10.0, np.random.default_rng(2), 0.5))
    noise = loud[RATE_HZ // 2 : -RATE_HZ // 2] - samples
    spoken = samples[np.abs(samples) > 0.02 * np.abs(samples).max()]
    ratio_db = 10 * np.log10(np.mean(spoken**2) / np.mean(noise**2))
    assert ratio_db == pytest.approx(10.0, abs=1.0)
    assert not with_noise(np.zeros(100, np.float32), 10.0, np.random.default_rng(1)).any()


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("", "has not the columns file, voice"),
        ("a\tb\n", "has not the columns"),
        ("\t".join(COLUMNS) + "\na.flac\tiris\n", "line 2: not enough values"),
        ("\t".join(COLUMNS) + "\n../a\ti\tt\tx\tgo\t1\t1\n", "line 2: '../a' is no plain file"),
        ("\t".join(COLUMNS) + "\na.flac\ti\tt\tx\tgo\tlong\t1\n", "line 2: could not convert"),
    ],
)
def test_a_damaged_index_is_one_line(tmp_path: Path, index: str, says: str) -> None:
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(DeviceError, match=says):
        recordings(tmp_path)


def test_missing_and_damaged_recordings_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot be read; run `git checkout"):
        recordings(tmp_path / "nowhere")
    row = "a.flac\ti\ttest\tcome back\treturn\t1\t1\n"
    (tmp_path / INDEX).write_text("\t".join(COLUMNS) + "\n" + row)
    (item,) = recordings(tmp_path)
    with pytest.raises(DeviceError, match=r"a.flac cannot be read; run `git checkout"):
        item.samples()
    (tmp_path / "a.flac").write_bytes(b"fLaC, but no more")
    with pytest.raises(DeviceError, match="cannot be read"):
        item.samples()
    soundfile.write(tmp_path / "a.flac", np.zeros(800), 8000)
    with pytest.raises(DeviceError, match="is not 16 kHz mono"):
        item.samples()


@pytest.mark.parametrize("wanted", ["espeak-ng", "into"])
def test_the_script_says_what_is_missing(repository: Path, tmp_path: Path, wanted: str) -> None:
    arguments = ["--split", "development"] if wanted == "into" else ["--into", str(tmp_path)]
    path = "/nowhere" if wanted == "espeak-ng" else "/usr/bin:/bin"
    if wanted == "into" and shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng, which is not installed")
    done = subprocess.run(
        [sys.executable, repository / "scripts" / "record-voices", *arguments],
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    says = "apt-get install espeak-ng" if wanted == "espeak-ng" else "name a folder with --into"
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
