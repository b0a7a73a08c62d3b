from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from memory.experience import Scores
from memory.snarc import WEIGHTS, Signal, Snarc, SnarcConfig, combine
from sage.irp.errors import ConfigError

VECTORS = json.loads(files("memory").joinpath("snarc_vectors.json").read_text())
DIMENSIONS = 8


def unit(index: int) -> np.ndarray:
    made = np.zeros(DIMENSIONS, dtype=np.float32)
    made[index] = 1.0
    return made


def signal_of(given: dict[str, Any]) -> Signal:
    given = dict(given)
    embedding = np.array(given.pop("embedding"), dtype=np.float32)
    return Signal(embedding, **{**given, "beliefs": tuple(given.get("beliefs", ()))})


@pytest.mark.parametrize("sequence", VECTORS["sequences"], ids=lambda s: str(s["name"]))
def test_conformance(sequence: dict[str, Any]) -> None:
    snarc = Snarc(SnarcConfig(**sequence["config"]))
    for number, step in enumerate(sequence["steps"]):
        weighed = snarc.score(signal_of(step["input"]))
        found = {**weighed.scores.as_dict(), "salience": weighed.salience}
        for name, expected in step["expect"].items():
            assert found[name] == pytest.approx(expected, abs=1e-6), f"step {number}: {name}"


def test_the_vectors_name_the_one_weighting() -> None:
    assert VECTORS["weights"] == dict(WEIGHTS)


def test_every_score_that_is_not_zero_is_explained_and_no_other() -> None:
    for sequence in VECTORS["sequences"]:
        snarc = Snarc(SnarcConfig(**sequence["config"]))
        for step in sequence["steps"]:
            weighed = snarc.score(signal_of(step["input"]))
            told = {name for name, score in weighed.scores.as_dict().items() if score > 0.0}
            assert set(weighed.why) == told
            assert all(why.endswith(".") and "\n" not in why for why in weighed.why.values())


def test_scoring_is_deterministic() -> None:
    def run() -> list[float]:
        rng, snarc = np.random.default_rng(3), Snarc()
        made = []
        for _ in range(300):
            row = rng.standard_normal(DIMENSIONS).astype(np.float32)
            signal = Signal(row / np.linalg.norm(row), error=float(rng.exponential()))
            made.append(snarc.score(signal).salience)
        return made

    assert run() == run()


def test_normalisation_forgets_an_old_level() -> None:
    snarc = Snarc(SnarcConfig(memory=32))
    for _ in range(300):
        snarc.score(Signal(unit(0), error=50.0))
    quiet = [snarc.score(Signal(unit(0), error=0.0)).scores.surprise for _ in range(300)]
    assert max(quiet) == 0.0
    assert snarc.score(Signal(unit(0), error=50.0)).scores.surprise > 0.8


def test_ordinary_noise_is_hardly_salient_and_a_shock_is() -> None:
    rng, snarc = np.random.default_rng(1), Snarc()
    ordinary = [
        snarc.score(Signal(unit(0), error=float(abs(rng.normal())), change=0.0)).salience
        for _ in range(2000)
    ]
    assert np.quantile(ordinary[100:], 0.99) < 0.05
    assert snarc.score(Signal(unit(0), error=30.0, change=0.0)).salience > 0.5


def test_what_keeps_happening_becomes_ordinary() -> None:
    snarc = Snarc(SnarcConfig(memory=64))
    for _ in range(200):
        snarc.score(Signal(unit(0), error=1.0))
    first = snarc.score(Signal(unit(0), error=20.0)).scores.surprise
    for _ in range(64):
        last = snarc.score(Signal(unit(0), error=20.0)).scores.surprise
    assert first > 0.7
    assert last == 0.0


def test_only_so_many_are_remembered() -> None:
    snarc = Snarc(SnarcConfig(capacity=300))
    rng = np.random.default_rng(2)
    for _ in range(1000):
        row = rng.standard_normal(64).astype(np.float32)
        snarc.score(Signal(row / np.linalg.norm(row)))
    assert len(snarc.remembered) == 300


def test_a_weight_is_what_a_score_adds_alone() -> None:
    for name, weight in WEIGHTS.items():
        assert combine(Scores(**{name: 1.0})) == pytest.approx(weight)
    assert combine(Scores()) == 0.0
    assert combine(Scores(1.0, 1.0, 1.0, 1.0, 1.0)) < 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"error": -1.0}, "error must be finite and >= 0, got -1.0"),
        ({"error": float("nan")}, "error"),
        ({"change": float("inf")}, "change"),
        ({"pressure": 1.5}, r"lie in \[0, 1\], got 1.5"),
        ({"outcome": -0.1}, "got -0.1"),
        ({"beliefs": (0.5, 2.0)}, "got 2.0"),
    ],
)
def test_values_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Signal(unit(0), **given)


def test_embeddings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Signal(np.array([np.nan], dtype=np.float32))
    snarc = Snarc()
    snarc.score(Signal(unit(0)))
    with pytest.raises(ValueError, match="8 dimensions here, got 3"):
        snarc.score(Signal(np.ones(3, dtype=np.float32)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("memory", 1), ("window", 0), ("capacity", 0), ("warmup", -1), ("remember_above", 1.0)],
)
def test_configs_are_checked(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} must lie in .* got {value}"):
        SnarcConfig(**{name: value})  # type: ignore[arg-type]
