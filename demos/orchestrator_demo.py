"""Vision, language and control under one budget: who gets what, and what there is no room for.

The apartment runs in virtual time, which advances by the lane time that each step really took.
Vision and language share one lane, control has its own; every cycle of 100 ms grants 1000 ATP in
all, which is 200 us of lane time each; ``--budget`` grants less. Each printed cycle says what
every plugin spent, how its refinements ended and how far the plugin is trusted; the end says what
was shed. Everything happens in ``main``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import cycle

from orchestrator import (
    POLICIES,
    HRMOrchestrator,
    LockStep,
    OrchestratorConfig,
    PluginSettings,
)
from plugins.control import ControlPlugin
from plugins.language import LanguagePlugin
from plugins.vision import VisionConfig, VisionPlugin
from sage.clock import VirtualClock
from sage.irp import ConfigError, Outcome, SageError
from sage.navigation.navigator import Navigator
from sage.navigation.task import ControlTask
from sage.sensors import open_apartment, open_source
from sage.skills.intent import Intent
from sage.skills.interpretation import interpret
from sage.skills.meaning import Meaning
from sage.telemetry import Cycle, Dropped, Event, Finished
from sage.values import ActionPlan, Frame, Observation, RangeScan, Twist, Utterance

SENTENCES = (
    "go to the kitchen",
    "could you please drive to the living room",
    "what is the weather like tomorrow",
    "go to the bedroom",
)
EXAMPLES = """\
examples:
  python demos/orchestrator_demo.py                     four virtual seconds
  python demos/orchestrator_demo.py --seconds 10 --say "go to the bathroom" --every 1.5
  python demos/orchestrator_demo.py --vision-steps 12   one that never has enough
  python demos/orchestrator_demo.py --budget 0.1        a tenth of the ATP: some is shed
  python demos/orchestrator_demo.py --budget 0.1 --policy edf
  py-spy record -o budget.svg -- python demos/orchestrator_demo.py --seconds 30 --quiet
"""


@dataclass(slots=True)
class Share:
    """What one plugin had of one cycle."""

    spent_atp: float = 0.0
    steps: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    trust: float = 0.0


class Ledger:
    """An observer of telemetry: the books of each cycle, printed when it is over."""

    def __init__(self, *, quiet: bool) -> None:
        self.total: defaultdict[str, Share] = defaultdict(Share)
        self.dropped: Counter[tuple[str, str]] = Counter()
        self._quiet = quiet
        self._shares: defaultdict[str, Share] = defaultdict(Share)

    def __call__(self, event: Event) -> None:
        """Enter one event."""
        if isinstance(event, Dropped):
            self.dropped[event.plugin, event.reason] += 1
        elif isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, Cycle) and self._shares:
            self._print(event)

    def _finished(self, event: Finished) -> None:
        for share in (self._shares[event.plugin], self.total[event.plugin]):
            share.spent_atp += event.spent_atp
            share.steps += event.trajectory.steps
            share.ends[event.trajectory.reason.value] += 1
            share.trust = event.trust

    def _print(self, event: Cycle) -> None:
        if not self._quiet:
            parts = []
            for name, share in sorted(self._shares.items()):
                ends = ",".join(f"{n} {why}" for why, n in share.ends.items())
                parts.append(
                    f"{name} {share.spent_atp:.0f} ATP {share.steps} steps {ends} "
                    f"trust {share.trust:.2f}"
                )
            spent = f"{event.spent_atp:5.0f} of {event.pool_atp:.0f} ATP"
            print(f"cycle {event.number - 1:3d} {spent} | {' | '.join(parts)}")
        self._shares.clear()


def main() -> None:
    """Put the parts together, let them run, print the books."""
    args = arguments()
    clock = VirtualClock()
    ledger = Ledger(quiet=args.quiet)
    try:
        config = OrchestratorConfig(pool_atp=1000.0 * args.budget, policy=args.policy)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    orchestrator = HRMOrchestrator(config, clock=clock, emit=ledger)
    uri = f"sim:apartment?seed={args.seed}&frame_hz=10"
    world = open_apartment(uri, clock=clock, lockstep=True)
    source = open_source(uri, clock=clock, world=world, lockstep=True)
    navigator = Navigator(world.static_map, world.start_pose)
    rooms = {room.name: room.center for room in world.static_map.rooms}
    goal = rooms[next(iter(rooms))]
    plan: ActionPlan | None = None

    def drive(task: ControlTask, outcome: Outcome[ActionPlan]) -> None:
        nonlocal plan
        plan = outcome.result
        if plan is not None:
            world.drive(Twist(*map(float, plan.twists[0])))

    def understand(observation: Observation, outcome: Outcome[Meaning]) -> None:
        nonlocal goal
        if outcome.result is None:
            return
        answer = interpret(outcome.result)
        if isinstance(answer, Intent) and answer.kind == "go" and answer.target in rooms:
            goal = rooms[answer.target]
        told = f"do: {answer.phrase}" if isinstance(answer, Intent) else answer.answer
        print(f'          heard "{observation.data.text}" -> {told}')

    def take(observation: Observation) -> None:
        if isinstance(observation.data, Frame):
            orchestrator.submit("vision", observation)
            return
        navigator.feed(observation)
        if isinstance(observation.data, RangeScan):
            spot = navigator.reachable_near(*goal)
            task = navigator.task_to(*spot, previous=plan) if spot is not None else None
            if task is not None:
                orchestrator.submit("control", task)

    vision = VisionConfig(max_steps=args.vision_steps)
    perception = PluginSettings("perception", deadline_s=0.3)
    orchestrator.register(lambda: VisionPlugin(vision), perception)
    orchestrator.register(LanguagePlugin, PluginSettings("perception"), understand)
    orchestrator.register(
        ControlPlugin, PluginSettings("control", deadline_s=0.06, essential=True), drive
    )
    sentences, said_s, number = cycle(args.say or SENTENCES), 0.0, 0

    def say() -> None:
        nonlocal said_s, number
        if clock.now_s() >= said_s:
            said_s, number = clock.now_s() + args.every, number + 1
            said = Utterance(next(sentences))
            heard = Observation("typed", "speech", clock.now_s(), number, said)
            orchestrator.submit("language", heard)

    orchestrator.on_tick(say)
    try:
        source.start(take)
        driver = LockStep(orchestrator, clock, lambda dt_s: source.pump(clock.now_s() + dt_s))
        driver.run_until(args.seconds)
    finally:
        orchestrator.close()
        source.stop()
        world.close()

    print(f"in {args.seconds:g} s, {orchestrator.cycles} cycles:")
    for name, share in sorted(ledger.total.items()):
        ends = ", ".join(f"{n} {why}" for why, n in share.ends.most_common())
        print(
            f"  {name:9s}{share.spent_atp:8.0f} ATP spent, {share.steps:4d} steps in "
            f"{share.ends.total():3d} refinements ({ends}), trust {share.trust:.2f}"
        )
    for (name, reason), count in sorted(ledger.dropped.items()):
        print(f"  {name}: {count} {reason}")


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of virtual time (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="which apartment (default 0)")
    parser.add_argument(
        "--vision-steps", type=int, default=VisionConfig().max_steps, help="most of them a frame"
    )
    parser.add_argument("--say", action="append", metavar="TEXT", help="may be repeated")
    parser.add_argument("--every", type=float, default=0.7, help="seconds between sentences")
    parser.add_argument("--budget", type=float, default=1.0, help="share of the ATP (default 1)")
    parser.add_argument("--policy", default="greedy", help=f"one of {', '.join(POLICIES)}")
    parser.add_argument("--quiet", action="store_true", help="only the books at the end")
    args = parser.parse_args()
    if not 0.0 < args.budget <= 1.0:
        raise ConfigError(f"--budget must lie in (0, 1], got {args.budget:g}")
    for name, low in (("seconds", 0.2), ("every", 0.1)):
        if not low <= getattr(args, name) <= 600.0:
            raise ConfigError(f"--{name} must lie in [{low:g}, 600], got {getattr(args, name):g}")
    return args


if __name__ == "__main__":
    try:
        main()
    except SageError as error:
        sys.exit(f"error: {error}")
