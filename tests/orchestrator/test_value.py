"""What results were worth: per plugin and per ATP, each judgement counted, none lost silently."""

from __future__ import annotations

import threading
import timeit

import pytest

from orchestrator.value import ValueLedger
from sage.irp import ConfigError
from sage.telemetry import Credited, Finished
from tests.orchestrator.doubles import House


def filled(count: int = 4, ring: int = 512) -> ValueLedger:
    ledger = ValueLedger(ring)
    for number in range(count):
        ledger.finished("eye", number, 10.0, 1.0 - 0.1 * number, 1.0)
    return ledger


def test_nothing_finished_is_an_empty_table() -> None:
    assert dict(ValueLedger().table()) == {}


def test_value_is_told_per_plugin_and_per_atp() -> None:
    ledger = filled()
    ledger.credit("eye", 1, 1.0)
    ledger.credit("eye", 3, 0.5)
    worth = ledger.table()["eye"]
    assert (worth.finished, worth.credited, worth.late) == (4, 2, 0)
    assert worth.value == pytest.approx(1.5)
    assert worth.mean_value == pytest.approx(0.75)
    assert worth.spent_atp == pytest.approx(40.0)
    assert worth.value_per_1000_atp == pytest.approx(1000.0 * 1.5 / 40.0)


def test_what_nobody_judged_has_no_value_rather_than_none() -> None:
    worth = filled().table()["eye"]
    assert (worth.mean_value, worth.value_per_1000_atp, worth.agreement) == (None, None, None)


def test_one_result_judged_twice_counts_once_with_the_mean() -> None:
    ledger = filled()
    for value in (1.0, 0.0, 0.5):
        ledger.credit("eye", 2, value)
    worth = ledger.table()["eye"]
    assert worth.credited == 1
    assert worth.value == pytest.approx(0.5)


def test_a_judgement_carries_the_energy_of_its_refinement() -> None:
    judged = filled().credit("eye", 2, 1.0)
    assert judged is not None
    assert judged.value == 1.0
    assert judged.energy == pytest.approx(0.8)
    assert judged.blur == pytest.approx(0.005)


def test_agreement_is_that_of_the_judged_results() -> None:
    honest, liar = filled(20), filled(20)
    for number in range(20):
        good = float(number >= 10)  # the later ones have the lower energies
        honest.credit("eye", number, good)
        liar.credit("eye", number, 1.0 - good)
    assert honest.table()["eye"].agreement == pytest.approx(1.0)
    assert liar.table()["eye"].agreement == 0.0


def test_where_all_were_worth_the_same_agreement_is_not_known() -> None:
    ledger = filled(20)
    for number in range(20):
        ledger.credit("eye", number, 1.0)
    worth = ledger.table()["eye"]
    assert (worth.mean_value, worth.agreement) == (1.0, None)


def test_a_late_judgement_is_counted_as_late_and_nowhere_else() -> None:
    ledger = filled(count=6, ring=4)
    assert ledger.credit("eye", 1, 1.0) is None, "pushed out of the ring"
    assert ledger.credit("eye", 99, 1.0) is None, "never ended"
    assert ledger.credit("ear", 2, 1.0) is None, "another plugin"
    assert ledger.credit("eye", 2, 1.0) is not None
    table = ledger.table()
    assert (table["eye"].late, table["eye"].credited) == (2, 1)
    assert (table["ear"].late, table["ear"].finished) == (1, 0)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_value_lies_between_nothing_and_all(value: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\], got"):
        filled().credit("eye", 0, value)


def test_a_refinement_that_never_stepped_has_no_energy() -> None:
    ledger = ValueLedger()
    for number in range(6):
        ledger.finished("eye", number, 1.0, None)
        ledger.credit("eye", number, number % 2)
    worth = ledger.table()["eye"]
    assert worth.mean_value == pytest.approx(0.5)
    assert worth.agreement is None


def test_threads_lose_nothing() -> None:
    ledger = ValueLedger()

    def work(first: int) -> None:
        for number in range(first, first + 500):
            ledger.finished("eye", number, 1.0, 0.0)
            ledger.credit("eye", number, 1.0)

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worth = ledger.table()["eye"]
    assert worth.finished == 2000
    assert worth.credited + worth.late == 2000
    assert worth.spent_atp == pytest.approx(2000.0)


def test_taking_note_of_a_refinement_costs_microseconds() -> None:
    ledger = ValueLedger()
    numbers = iter(range(10**9))
    each_s = min(
        timeit.repeat(
            lambda: ledger.finished("eye", next(numbers), 3.0, 0.5, 1.0), number=5000, repeat=5
        )
    )
    assert each_s / 5000 < 10e-6  # measured 0.7 us; the bound leaves room for a busy machine


def test_the_orchestrator_credits_tells_and_moves_trust() -> None:
    house = House()
    house.add("eye", [3.0, 2.0])
    house.submit("eye")
    house.drain()
    (finished,) = house.told(Finished)
    before = house.orchestrator.trust.of("eye")
    house.orchestrator.credit("eye", finished.refinement, 1.0)
    (credited,) = house.told(Credited)
    assert credited == (
        house.clock.now_s(),
        "eye",
        finished.refinement,
        1.0,
        house.orchestrator.trust.of("eye"),
    )
    assert credited.trust > before
    worth = house.orchestrator.value.table()["eye"]
    assert worth.credited == 1
    assert worth.spent_atp == pytest.approx(finished.spent_atp)


def test_a_late_credit_moves_no_trust_and_an_unknown_plugin_is_named() -> None:
    house = House()
    house.add("eye")
    house.orchestrator.credit("eye", 10**9, 0.0)
    assert house.orchestrator.trust.of("eye") == 0.5
    assert house.told(Credited) == []
    assert house.orchestrator.value.table()["eye"].late == 1
    with pytest.raises(ConfigError, match="no plugin named 'ghost'"):
        house.orchestrator.credit("ghost", 0, 1.0)
