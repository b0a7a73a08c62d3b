"""Keeping an eye on a person who moves."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from typing import Final

from sage.skills.body import Body, Order
from sage.skills.intent import PERSON
from sage.skills.looking import face, gaze
from sage.values import wrap_angle

SEEN_WITHIN_S: Final = 1.5
"""Who was seen so recently is in view."""

_GATE_M = 0.5
_WIDEST_M = 2.5
_WALKS_M_S = 0.5
_OTHER_M = 0.6
_OTHER_HITS = 3
_CONTINUOUS_S = 0.5
_ON_S = 2.0
_SHARE = 0.5
_SPEED_SHARE = 0.2
_FASTEST_M_S = 1.0
_STILL_S = 4.0
_STILL_M = 0.3
_KEPT = 200


class Track:
    """Where a person is, from what vision sees of people; ``x_m``, ``y_m`` on the map.

    Args:
        body: whose eyes.
        x_m, y_m: where the person is believed to be now.
    """

    def __init__(self, body: Body, x_m: float, y_m: float) -> None:
        self.x_m, self.y_m = x_m, y_m
        self.seen_s = body.now_s()
        self._body = body
        self._began_at = x_m, y_m
        self._read_s = -math.inf
        self._speed_m_s = 0.0, 0.0
        self._others: list[list[float]] = []
        """Other people, who stand about: x, y and how often they were seen there."""
        self._places: deque[tuple[float, float, float]] = deque(maxlen=_KEPT)

    def look(self) -> None:
        """Take in what vision read last; of several people, the one nearest to the track."""
        scene = self._body.scene
        if scene is None or scene.captured_s <= self._read_s:
            return
        self._read_s = scene.captured_s
        pose, now_s = self._body.pose(), self._body.now_s()
        gate_m = min(_GATE_M + _WALKS_M_S * (now_s - self.seen_s), _WIDEST_M)
        spots = [
            pose.point_at(seen.bearing_rad, seen.distance_m)
            for seen in scene.detections
            if seen.label == PERSON and seen.distance_m is not None
        ]
        unseen_s = now_s - self.seen_s
        on_s = min(unseen_s, SEEN_WITHIN_S)  # who is out of view longer may have turned
        x_m = self.x_m + on_s * self._speed_m_s[0]
        y_m = self.y_m + on_s * self._speed_m_s[1]
        if unseen_s > _CONTINUOUS_S:
            spots = [spot for spot in spots if not self._somebody_else(spot)]
        near = min(spots, key=lambda spot: math.dist(spot, (x_m, y_m)), default=None)
        self._note_others([spot for spot in spots if spot != near], (x_m, y_m))
        if near is None or math.dist(near, (x_m, y_m)) > gate_m:
            return
        share = 1.0 if unseen_s > SEEN_WITHIN_S else _SHARE
        x_m, y_m = x_m + share * (near[0] - x_m), y_m + share * (near[1] - y_m)
        self._move_on((x_m, y_m), unseen_s)
        self.seen_s = now_s
        self._places.append((now_s, self.x_m, self.y_m))

    def expect(self, x_m: float, y_m: float) -> None:
        """The person should be about here by now."""
        self.x_m, self.y_m = x_m, y_m
        self._speed_m_s = 0.0, 0.0
        self._places.clear()

    def _somebody_else(self, spot: tuple[float, float]) -> bool:
        return any(
            hits >= _OTHER_HITS and math.dist(spot, (x_m, y_m)) < _OTHER_M
            for x_m, y_m, hits in self._others
        )

    def _note_others(self, spots: list[tuple[float, float]], here: tuple[float, float]) -> None:
        for spot in spots:
            if math.dist(spot, here) < 2 * _OTHER_M:
                continue
            for other in self._others:
                if math.dist(spot, (other[0], other[1])) < _OTHER_M:
                    other[2] += 1
                    break
            else:
                self._others.append([*spot, 1])

    def _move_on(self, to: tuple[float, float], took_s: float) -> None:
        """Take a new place, and how quickly the person came there."""
        if 0.0 < took_s <= SEEN_WITHIN_S:
            before = self._speed_m_s
            now = (to[0] - self.x_m) / took_s, (to[1] - self.y_m) / took_s
            speed = tuple(a + _SPEED_SHARE * (b - a) for a, b in zip(before, now, strict=True))
            much = max(math.hypot(*speed) / _FASTEST_M_S, 1.0)
            self._speed_m_s = speed[0] / much, speed[1] / much
        elif took_s > SEEN_WITHIN_S:
            self._speed_m_s = 0.0, 0.0
        self.x_m, self.y_m = to

    @property
    def unseen_s(self) -> float:
        """Seconds since the person was seen last."""
        return self._body.now_s() - self.seen_s

    @property
    def onward(self) -> tuple[float, float]:
        """Where the person will be in a moment, going on as they were seen to go."""
        return self.x_m + _ON_S * self._speed_m_s[0], self.y_m + _ON_S * self._speed_m_s[1]

    @property
    def walked_m(self) -> float:
        """How far the person is from where the track began."""
        return self._away_m(self._began_at)

    @property
    def still(self) -> bool:
        """Whether the person has stood in one place for a while, and was seen doing so."""
        since_s = self._body.now_s() - _STILL_S
        places = [place for place in self._places if place[0] >= since_s]
        if len(places) < 6 or self._places[0][0] > since_s or self.unseen_s > SEEN_WITHIN_S:
            return False
        half = len(places) // 2
        (x_m, y_m), (later_x_m, later_y_m) = _mean(places[:half]), _mean(places[half:])
        return math.hypot(later_x_m - x_m, later_y_m - y_m) < _STILL_M

    def _away_m(self, spot: tuple[float, float]) -> float:
        return math.hypot(spot[0] - self.x_m, spot[1] - self.y_m)


def look_for(body: Body, track: Track, yaw_rad: float) -> Generator[Order, None, bool]:
    """Turn about, from a heading on, until the person is in view."""
    began_s = body.now_s()
    for turn in (0.0, 0.6, -0.6, 1.4, -1.4, math.pi):
        yield from face(
            body,
            wrap_angle(yaw_rad + turn),
            until=lambda: _seen_since(track, began_s),
        )
        for _ in range(3):
            yield from gaze(body, 1)
            if _seen_since(track, began_s):
                return True
    return False


def _seen_since(track: Track, began_s: float) -> bool:
    track.look()
    return track.seen_s > began_s


def _mean(places: list[tuple[float, float, float]]) -> tuple[float, float]:
    count = len(places)
    return sum(p[1] for p in places) / count, sum(p[2] for p in places) / count
