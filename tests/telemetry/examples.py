"""Events of every type, as anything might tell them: strange texts, numbers that are none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sage.irp import HaltReason, StepRecord
from sage.irp.trajectory import Trajectory
from sage.telemetry import (
    Admitted,
    Credited,
    Cycle,
    Dropped,
    Finished,
    Health,
    Heard,
    Kept,
    Moved,
    Parsed,
    Saw,
    Scored,
    Task,
)
from sage.values import Detection, Effect, Scene, Twist

NOT_FINITE = (math.nan, math.inf, -math.inf)

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "a\nb", "\x00\x1b[31m", "\udcff lone", "naïve ☃", "x" * 5000, '"}{']),
)
times = st.floats(-1e9, 1e9)
wholes = st.one_of(st.integers(0, 2**40), st.integers(0, 2**31 - 1).map(np.int64))


def numbers(low: float = -1e12, high: float = 1e12) -> st.SearchStrategy[Any]:
    finite = st.floats(low, high)
    return st.one_of(finite, finite.map(np.float64), st.sampled_from(NOT_FINITE))


some = numbers()
none_below_0 = numbers(0.0)
shares = st.one_of(numbers(0.0, 1.0), st.floats(0.0, 1.0, width=32).map(np.float32))
moments = st.one_of(times, st.sampled_from(NOT_FINITE))
details: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        some,
        texts,
        st.just(np.zeros((3, 4))),
        st.just({1}),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
trusts = st.dictionaries(texts, shares, max_size=5)
scores = st.fixed_dictionaries(
    dict.fromkeys(("surprise", "novelty", "arousal", "reward", "conflict"), shares)
)
modalities = st.sampled_from(["scene", "speech", "motion", "outcome"])
states = st.sampled_from(["active", "backing_off", "quarantined"])
phases = st.sampled_from(["heard", "understood", "declined", "started", "done", "failed"])

trajectories = st.builds(
    Trajectory,
    energies=st.lists(some, max_size=6).map(tuple),
    costs_s=st.lists(none_below_0, max_size=6).map(tuple),
    best_step=st.integers(-1, 5),
    reason=st.sampled_from(HaltReason),
    max_steps=wholes,
    result_cost_s=none_below_0,
    failed_step_cost_s=none_below_0,
)
detections = st.builds(
    Detection,
    label=texts,
    confidence=shares,
    box_px=st.tuples(some, some, some, some),
    bearing_rad=some,
    distance_m=st.none() | some,
)
scenes = st.builds(
    Scene,
    captured_s=moments,
    detections=st.lists(detections, max_size=3).map(tuple),
    room=st.none() | texts,
    room_probability=shares,
)
effects = st.builds(
    Effect,
    executed_s=moments,
    twist=st.builds(Twist, some, some),
    captured_s=moments,
    clipped=st.booleans() | st.just(np.bool_(True)),
    detail=st.dictionaries(texts, details, max_size=3),
)

EVENTS: dict[type, st.SearchStrategy[Any]] = {
    StepRecord: st.builds(StepRecord, texts, wholes, wholes, some, none_below_0),
    Admitted: st.builds(Admitted, times, texts, texts, wholes, moments, none_below_0),
    Finished: st.builds(
        Finished,
        times,
        texts,
        texts,
        wholes,
        moments,
        trajectories,
        none_below_0,
        none_below_0,
        shares,
    ),
    Dropped: st.builds(Dropped, times, texts, texts, moments),
    Credited: st.builds(Credited, times, texts, wholes, shares, shares),
    Health: st.builds(Health, times, texts, states, texts),
    Cycle: st.builds(Cycle, times, wholes, none_below_0, none_below_0, trusts),
    Saw: st.builds(Saw, times, scenes),
    Moved: st.builds(Moved, times, effects),
    Heard: st.builds(Heard, times, texts, shares, moments, moments, texts),
    Parsed: st.builds(
        Parsed, times, wholes, wholes, texts, st.lists(texts, max_size=5).map(tuple), shares
    ),
    Scored: st.builds(Scored, times, modalities, shares, scores),
    Kept: st.builds(Kept, times, wholes, modalities, shares, texts),
    Task: st.builds(Task, times, wholes, phases, texts),
}
