"""Policies: each orders steps and claims as it says, and greedy as the index says."""

from __future__ import annotations

from functools import partial

import pytest

from orchestrator import POLICIES, Claim, OrchestratorConfig
from orchestrator.policy import policy_named
from sage.irp import ConfigError, HaltPolicy, HaltReason
from tests.orchestrator.doubles import House, Seen, Willing


def down(steps: int, by: float = 1.0) -> list[float]:
    return [by * (steps - step) for step in range(steps)]


def claim(**changes: object) -> Claim:
    values: dict[str, object] = {
        "plugin": "eye",
        "observation": Seen(1.0),
        "trust": 0.5,
        "salience": 1.0,
        "first_s": 0.01,
        "due_s": 2.0,
        "waited": 0,
    }
    return Claim(**{**values, **changes})  # type: ignore[arg-type]


def test_there_are_four_and_an_unknown_one_is_named() -> None:
    assert list(POLICIES) == ["greedy", "proportional", "equal", "edf"]
    with pytest.raises(ConfigError, match=r"'fair'; valid: greedy, proportional, equal, edf"):
        policy_named("fair")


@pytest.mark.parametrize("name", ["greedy", "proportional"])
@pytest.mark.parametrize("better", [{"salience": 0.0}, {"trust": 0.05}, {"first_s": 0.09}], ids=str)
def test_what_matters_and_is_trusted_is_let_in_first(name: str, better: dict[str, float]) -> None:
    rank = POLICIES[name].rank
    assert rank(claim()) > rank(claim(**better))


def test_who_was_turned_away_rises() -> None:
    rank = POLICIES["greedy"].rank
    assert rank(claim(trust=0.1, waited=90)) > rank(claim(trust=0.9))


def test_edf_lets_in_by_deadline_and_equal_in_turn() -> None:
    edf, equal = POLICIES["edf"].rank, POLICIES["equal"].rank
    assert edf(claim(due_s=1.5, trust=0.05)) > edf(claim())
    assert equal(claim(waited=1, trust=0.05)) > equal(claim())


def taught(policy: str, **settings: dict[str, float]) -> House:
    """Two plugins of six steps of 5 ms, known already: "steep" gains ten times as fast."""
    house = House(OrchestratorConfig(policy=policy))
    flat = [1.0, 0.98, 0.96, 0.94, 0.92, 0.0]
    house.add("late", flat, 0.005, **settings.get("late", {}))
    house.add("steep", [10.0, 1.0, 0.5, 0.2, 0.1, 0.0], 0.005, **settings.get("steep", {}))
    for name in ("late", "steep"):
        house.submit(name)
        house.drain()
        house.orchestrator.tick()
    for _ in range(60 if policy == "proportional" else 0):
        house.orchestrator.trust.fail("late")
    for name in ("late", "steep"):
        house.submit(name)
    if policy != "edf":
        assert sorted(filter(None, [house.step(), house.step()])) == ["late", "steep"]
    return house


def test_greedy_steps_where_most_is_gained_per_cost() -> None:
    house = taught("greedy")
    assert house.step() == "steep"
    assert house.drain()[:5] == ["late"] * 5, "a drop at the end is worth more than the tail"


def test_equal_takes_turns() -> None:
    house = taught("equal")
    assert [house.step() for _ in range(4)] in (
        ["late", "steep"] * 2,
        ["steep", "late"] * 2,
    )


def test_proportional_follows_trust() -> None:
    house = taught("proportional")
    steps = [house.step() for _ in range(5)]
    assert steps.count("steep") >= 4


def test_edf_runs_the_earliest_deadline_to_its_end() -> None:
    house = taught("edf", late={"deadline_s": 0.3}, steep={"deadline_s": 0.5})
    assert [house.step() for _ in range(7)] == ["late"] * 6 + ["steep"]


def test_greedy_gives_one_all_that_is_left() -> None:
    """A half of the lane, 50 ms, covers one more step of 30 ms; all of it covers two."""
    house = House()
    house.add("steady", down(2), 0.001)
    house.add("steep", down(3), 0.03)
    for name in ("steep", "steady"):
        house.submit(name)
    house.drain()
    (_, outcome), *_ = house.outcomes["steep"]
    assert (outcome.reason, outcome.trajectory.steps) == (HaltReason.MAX_STEPS, 3)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_ends_with_the_budget(policy: str) -> None:
    house = House(OrchestratorConfig(policy=policy, pool_atp=400.0))
    house.add("long", down(30), 0.01, deadline_s=0.08)
    house.add("other", down(30), 0.01, deadline_s=0.09)
    for name in ("long", "other"):
        house.submit(name)
    steps = len([name for name in house.drain() if name])
    outcomes = [outcome for told in house.outcomes.values() for _, outcome in told]
    assert {outcome.reason for outcome in outcomes} == {HaltReason.BUDGET}
    assert len(outcomes) == (1 if policy == "edf" else 2)
    assert sum(outcome.trajectory.steps for outcome in outcomes) == 4, "40 ms are four steps"
    assert steps == 4 + len(outcomes)  # the last of each only reads the answer
    assert house.orchestrator.granted_atp <= 400.0 + 1e-6


def test_what_is_due_before_the_longest_step_ends_comes_first() -> None:
    house = House()
    house.add("slow", down(9), 0.04)
    house.add("due", down(9), 0.001, deadline_s=0.05)
    for name in ("slow", "due"):
        house.submit(name)
        house.drain()
        house.orchestrator.tick()
    house.submit("slow")
    assert house.step() == "slow"
    house.submit("due")
    assert house.step() == "due"
    house.wait(0.02)  # 30 ms are left, a step of the other takes 40
    assert house.step() == "due"


@pytest.mark.parametrize("matters", ["salience", "trust"])
@pytest.mark.parametrize("favoured", ["eye", "ear"])
def test_greedy_refines_further_what_matters_and_is_trusted(matters: str, favoured: str) -> None:
    """Alike in all else: whoever is favoured makes its steps first, whatever its place."""
    house = House()
    names = ("eye", "ear")
    for name in names:
        house.add(name, down(6), 0.002)
        house.submit(name)
        house.drain()
    house.orchestrator.tick()
    for name in names:
        if matters == "trust" and name != favoured:
            for _ in range(5):
                house.orchestrator.trust.fail(name)
        salience = 0.5 if matters == "salience" and name != favoured else 1.0
        house.orchestrator.submit(name, Seen(0.0), salience=salience)
    assert {house.step(), house.step()} == set(names), "both have a first answer"
    assert house.drain()[:4] == [favoured] * 4


def test_greedy_goes_on_with_what_gains_more_than_it_did_before() -> None:
    """Both went straight down before; one now gains most at once, the other next to nothing."""
    house = House()
    now = {"usual": [6.0, 5.9, 5.8, 5.7, 5.6, 5.5], "lucky": [6.0, 3.0, 2.0, 1.0, 0.5, 0.0]}
    energies = dict.fromkeys(now, down(6))

    def factory(name: str) -> Willing:
        plugin = Willing(name, house.watch, lambda step: (0.002, energies[name][step]))
        plugin.halting = HaltPolicy(max_steps=6, slope_eps=0.0, window=1000)
        return plugin

    for name in now:
        house.add(name, factory=partial(factory, name))
        house.submit(name)
        house.drain()
    house.orchestrator.tick()
    energies.update(now)
    for name in now:
        house.submit(name)
    assert {house.step(), house.step()} == set(now)
    steps = house.drain()
    assert steps[:6] in (["lucky"] * 5 + ["usual"], ["usual"] + ["lucky"] * 5)
