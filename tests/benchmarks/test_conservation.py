"""The random walks over the books find what is wrong with them, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import conservation
from orchestrator.policy import POLICIES
from orchestrator.pool import LanePool


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
def test_the_books_balance(policy: conservation.Policy) -> None:
    books = conservation.wander(policy, 2000, seed=5)
    assert books.operations == 2000
    assert books.checks > 2 * books.operations
    assert books.violations == []


def _generous(pool: LanePool) -> None:
    for account in pool._accounts:
        account.meter.granted_atp += 0.01 * pool.cap_atp


def _forgets_debts(pool: LanePool) -> None:
    pool._budget_atp = pool.cap_atp


@pytest.mark.parametrize("broken", [_generous, _forgets_debts])
@pytest.mark.parametrize("policy", ["greedy", "proportional"])
def test_books_that_are_wrong_are_found(
    broken: Callable[[LanePool], None], policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = LanePool._grant

    def wrong(pool: LanePool) -> None:
        if broken is _forgets_debts:
            broken(pool)
        grant(pool)
        if broken is _generous:
            broken(pool)

    monkeypatch.setattr(LanePool, "_grant", wrong)
    assert conservation.wander(POLICIES[policy], 5000, seed=5).violations


def test_the_row_counts_violations(tmp_path: Path) -> None:
    path = tmp_path / "conservation.json"
    assert conservation.main(["--operations", "600", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert (row["id"], row["value"]) == ("budget.conservation_violations", 0.0)
    assert row["baselines"]["operations"] == 600 * len(POLICIES)
