"""The frame that everything runs in."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.policy import POLICIES

FULL_ATP = 1000.0
"""What a cycle's lane time comes to, over all lanes, in ATP."""


@dataclass(frozen=True, slots=True)
class OrchestratorConfig:
    """The frame that everything runs in.

    Attributes:
        cycle_s: the period of the H level, in seconds.
        pool_atp: what one cycle grants in all, over all lanes: 1000 is all the lane time that
            there is, 500 half of it.
        lanes: the lanes; each has the same share of the pool.
        policy: who steps next, by name: greedy, proportional, equal or edf.
    """

    cycle_s: float = 0.1
    pool_atp: float = FULL_ATP
    lanes: tuple[str, ...] = ("perception", "control")
    policy: str = "greedy"

    def __post_init__(self) -> None:
        if not (isinstance(self.cycle_s, int | float) and 0.001 <= self.cycle_s <= 10.0):
            raise ValueError(f"cycle_s must lie in [0.001, 10] s, got {self.cycle_s!r}")
        if not (isinstance(self.pool_atp, int | float) and 0.0 < self.pool_atp <= FULL_ATP):
            raise ValueError(f"pool_atp must lie in (0, {FULL_ATP:g}], got {self.pool_atp!r}")
        if not isinstance(self.lanes, tuple):
            raise ValueError(f"lanes must be a tuple of names, got {self.lanes!r}")
        if not self.lanes or len(set(self.lanes)) != len(self.lanes):
            raise ValueError(f"lanes must be distinct names, at least one, got {self.lanes}")
        if not isinstance(self.policy, str) or self.policy not in POLICIES:
            raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {self.policy!r}")

    @property
    def atp_per_s(self) -> float:
        """ATP that one second of lane time costs, the same on every lane."""
        return FULL_ATP / (self.cycle_s * len(self.lanes))
