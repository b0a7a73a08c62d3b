"""How well one device is shared: utility of every policy against a clairvoyant's.

Recorded curves (`python -m benchmarks.curves`) are replayed through the real orchestrator: pool,
admission, profiles, trust and lanes, in virtual time, all plugins on one lane. A cycle grants
0.25, 0.5, 1 or 2 times the lane time that refining everything fully would take on average.
Utility is scored on true error, which no policy sees: 0 for no answer (or a late one), 1 for what
full refinement takes away on average, times the input's salience. Profiles, trust and the worth of
energy drops are learned on the training split; what is scored comes from the other one.

Regret is held against an upper bound on what anybody could have had who knows every curve in
advance. ``fixed`` makes the same number of steps of everything, the one that is best in training;
``edf first`` is EDF that makes everybody's first step before it refines anything, as imprecise
computation is scheduled (Liu et al., 1991). With greedy's admission, by salience and trust, EDF and
equal shares come close to greedy on these curves: nearly all of an answer's worth is there after
its first step, so who is let in matters more than who is refined.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.budget_oracle import Clairvoyant, bound
from benchmarks.budget_replay import STREAMS, Arrival, Demand, arrivals, demand_of, replay
from benchmarks.curves import RECORDED, load, summary
from benchmarks.report import Row, parser, publish, real, whole
from orchestrator.policy import POLICIES, Claim, EarliestDeadlineFirst, Equal, Policy

EXAMPLES: Final = """  python -m benchmarks.budget                        # the recorded curves
  python -m benchmarks.budget --budgets 0.3 0.6      # other budgets
  python -m benchmarks.budget --even                 # no input matters more than another
  python -m benchmarks.budget --curves curves.json   # your own plugins' curves"""
BUDGETS: Final = (0.25, 0.5, 1.0, 2.0)
RANGE: Final = (0.01, 2.0)  # of what ``Demand.pool_atp`` can grant
_REGRET_AT: Final = 0.5
_DRAWS: Final = 2000
_WARM_SEED: Final = 1_000_000

Float64Array = npt.NDArray[np.float64]


class FirstStepsFirst(EarliestDeadlineFirst):
    """EDF among first steps, then among what is optional: a stronger baseline."""

    name = "edf first"
    first_steps_first = True


class RankedFirstStepsFirst(FirstStepsFirst):
    """The same, letting in by salience and trust as greedy does."""

    name = "edf, greedy's admission"

    def rank(self, claim: Claim) -> float:
        """Greedy's."""
        return POLICIES["greedy"].rank(claim)


class RankedEqual(Equal):
    """Equal shares, letting in by salience and trust as greedy does."""

    name = "equal, greedy's admission"

    def rank(self, claim: Claim) -> float:
        """Greedy's."""
        return POLICIES["greedy"].rank(claim)


_STRONGER: Final[tuple[Policy, ...]] = (FirstStepsFirst(), RankedFirstStepsFirst(), RankedEqual())
_SAME_ADMISSION: Final = {"equal": RankedEqual.name, "edf": RankedFirstStepsFirst.name}


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % bootstrap interval over episodes."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Scores:
    """Utility of each episode: ``full`` of refining everything fully, ``bound`` of a clairvoyant
    by budget, ``policies`` by budget and name."""

    full: Float64Array
    bound: Mapping[float, Float64Array]
    policies: Mapping[float, Mapping[str, Float64Array]]

    def share(self, budget: float, name: str) -> Interval:
        """Utility over that of refining everything fully."""
        mine = self.bound[budget] if name == "bound" else self.policies[budget][name]
        return ratio(mine, self.full)

    def regret(self, budget: float, name: str) -> Interval:
        """What is lost against the clairvoyant bound, relative to it."""
        best = self.bound[budget]
        return ratio(best - self.policies[budget][name], best)

    def margin(self, budgets: Sequence[float], name: str, other: str) -> Interval:
        """How much more utility than the other policy's, relative to it, over these budgets."""
        mine = sum((self.policies[budget][name] for budget in budgets), np.zeros_like(self.full))
        theirs = sum((self.policies[budget][other] for budget in budgets), np.zeros_like(self.full))
        return ratio(mine - theirs, theirs)


def ratio(above: Float64Array, below: Float64Array) -> Interval:
    """Ratio of sums over episodes, with its bootstrap interval (Efron, 1979)."""
    picks = np.random.default_rng(0).integers(len(above), size=(_DRAWS, len(above)))
    draws = above[picks].sum(axis=1) / below[picks].sum(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(float(above.sum() / below.sum()), float(low), float(high))


def measure(
    demand: Demand, seeds: Sequence[int], cycles: int, budgets: Sequence[float], warm: int
) -> Scores:
    """Every policy at every budget on the episodes of these seeds."""
    episodes = [arrivals(demand, "test", cycles, seed) for seed in seeds]
    training = [arrivals(demand, "train", cycles, _WARM_SEED + seed) for seed in seeds]
    full = np.array([_full(demand, episode) for episode in episodes])
    bounds: dict[float, Float64Array] = {}
    policies: dict[float, dict[str, Float64Array]] = {}
    with tempfile.TemporaryDirectory() as folder:
        learnt = Path(folder) / "learnt"
        learn(demand, learnt, warm)
        for budget in budgets:
            bounds[budget] = np.array([bound(demand, one, budget) for one in episodes])
            scores = {
                name: _scores(demand, episodes, policy, budget, learnt)
                for name, policy in {
                    **POLICIES,
                    **{policy.name: policy for policy in _STRONGER},
                    "oracle": Clairvoyant(demand),
                }.items()
            }
            steps = best_fixed(demand, training[: max(1, len(seeds) // 4)], budget, learnt)
            edf = POLICIES["edf"]
            scores["fixed"] = _scores(demand, episodes, edf, budget, learnt, steps)
            policies[budget] = scores
    return Scores(full, bounds, policies)


def learn(demand: Demand, folder: Path, cycles: int) -> None:
    """Profiles, trust and the worth of drops from the training split, kept in ``folder``."""
    folder.mkdir(parents=True)
    for turn, budget in enumerate((2.0, 0.5, 2.0)):  # answers of every depth are judged
        sequence = arrivals(demand, "train", cycles, _WARM_SEED - 1 - turn)
        replay(demand, sequence, POLICIES["greedy"], budget, kept=folder, teach=True)


def best_fixed(
    demand: Demand, training: Sequence[list[Arrival]], budget: float, learnt: Path
) -> int:
    """The number of steps that is best for everything on the training split."""
    most = max(len(one.curve.energies) for episode in training for one in episode)
    policy = POLICIES["edf"]
    scores = [
        float(_scores(demand, training, policy, budget, learnt, steps).sum())
        for steps in range(1, most + 1)
    ]
    return 1 + int(np.argmax(scores))


def _full(demand: Demand, episode: Sequence[Arrival]) -> float:
    return sum(demand.utility(one, len(one.curve.energies)) for one in episode)


def _scores(
    demand: Demand,
    episodes: Sequence[list[Arrival]],
    policy: Policy,
    budget: float,
    learnt: Path,
    most_steps: int | None = None,
) -> Float64Array:
    """Utility per episode; each begins with what was learned in training, and keeps nothing."""
    scores = []
    for episode in episodes:
        with tempfile.TemporaryDirectory() as folder:
            kept = shutil.copytree(learnt, Path(folder) / "kept")
            done = replay(demand, episode, policy, budget, kept=kept, most_steps=most_steps)
        scores.append(done.utility(demand))
    return np.array(scores)


def rows_of(scores: Scores, budgets: Sequence[float], demand: Demand) -> list[Row]:
    """The figures, each with every policy's utility at its budgets, and intervals.

    Overloaded is what does not even cover everybody's first answer.
    """
    overloaded = [budget for budget in budgets if budget * demand.full_s < demand.first_s]
    at = min(budgets, key=lambda budget: abs(budget - _REGRET_AT))
    regret = scores.regret(at, "greedy")
    rows = [
        Row(
            "budget.regret",
            regret.value,
            "lower",
            0.10,
            0.03,
            {
                "low": regret.low,
                "high": regret.high,
                **{
                    name: scores.regret(at, name).value
                    for name in scores.policies[at]
                    if name != "greedy"
                },
            },
        )
    ]
    for other in ("equal", "edf"):
        margin = scores.margin(overloaded or budgets[:1], "greedy", other)
        baselines = {"low": margin.low, "high": margin.high}
        where = overloaded or budgets[:1]
        same = scores.margin(where, "greedy", _SAME_ADMISSION[other])
        baselines["same_admission"] = same.value
        if other == "edf":
            baselines["over_edf_first"] = scores.margin(where, "greedy", "edf first").value
        else:
            baselines["over_proportional"] = scores.margin(where, "greedy", "proportional").value
        for budget in budgets:
            one = scores.margin([budget], "greedy", other)
            baselines[f"at_{budget:g}"] = one.value
        for budget in budgets:
            for name in ("greedy", other, "fixed", "oracle", "bound"):
                baselines[f"{name}_{budget:g}"] = scores.share(budget, name).value
        rows.append(Row(f"budget.margin_{other}", margin.value, "higher", 0.10, 0.20, baselines))
    return rows


def table(scores: Scores, budgets: Sequence[float]) -> Table:
    """Utility of every policy at every budget, as a share of refining everything fully."""
    made = Table(title="utility / all refined fully [95 %]", title_justify="left")
    made.add_column("policy")
    for budget in budgets:
        made.add_column(f"{budget:g} of demand")
    for name in (*next(iter(scores.policies.values())), "bound"):
        made.add_row(name, *[str(scores.share(budget, name)) for budget in budgets])
    return made


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables, write the rows where asked."""
    made = parser("budget", str(__doc__), EXAMPLES)
    made.add_argument("--curves", type=Path, default=RECORDED, metavar="FILE")
    made.add_argument(
        "--seeds", type=whole("--seeds", 1, 100_000), default=40, help="episodes (default 40)"
    )
    made.add_argument(
        "--cycles", type=whole("--cycles", 1, 100_000), default=50, help="per episode (default 50)"
    )
    made.add_argument(
        "--even", action="store_true", help="every input matters as much as any other"
    )
    made.add_argument("--budgets", type=real("--budgets", *RANGE), nargs="+", default=list(BUDGETS))
    asked = made.parse_args(arguments)
    recording = load(asked.curves)
    streams = [replace(one, salience=(1.0, 1.0)) if asked.even else one for one in STREAMS]
    demand = demand_of(recording, streams)
    seeds = range(min(asked.seeds, 12) if asked.quick else asked.seeds)
    budgets = sorted(set(asked.budgets))
    for name, curves in recording.plugins.items():
        print(summary(name, curves.test))
    print(
        f"full demand {1e3 * demand.full_s:.1f} ms of lane time per cycle, "
        f"everybody's first answer {demand.first_s / demand.full_s:.2f} of it"
    )
    scores = measure(demand, seeds, asked.cycles, budgets, warm=4 * asked.cycles)
    rows = rows_of(scores, budgets, demand)
    Console(width=120, highlight=False).print(table(scores, budgets))
    regret, equal, edf = (row.value for row in rows)
    publish(
        "budget",
        rows,
        f"regret {regret:.3f} at {min(budgets, key=lambda b: abs(b - _REGRET_AT)):g} of demand; "
        f"overloaded {equal:+.3f} over equal split, {edf:+.3f} over EDF "
        f"({len(seeds)} episodes of {asked.cycles} cycles)",
        asked.json,
        utilities={
            f"{budget:g}": {
                name: [*vars(scores.share(budget, name)).values()]
                for name in (*scores.policies[budget], "bound")
            }
            for budget in budgets
        },
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
