"""Trust moves with finished refinements and with nothing else, within its bounds, and survives."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import TrustLedger
from sage.irp import HaltReason, Outcome, Trajectory
from tests.doubles import Broken
from tests.orchestrator.doubles import House

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
    assert good > 0.7
    assert wild < 0.4


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
            st.floats(0.0, 1.0),
        ),
        max_size=60,
    )
)
def test_it_stays_within_its_bounds(history: list[Any]) -> None:
    ledger = TrustLedger()
    for item in history:
        if isinstance(item, float):
            ledger.credit("p", item)
        else:
            assert 0.05 <= ledger.score("p", item) <= 1.0
    assert 0.05 <= ledger.of("p") <= 1.0


def test_it_never_reaches_nothing() -> None:
    ledger = TrustLedger()
    for _ in range(500):
        ledger.fail("p")
    assert ledger.of("p") == 0.05


def test_what_came_of_it_weighs_most_so_a_smooth_liar_falls() -> None:
    liar = TrustLedger()
    for _ in range(100):
        liar.score("p", ended(GOOD))
        liar.credit("p", 0.0)
    assert liar.of("p") < 0.4
    useful = TrustLedger()
    for _ in range(100):
        useful.score("p", ended(WILD))
        useful.credit("p", 1.0)
    assert useful.of("p") > 0.6


def test_credit_alone_moves_one_whose_curve_says_nothing() -> None:
    ledger = TrustLedger()
    ledger.credit("p", 1.0)
    assert ledger.of("p") == 0.5, "only a finished refinement moves it"
    assert after(ledger, [3.0]) > 0.9


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


def test_it_survives_the_run(tmp_path: Path) -> None:
    path = tmp_path / "state" / "trust.json"
    ledger = TrustLedger(path)
    value = after(ledger, GOOD, 7)
    assert not path.exists()
    ledger.save()
    assert TrustLedger(path).of("p") == value
    assert [entry.name for entry in path.parent.iterdir()] == ["trust.json"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trust.json"
    ledger = TrustLedger(path)
    before = after(ledger, GOOD)
    ledger.save()
    ledger.fail("p")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ledger.save()
    assert TrustLedger(path).of("p") == before


def test_a_full_disk_does_not_spoil_the_end_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    house.orchestrator.trust = TrustLedger(tmp_path / "trust.json")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.ERROR):
        house.orchestrator.close()
    assert "trust could not be kept" in caplog.text
    assert "No space left on device" in caplog.text


def test_closing_the_orchestrator_keeps_trust(tmp_path: Path) -> None:
    house = House()
    house.orchestrator.trust = TrustLedger(tmp_path / "trust.json")
    house.add("eye", [Broken("no")])
    house.orchestrator.trust.fail("eye")
    house.orchestrator.close()
    assert json.loads((tmp_path / "trust.json").read_text()) == {"eye": pytest.approx(0.4)}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 2]", '{"eye": "much"}', '{"eye": NaN}', '{"eye": 1' + "0" * 400 + "}", "\udcff"],
)
def test_a_corrupt_file_is_set_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with caplog.at_level(logging.WARNING):
        ledger = TrustLedger(path)
    assert ledger.of("eye") == 0.5
    assert str(path) in caplog.text
    aside = tmp_path / "trust.corrupt"
    assert aside.read_bytes() == text.encode(errors="surrogateescape")
    ledger.save()
    assert TrustLedger(path).of("eye") == 0.5


def test_what_lies_outside_the_bounds_is_brought_back(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text('{"low": -3, "high": 40, "fair": 0.25}')
    ledger = TrustLedger(path)
    assert [ledger.of(name) for name in ("low", "high", "fair")] == [0.05, 1.0, 0.25]
