"""Recorded curves: what they hold, and that a broken file is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import curves
from benchmarks.curves import (
    Curve,
    PluginCurves,
    Recording,
    gains,
    load,
    record,
    refined,
    save,
    seed_range,
)
from benchmarks.curves_sources import SOURCES, Input, Source
from sage.irp import ConfigError, Context, HaltPolicy, Invariants, IRPPlugin


class Halving(IRPPlugin[float, float]):
    """Halves its state; its own halting would stop it after the second step of six."""

    name = "halving"
    invariants = Invariants("a number", "none", "the number", "none")
    halting = HaltPolicy(max_steps=6, slope_eps=0.3, window=1)

    def init_state(self, observation: float, context: Context) -> float:
        return observation

    def step(self, state: float) -> float:
        return 0.5 * state

    def energy(self, state: float) -> float:
        return state

    def result(self, state: float) -> float:
        return state


def two(**changes: Any) -> Curve:
    values: dict[str, Any] = {
        "energies": (1.0, 0.5), "errors": (0.2, 0.1), "costs_us": (10.0, 5.0), "result_us": 1.0,
        "trivial": 1.0, "stop": 2,
    }  # fmt: skip
    return Curve(**{**values, **changes})


def test_every_step_is_recorded_whatever_the_plugins_own_halting_says() -> None:
    drawn = Input(8.0, lambda state, answer: (answer + 1.0, 2.0 * answer), (10.0, 20.0))
    curve = refined(Halving(), drawn, repeats=2)
    assert curve.energies == (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
    assert curve.errors == (5.0, 3.0, 2.0, 1.5, 1.25, 1.125)
    assert curve.other_errors == ((8.0, 4.0, 2.0, 1.0, 0.5, 0.25),)
    assert (curve.trivial, curve.other_trivial) == (10.0, (20.0,))
    assert 1 < curve.stop < 6
    assert min(curve.costs_us) > 0.0


def test_the_answer_is_that_of_the_least_energy() -> None:
    curve = two(energies=(1.0, 2.0, 0.5), errors=(0.3, 0.1, 0.2), costs_us=(1.0, 1.0, 1.0))
    assert curve.answer_errors == (0.3, 0.3, 0.2)


def test_gains_go_from_no_answer_to_the_last_one() -> None:
    assert gains((two(), two())) == pytest.approx((0.8 / 0.9, 1.0))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"energies": (1.0,)}, "one value per step"),
        ({"errors": (0.1, float("nan"))}, "finite"),
        ({"costs_us": (0.0, 1.0)}, r"costs must lie in \(0"),
        ({"stop": 3}, r"stop must lie in \[1, 2\], got 3"),
        ({"other_errors": ((1.0, 1.0),)}, "1 further errors, 0 trivial"),
    ],
)
def test_a_curve_that_cannot_be_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        two(**changes)


def test_a_recording_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    made = Recording("somewhere", (0, 4), {"halving": PluginCurves(("error",), (two(),), (two(),))})
    save(made, tmp_path / "curves.json")
    assert load(tmp_path / "curves.json") == made


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda body: body.pop("plugins"), "missing required field `plugins`"),
        (lambda body: body["plugins"]["a"]["test"].clear(), "both splits need curves"),
        (lambda body: body["plugins"]["a"]["test"][0].update(stop=9), "stop must lie"),
        (lambda body: body["plugins"]["a"]["test"][0].update(trivial="1"), "Expected `float`"),
        (lambda body: body["plugins"]["a"].update(measures=["x", "y"]), "1 measures"),
        (lambda body: body["plugins"].clear(), "no plugin was recorded"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(
    tmp_path: Path, change: Any, complaint: str
) -> None:
    path = tmp_path / "curves.json"
    save(Recording("here", (0, 4), {"a": PluginCurves(("x",), (two(),), (two(),))}), path)
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))
    with pytest.raises(ConfigError, match=complaint) as raised:
        load(path)
    assert "python -m benchmarks.curves" in str(raised.value)


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"python -m benchmarks\.curves"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize("text", ["5", "a:b", "3:4", "-1:9", "99000:100001"])
def test_seeds_stay_clear_of_the_trained_ones(text: str) -> None:
    with pytest.raises(ConfigError, match="--seeds"):
        seed_range(text)
    assert seed_range("0:100") == range(100)


def test_the_shipped_recording_holds_every_plugin_and_refinement_helps() -> None:
    recording = load()
    assert set(recording.plugins) == set(SOURCES)
    assert curves.RECORDED.stat().st_size < 1_000_000
    for name, plugin in recording.plugins.items():
        assert plugin.measures == SOURCES[name].measures
        assert min(len(plugin.train), len(plugin.test)) >= 100
        worth = gains(plugin.test)
        assert 0.5 < worth[0] < 1.05
        energies = np.array([curve.energies for curve in plugin.test])
        assert energies[:, -1].mean() < energies[:, 0].mean()


def test_a_sentence_that_is_drawn_for_both_splits_is_only_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(seeds: range, count: int) -> Iterator[Input]:
        for number in range(seeds.start, seeds.start + count):
            words = frozenset((f"meant {number}", f"heard {number}"))
            yield Input(float(number + 1), lambda state, answer: (answer,), (1.0,), words)

    monkeypatch.setattr(curves, "SOURCES", {"halving": Source(Halving, ("error",), drawn)})
    made = record("halving", 5, range(6), repeats=1)  # 0 to 4 in training, 3 to 7 in test
    assert [curve.energies[0] for curve in made.train] == [0.5, 1.0, 1.5]
    assert [curve.energies[0] for curve in made.test] == [2.0, 2.5, 3.0, 3.5, 4.0]


def test_the_shipped_splits_share_no_sentence() -> None:
    recording = load()
    middle = sum(recording.seeds) // 2
    train, test = (
        list(SOURCES["language"].inputs(range(*half), 200))
        for half in ((recording.seeds[0], middle), (middle, recording.seeds[1]))
    )
    tested = frozenset[str]().union(*(one.sentences for one in test))
    kept = [one for one in train if tested.isdisjoint(one.sentences)]
    shipped = recording.plugins["language"]
    for curves_of, inputs in ((shipped.train, kept), (shipped.test, test)):
        assert [curve.trivial for curve in curves_of] == pytest.approx(
            [one.trivial[0] for one in inputs], abs=1e-4
        )


def test_commands_are_judged_by_the_form_that_was_meant() -> None:
    drawn = list(SOURCES["language"].inputs(range(4), 20))
    again = list(SOURCES["language"].inputs(range(4), 20))
    others = list(SOURCES["language"].inputs(range(4, 8), 20))
    texts = {one.observation.data.text for one in drawn}
    assert len(texts) == 20
    assert texts == {one.observation.data.text for one in again}
    assert not texts & {one.observation.data.text for one in others}
    assert np.mean([one.trivial[0] for one in drawn]) > 0.5


def test_a_plan_is_judged_on_the_true_map_and_never_worse_than_standing_still() -> None:
    source = SOURCES["control"]
    plugin = source.plugin()
    (drawn,) = source.inputs(range(1), 1)
    state = plugin.init_state(drawn.observation, {})
    first = drawn.errors(state, plugin.result(state))
    for _ in range(6):
        state = plugin.project(plugin.step(state))
    (last,) = drawn.errors(state, plugin.result(state))
    assert last <= first[0] <= drawn.trivial[0]
