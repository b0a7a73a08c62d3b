"""One lane's share of the cycle's ATP, and the books that keep it balanced."""

from __future__ import annotations

import threading

from sage.irp import BudgetError, Meter


class Account:
    """The books of one live refinement: its meter, its weight, its floor, its reserve."""

    __slots__ = (
        "base_atp",
        "before_atp",
        "floor_atp",
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
        self.least_atp = max(floor_atp, reserve_atp)
        """What it gets in this cycle at least: until its first step is over, its reserve."""
        self.base_atp = 0.0
        """What the meter had spent when this cycle began."""
        self.before_atp = 0.0
        """What its owner's earlier refinements have had of this cycle above the floor."""


class LanePool:
    """Shares ``cap_atp`` per cycle among the refinements that live on one lane.

    At every instant the grants of a cycle sum to at most the cap, whatever registers, finishes,
    fails or is cancelled: what has been spent stays granted, and what is left is shared anew
    whenever somebody comes or goes. So what an early stop frees reaches a running refinement
    before its next step. A step that cost more than was left becomes a debt of the next cycle.

    Grants go by weight (trust) above floors. Who has had its share of a cycle and begins anew
    does not get another one at the cost of those who still have theirs. Safe from any thread.
    """

    def __init__(self, cap_atp: float, atp_per_s: float) -> None:
        if not cap_atp > 0.0:
            raise BudgetError(f"a lane needs more than 0 ATP per cycle, got {cap_atp}")
        self.cap_atp = cap_atp
        self.atp_per_s = atp_per_s
        self._lock = threading.Lock()
        self._accounts: list[Account] = []
        self._budget_atp = cap_atp  # this cycle's cap, less the last one's debt
        self._under_way_atp = 0.0  # lane time that a step under way took in earlier cycles
        self._closed_spent_atp = 0.0
        self._closed_granted_atp = 0.0
        self._closed_by: dict[str, float] = {}  # this cycle's spending of closed books, by owner

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

    def open(
        self,
        owner: str,
        weight: float,
        floor_atp: float,
        reserve_atp: float = 0.0,
        *,
        overdue: bool = False,
    ) -> Account | None:
        """Open the books of a new refinement.

        Args:
            owner: whose it is.
            weight: the owner's share above the floors, relative to the others' (> 0).
            floor_atp: what the owner gets in each cycle before anything is shared.
            reserve_atp: the worst case of the first step.
            overdue: it was turned away for a whole cycle already, so it may never fit: only a
                cycle that is spent keeps it out, and what its first step overruns becomes a debt.

        Returns:
            The account, or None where the reserve does not fit into this cycle any more, or not
            into what the owner's earlier refinements have left of its share.
        """
        if not weight > 0.0:
            raise BudgetError(f"a weight must be positive, got {weight}")
        floor_atp = min(floor_atp, self.cap_atp)
        reserve_atp = 0.0 if overdue else min(reserve_atp, self.cap_atp)
        with self._lock:
            left = self._budget_atp - self._spent()
            if not overdue:
                for other in self._accounts:
                    used = other.meter.spent_atp - other.base_atp
                    left -= max(0.0, other.least_atp - used)
            if left <= 0.0 or left < reserve_atp:
                return None
            meter = Meter(0.0, atp_per_s=self.atp_per_s)
            account = Account(owner, meter, weight, floor_atp, reserve_atp)
            had_atp = self._closed_by.get(owner, 0.0)
            if had_atp > 0.0:
                account.before_atp = max(0.0, had_atp - floor_atp)
                account.least_atp = max(0.0, floor_atp - had_atp)
            self._accounts.append(account)
            self._share()
            if had_atp > 0.0 and not overdue and meter.granted_atp <= reserve_atp:
                self._accounts.remove(account)
                self._share()
                return None
            return account

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
            self._share()
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
                reserve_atp = 0.0 if spent_atp > 0.0 else account.reserve_atp
                account.least_atp = max(account.floor_atp, reserve_atp)
            used = spent + under_way_atp - self._under_way_atp
            self._under_way_atp = under_way_atp
            self._budget_atp = self.cap_atp - max(0.0, used - self._budget_atp)
            self._closed_spent_atp = self._closed_granted_atp = 0.0
            self._closed_by.clear()
            self._share()
            return spent

    def _spent(self) -> float:
        live = 0.0
        for account in self._accounts:
            live += account.meter.spent_atp - account.base_atp
        return live + self._closed_spent_atp

    def _share(self) -> None:
        """Share what this cycle has left; each meter's spending is read once."""
        left = self._budget_atp - self._closed_spent_atp
        floors = weights = had = 0.0
        books = []
        for account in self._accounts:
            spent_atp = account.meter.spent_atp
            used = spent_atp - account.base_atp
            left -= used
            owed = account.least_atp - used
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
        level = 0.0
        if left > floors and books:
            level = self._level(left - floors) if had > 0.0 else (left - floors) / weights
        for account, spent_atp, owed in books:
            share = owed * scale + max(0.0, level * account.weight - account.before_atp)
            account.meter.granted_atp = spent_atp + share

    def _level(self, rest_atp: float) -> float:
        """How high the rest fills the shares, per weight: of some, a part was had before."""
        takers = self._accounts
        while True:
            had_atp = sum(account.before_atp for account in takers)
            level = (rest_atp + had_atp) / sum(account.weight for account in takers)
            below = [a for a in takers if level * a.weight >= a.before_atp]
            if not below or len(below) == len(takers):
                return level
            takers = below
