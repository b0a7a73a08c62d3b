"""Tours of the apartment with known events: what memory is to notice, and when.

Lock-step, with the real vision, navigation and control. The robot goes round a few pieces of
furniture until all is familiar; then things happen at known times. The record holds what memory
would be told, so that it can be scored again without driving again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from memory.predictors import thumbnail
from orchestrator import LockStep
from sage.build import RunConfig, Runtime, build
from sage.clock import VirtualClock
from sage.irp.errors import ConfigError
from sage.skills.body import DriveTo, Hold, Order
from sage.telemetry import Moved
from sage.values import Observation, Odometry, Pose, RangeScan, Scene, Twist, UInt8Array
from sage.worlds.apartment.catalogue import PIECES
from sage.worlds.apartment.truth import FurnitureTruth
from sage.worlds.static_map import StaticMap

FRAME_HZ = 6.0
_Done = tuple[float, str, tuple[tuple[float, float], ...]]
_LIMIT_S = 25.0
_DWELL_S = 1.5
_BUMP_M_S = 0.35
_NEAR_M, _FAR_M = 0.5, 2.2
_HALF_VIEW_RAD = math.radians(27.0)


@dataclass(frozen=True, slots=True)
class Injected:
    """Something that was done to the robot's world: ``what`` says it in words.

    ``done_s`` is when, ``at_s`` when it could be noticed first: later, where it was done behind the
    robot's back. ``kind`` ends in "away" there; "aside" is a change that is not counted.
    """

    kind: str
    done_s: float
    at_s: float
    what: str


@dataclass(slots=True)
class _Pending:
    """A change behind the robot's back: noticed when one of the ``spots`` comes into view."""

    kind: str
    done_s: float
    what: str
    spots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame: what vision read, from where, and the frame made small, uint8 (28, 28, 3)."""

    captured_s: float
    sequence: int
    scene: Scene
    pose: Pose
    picture: UInt8Array


@dataclass(slots=True)
class Record:
    """A tour: up to ``learnt_s`` nothing happens; ``unnoticed`` never came into view."""

    seed: int
    static_map: StaticMap
    seen: list[Seen] = field(default_factory=list)
    moved: list[tuple[Observation, Twist]] = field(default_factory=list)
    events: list[Injected] = field(default_factory=list)
    unnoticed: int = 0
    learnt_s: float = 0.0
    ended_s: float = 0.0


class _Driver:
    """Stands in for the agent: says where to drive, with no words."""

    def __init__(self) -> None:
        self.order: Order = Hold()

    def cancel(self, why: str) -> None:
        """Drive nowhere."""
        self.order = Hold()


class Tour:
    """One robot in the apartment of one seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 30713])
        self._clock = VirtualClock()
        camera = f"sim:apartment?seed={seed}&frame_hz={FRAME_HZ:g}"
        config = RunConfig(camera=camera, mic="none:")
        self._runtime: Runtime = build(config, clock=self._clock, lockstep=True)
        self._driver = _Driver()
        self._runtime.agent = self._driver  # type: ignore[assignment]
        assert self._runtime.world is not None
        assert self._runtime.body is not None
        self._world = self._runtime.world
        self._navigator = self._runtime.body.navigator
        self._twist = Twist()
        self._blind: Twist | None = None
        self._bumped_s: float | None = None
        self._pending: list[_Pending] = []
        self._shifted: set[str] = set()
        self.record = Record(seed, self._world.static_map)
        self._runtime.on_scene.append(self._saw)
        self._runtime.telemetry.subscribe(self._told)
        source, clock = self._runtime.source, self._clock
        self._steps = LockStep(
            self._runtime.orchestrator, clock, lambda dt_s: source.pump(clock.now_s() + dt_s)
        )
        source.start(self._take)

    def close(self) -> None:
        """End the world."""
        self._runtime.close()

    def run(self, rounds: int, events: int, progress: Callable[[str], None]) -> Record:
        """Learn for ``rounds``, then live through about ``events`` events."""
        self._live(1.0)
        stations = self._stations()
        progress(f"stations: {', '.join(stations)}")
        for number in range(rounds):
            for name in stations:
                self._visit(name)
            progress(f"round {number + 1}: {self._clock.now_s():.0f} s")
        self.record.learnt_s = self._clock.now_s()
        plan = ("object", "furniture away", "collision", "object away", "furniture")
        for number in range(events):
            kind = plan[number % len(plan)]
            self._visit(stations[0])
            if kind.endswith("away"):
                self._inject(kind, stations[len(stations) // 2], progress)
            else:
                self._inject(kind, stations[0], progress)
            stations = [*stations[1:], stations[0]]
        for name in stations:
            if self._pending:
                self._visit(name)
        self._live(1.0)
        self.record.unnoticed = sum(change.kind != "aside" for change in self._pending)
        self.record.ended_s = self._clock.now_s()
        return self.record

    def _inject(self, kind: str, station: str, progress: Callable[[str], None]) -> None:
        now_s = self._clock.now_s()
        if kind == "collision":
            done = self._collide(station)
        elif kind.startswith("object"):
            done = self._put_object(station, away=kind.endswith("away"))
        else:
            done = self._move_furniture(station, away=kind.endswith("away"))
        if done is None:
            progress(f"{now_s:6.1f} s  no {kind} possible at the {station}")
            return
        at_s, what, spots = done
        progress(f"{at_s:6.1f} s  {kind}: {what}")
        shown = not spots or any(
            self._in_view(x, y, self.record.static_map.room_at(x, y)) for x, y in spots
        )
        if kind.endswith("away") or not shown:  # noticed when it comes into view
            kind = kind if kind.endswith("away") else f"{kind} away"
            self._pending.append(_Pending(kind, at_s, what, spots))
            return
        self.record.events.append(Injected(kind, at_s, at_s, what))
        # From elsewhere the change shows again, and each of its places by itself.
        self._pending += [_Pending("aside", at_s, what, (spot,)) for spot in spots]
        self._live(4.0)

    def _put_object(self, station: str, away: bool) -> _Done | None:
        truth = self._world.truth()
        piece = next(piece for piece in truth.furniture if piece.name == station)
        here = truth.robot
        hidden = [
            o
            for o in truth.objects
            if o.name not in self._shifted and not self._in_view(o.x_m, o.y_m, o.room, slack=1.4)
        ]
        taken = [(o.x_m, o.y_m) for o in truth.objects]
        x0, y0, x1, y1 = piece.footprint
        for _ in range(60):
            x, y = self._rng.uniform(x0 + 0.08, x1 - 0.08), self._rng.uniform(y0 + 0.08, y1 - 0.08)
            if not hidden or any(math.hypot(x - a, y - b) < 0.3 for a, b in taken):
                continue
            near = here.distance_to(x, y) < here.distance_to(piece.x_m, piece.y_m) + 0.1
            shown = self._in_view(x, y, piece.room)
            hides = not self._in_view(x, y, piece.room, slack=1.4)
            if not (hides if away else shown and near):
                continue
            thing = hidden[int(self._rng.integers(len(hidden)))]
            try:
                self._world.put(thing.name, x, y)
            except ConfigError:
                continue
            self._shifted.add(thing.name)
            at_s, what = self._clock.now_s(), f"{thing.name} onto the {station}"
            gone = _Pending("aside", at_s, f"no {thing.name}", ((thing.x_m, thing.y_m),))
            self._pending.append(gone)
            return at_s, what, ((x, y),)
        return None

    def _move_furniture(self, station: str, away: bool) -> _Done | None:
        piece = next(piece for piece in self._world.truth().furniture if piece.name == station)
        room = self.record.static_map.room(piece.room)
        if station in self._shifted:  # back at its old place it would be nothing new
            return None
        if away and self._in_view(piece.x_m, piece.y_m, piece.room, slack=1.4):
            return None
        for _ in range(150):
            x = float(self._rng.uniform(room.x_min, room.x_max))
            y = float(self._rng.uniform(room.y_min, room.y_max))
            far_m = math.hypot(x - piece.x_m, y - piece.y_m)
            if far_m < 0.8 or (away and self._in_view(x, y, piece.room, slack=1.4)):
                continue
            try:
                self._world.put(station, x, y)
            except ConfigError:
                continue
            self._shifted.add(station)
            spots = (piece.x_m, piece.y_m), (x, y)
            return self._clock.now_s(), f"{station} moved by {far_m:.1f} m", spots
        return None

    def _collide(self, station: str) -> _Done | None:
        """Drive into the furniture ahead, past control and gate; back off afterwards."""
        before = self._world.truth().collisions.total
        self._bumped_s = None
        until_s = self._clock.now_s() + 5.0
        self._blind = Twist(_BUMP_M_S, 0.0)
        while self._bumped_s is None and self._clock.now_s() < until_s:
            self._live(0.05)
        self._live(0.4)
        hit = self._world.truth().collisions.total > before
        self._blind = Twist(-0.3, 0.0)
        self._live(1.2)
        self._blind = Twist()
        self._live(0.2)
        self._blind = None
        if not hit or self._bumped_s is None:
            return None
        return self._bumped_s, f"drove into the {station}", ()

    def _stations(self) -> list[str]:
        """Four pieces that carry things, in the two rooms that have most of them."""
        truth = self._world.truth()
        rooms: dict[str, list[FurnitureTruth]] = {}
        for piece in truth.furniture:
            if PIECES[piece.name].surface is not None:
                rooms.setdefault(piece.room, []).append(piece)
        ranked = sorted(rooms, key=lambda room: (-len(rooms[room]), room))[:2]
        return [piece.name for room in ranked for piece in rooms[room][:2]]

    def _visit(self, name: str) -> bool:
        """Drive up to a piece, face it, look for a while; whether it worked."""
        piece = next(piece for piece in self._world.truth().furniture if piece.name == name)
        arrived = False
        for _ in range(3):
            spot = self._navigator.free_point_near(piece.x_m, piece.y_m, 0.5, 1.8)
            if spot is None:
                near = self._navigator.reachable_near(piece.x_m, piece.y_m)
                if near is None:
                    break
                self._drive(DriveTo(*near, 0.3))
                continue
            yaw = math.atan2(piece.y_m - spot.y_m, piece.x_m - spot.x_m)
            arrived = self._drive(DriveTo(spot.x_m, spot.y_m, 0.15, yaw))
            if arrived:
                break
        self._driver.order = Hold()
        self._live(_DWELL_S)
        return arrived

    def _drive(self, order: DriveTo) -> bool:
        self._driver.order = order
        until_s = self._clock.now_s() + _LIMIT_S
        while self._clock.now_s() < until_s:
            self._live(0.25)
            pose = self._navigator.estimate().pose
            turned = order.yaw_rad is None or abs(
                math.remainder(pose.yaw_rad - order.yaw_rad, math.tau)
            ) < math.radians(12.0)
            if turned and pose.distance_to(order.x_m, order.y_m) < order.tolerance_m + 0.1:
                return True
        return False

    def _in_view(self, x_m: float, y_m: float, room: str | None, slack: float = 1.0) -> bool:
        return self._shows(self._world.truth().robot, x_m, y_m, room, slack)

    def _shows(self, pose: Pose, x_m: float, y_m: float, room: str | None, slack: float) -> bool:
        return (
            self.record.static_map.room_at(pose.x_m, pose.y_m) == room
            and _NEAR_M / slack < pose.distance_to(x_m, y_m) < _FAR_M * slack
            and abs(pose.bearing_to(x_m, y_m)) < _HALF_VIEW_RAD * slack
        )

    def _live(self, for_s: float) -> None:
        until_s = self._clock.now_s() + for_s
        while self._blind is not None and until_s - self._clock.now_s() > 1e-6:
            self._world.drive(self._blind)
            self._twist = self._blind
            self._steps.run_until(min(until_s, self._clock.now_s() + 0.05))
        self._steps.run_until(until_s)
        self._runtime.telemetry.flush()

    def _take(self, observation: Observation) -> None:
        data = observation.data
        if isinstance(data, Odometry):
            self.record.moved.append((observation, self._twist))
            if data.bumper and self._bumped_s is None:
                self._bumped_s = observation.captured_s
        if self._blind is not None and isinstance(data, RangeScan):
            self._navigator.feed(observation)
        else:
            self._runtime.take(observation)
        self._runtime.telemetry.flush()

    def _told(self, event: object) -> None:
        if isinstance(event, Moved):
            self._twist = event.effect.twist

    def _saw(self, observation: Observation, scene: Scene) -> None:
        rgb = observation.data.rgb
        small = np.rint(255.0 * thumbnail(rgb)).astype(np.uint8)
        picture = np.repeat(small[:, :, None], 3, axis=2)
        pose = self._navigator.pose_at(observation.captured_s)
        at_s = observation.captured_s
        self.record.seen.append(Seen(at_s, observation.sequence, scene, pose, picture))
        room_at = self.record.static_map.room_at
        for change in list(self._pending):
            shown = [(x, y) for x, y in change.spots if self._shows(pose, x, y, room_at(x, y), 1.0)]
            if not shown:
                continue
            self._pending.remove(change)
            self.record.events.append(Injected(change.kind, change.done_s, at_s, change.what))
            for spot in change.spots:
                if spot not in shown:
                    later = _Pending("aside", change.done_s, change.what, (spot,))
                    self._pending.append(later)


def tour(seed: int, rounds: int, events: int, verbose: bool = False) -> Record:
    """One tour of the apartment of a seed."""
    trip = Tour(seed)
    try:
        return trip.run(rounds, events, print if verbose else lambda line: None)
    finally:
        trip.close()
