"""The ATP pool: what a cycle grants is conserved, whoever comes, spends, goes or overruns."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.pool import Account, LanePool
from sage.irp import BudgetError

CAP = 500.0
RATE = 5000.0


_names = itertools.count()


def opened(
    pool: LanePool,
    weight: float = 1.0,
    floor: float = 0.0,
    reserve: float = 0.0,
    owner: str | None = None,
) -> Account:
    account = pool.open(owner or f"owner {next(_names)}", weight, floor, reserve)
    assert account is not None
    return account


def spend(account: Account, atp: float) -> None:
    account.meter.charge_s(atp / RATE)


def left(account: Account) -> float:
    return account.meter.remaining_atp


@pytest.fixture
def pool() -> LanePool:
    return LanePool(CAP, RATE)


def test_a_lone_refinement_gets_all_of_its_lane(pool: LanePool) -> None:
    assert left(opened(pool)) == CAP
    assert pool.granted_atp == CAP


def test_grants_follow_trust(pool: LanePool) -> None:
    modest, trusted = opened(pool, 0.2), opened(pool, 0.6)
    assert left(modest) == pytest.approx(CAP / 4)
    assert left(trusted) == pytest.approx(CAP * 3 / 4)


def test_floors_come_before_trust(pool: LanePool) -> None:
    floored, trusted = opened(pool, 0.05, floor=200.0), opened(pool, 1.0)
    assert left(floored) == pytest.approx(200.0 + 300.0 * 0.05 / 1.05)
    assert left(trusted) == pytest.approx(300.0 / 1.05)


def test_a_newcomer_shares_what_is_left_and_no_more(pool: LanePool) -> None:
    first = opened(pool)
    spend(first, 400.0)
    second = opened(pool)
    assert left(first) == pytest.approx(50.0)
    assert left(second) == pytest.approx(50.0)
    assert pool.granted_atp == pytest.approx(CAP)


def test_what_an_early_end_frees_is_in_the_other_meter_at_once(pool: LanePool) -> None:
    running, early = opened(pool), opened(pool)
    spend(running, 100.0)
    spend(early, 30.0)
    assert left(running) == pytest.approx(150.0)
    assert pool.close(early) == pytest.approx(220.0)
    assert left(running) == pytest.approx(370.0)
    assert pool.granted_atp == pytest.approx(CAP)


def test_what_was_spent_stays_granted(pool: LanePool) -> None:
    done = opened(pool)
    spend(done, 200.0)
    pool.close(done)
    assert pool.granted_atp == pytest.approx(200.0)
    assert left(opened(pool)) == pytest.approx(300.0)


def test_an_overrun_takes_from_the_others_now_and_from_all_in_the_next_cycle(
    pool: LanePool,
) -> None:
    greedy, other = opened(pool), opened(pool)
    spend(greedy, 600.0)
    pool.close(greedy)
    assert left(other) == 0.0
    assert pool.granted_atp <= CAP
    assert pool.spent_atp == pytest.approx(600.0)
    assert pool.new_cycle() == pytest.approx(600.0)
    assert left(other) == pytest.approx(400.0)
    assert pool.new_cycle() == 0.0
    assert left(other) == pytest.approx(CAP)


def test_a_debt_of_more_than_a_cycle_is_paid_to_the_end(pool: LanePool) -> None:
    account = opened(pool)
    spend(account, 1200.0)
    granted = []
    for _ in range(3):
        pool.new_cycle()
        granted.append(left(account))
    assert granted == [pytest.approx(0.0), pytest.approx(300.0), pytest.approx(CAP)]


def test_nothing_is_opened_while_a_debt_takes_the_whole_cycle(pool: LanePool) -> None:
    account = opened(pool)
    spend(account, 1200.0)
    pool.close(account)
    pool.new_cycle()
    assert pool.open("other", 1.0, 0.0) is None
    pool.new_cycle()
    assert left(opened(pool)) == pytest.approx(300.0)


def test_lane_time_that_passed_while_the_step_was_under_way_is_no_debt(pool: LanePool) -> None:
    account = opened(pool)
    pool.new_cycle(under_way_atp=480.0)
    pool.new_cycle(under_way_atp=980.0)
    spend(account, 1250.0)  # 250 ms, of which 196 ms had passed at the last tick
    pool.new_cycle()
    assert left(account) == pytest.approx(CAP)
    pool.new_cycle(under_way_atp=100.0)
    spend(account, 700.0)
    pool.new_cycle()
    assert left(account) == pytest.approx(CAP - 100.0)


def test_the_reserve_of_a_first_step_is_kept_until_that_step_is_over(pool: LanePool) -> None:
    reserved = opened(pool, 0.05, reserve=300.0)
    assert left(reserved) >= 300.0
    trusted = opened(pool, 1.0, reserve=150.0)
    assert left(reserved) >= 300.0
    pool.new_cycle()  # it did not have its turn yet
    assert left(reserved) >= 300.0
    spend(reserved, 290.0)
    pool.new_cycle()
    assert left(reserved) == pytest.approx(350.0 * 0.05 / 1.05)
    assert left(trusted) >= 150.0
    spend(trusted, 140.0)
    pool.new_cycle()
    assert left(reserved) == pytest.approx(CAP * 0.05 / 1.05)


def test_what_is_reserved_for_others_begins_nobody(pool: LanePool) -> None:
    opened(pool, reserve=300.0)
    opened(pool, reserve=200.0)
    assert pool.open("other", 1.0, 0.0) is None


def test_a_first_step_dearer_than_what_is_left_begins_and_leaves_a_debt(pool: LanePool) -> None:
    spend(opened(pool), 400.0)
    account = opened(pool, reserve=3 * CAP)
    spend(account, 300.0)
    assert pool.granted_atp <= CAP
    pool.close(account)
    pool.new_cycle()
    assert pool.granted_atp == pytest.approx(300.0)
    spend(account := opened(pool), 300.0)
    assert pool.open("other", 1.0, 0.0) is None, "a spent cycle begins nothing"


def test_beginning_anew_is_no_second_share(pool: LanePool) -> None:
    steady = opened(pool)
    busy = opened(pool, owner="busy")
    spend(busy, 200.0)
    pool.close(busy)
    again = opened(pool, owner="busy")  # of its half of the cycle, 50 are left
    assert left(again) == pytest.approx(50.0)
    assert left(steady) == pytest.approx(250.0)
    spend(again, 50.0)
    pool.close(again)
    assert pool.open("busy", 1.0, 0.0) is None
    assert left(steady) == pytest.approx(250.0)
    pool.new_cycle()
    assert left(opened(pool, owner="busy")) == pytest.approx(250.0)


def test_beginning_anew_gets_what_others_do_not_need(pool: LanePool) -> None:
    steady, busy = opened(pool), opened(pool, owner="busy")
    spend(busy, 250.0)
    pool.close(busy)
    assert pool.open("busy", 1.0, 0.0) is None
    pool.close(steady)
    assert left(opened(pool, owner="busy")) == pytest.approx(250.0)


def test_the_floor_is_the_owners_once_a_cycle(pool: LanePool) -> None:
    opened(pool, 1.0)
    busy = opened(pool, 0.05, floor=100.0, owner="busy")
    spend(busy, 80.0)
    pool.close(busy)
    again = opened(pool, 0.05, floor=100.0, owner="busy")
    assert left(again) == pytest.approx(20.0 + 400.0 * 0.05 / 1.05)


@pytest.fixture
def purse() -> LanePool:
    """A pool that is not shared: what is left goes to whose turn it is."""
    return LanePool(CAP, RATE, shares=False)


def test_whose_turn_it_is_draws_on_all_that_is_left(purse: LanePool) -> None:
    first, second = opened(purse, 0.1), opened(purse, 1.0)
    assert (left(first), left(second)) == (CAP, 0.0)
    spend(first, 200.0)
    purse.turn(second)
    assert (left(first), left(second)) == (0.0, 300.0)
    assert purse.granted_atp == CAP
    spend(second, 300.0)
    purse.turn(first)
    assert left(first) == 0.0


def test_what_is_owed_to_others_is_not_in_the_purse(purse: LanePool) -> None:
    floored, reserved = opened(purse, floor=100.0), opened(purse, reserve=150.0)
    other = opened(purse)
    purse.turn(other)
    assert [left(account) for account in (floored, reserved, other)] == [100.0, 150.0, 250.0]
    spend(other, 250.0)
    purse.turn(floored)
    assert left(floored) == 100.0, "the floor was spent by somebody else"
    spend(floored, 40.0)
    purse.turn(other)
    assert (left(floored), left(other)) == (60.0, 0.0)


def test_those_who_step_together_have_the_purse_together(purse: LanePool) -> None:
    accounts = [opened(purse) for _ in range(4)]
    purse.turn(*accounts)
    assert [left(account) for account in accounts] == [125.0] * 4
    purse.turn(accounts[2])
    assert [left(account) for account in accounts] == [0.0, 0.0, CAP, 0.0]


def test_a_purse_is_passed_on_when_its_holder_ends(purse: LanePool) -> None:
    first, second = opened(purse), opened(purse)
    spend(first, 50.0)
    assert purse.close(first) == 450.0
    assert left(second) == 450.0


def test_a_step_made_elsewhere_keeps_what_it_may_cost(purse: LanePool) -> None:
    away, here = opened(purse), opened(purse)
    spend(away, 30.0)
    purse.hold(away, 120.0)
    purse.turn(here)
    assert (left(away), left(here)) == (120.0, 350.0)
    spend(away, 120.0)
    assert purse.granted_atp <= CAP


def test_what_is_kept_for_one_that_does_not_run_yet_is_there_when_it_comes(purse: LanePool) -> None:
    purse.keep("wheel", 200.0)
    other = opened(purse)
    assert left(other) == 300.0
    spend(other, 300.0)
    assert purse.open("third", 1.0, 0.0) is None
    wheel = opened(purse, owner="wheel", reserve=180.0)
    purse.turn(wheel)
    assert left(wheel) == 200.0
    purse.close(wheel)
    purse.new_cycle()
    assert left(other) == 300.0


def test_nothing_keeps_out_what_is_essential(purse: LanePool) -> None:
    greedy = opened(purse)
    spend(greedy, 900.0)
    assert purse.open("other", 1.0, 0.0) is None
    assert purse.open("wheel", 1.0, 0.0, 100.0, essential=True) is not None
    assert purse.granted_atp <= CAP


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_must_be_positive(pool: LanePool, weight: float) -> None:
    with pytest.raises(BudgetError, match="weight"):
        pool.open("other", weight, 0.0)


def test_books_are_closed_once(pool: LanePool) -> None:
    account = opened(pool)
    pool.close(account)
    with pytest.raises(BudgetError, match="closed before"):
        pool.close(account)


def test_a_lane_without_atp_is_refused() -> None:
    with pytest.raises(BudgetError, match="more than 0 ATP"):
        LanePool(0.0, RATE)


ATP = st.floats(0.0, 2.0 * CAP)
SMALL = st.floats(0.0, CAP / 8)


class Books(RuleBasedStateMachine):
    """Two lanes of one pool, and refinements that come, spend, overspend and go in any order."""

    @initialize(lanes=st.integers(1, 2), shares=st.booleans())
    def begin(self, lanes: int, shares: bool) -> None:
        self.pools = [LanePool(2 * CAP / lanes, RATE, shares=shares) for _ in range(lanes)]
        self.live: list[tuple[LanePool, Account]] = []
        self.budgets = [pool.cap_atp for pool in self.pools]
        self.spent = [0.0 for _ in self.pools]

    @rule(
        lane=st.integers(0, 1),
        owner=st.sampled_from("abcd"),
        weight=st.floats(0.05, 1.0),
        floor=SMALL,
        reserve=ATP,
        essential=st.booleans(),
    )
    def open(
        self, lane: int, owner: str, weight: float, floor: float, reserve: float, essential: bool
    ) -> None:
        pool = self.pools[lane % len(self.pools)]
        account = pool.open(owner, weight, floor, reserve, essential=essential)
        if account is not None:
            self.live.append((pool, account))

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0), atp=st.one_of(SMALL, ATP))
    def spend(self, which: int, atp: float) -> None:
        pool, account = self.live[which % len(self.live)]
        spend(account, atp)
        self.spent[self.pools.index(pool)] += atp

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0), more=st.integers(0, 2))
    def turn(self, which: int, more: int) -> None:
        pool, first = self.live[which % len(self.live)]
        others = [account for owner, account in self.live if owner is pool and account is not first]
        pool.turn(first, *others[:more])

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0), atp=SMALL)
    def hold(self, which: int, atp: float) -> None:
        pool, account = self.live[which % len(self.live)]
        pool.hold(account, atp)

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0))
    def close(self, which: int) -> None:
        pool, account = self.live.pop(which % len(self.live))
        before = {id(other): left(other) for owner, other in self.live if owner is pool}
        unspent = left(account)  # less than nothing after an overrun, which the others bear
        freed = max(0.0, unspent) if before else 0.0  # with nobody there, nobody has it
        assert pool.close(account) == pytest.approx(freed, abs=1e-6)
        others = [other for owner, other in self.live if owner is pool]
        at = self.pools.index(pool)
        if others and self.budgets[at] - self.spent[at] > 0.0:
            gained = sum(left(other) for other in others)
            assert gained == pytest.approx(self.budgets[at] - self.spent[at], abs=1e-6)
            if all(remaining >= 0.0 for remaining in before.values()):
                assert gained == pytest.approx(sum(before.values()) + unspent, abs=1e-6)

    @rule(lane=st.integers(0, 1))
    def new_cycle(self, lane: int) -> None:
        at = lane % len(self.pools)
        pool = self.pools[at]
        assert pool.new_cycle() == pytest.approx(self.spent[at], abs=1e-6)
        debt = max(0.0, self.spent[at] - self.budgets[at])
        self.budgets[at], self.spent[at] = pool.cap_atp - debt, 0.0
        mine = [account for owner, account in self.live if owner is pool]
        if mine:
            granted = max(0.0, self.budgets[at])
            assert sum(map(left, mine)) == pytest.approx(granted, abs=1e-6), "grants or debt"
            floors = sum(account.owed_atp for account in mine)
            if floors <= granted:
                for account in mine:
                    assert left(account) >= account.floor_atp - 1e-6, "a floor was not kept"

    @invariant()
    def conserved(self) -> None:
        if not hasattr(self, "pools"):
            return
        assert sum(pool.granted_atp for pool in self.pools) <= 2 * CAP + 1e-6
        for pool in self.pools:
            assert pool.granted_atp <= pool.cap_atp + 1e-6
            remaining = sum(
                max(0.0, left(account)) for owner, account in self.live if owner is pool
            )
            assert remaining <= pool.cap_atp + 1e-6


Books.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestBooks = Books.TestCase
