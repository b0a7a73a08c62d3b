"""Throughput of language: what it is measured on, and that batches change no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import throughput
from benchmarks.throughput import alone, commands, in_batches, serve
from models.language import artifacts
from models.language.parser import Parser
from plugins.language import LanguageConfig, LanguagePlugin


@pytest.fixture(scope="module")
def parser() -> Parser:
    return artifacts.load_parser()


def test_commands_are_different_repeatable_and_name_things() -> None:
    examples = commands(200, seed=3)
    assert [one.text for one in examples] == [one.text for one in commands(200, seed=3)]
    assert len({one.text for one in examples}) == 200
    assert not any("<room>" in one.text or "<object>" in one.text for one in examples)
    assert sum("<room>" in one.words for one in examples) > 20


def test_batches_change_no_answer(parser: Parser) -> None:
    texts = [one.text for one in commands(90, seed=4)]
    expected = [alone(parser, text)[0] for text in texts]
    assert in_batches(parser, texts, 16) == expected
    served = serve(LanguagePlugin(LanguageConfig(threads=2)), texts, at_once=16)
    assert sum(served.whole) > 45
    for form, whole, wanted in zip(served.forms, served.whole, expected, strict=True):
        assert form == wanted or not whole
    assert served.steps >= len(texts)
    assert all(0.0 < latency_s < 60.0 for latency_s in served.latencies_s)


def test_the_row_and_the_sweep_are_written(tmp_path: Path) -> None:
    path = tmp_path / "throughput.json"
    arguments = ["--commands", "60", "--rounds", "1", "--delays", "0,0.005", "--json", str(path)]
    assert throughput.main([*arguments, "--at-once", "16"]) == 0
    body = json.loads(path.read_text())
    (row,) = body["rows"]
    assert (row["id"], row["floor"], row["goal"]) == ("throughput.parses_per_s", 300, 1500)
    assert row["baselines"]["exact"] == pytest.approx(row["baselines"]["exact alone"], abs=0.001)
    assert {line["batch_delay_s"] for line in body["sweep"]} == {0.0, 0.005}


def test_another_answer_in_batches_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "alone", lambda parser, text: ("UNKNOWN", 1))
    with pytest.raises(RuntimeError, match="exact forms"):
        throughput.main(["--commands", "60", "--rounds", "1", "--delays", "0"])
