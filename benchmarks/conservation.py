"""Whether more is ever granted than there is: random operations on the books, every policy.

Two kinds of operations, drawn by a seeded generator:

- on a lane's pool itself: open (with and without floor, reserve, essential), a turn, a
  hold, a charge (small, large, far beyond the grant), a close, a new cycle with a step under way,
  in any order, whoever it concerns;
- on a whole orchestrator in virtual time: submissions, steps that cost, fail, return NaN, credit,
  cancellations, restarts, plugins registered while others run, ticks.

After each operation, no lane may have granted more than its share of the cycle, and all lanes
together no more than the pool. What steps cost beyond what there was is a debt of the cycles that
follow: on the pool itself, grants must fit into what the debt leaves.
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import Row, add_seed, parser, publish, whole
from orchestrator import HRMOrchestrator, OrchestratorConfig, PluginSettings, RestartPolicy
from orchestrator.lane import step
from orchestrator.policy import POLICIES, Policy
from orchestrator.pool import MOST_DEBT_CYCLES, Account, LanePool
from sage.clock import VirtualClock
from sage.irp import HaltPolicy, Invariants, IRPPlugin
from sage.values import Observation

_ROUNDING = 1e-9  # of the cap: sums of floats end a few bits off
_MOST_LIVE = 8
_OWNERS = tuple("abcdefgh")
_LANES = ("perception", "control")
_FIVE = tuple(f"plugin{number}" for number in range(5))


@dataclass(slots=True)
class Books:
    """What was looked at and what was found wrong."""

    operations: int = 0
    checks: int = 0
    violations: list[str] = field(default_factory=list)

    def check(self, what: str, granted_atp: float, cap_atp: float) -> None:
        """Note where more is granted than there is."""
        self.checks += 1
        if not granted_atp <= cap_atp * (1.0 + _ROUNDING):  # nor is NaN balanced
            self.violations.append(f"{what}: {granted_atp!r} of {cap_atp!r} ATP granted")

    def add(self, other: Books) -> None:
        """Both together."""
        self.operations += other.operations
        self.checks += other.checks
        self.violations += other.violations


class PoolWalk:
    """Random operations on one lane's pool."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng
        self._policy = policy
        self._cap_atp = rng.choice((1.0, 250.0, 500.0, 1000.0))
        self._pool = LanePool(self._cap_atp, 10_000.0, shares=policy.shares)
        self._live: list[Account] = []
        self._debt_atp = 0.0  # of earlier cycles
        self._under_way_atp = 0.0
        self._acts: tuple[Callable[[], None], ...] = (
            *(self._open, self._open, self._turn, self._turn, self._charge, self._charge),
            *(self._charge, self._close, self._close, self._hold, self._keep, self._new_cycle),
        )

    def walk(self, operations: int) -> Books:
        """Make so many, and look after each."""
        books = Books()
        for _ in range(operations):
            act = self._rng.choice(self._acts)
            act()
            granted_atp = self._pool.granted_atp
            books.operations += 1
            books.check(f"{self._policy.name}, pool, {act.__name__}", granted_atp, self._cap_atp)
            # What earlier cycles overran is paid back before anything is granted.
            left_atp = max(0.0, self._cap_atp - self._debt_atp)
            books.check(f"{self._policy.name}, pool in debt, {act.__name__}", granted_atp, left_atp)
        return books

    def _atp(self) -> float:
        return self._cap_atp * self._rng.choice((0.0, 1e-6, 0.01, 0.1, 0.3, 1.0, 2.0))

    def _open(self) -> None:
        if len(self._live) >= _MOST_LIVE:
            return
        rng = self._rng
        account = self._pool.open(
            rng.choice(_OWNERS),
            self._policy.weight(rng.choice((0.05, 0.3, 0.5, 1.0))),
            rng.choice((0.0, 0.0, self._atp())),
            rng.choice((0.0, self._atp())),
            essential=rng.random() < 0.1,
        )
        if account is not None:
            self._live.append(account)

    def _turn(self) -> None:
        if self._live:
            count = self._rng.randint(1, min(3, len(self._live)))
            self._pool.turn(*self._rng.sample(self._live, count))

    def _hold(self) -> None:
        if self._live:
            self._pool.hold(self._rng.choice(self._live), self._atp())

    def _keep(self) -> None:
        self._pool.keep(self._rng.choice(_OWNERS), self._atp())

    def _charge(self) -> None:
        if self._live:
            meter = self._rng.choice(self._live).meter
            left_atp = max(0.0, meter.granted_atp - meter.spent_atp)
            atp = left_atp * self._rng.choice((0.1, 0.5, 1.0, 1.0 + 1e-9, 1.5)) + (
                self._atp() if self._rng.random() < 0.1 else 0.0
            )
            meter.charge_s(atp / self._pool.atp_per_s)

    def _close(self) -> None:
        if self._live:
            account = self._rng.choice(self._live)
            self._live.remove(account)
            self._pool.close(account)

    def _new_cycle(self) -> None:
        under_way_atp = self._rng.choice((0.0, 0.0, self._atp()))
        spent_atp = self._pool.new_cycle(under_way_atp)
        used_atp = spent_atp + under_way_atp - self._under_way_atp
        self._under_way_atp = under_way_atp
        debt_atp = max(0.0, used_atp + self._debt_atp - self._cap_atp)
        self._debt_atp = min(debt_atp, MOST_DEBT_CYCLES * self._cap_atp)


class World:
    """The lane time of a random run, and how its steps go."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lane_s = 0.0

    def plugin(self, name: str) -> type[IRPPlugin[float, float]]:
        """A plugin class that costs what chance says, and sometimes fails."""
        world, rng = self, self.rng

        class Erratic(IRPPlugin[float, float]):
            invariants = Invariants("a number", "none", "the number", "none")
            halting = HaltPolicy(max_steps=rng.randint(1, 8), slope_eps=0.0)

            def init_state(self, observation: Any, context: Any) -> float:
                return 100.0

            def step(self, state: float) -> float:
                world.lane_s += rng.choice((0.0, 1e-5, 1e-3, 1e-2, 0.2))
                if rng.random() < 0.02:
                    raise ValueError("by chance")
                return state - rng.random()

            def energy(self, state: float) -> float:
                return float("nan") if rng.random() < 0.02 else state

            def result(self, state: float) -> float:
                return state

        Erratic.name = name
        return Erratic


class OrchestratorWalk:
    """Random operations on an orchestrator in virtual time, its lanes stepped from here."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._rng = rng
        self._clock = VirtualClock()
        self._world = World(rng)
        self._pool_atp = rng.choice((1000.0, 500.0, 100.0))
        self._orchestrator = HRMOrchestrator(
            OrchestratorConfig(lanes=_LANES, pool_atp=self._pool_atp, policy=policy.name),
            clock=self._clock,
            stopwatch=lambda: self._world.lane_s,
        )
        self._policy = policy
        self._finished: list[tuple[str, int]] = []
        self._register()
        self._acts: tuple[Callable[[], None], ...] = (
            *(self._step, self._step, self._step, self._step, self._submit, self._submit),
            *(self._submit, self._tick, self._cancel, self._credit),
        )

    def walk(self, operations: int) -> Books:
        """Make so many, and look after each; half-way, more plugins come."""
        books = Books()
        for number in range(operations):
            if number and number % (operations // 3 + 1) == 0:
                act = self._register
            else:
                act = self._rng.choice(self._acts)
            act()
            books.operations += 1
            what = f"{self._policy.name}, orchestrator, {act.__name__}"
            books.check(what, self._orchestrator.granted_atp, self._pool_atp)
            for lane in self._orchestrator.lanes.values():
                books.check(f"{what}, lane {lane.name}", lane.pool.granted_atp, lane.pool.cap_atp)
        self._orchestrator.close()
        books.check(
            f"{self._policy.name}, orchestrator, close",
            self._orchestrator.granted_atp,
            self._pool_atp,
        )
        return books

    def _register(self) -> None:
        rng = self._rng
        names = [name for name in _FIVE if name not in self._orchestrator.members]
        for name in names[:2]:

            def finished(observation: Any, outcome: Any, name: str = name) -> None:
                self._finished.append((name, outcome.refinement))

            self._orchestrator.register(
                self._world.plugin(name),
                PluginSettings(
                    rng.choice(_LANES),
                    floor_atp=rng.choice((0.0, 0.01, 0.1)) * self._pool_atp / len(_LANES),
                    deadline_s=rng.choice((None, 0.05, 0.5)),
                    restart=RestartPolicy(0.01, 0.1, 1_000_000),
                    queue=rng.choice((1, 3)),
                    most_running=rng.choice((1, 1, 3)),
                    essential=rng.random() < 0.2,
                ),
                finished,
            )

    def _submit(self) -> None:
        name = self._rng.choice(tuple(self._orchestrator.members))
        captured_s = self._clock.now_s() - self._rng.choice((0.0, 0.0, 0.2, 2.0))
        self._orchestrator.submit(
            name,
            Observation("benchmark:", "none", captured_s, 0, None),
            salience=self._rng.random(),
        )

    def _step(self) -> None:
        lane = self._orchestrator.lanes[self._rng.choice(_LANES)]
        lane.take_in()
        job = lane.choose()
        if job is not None:
            turn = step(lane.company(job), self._orchestrator.stopwatch)
            self._clock.advance_to(self._clock.now_s() + turn.cost_s)
            lane.settle(turn)

    def _tick(self) -> None:
        self._clock.advance_to(self._clock.now_s() + self._orchestrator.config.cycle_s)
        self._orchestrator.tick()

    def _cancel(self) -> None:
        if self._rng.random() < 0.3:
            self._orchestrator.cancel(self._rng.choice(tuple(self._orchestrator.members)))

    def _credit(self) -> None:
        if self._finished:
            name, refinement = self._finished.pop()
            self._orchestrator.credit(name, refinement, self._rng.random())
            del self._finished[:-100]


_WALK = 500
"""Operations before everything begins anew: so many, that deep states are reached."""


def wander(policy: Policy, operations: int, seed: int) -> Books:
    """Walks of both kinds, as many operations in all."""
    books = Books()
    number = 0
    while books.operations < operations:
        rng = random.Random(f"{seed} {policy.name} {number}")
        walk = PoolWalk(policy, rng) if number % 2 else OrchestratorWalk(policy, rng)
        books.add(walk.walk(min(_WALK, operations - books.operations)))
        number += 1
    return books


def main(argv: Sequence[str] | None = None) -> int:
    """Walk, look, print, write."""
    options = parser(
        "conservation",
        __doc__.splitlines()[0],
        "  python -m benchmarks.conservation --quick\n"
        "  python -m benchmarks.conservation --operations 1000000 --json conservation.json",
    )
    options.add_argument(
        "--operations",
        type=whole("--operations", 1, 1_000_000_000),
        default=1_000_000,
        help="per policy (default 1000000)",
    )
    add_seed(options)
    args = options.parse_args(argv)
    logging.basicConfig(level=logging.ERROR)  # steps fail by the thousand here
    operations = min(args.operations, 100_000) if args.quick else args.operations
    table = Table(title="random operations on the books", title_justify="left")
    for column in ("policy", "operations", "looked", "violations", "seconds"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    all_books = Books()
    for policy in POLICIES.values():
        began_s = time.perf_counter()
        books = wander(policy, operations, args.seed)
        all_books.add(books)
        table.add_row(
            policy.name,
            str(books.operations),
            str(books.checks),
            str(len(books.violations)),
            f"{time.perf_counter() - began_s:.0f}",
        )
    Console(width=120, highlight=False).print(table)
    for violation in all_books.violations[:10]:
        print(violation)
    found = len(all_books.violations)
    publish(
        "conservation",
        [
            Row(
                "budget.conservation_violations",
                float(found),
                "lower",
                0,
                0,
                {"operations": all_books.operations, "looked": all_books.checks},
            )
        ],
        f"conservation: {found} violations in {all_books.operations} random operations",
        args.json,
    )
    return 1 if found else 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
