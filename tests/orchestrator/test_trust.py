"""Trust moves with finished refinements and with nothing else, within its bounds, and survives."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import PluginSettings, TrustLedger
from sage.irp import Context, HaltPolicy, HaltReason, IRPPlugin, Outcome, Trajectory
from sage.telemetry import Credited
from tests.doubles import INVARIANTS
from tests.orchestrator.doubles import House, Seen

GOOD = [8.0, 4.0, 2.0, 1.0, 0.5]
WILD = [1.0, 3.0, 1.0, 3.0, 1.0]


def ended(energies: list[float], reason: HaltReason = HaltReason.CONVERGED) -> Outcome[Any]:
    costs_s = (0.01,) * len(energies)
    return Outcome(None, Trajectory(tuple(energies), costs_s, 0, reason, 20), True)


def after(ledger: TrustLedger, energies: list[float], times: int = 100) -> float:
    for _ in range(times):
        ledger.score("p", ended(energies))
    return ledger.of("p")


def test_a_thousand_idle_ticks_change_nothing() -> None:
    house = House()
    house.add("busy", GOOD)
    house.add("idle", GOOD)
    house.submit("busy")
    house.drain()
    before = dict(house.orchestrator.trust.snapshot())
    for _ in range(1000):
        house.wait(0.1)
        house.orchestrator.tick()
    assert dict(house.orchestrator.trust.snapshot()) == before
    assert house.orchestrator.trust.of("idle") == 0.5


def test_it_is_scored_once_per_refinement_whatever_the_ticks() -> None:
    house = House()
    member = house.add("eye", GOOD)
    house.submit("eye")
    for _ in GOOD:
        house.orchestrator.tick()
        house.step()
        house.orchestrator.tick()
    once = TrustLedger()
    assert member.trust() == once.score("p", ended(GOOD)) > 0.5


def test_a_good_plugin_rises_and_an_oscillating_one_falls() -> None:
    good, wild = after(TrustLedger(), GOOD), after(TrustLedger(), WILD)
    assert 0.6 < good < 0.75, "a smooth curve alone earns no full trust"
    assert 0.25 < wild < 0.45


def test_one_step_says_nothing() -> None:
    assert after(TrustLedger(), [3.0]) == 0.5


def test_a_failure_weighs_more_than_a_success() -> None:
    ledger = TrustLedger()
    gain = ledger.score("p", ended(GOOD)) - 0.5
    ledger = TrustLedger()
    loss = 0.5 - ledger.score("p", ended([2.0, 1.0], HaltReason.FAILED))
    assert loss > 2 * gain


@given(
    st.lists(
        st.one_of(
            st.lists(st.floats(-1e300, 1e300), max_size=6).map(ended),
            st.just(ended([], HaltReason.FAILED)),
            st.tuples(st.floats(0.0, 1.0), st.floats()),
        ),
        max_size=60,
    )
)
def test_it_stays_within_its_bounds(history: list[Any]) -> None:
    ledger = TrustLedger()
    for item in history:
        if isinstance(item, tuple):
            assert 0.05 <= ledger.credit("p", item[0], energy=item[1]) <= 1.0
        else:
            assert 0.05 <= ledger.score("p", item) <= 1.0
    assert 0.05 <= ledger.of("p") <= 1.0


def test_it_never_reaches_nothing() -> None:
    ledger = TrustLedger()
    for _ in range(500):
        ledger.fail("p")
    assert ledger.of("p") == 0.05


def test_a_smooth_liar_falls_and_an_honest_rough_plugin_rises() -> None:
    """The energy of both tells nothing of its kind by its shape; what came of it does."""
    chance = random.Random(1)
    liar, worthless, honest = TrustLedger(), TrustLedger(), TrustLedger()
    for _ in range(200):
        good = float(chance.random() < 0.5)
        liar.score("p", ended(GOOD))
        liar.credit("p", good, energy=chance.random())
        worthless.score("p", ended(GOOD))
        worthless.credit("p", 0.0, energy=chance.random())
        honest.score("p", ended(WILD))
        honest.credit("p", good, energy=1.0 - good + 0.3 * chance.random())
    assert worthless.of("p") < liar.of("p") < 0.45 < 0.55 < honest.of("p")


def test_agreement_weighs_more_than_value_and_value_more_than_smoothness() -> None:
    ended_at = {}
    for name, curve, values, honest in (
        ("smooth", GOOD, (0.0, 0.0), True),
        ("valued", WILD, (0.2, 1.0), False),
        ("agreeing", WILD, (0.0, 1.0), True),
    ):
        ledger = TrustLedger()
        for turn in range(400):
            value = values[turn % 2]
            ledger.score("p", ended(curve))
            ledger.credit("p", value, energy=-value if honest else value)
        ended_at[name] = ledger.of("p")
    assert ended_at["agreeing"] > ended_at["valued"] > ended_at["smooth"]


Believed = Callable[[float, random.Random], float]


def judged_often(successes: float, believed: Believed, curve: list[float], seed: int = 0) -> float:
    """Trust after 300 judged rounds; ``believed`` gives the energy of a result by its value."""
    ledger, chance = TrustLedger(), random.Random(seed)
    for _ in range(300):
        value = float(chance.random() < successes)
        ledger.score("p", ended(curve))
        ledger.credit("p", value, energy=believed(value, chance))
    return ledger.of("p")


def inverted(value: float, chance: random.Random) -> float:
    return value + 0.3 * chance.random()


def honest(value: float, chance: random.Random) -> float:
    return 1.0 - value + 0.3 * chance.random()


def noise(value: float, chance: random.Random) -> float:
    return chance.random()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("successes", [0.9, 0.95])
def test_success_does_not_hide_an_inverted_energy(successes: float, seed: int) -> None:
    liar = judged_often(successes, inverted, GOOD, seed)
    assert liar < 0.6
    assert liar + 0.15 < judged_often(successes, honest, WILD, seed)
    assert liar < judged_often(0.5, honest, WILD, seed), "honest, and wrong half of the time"


def test_where_nothing_is_at_stake_energy_is_not_held_against_it() -> None:
    assert judged_often(1.0, noise, GOOD) > 0.9
    assert judged_often(1.0, noise, WILD) > 0.8
    assert judged_often(0.0, noise, GOOD) < 0.25, "however smooth"


def test_small_differences_of_value_are_not_held_against_it() -> None:
    ledger, chance = TrustLedger(), random.Random(4)
    for _ in range(300):
        value = 0.9 + 0.1 * chance.random()
        ledger.score("p", ended(GOOD))
        ledger.credit("p", value, energy=value)
    assert ledger.of("p") > 0.8


def test_smoothness_alone_ends_below_an_honest_judged_plugin() -> None:
    unjudged = after(TrustLedger(), GOOD, 300)
    assert 0.5 < unjudged <= 0.75
    assert judged_often(0.9, honest, WILD) > unjudged
    assert judged_often(0.5, honest, GOOD) > unjudged


def test_nobody_is_punished_for_not_being_judged() -> None:
    ledger = TrustLedger()
    alone = after(ledger, GOOD)
    both = TrustLedger()
    for _ in range(100):
        both.credit("other", 0.0, energy=1.0)
        both.score("p", ended(GOOD))
    assert both.of("p") == alone
    assert both.agreement("p") is None


def test_one_judgement_weighs_little_many_weigh_much() -> None:
    once = TrustLedger()
    once.credit("p", 0.0, energy=1.0)
    assert after(once, GOOD) > 0.55
    often = TrustLedger()
    for _ in range(30):
        often.credit("p", 0.0, energy=1.0)
    assert after(often, GOOD) < 0.3


def test_a_credit_alone_moves_one_whose_curve_says_nothing() -> None:
    ledger = TrustLedger()
    for _ in range(100):
        ledger.score("p", ended([3.0]))
        ledger.credit("p", 1.0)
    assert ledger.of("p") > 0.9


def test_a_credit_returns_the_new_trust() -> None:
    ledger = TrustLedger()
    assert ledger.credit("p", 1.0, energy=0.1) == ledger.of("p") > 0.5


class Claimant(IRPPlugin[tuple[int, float], float]):
    """Believes that its answer is as good as ``believed`` says; ``curve`` shapes its descent."""

    invariants = INVARIANTS
    halting = HaltPolicy(max_steps=5, slope_eps=0.0, window=1000)

    def __init__(
        self, name: str, curve: Sequence[float], believed: Callable[[Any], float], cost: Any
    ) -> None:
        self.name = name  # type: ignore[misc]
        self._curve = curve
        self._believed = believed
        self._cost = cost

    def init_state(self, observation: Any, context: Context) -> tuple[int, float]:
        return (0, self._believed(observation.what))

    def step(self, state: tuple[int, float]) -> tuple[int, float]:
        self._cost.advance_to(self._cost.now_s() + 0.002)
        return (state[0] + 1, state[1])

    def energy(self, state: tuple[int, float]) -> float:
        return self._curve[state[0] - 1] + 1.0 - state[1]

    def result(self, state: tuple[int, float]) -> float:
        return state[1]


@pytest.mark.parametrize("worth", ["unrelated", "nothing"])
def test_through_the_orchestrator_a_smooth_liar_falls_below_an_honest_rough_plugin(
    worth: str,
) -> None:
    house = House()
    chance = random.Random(7)
    truth: dict[float, float] = {}
    credited: Counter[str] = Counter()

    def take(name: str) -> Callable[[Any, Outcome[Any]], None]:
        def judge(observation: Seen, outcome: Outcome[Any]) -> None:
            value = truth[observation.what] if name == "honest" or worth == "unrelated" else 0.0
            house.orchestrator.credit(name, outcome.refinement, value)
            credited[name] += 1

        return judge

    rough = [0.3, 0.5, 0.3, 0.5, 0.28]
    for name, curve, believed in (
        ("liar", GOOD, lambda what: chance.random()),
        ("honest", rough, lambda what: 0.9 * truth[what] + 0.1 * chance.random()),
    ):
        house.orchestrator.register(
            lambda name=name, curve=curve, believed=believed: Claimant(  # type: ignore[misc]
                name, curve, believed, house.watch
            ),
            PluginSettings("perception"),
            take(name),
        )
    for turn in range(150):
        truth[turn] = float(chance.random() < 0.5)
        for name in ("liar", "honest"):
            house.submit(name, turn)
        house.drain()
        house.wait(0.1)
        house.orchestrator.tick()
    trust, table = house.orchestrator.trust, house.orchestrator.value.table()
    assert credited["liar"] == credited["honest"] == 150
    assert trust.of("liar") < 0.4 < 0.5 < trust.of("honest")
    assert (table["liar"].agreement or 0.0) < 0.4 < 0.8 < (table["honest"].agreement or 0.0)
    told = house.told(Credited)
    assert len(told) == 300
    assert told[-1].trust == trust.of(told[-1].plugin)
    before = dict(trust.snapshot())
    for _ in range(1000):
        house.wait(0.1)
        house.orchestrator.tick()
    assert dict(trust.snapshot()) == before


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_value_lies_between_nothing_and_all(value: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\], got"):
        TrustLedger().credit("p", value)


def test_a_snapshot_is_a_copy_that_cannot_be_written() -> None:
    ledger = TrustLedger()
    ledger.fail("p")
    snapshot = ledger.snapshot()
    ledger.fail("p")
    assert snapshot["p"] == pytest.approx(0.4)
    with pytest.raises(TypeError):
        snapshot["p"] = 1.0  # type: ignore[index]
