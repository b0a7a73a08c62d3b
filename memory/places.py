"""What should be seen from here: how often each thing was, when it was in view.

A Bernoulli predictor on the map. Where a label was seen there is a place; whenever the place is
well in view, it was either detected or not, and the rate of it is kept by distance and by the side
that it is seen from, since furniture hides things from some sides. How often each spot of the
map was looked at is kept too: a thing at a spot that was looked at fifty times without it is
unexpected, one at a spot never looked at is not.

The error is the divergence of the last few looks from that rate, in nats (the likelihood-ratio
statistic of a change of rate): a flicker of the detector moves it little, a thing that stands
there now and never did, or the other way round, moves it within about a second. Once ten looks in
a row have said so, the change is taken as a fact and what was before is mostly forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sage.irp.errors import ConfigError
from sage.values import CameraModel, Detection, Float32Array, Pose, Scene

_SECTORS = 8
_CELLS = 128  # the grid of looks wraps around: 128 cells of 0.3 m are 38 m
_CELL_M = 0.3
_DISTANCES_M = (0.5, 1.0, 1.5, 2.0)
_PLACES_PER_LABEL = 12
_KNOWN_SQUARES = 50_000
_CHANGED_NATS, _ACCEPTED_AFTER = 4.0, 10
_ELSEWHERE_LOOKS, _ESTABLISHED_HITS = 16.0, 10.0


@dataclass(frozen=True, slots=True)
class PlaceConfig:
    """How things are expected.

    Attributes:
        near_m: what is nearer may lie below the picture.
        far_m: what is further is not expected to be detected.
        view_fraction: the part of the half field of view where a thing is surely in the picture.
        radius_m: detections of one label this close are one thing.
        recent: looks that count as now.
        memory: looks after which a rate is mostly forgotten.
        wander: labels that walk about; they are expected everywhere.
    """

    near_m: float = 0.5
    far_m: float = 2.3
    view_fraction: float = 0.75
    radius_m: float = 0.6
    recent: float = 5.0
    memory: float = 300.0
    wander: tuple[str, ...] = ("person",)

    def __post_init__(self) -> None:
        if not 0.0 <= self.near_m < self.far_m:
            raise ConfigError(
                f"near_m and far_m must be 0 <= near < far, got {self.near_m} and {self.far_m}"
            )
        if not 0.0 < self.view_fraction <= 1.0:
            raise ConfigError(f"view_fraction must lie in (0, 1], got {self.view_fraction}")
        if not self.radius_m > 0.0:
            raise ConfigError(f"radius_m must be positive, got {self.radius_m}")
        if not 1.0 <= self.recent < self.memory:
            raise ConfigError(
                f"recent and memory must be 1 <= recent < memory, got {self.recent} and "
                f"{self.memory}"
            )


@dataclass(slots=True)
class Place:
    """Where a label may be, and how often it was there when looked for."""

    label: str
    x_m: float
    y_m: float
    weight: float
    hits: Float32Array
    looks: Float32Array
    recent: float
    recent_looks: float
    recent_expected: float
    error: float = 0.0
    odd: int = 0


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that is not as expected: ``appeared`` or else missing; by how many nats."""

    label: str
    x_m: float
    y_m: float
    appeared: bool
    nats: float


class PlaceMemory:
    """Expected detections on the map. One thread at a time.

    Args:
        config: how.
        room_at: the room of a map point; walls hide what is in another one.
    """

    def __init__(
        self,
        config: PlaceConfig | None = None,
        room_at: Callable[[float, float], str | None] | None = None,
    ) -> None:
        self.config = config or PlaceConfig()
        self._room_at = room_at
        self._rooms: dict[tuple[int, int], str | None] = {}
        self._places: dict[str, list[Place]] = {}
        self._looks = np.zeros((_CELLS * _CELLS, _SECTORS), dtype=np.float32)

    def look(self, scene: Scene, pose: Pose, camera: CameraModel) -> tuple[Misfit, ...]:
        """Compare a scene captured at ``pose`` with what was expected, and learn it.

        Returns what did not fit, the worst first.
        """
        config = self.config
        half_view = math.atan2(0.5 * camera.width_px, camera.focal_px)
        sure = half_view * config.view_fraction
        room = self._room(pose.x_m, pose.y_m)
        found = self._match(scene, pose)
        misfits: list[Misfit] = []
        for places in self._places.values():
            for place in places:
                hit = id(place) in found
                if not hit and place.error == 0.0 and abs(place.x_m - pose.x_m) > config.far_m:
                    continue
                distance_m = pose.distance_to(place.x_m, place.y_m)
                bearing = abs(pose.bearing_to(place.x_m, place.y_m))
                in_view = config.near_m < distance_m < config.far_m and bearing < sure
                if not in_view or (not hit and self._room(place.x_m, place.y_m) != room):
                    continue
                self._update(place, hit, _bin(place, pose, distance_m))
                if place.error > 0.0:
                    appeared = hit or place.recent > place.recent_expected
                    misfits.append(Misfit(place.label, place.x_m, place.y_m, appeared, place.error))
        self._cover(pose, sure, room)
        misfits.sort(key=lambda misfit: -misfit.nats)
        return tuple(misfits)

    def nearest(
        self, labels: frozenset[str], x_m: float, y_m: float, within_m: float
    ) -> str | None:
        """Which of these labels is known closest to a point."""
        best, best_m = None, within_m
        for label in labels & self._places.keys():
            for place in self._places[label]:
                away_m = math.hypot(place.x_m - x_m, place.y_m - y_m)
                if away_m < best_m and place.hits.sum() >= 3.0:
                    best, best_m = label, away_m
        return best

    def _room(self, x_m: float, y_m: float) -> str | None:
        """The room of a point, to 25 cm: asked once for each such square."""
        if self._room_at is None:
            return None
        square = math.floor(4.0 * x_m), math.floor(4.0 * y_m)
        if square not in self._rooms:
            if len(self._rooms) > _KNOWN_SQUARES:
                self._rooms.clear()
            self._rooms[square] = self._room_at(0.25 * square[0] + 0.125, 0.25 * square[1] + 0.125)
        return self._rooms[square]

    def _match(self, scene: Scene, pose: Pose) -> set[int]:
        """The places that were detected, by identity; new ones are made where there was none."""
        found: set[int] = set()
        for detection in scene.detections:
            distance_m = detection.distance_m
            if distance_m is None or distance_m > self.config.far_m + 0.5:
                continue
            if detection.label in self.config.wander:
                continue
            x_m, y_m = pose.point_at(detection.bearing_rad, distance_m)
            places = self._places.setdefault(detection.label, [])
            radius_m = self.config.radius_m * (0.75 + 0.25 * distance_m)
            free = [place for place in places if id(place) not in found]
            near = min(free, key=lambda p: math.hypot(p.x_m - x_m, p.y_m - y_m), default=None)
            if near is None or math.hypot(near.x_m - x_m, near.y_m - y_m) > radius_m:
                if distance_m > self.config.far_m:
                    continue
                near = self._new(detection, x_m, y_m, stands_elsewhere=_established(places))
                places.append(near)
                if len(places) > _PLACES_PER_LABEL:
                    places.remove(min(places[:-1], key=lambda p: float(p.hits.sum())))
            weight = 1.0 / (0.05 + 0.12 * distance_m) ** 2
            near.weight = min(near.weight + weight, 2000.0)
            near.x_m += (x_m - near.x_m) * weight / near.weight
            near.y_m += (y_m - near.y_m) * weight / near.weight
            found.add(id(near))
        return found

    def _new(
        self, detection: Detection, x_m: float, y_m: float, *, stands_elsewhere: bool
    ) -> Place:
        """A place that starts with the looks that this spot had without it.

        What is known to stand elsewhere is not expected here, even where nobody looked before.
        """
        looks = np.zeros((len(_DISTANCES_M), _SECTORS), dtype=np.float32)
        cell = _cell(np.array([x_m]), np.array([y_m]))[0]
        looks[:] = self._looks[cell][None, :] / len(_DISTANCES_M)
        looks *= min(1.0, self.config.memory / max(1.0, float(looks.sum())))
        if stands_elsewhere:
            looks += _ELSEWHERE_LOOKS / looks.size
        return Place(detection.label, x_m, y_m, 0.0, np.zeros_like(looks), looks, 0.0, 0.0, 0.0)

    def _update(self, place: Place, hit: bool, where: tuple[int, int]) -> None:
        """Score a look against the rate, then take it into the rate."""
        config = self.config
        expected, sure = self._expected(place, where)
        rate = 1.0 / config.recent
        place.recent_looks = min(place.recent_looks + 1.0, config.recent)
        place.recent += rate * (float(hit) - place.recent)
        place.recent_expected += rate * (expected - place.recent_expected)
        # Started at zero: what is missing from the averages of the first looks is made up for.
        told = 1.0 - (1.0 - rate) ** place.recent_looks
        now = place.recent if place.recent_looks >= config.recent else place.recent / told
        then = (
            place.recent_expected / told
            if place.recent_looks < config.recent
            else place.recent_expected
        )
        place.error = sure * place.recent_looks * _divergence(now, then)
        place.hits[where] += float(hit)
        place.looks[where] += 1.0
        place.odd = place.odd + 1 if place.error > _CHANGED_NATS else 0
        total, most = float(place.looks.sum()), config.memory
        if place.odd >= _ACCEPTED_AFTER:  # no flicker: what was is over, from all sides
            place.odd, most = 0, 4.0
        if total > most:
            keep = most / total
            place.hits *= keep
            place.looks *= keep

    def _expected(self, place: Place, where: tuple[int, int]) -> tuple[float, float]:
        """How likely a detection is, and how much this is known of (0 to 1)."""
        hits, looks = float(place.hits.sum()), float(place.looks.sum())
        overall = (hits + 0.5) / (looks + 1.0)
        here_hits, here = float(place.hits[where]), float(place.looks[where])
        sector_hits = float(place.hits[:, where[1]].sum())
        sector = float(place.looks[:, where[1]].sum())
        by_sector = (sector_hits + 5.0 * overall) / (sector + 5.0)
        expected = (here_hits + 5.0 * by_sector) / (here + 5.0)
        known = sector + 0.2 * (looks - sector)
        return min(max(expected, 0.01), 0.97), known / (known + 6.0)

    def _cover(self, pose: Pose, sure_rad: float, room: str | None) -> None:
        """Count a look at every spot that is well in view."""
        config = self.config
        distances = np.arange(config.near_m + 0.1, config.far_m, 0.25)
        bearings = np.linspace(-sure_rad, sure_rad, 7)
        distance, bearing = (grid.ravel() for grid in np.meshgrid(distances, bearings))
        x_m = pose.x_m + distance * np.cos(pose.yaw_rad + bearing)
        y_m = pose.y_m + distance * np.sin(pose.yaw_rad + bearing)
        if self._room_at is not None:
            # Walls end the view: a beam counts as far as it stays in the robot's room.
            points = zip(x_m.tolist(), y_m.tolist(), strict=True)
            same = [self._room(x, y) == room for x, y in points]
            x_m, y_m, bearing = x_m[same], y_m[same], bearing[same]
        sectors = _sector(bearing + pose.yaw_rad + math.pi)
        cells = np.unique(_cell(x_m, y_m) * _SECTORS + sectors)
        flat = self._looks.reshape(-1)
        flat[cells] = np.minimum(flat[cells] + 1.0, config.memory)


def _established(places: list[Place]) -> bool:
    return any(float(place.hits.sum()) > _ESTABLISHED_HITS for place in places)


def _bin(place: Place, pose: Pose, distance_m: float) -> tuple[int, int]:
    """Index of the distance, and of the side that the place is seen from."""
    side = math.atan2(pose.y_m - place.y_m, pose.x_m - place.x_m)
    step = sum(distance_m > edge for edge in _DISTANCES_M[1:])
    return step, int(_sector(np.array([side]))[0])


def _sector(angle_rad: np.ndarray) -> np.ndarray:
    turned = np.floor((angle_rad + math.pi / _SECTORS) / (math.tau / _SECTORS))
    return turned.astype(np.int64) % _SECTORS


def _cell(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    column = np.floor(x_m / _CELL_M).astype(np.int64) % _CELLS
    row = np.floor(y_m / _CELL_M).astype(np.int64) % _CELLS
    return row * _CELLS + column


def _divergence(now: float, then: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli rates, nats."""
    now = min(max(now, 1e-3), 1.0 - 1e-3)
    then = min(max(then, 1e-3), 1.0 - 1e-3)
    return now * math.log(now / then) + (1.0 - now) * math.log((1.0 - now) / (1.0 - then))
