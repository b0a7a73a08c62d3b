"""Trust survives the run in one file, written whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import random
from pathlib import Path

import pytest

from orchestrator import TrustLedger
from tests.doubles import Broken
from tests.orchestrator.doubles import House
from tests.orchestrator.test_trust import GOOD, after, ended


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
    assert json.loads((tmp_path / "trust.json").read_text()) == {
        "eye": {"trust": pytest.approx(0.4)}
    }


def test_what_was_judged_survives_the_run(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    ledger = TrustLedger(path)
    chance = random.Random(2)
    for _ in range(100):
        good = float(chance.random() < 0.6)
        ledger.score("p", ended(GOOD))
        ledger.credit("p", good, energy=1.0 - good * chance.random(), blur=0.01)
    ledger.credit("p", 0.5)
    ledger.save()
    again = TrustLedger(path)
    assert again.of("p") == ledger.of("p")
    assert again.agreement("p") == pytest.approx(ledger.agreement("p"))
    assert after(again, GOOD, 10) == pytest.approx(after(ledger, GOOD, 10))
    assert again.credit("p", 1.0, energy=0.2) == pytest.approx(ledger.credit("p", 1.0, energy=0.2))


def test_a_file_that_holds_trust_alone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text('{"eye": 0.8, "ear": {"trust": 0.3}}')
    ledger = TrustLedger(path)
    assert [ledger.of("eye"), ledger.of("ear")] == [0.8, 0.3]
    assert ledger.agreement("eye") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        '{"eye": "much"}',
        '{"eye": NaN}',
        '{"eye": true}',
        '{"eye": 1' + "0" * 400 + "}",
        '{"eye": {}}',
        '{"eye": {"trust": 0.5, "smoothness": "so"}}',
        '{"eye": {"trust": 0.5, "judged": 7}}',
        '{"eye": {"trust": 0.5, "judged": [[0.5, 1.0]]}}',
        '{"eye": {"trust": 0.5, "judged": [[1.5, 1.0, 0.0]]}}',
        '{"eye": {"trust": 0.5, "judged": [[0.5, Infinity, 0.0]]}}',
        "\udcff",
    ],
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


def test_a_corrupt_file_that_cannot_be_set_aside_is_no_end_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "trust.json"
    path.write_text("{")
    (tmp_path / "trust.corrupt").mkdir()
    with caplog.at_level(logging.WARNING):
        ledger = TrustLedger(path)
    assert ledger.of("eye") == 0.5
    assert str(path) in caplog.text
    assert str(tmp_path / "trust.corrupt") in caplog.text
    ledger.save()
    assert json.loads(path.read_text()) == {}


def test_what_lies_outside_the_bounds_is_brought_back(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text('{"low": -3, "high": 40, "fair": 0.25}')
    ledger = TrustLedger(path)
    assert [ledger.of(name) for name in ("low", "high", "fair")] == [0.05, 1.0, 0.25]
