"""The deadline benchmark counts what it says it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import deadline
from benchmarks.periodic import LOAD, SLACK_S, TASKS, TICK_S, Score
from benchmarks.stalls import Stalls
from orchestrator.policy import POLICIES
from sage.clock import VirtualClock


def test_all_steps_together_are_the_load_that_is_claimed() -> None:
    assert pytest.approx(0.8) == LOAD
    assert 0.0 < SLACK_S < TICK_S


@pytest.mark.parametrize("policy", POLICIES)
def test_no_simulated_deadline_is_missed(policy: str) -> None:
    score = deadline.simulated(500, policy, seed=1)
    assert score.due == 500 + 250 + 100
    assert score.missed == 0
    assert score.refined > 0.5, "it answered in time by hardly refining"


def test_without_a_runtime_the_same_work_misses() -> None:
    assert deadline.simulated_fifo(500, seed=1).miss_rate > 0.03


def test_simulations_repeat() -> None:
    first, again = (deadline.simulated(100, "greedy", seed=3) for _ in range(2))
    assert first.took == again.took


def test_late_and_never_are_misses_and_stalls_are_told_apart() -> None:
    clock = VirtualClock()
    score = Score(clock, stalls=Stalls())
    task = TASKS[0]
    in_time, late, by_stall, never = (score.submitted(task, number) for number in range(4))
    score.answered(task, in_time, 1)
    clock.advance_to(1.5 * task.deadline_s)
    score.answered(task, late, 1)
    score.stalls.total_s += task.deadline_s
    score.answered(task, by_stall, 1)
    assert never.sequence == 3
    assert (score.due, score.missed, score.late, score.stalled) == (4, 3, 2, 1)
    assert score.longest == pytest.approx(1.5)


def test_rows_are_written(tmp_path: Path) -> None:
    path = tmp_path / "deadline.json"
    assert deadline.main(["--ticks", "60", "--simulated", "300", "--json", str(path)]) == 0
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows["deadline.miss_simulated"]["value"] == 0.0
    assert 0.0 <= rows["deadline.miss_real"]["value"] <= 1.0
    assert rows["deadline.miss_real"]["baselines"]["ticks"] == 60
