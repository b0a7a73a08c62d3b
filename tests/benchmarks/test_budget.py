"""The budget benchmark: replays are real, the bound holds, and what is late is worth nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import budget
from benchmarks.budget import Scores, ratio, rows_of
from benchmarks.budget_oracle import Clairvoyant, bound
from benchmarks.budget_replay import Arrival, Demand, Stream, arrivals, demand_of, replay
from benchmarks.curves import Curve, PluginCurves, Recording, save
from orchestrator import POLICIES
from sage.irp import ConfigError

STREAMS = (
    Stream("steep", "steep", phase=0.02, deadline=0.9),
    Stream("flat", "flat", phase=0.04, deadline=0.8, salience=(0.2, 1.0)),
    Stream("rare", "rare", every=2.0, most=3, phase=0.1, deadline=2.0),
)


def curve(worth: tuple[float, ...], first_us: float, later_us: float) -> Curve:
    """An answer worth so much after each step, of 1; its energy tells the truth."""
    errors = tuple(1.0 - gained for gained in worth)
    costs = (first_us, *[later_us] * (len(worth) - 1))
    return Curve(errors, errors, costs, 50.0, 1.0, len(worth))


def recorded(seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)

    def some(count: int, first: float, first_us: float) -> tuple[Curve, ...]:
        made = []
        for _ in range(count):
            left = 1.0 - first * rng.uniform(0.8, 1.1)
            later = tuple(1.0 - left * 0.5**step for step in range(6))
            made.append(curve(later, first_us * rng.uniform(0.9, 1.1), 1000.0))
        return tuple(made)

    return Recording(
        "a test",
        (0, 2),
        {
            "steep": PluginCurves(("error",), some(20, 0.3, 2000.0), some(20, 0.3, 2000.0)),
            "flat": PluginCurves(("error",), some(20, 0.9, 6000.0), some(20, 0.9, 6000.0)),
            "rare": PluginCurves(("error",), some(20, 0.8, 1000.0), some(20, 0.8, 1000.0)),
        },
    )


@pytest.fixture(scope="module")
def demand() -> Demand:
    return demand_of(recorded(), STREAMS)


def test_with_budget_to_spare_everything_is_refined_fully_and_in_time(demand: Demand) -> None:
    episode = arrivals(demand, "test", 20, seed=1)
    for policy in POLICIES.values():
        done = replay(demand, episode, policy, 2.0)
        assert done.late == 0
        assert set(done.steps) == {one.number for one in episode}
        full = sum(demand.utility(one, 6) for one in episode)
        assert done.utility(demand) > 0.97 * full


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_nobody_gets_more_than_the_bound(demand: Demand, share: float) -> None:
    for seed in range(3):
        episode = arrivals(demand, "test", 30, seed)
        most = bound(demand, episode, share)
        assert most <= sum(
            max(demand.utility(one, step) for step in range(1, 7)) for one in episode
        )
        for policy in (*POLICIES.values(), Clairvoyant(demand)):
            assert replay(demand, episode, policy, share).utility(demand) <= most + 1e-9


def test_the_bound_of_one_cycle_is_the_best_choice() -> None:
    """One input, room for two of its steps: the bound is the hull at that cost."""
    one = (curve((0.5, 0.8, 1.0), 950.0, 1000.0),)
    both = PluginCurves(("error",), one, one)
    demand = demand_of(Recording("here", (0, 1), {"a": both}), (Stream("a", "a"),))
    episode = arrivals(demand, "test", 1, 0)
    assert bound(demand, episode, 2.0 / 3.0) == pytest.approx(0.8, abs=1e-3)
    assert bound(demand, episode, 1.0) == pytest.approx(1.0, abs=1e-3)


def test_a_replay_is_repeatable_and_pays_what_was_recorded(demand: Demand) -> None:
    episode = arrivals(demand, "test", 15, seed=3)
    first = replay(demand, episode, POLICIES["greedy"], 0.5)
    again = replay(demand, episode, POLICIES["greedy"], 0.5)
    assert first.steps == again.steps
    spent_s = sum(
        1e-6 * (sum(one.curve.costs_us[: first.steps[one.number]]) + one.curve.result_us)
        for one in episode
        if one.number in first.steps
    )
    assert spent_s <= 0.5 * demand.full_s * (15 + 3) + 0.01


def test_most_steps_is_kept(demand: Demand) -> None:
    episode = arrivals(demand, "test", 10, seed=4)
    done = replay(demand, episode, POLICIES["edf"], 2.0, most_steps=2)
    assert set(done.steps.values()) == {2}


def test_no_answer_is_worth_nothing_and_salience_weighs(demand: Demand) -> None:
    one = arrivals(demand, "test", 1, seed=0)[0]
    half = Arrival(one.stream, one.plugin, one.curve, 0.0, 1.0, 0.5 * one.salience, 0, 99)
    assert demand.utility(one, 0) == 0.0
    assert demand.utility(half, 3) == pytest.approx(0.5 * demand.utility(one, 3))


def test_learning_is_kept_and_read(demand: Demand, tmp_path: Path) -> None:
    budget.learn(demand, tmp_path / "learnt", 10)
    assert (tmp_path / "learnt" / "trust.json").exists()
    assert set(json.loads((tmp_path / "learnt" / "profiles.json").read_text())) >= {"steep"}


def test_wrong_streams_and_budgets_are_refused(demand: Demand) -> None:
    with pytest.raises(ConfigError, match=r"no curves of 'smell'; recorded are steep, flat, rare"):
        demand_of(recorded(), (Stream("nose", "smell"),))
    with pytest.raises(ConfigError, match="phase"):
        Stream("steep", "steep", phase=1.5)
    with pytest.raises(ConfigError, match="salience"):
        Stream("steep", "steep", salience=(0.0, 1.0))
    with pytest.raises(ConfigError, match=r"in \[0.01, 2\]"):
        demand.pool_atp(3.0)


def test_intervals_hold_the_figure_and_shrink_with_agreement() -> None:
    below = np.full(20, 2.0)
    assert ratio(below, below) == budget.Interval(1.0, 1.0, 1.0)
    spread = ratio(np.linspace(0.0, 2.0, 20), below)
    assert spread.low < spread.value < spread.high


def test_rows_compare_greedy_with_the_bound_and_the_others(demand: Demand) -> None:
    def of(value: float) -> np.ndarray:
        return np.full(4, value)

    names = (*POLICIES, "edf first", "edf, greedy's admission", "equal, greedy's admission")
    others = {**dict.fromkeys((*names, "fixed"), 9.0), "oracle": 9.5}
    low = {"greedy": 6.0, "equal": 5.0, "edf": 4.0, "edf first": 4.8, "proportional": 5.5}
    low |= {"edf, greedy's admission": 6.0, "equal, greedy's admission": 5.0}
    policies = {
        share: {name: of(value) for name, value in values.items()}
        for share, values in {0.2: {**others, **low}, 0.5: others}.items()
    }
    scores = Scores(of(10.0), {0.2: of(8.0), 0.5: of(10.0)}, policies)
    rows = {row.id: row for row in rows_of(scores, [0.2, 0.5], demand)}
    assert rows["budget.regret"].value == pytest.approx(0.1)
    assert rows["budget.margin_equal"].value == pytest.approx(0.2)
    assert rows["budget.margin_edf"].value == pytest.approx(0.5)
    assert rows["budget.margin_edf"].baselines["bound_0.2"] == pytest.approx(0.8)
    assert rows["budget.margin_edf"].baselines["over_edf_first"] == pytest.approx(0.25)
    assert rows["budget.margin_edf"].baselines["same_admission"] == pytest.approx(0.0)
    assert rows["budget.margin_equal"].baselines["same_admission"] == pytest.approx(0.2)


def test_the_command_measures_other_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        budget, "demand_of", lambda recording, streams: demand_of(recording, STREAMS)
    )
    save(recorded(), tmp_path / "curves.json")
    arguments = [
        "--curves", str(tmp_path / "curves.json"), "--seeds", "3", "--cycles", "10",
        "--budgets", "0.3", "0.5", "--json", str(tmp_path / "rows.json"),
    ]  # fmt: skip
    assert budget.main(arguments) == 0
    assert "regret" in capsys.readouterr().out.splitlines()[-1]
    body = json.loads((tmp_path / "rows.json").read_text())
    assert {row["id"] for row in body["rows"]} == {
        "budget.regret", "budget.margin_equal", "budget.margin_edf",
    }  # fmt: skip
    assert set(body["utilities"]) == {"0.3", "0.5"}
