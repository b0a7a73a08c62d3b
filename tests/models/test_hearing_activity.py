from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.hearing import SileroActivity
from models.hearing.artifacts import FOLDER, load_card
from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import ConfigError, ModelError
from sage.values import Float32Array
from sage.worlds.apartment.voices import recording_for


@pytest.fixture(scope="module")
def activity() -> SileroActivity:
    return SileroActivity()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in ("card.json", "silero_vad.onnx"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def over(activity: SileroActivity, samples: Float32Array) -> list[float]:
    activity.reset()
    size = activity.block_samples
    return [
        activity.probability(samples[at : at + size])
        for at in range(0, len(samples) - size + 1, size)
    ]


def test_speech_is_found_and_its_end(activity: SileroActivity) -> None:
    recording = recording_for("go to the kitchen")
    quiet = np.zeros(RATE_HZ // 2, np.float32)
    found = np.array(over(activity, np.concatenate([quiet, recording.samples(), quiet])))
    at = np.flatnonzero(found >= 0.5) * activity.block_samples / RATE_HZ
    assert 0.5 < at[0] < 0.8
    assert at[-1] - 0.5 == pytest.approx(recording.speech_ends_s, abs=0.2)


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.05, 1.0])
def test_silence_and_noise_are_no_speech(activity: SileroActivity, level: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, 3 * RATE_HZ).astype(np.float32)
    assert max(over(activity, np.float32(level) * noise)) < 0.3


def test_very_quiet_speech_is_found(activity: SileroActivity) -> None:
    quiet = np.float32(0.01) * recording_for("go to the kitchen").samples()
    assert max(over(activity, quiet)) > 0.5


def test_it_remembers_until_it_is_reset(activity: SileroActivity) -> None:
    samples = recording_for("go to the kitchen").samples()
    first = over(activity, samples)
    assert over(activity, samples) == first
    size = activity.block_samples
    assert activity.probability(samples[:size]) != first[0]


def test_the_end_of_the_block_before_counts(activity: SileroActivity) -> None:
    """The network is given 64 samples of context; without them its answers differ."""
    samples = recording_for("go to the kitchen").samples()
    size = activity.block_samples
    at = 10 * size
    activity.reset()
    activity.probability(samples[at - size : at])
    after_speech = activity.probability(samples[at : at + size])
    other = samples[at - size : at].copy()
    other[-64:] = 0.0
    activity.reset()
    activity.probability(other)
    assert activity.probability(samples[at : at + size]) != after_speech


def test_what_is_no_number_or_too_loud_does_no_lasting_harm(activity: SileroActivity) -> None:
    size = activity.block_samples
    activity.reset()
    for value in (np.nan, np.inf, -np.inf, 1e30):
        assert 0.0 <= activity.probability(np.full(size, value, np.float32)) <= 1.0
    activity.reset()
    assert max(over(activity, recording_for("go to the kitchen").samples())) > 0.5


@pytest.mark.parametrize("shape", [(511,), (513,), (0,), (1, 512)])
def test_a_block_has_its_size(activity: SileroActivity, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="a block is 512 samples, got shape"):
        activity.probability(np.zeros(shape, np.float32))


def test_missing_and_damaged_weights_name_the_remedy(copied: Path) -> None:
    path = copied / "silero_vad.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"do not match their card .*git checkout"):
        SileroActivity(copied)
    path.unlink()
    with pytest.raises(ModelError, match=r"silero_vad.onnx are missing; run `git checkout"):
        SileroActivity(copied)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, "is missing"),
        ("{", "is damaged"),
        ("[]", "it holds no keys"),
        ({"files": {}}, "do not match their card"),
        ({"files": 3}, "'files' must name the weights files"),
        ({"files": {"silero_vad.onnx": {}}}, "gives no SHA-256"),
        ({"confidence": None}, "'confidence' holds no usable numbers"),
        ({"confidence": {"mean": [1]}}, "'confidence' holds no usable numbers"),
    ],
)
def test_a_damaged_card_is_an_error(copied: Path, change: object, says: str) -> None:
    path = copied / "card.json"
    if change is None:
        path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        assert isinstance(change, dict)
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=says) as raised:
        SileroActivity(copied)
    assert "git checkout -- models/hearing" in str(raised.value)


def test_people_in_real_rooms(activity: SileroActivity, shared_data: Path) -> None:
    import soundfile

    for path in sorted((shared_data / "voices").glob("*.wav")):
        samples, _ = soundfile.read(path, dtype="float32")
        highest = max(over(activity, samples))
        assert highest < 0.3 if path.name.startswith("17-") else highest > 0.9, path.name


def test_the_card_says_what_was_measured() -> None:
    figures = load_card()["figures"]
    assert figures["activity"]["spoken_files_found"] == figures["activity"]["spoken_files"] == 17
    assert figures["activity"]["silent_files_found"] == 0
    assert (FOLDER / "CARD.md").read_text().startswith("# Hearing")
