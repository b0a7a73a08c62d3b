"""One lane's share of the cycle's ATP, and the books that keep it balanced."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sage.irp import BudgetError, Meter

MOST_DEBT_CYCLES = 4.0  # more would punish the others for what is essential, long after it


class Account:
    """The books of one live refinement: its meter, its weight, its floor, its reserve."""

    __slots__ = (
        "base_atp",
        "before_atp",
        "floor_atp",
        "held_atp",
        "least_atp",
        "meter",
        "owner",
        "reserve_atp",
        "weight",
    )

    def __init__(
        self, owner: str, meter: Meter, weight: float, floor_atp: float, reserve_atp: float
    ) -> None:
        self.owner = owner
        self.meter = meter
        self.weight = weight
        self.floor_atp = floor_atp
        self.reserve_atp = reserve_atp
        self.least_atp = floor_atp
        """What it gets in this cycle at least, beside its reserve while that is not spent."""
        self.held_atp = 0.0
        """What a step that is made elsewhere may still cost."""
        self.base_atp = 0.0
        """What the meter had spent when this cycle began."""
        self.before_atp = 0.0
        """What its owner's earlier refinements have had of this cycle above the floor."""

    @property
    def owed_atp(self) -> float:
        """What of its least it has not had yet; its reserve while nothing was spent."""
        spent_atp = self.meter.spent_atp
        least_atp = self.least_atp - spent_atp + self.base_atp
        if not spent_atp:
            least_atp = max(least_atp, self.reserve_atp)
        return max(0.0, least_atp)


class LanePool:
    """Grants ``cap_atp`` per cycle to the refinements that live on one lane.

    At every instant the grants of a cycle sum to at most the cap, whatever registers, finishes,
    fails or is cancelled: what has been spent stays granted, and what is left is granted anew
    whenever somebody comes or goes. So what an early stop frees reaches a running refinement
    before its next step. A step that cost more than was left becomes a debt of the next cycle.

    Everybody is granted its floor and, until its first step is over, that step's reserve. What is
    left above is divided by weight where the pool ``shares``; otherwise it goes, whole, to those
    whose :meth:`turn` it is; they may begin a step while anything is left. Of a pool that shares,
    who has had its share of a cycle and begins anew does not get another one at the cost of those
    who still refine. Safe from any thread.
    """

    def __init__(self, cap_atp: float, atp_per_s: float, *, shares: bool = True) -> None:
        if not cap_atp > 0.0:
            raise BudgetError(f"a lane needs more than 0 ATP per cycle, got {cap_atp}")
        self.cap_atp = cap_atp
        self.atp_per_s = atp_per_s
        self._shares = shares
        self._lock = threading.Lock()
        self._accounts: list[Account] = []
        self._holders: Sequence[Account] = ()  # whose turn it is, where nothing is shared
        self._budget_atp = cap_atp  # this cycle's cap, less the last one's debt
        self._under_way_atp = 0.0  # lane time that a step under way took in earlier cycles
        self._closed_spent_atp = 0.0
        self._closed_granted_atp = 0.0
        self._closed_by: dict[str, float] = {}  # this cycle's spending of closed books, by owner
        self._kept: dict[str, float] = {}  # what owners are sure of although nothing of theirs runs

    @property
    def granted_atp(self) -> float:
        """The sum of this cycle's grants, of live and of finished refinements."""
        with self._lock:
            live = sum(account.meter.granted_atp - account.base_atp for account in self._accounts)
            return live + self._closed_granted_atp

    @property
    def spent_atp(self) -> float:
        """What this cycle has spent so far; above the cap after an overrun."""
        with self._lock:
            return self._spent()

    def keep(self, owner: str, atp: float) -> None:
        """Hold back so much of each cycle, at most half, for what an owner may begin."""
        with self._lock:
            self._kept[owner] = min(atp, 0.5 * self.cap_atp)

    def open(
        self,
        owner: str,
        weight: float,
        floor_atp: float,
        reserve_atp: float = 0.0,
        *,
        essential: bool = False,
    ) -> Account | None:
        """Open the books of a new refinement.

        Args:
            owner: whose it is.
            weight: the owner's share above the floors, relative to the others' (> 0).
            floor_atp: what the owner gets in each cycle before anything is shared.
            reserve_atp: the worst case of the first step: nobody else spends it before that step
                is over. Where less is left, the rest becomes a debt.
            essential: nothing keeps it out.

        Returns:
            The account, or None where nothing is left of this cycle above what is owed to others,
            or where the reserve does not fit into what the owner has left of its share.
        """
        if not weight > 0.0:
            raise BudgetError(f"a weight must be positive, got {weight}")
        floor_atp = min(floor_atp, self.cap_atp)
        reserve_atp = min(reserve_atp, self.cap_atp)
        with self._lock:
            if not essential:
                left = self._budget_atp - self._spent() - self._kept_for_others(owner)
                for other in self._accounts:
                    left -= other.owed_atp
                if left <= 0.0:
                    return None
            meter = Meter(0.0, atp_per_s=self.atp_per_s)
            meter.overdraws = not self._shares
            account = Account(owner, meter, weight, floor_atp, reserve_atp)
            had_atp = self._closed_by.get(owner, 0.0)
            if had_atp > 0.0:
                account.before_atp = max(0.0, had_atp - floor_atp)
                account.least_atp = max(0.0, floor_atp - had_atp)
                if self._shares and not (essential or self._has_share_left(account, reserve_atp)):
                    return None
            self._accounts.append(account)
            if not self._holders:
                self._holders = (account,)
            self._grant()
            return account

    def turn(self, *accounts: Account) -> None:
        """It is theirs to step: what is left above all that is owed goes to them, evenly.

        Does nothing where the pool shares: there everybody has its own all the time.
        """
        if self._shares or accounts == self._holders:
            return
        with self._lock:
            before, self._holders = self._holders, accounts
            rest_atp = 0.0
            for account in before:
                meter = account.meter
                spare_atp = meter.granted_atp - meter.spent_atp - account.owed_atp
                if spare_atp > 0.0:
                    meter.granted_atp -= spare_atp
                    rest_atp += spare_atp
            each_atp = rest_atp / len(accounts)
            for account in accounts:
                account.meter.granted_atp += each_atp

    def hold(self, account: Account, atp: float) -> None:
        """Owe an account so much for a step that is made elsewhere while others have their turn.

        Never more than half of a cycle; 0 when the step is over.
        """
        with self._lock:
            used_atp = account.meter.spent_atp - account.base_atp
            account.held_atp = min(atp, 0.5 * self.cap_atp)
            account.least_atp = max(account.floor_atp, used_atp + account.held_atp)
            self._grant()

    def close(self, account: Account) -> float:
        """Close the books of a refinement that ended; returns the ATP that others get now."""
        with self._lock:
            try:
                self._accounts.remove(account)
            except ValueError:
                raise BudgetError("this account was closed before") from None
            meter = account.meter
            spent = meter.spent_atp - account.base_atp
            granted = meter.granted_atp - account.base_atp
            self._closed_spent_atp += spent
            self._closed_by[account.owner] = self._closed_by.get(account.owner, 0.0) + spent
            self._closed_granted_atp += min(spent, granted)
            meter.granted_atp = min(meter.granted_atp, meter.spent_atp)
            if account in self._holders:
                self._holders = tuple(self._accounts[:1])
            self._grant()
            return max(0.0, granted - spent) if self._accounts else 0.0

    def new_cycle(self, under_way_atp: float = 0.0) -> float:
        """Begin a cycle: every grant lapses and is made anew. Returns what the last one spent.

        Args:
            under_way_atp: what a step that is under way has used of the lane so far. It is
                charged when it ends; the time that has passed by now is no debt then.
        """
        with self._lock:
            spent = self._closed_spent_atp
            for account in self._accounts:
                spent_atp = account.meter.spent_atp  # read once: a lane may be charging it
                spent += spent_atp - account.base_atp
                account.base_atp = account.meter.granted_atp = spent_atp
                account.before_atp = 0.0
                account.least_atp = max(account.floor_atp, account.held_atp)
            used = spent + under_way_atp - self._under_way_atp
            self._under_way_atp = under_way_atp
            debt_atp = min(max(0.0, used - self._budget_atp), MOST_DEBT_CYCLES * self.cap_atp)
            self._budget_atp = self.cap_atp - debt_atp
            self._closed_spent_atp = self._closed_granted_atp = 0.0
            self._closed_by.clear()
            self._grant()
            return spent

    def _spent(self) -> float:
        live = 0.0
        for account in self._accounts:
            live += account.meter.spent_atp - account.base_atp
        return live + self._closed_spent_atp

    def _kept_for_others(self, owner: str | None) -> float:
        """What is held back for owners of whom nothing runs right now."""
        if not self._kept:
            return 0.0
        there = {account.owner for account in self._accounts}
        return sum(
            max(0.0, atp - self._closed_by.get(name, 0.0))
            for name, atp in self._kept.items()
            if name != owner and name not in there
        )

    def _has_share_left(self, account: Account, reserve_atp: float) -> bool:
        """Whether one that begins anew has enough left of its share, beside others that refine."""
        takers = [*self._accounts, account]
        if all(taker.owner == account.owner for taker in takers):
            return True
        rest_atp = self._budget_atp - self._spent() - sum(taker.owed_atp for taker in takers)
        share_atp = self._level(rest_atp, takers) * account.weight
        return account.owed_atp + max(0.0, share_atp - account.before_atp) > reserve_atp

    def _grant(self) -> None:
        """Grant what this cycle has left; each meter's spending is read once."""
        left = self._budget_atp - self._closed_spent_atp - self._kept_for_others(None)
        floors = weights = had = 0.0
        books = []
        for account in self._accounts:
            spent_atp = account.meter.spent_atp
            used = spent_atp - account.base_atp
            left -= used
            owed = account.least_atp - used
            if not spent_atp and owed < account.reserve_atp:
                owed = account.reserve_atp
            if owed > 0.0:
                floors += owed
            else:
                owed = 0.0
            weights += account.weight
            had += account.before_atp
            books.append((account, spent_atp, owed))
        if left <= 0.0:
            for account, spent_atp, _ in books:
                meter = account.meter
                meter.granted_atp = min(meter.granted_atp, max(spent_atp, account.base_atp))
            return
        scale = min(1.0, left / floors) if floors > 0.0 else 0.0
        level = rest_atp = 0.0
        if left > floors and books:
            rest_atp = left - floors
            if self._shares:
                level = self._level(rest_atp, self._accounts) if had > 0.0 else rest_atp / weights
        for account, spent_atp, owed in books:
            share = owed * scale
            if self._shares:
                share += max(0.0, level * account.weight - account.before_atp)
            elif account in self._holders:
                share += rest_atp / len(self._holders)
            account.meter.granted_atp = spent_atp + share

    @staticmethod
    def _level(rest_atp: float, takers: Sequence[Account]) -> float:
        """How high the rest fills the shares, per weight: of some, a part was had before."""
        while True:
            had_atp = sum(account.before_atp for account in takers)
            level = (rest_atp + had_atp) / sum(account.weight for account in takers)
            below = [a for a in takers if level * a.weight >= a.before_atp]
            if not below or len(below) == len(takers):
                return level
            takers = below
