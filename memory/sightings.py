"""Where things were seen: single detections, fused over time into places on the map."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sage.skills.body import Sighting
from sage.values import CameraModel, Detection, Pose, Scene

_RADIUS_M = 0.9
_NEAR_M, _FAR_M = 0.7, 2.5
_VIEW_FRACTION = 0.7
_KEPT_PER_LABEL = 6
_LOOKS_KEPT = 8

OnRefuted = Callable[[str, tuple[int, ...]], object]


@dataclass(slots=True)
class _Place:
    """One place where a label may be; the position is a mean weighted by information."""

    x_m: float
    y_m: float
    weight: float
    hits: int
    evidence: float
    misses: float
    seen_s: float
    nearest_m: float
    refinements: deque[int] = field(default_factory=lambda: deque(maxlen=_LOOKS_KEPT))

    def probability(self) -> float:
        """How likely the thing is there: confidences that say so, against looks that missed it."""
        return self.evidence / (self.hits + self.misses + 0.5)


class SightingMap:
    """Fuses detections that carry a distance into places.

    A detection moves the nearest place of its label, weighted by its confidence and its
    expected error, which grows with distance; a place that should have been seen and was not
    loses. Safe from any thread.

    Args:
        room_at: the room of a map point; with it, a place in another room than the robot's does
            not lose, since walls hide it.
        on_refuted: told the label, and the numbers of the latest refinements that saw it, where
            a closer look found nothing.
    """

    def __init__(
        self,
        room_at: Callable[[float, float], str | None] | None = None,
        *,
        on_refuted: OnRefuted | None = None,
    ) -> None:
        self._room_at = room_at
        self._on_refuted = on_refuted
        self._lock = threading.Lock()
        self._places: dict[str, list[_Place]] = {}

    def see(
        self, scene: Scene, pose: Pose, camera: CameraModel, refinement: int | None = None
    ) -> None:
        """Take in a scene that was captured at ``pose``, and which ``refinement`` read."""
        half_view = math.atan2(0.5 * camera.width_px, camera.focal_px) * _VIEW_FRACTION
        with self._lock:
            for detection in scene.detections:
                if detection.distance_m is not None:
                    place = self._hit(detection, detection.distance_m, pose, scene.captured_s)
                    if refinement is not None and refinement not in place.refinements:
                        place.refinements.append(refinement)
            for places in self._places.values():
                for place in places:
                    if place.seen_s == scene.captured_s:
                        continue
                    distance_m = pose.distance_to(place.x_m, place.y_m)
                    bearing = abs(pose.bearing_to(place.x_m, place.y_m))
                    in_view = _NEAR_M < distance_m < _FAR_M and bearing < half_view
                    if in_view and self._same_room(place, pose):
                        place.misses += 0.5

    def best(
        self, label: str, least_hits: int = 3, least_probability: float = 0.3
    ) -> Sighting | None:
        """The likeliest place of a label; None where nothing was seen well enough."""
        with self._lock:
            place = max(self._seen(label, least_hits), key=_weight, default=None)
            if place is None or place.probability() < least_probability:
                return None
            return _sighting(label, place)

    def places(
        self, label: str, least_hits: int = 3, least_probability: float = 0.3
    ) -> tuple[Sighting, ...]:
        """Every place where a label was seen well enough, the likeliest first."""
        with self._lock:
            places = [
                place
                for place in self._seen(label, least_hits)
                if place.probability() >= least_probability
            ]
            return tuple(
                _sighting(label, place) for place in sorted(places, key=_weight, reverse=True)
            )

    def all(self, least_hits: int = 3, least_probability: float = 0.3) -> tuple[Sighting, ...]:
        """The best place of every label."""
        with self._lock:
            labels = tuple(self._places)
        found = (self.best(label, least_hits, least_probability) for label in labels)
        return tuple(sighting for sighting in found if sighting is not None)

    def forget(self, label: str, x_m: float, y_m: float, *, refuted: bool = False) -> None:
        """Drop what was believed of a place; ``refuted``: a closer look found nothing there."""
        kept: list[_Place] = []
        dropped: list[_Place] = []
        with self._lock:
            for place in self._places.get(label, ()):
                near = math.hypot(place.x_m - x_m, place.y_m - y_m) <= _RADIUS_M
                (dropped if near else kept).append(place)
            self._places[label] = kept
        if refuted and self._on_refuted is not None:
            numbers = {number for place in dropped for number in place.refinements}
            self._on_refuted(label, tuple(sorted(numbers)))

    def _seen(self, label: str, least_hits: int) -> list[_Place]:
        return [place for place in self._places.get(label, ()) if place.hits >= least_hits]

    def _same_room(self, place: _Place, pose: Pose) -> bool:
        if self._room_at is None:
            return True
        return self._room_at(place.x_m, place.y_m) == self._room_at(pose.x_m, pose.y_m)

    def _hit(self, detection: Detection, distance_m: float, pose: Pose, seen_s: float) -> _Place:
        x_m, y_m = pose.point_at(detection.bearing_rad, distance_m)
        weight = detection.confidence / (0.05 + 0.12 * distance_m) ** 2
        places = self._places.setdefault(detection.label, [])
        near = min(
            places,
            key=lambda place: math.hypot(place.x_m - x_m, place.y_m - y_m),
            default=None,
        )
        if near is None or math.hypot(near.x_m - x_m, near.y_m - y_m) > _RADIUS_M:
            new = _Place(x_m, y_m, weight, 1, detection.confidence, 0.0, seen_s, distance_m)
            places.append(new)
            if len(places) > _KEPT_PER_LABEL:
                places.remove(min(places, key=lambda place: (place.probability(), place.seen_s)))
            return new
        near.weight += weight
        near.x_m += (x_m - near.x_m) * weight / near.weight
        near.y_m += (y_m - near.y_m) * weight / near.weight
        near.hits += 1
        near.evidence += detection.confidence
        near.seen_s = seen_s
        near.nearest_m = min(near.nearest_m, distance_m)
        return near


def _weight(place: _Place) -> float:
    """What ranks places: how likely, and from how many looks."""
    return place.probability() * min(place.hits, 10)


def _sighting(label: str, place: _Place) -> Sighting:
    return Sighting(
        label,
        place.x_m,
        place.y_m,
        place.probability(),
        place.hits,
        place.seen_s,
        place.nearest_m,
        tuple(place.refinements),
    )
