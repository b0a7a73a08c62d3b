"""Who steps next, who is let in first, and how a lane's ATP is divided: one small interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from sage.irp import ConfigError

if TYPE_CHECKING:
    from orchestrator.lane import Job
    from orchestrator.member import Captured


@dataclass(frozen=True, slots=True)
class Claim:
    """An observation that wants to be let in.

    Attributes:
        plugin: whose it is.
        observation: what waits.
        trust: trust in the plugin.
        salience: how much the observation matters, in [0, 1].
        first_atp: what its first step is expected to cost; 0 while that is unknown.
        due_s: clock time by which the answer is due; inf without a deadline.
        waited: cycles in which the lane had no room for this plugin, in a row.
    """

    plugin: str
    observation: Captured
    trust: float
    salience: float
    first_atp: float
    due_s: float
    waited: int


class Policy(Protocol):
    """How one lane's time is given to the refinements that want it.

    First steps and answers that are due come before anything an index says.

    Attributes:
        name: what configuration calls it.
        shares: True divides a lane's pool among its live refinements, by weight above floors;
            with False, whoever steps next draws on all that is left above what is kept for the
            floors and the first steps of the others.
    """

    name: str
    shares: bool

    def weight(self, trust: float) -> float:
        """The share of a plugin relative to the others', above 0."""
        ...

    def index(self, job: Job, now_s: float) -> float:
        """The refinement with the largest index makes the next step."""
        ...

    def rank(self, claim: Claim) -> float:
        """Where a cycle has no room for all that waits, the largest rank is let in first."""
        ...


def _worth_per_atp(claim: Claim) -> float:
    """Salience x trust for each ATP that a first answer costs; it grows with every turn missed."""
    return claim.salience * claim.trust * (1 + claim.waited) / max(claim.first_atp, 1.0)


class Greedy:
    """The step that improves most: trust x expected normalised energy drop per second.

    For energies with diminishing returns this index is near-optimal (Nemhauser, Wolsey and
    Fisher, 1978, on greedy maximisation of submodular functions); the drop is the best mean over
    a horizon of steps, so that a plateau before a drop is looked across.
    """

    name = "greedy"
    shares = False

    def weight(self, trust: float) -> float:
        """Trust: it bounds how often a plugin may begin anew while others still refine."""
        return trust

    def index(self, job: Job, now_s: float) -> float:
        """Trust x gain per second."""
        member = job.member
        return member.trust() * member.profile.gain_per_s(job.refinement.energies)

    def rank(self, claim: Claim) -> float:
        """Salience x trust per ATP."""
        return _worth_per_atp(claim)


class Proportional:
    """Shares by trust; whoever has had least of its share steps next (stride scheduling)."""

    name = "proportional"
    shares = True

    def weight(self, trust: float) -> float:
        """Trust."""
        return trust

    def index(self, job: Job, now_s: float) -> float:
        """Behind with its share, the more the sooner."""
        account = job.account
        return (account.base_atp - account.meter.spent_atp) / account.weight

    def rank(self, claim: Claim) -> float:
        """Salience x trust per ATP."""
        return _worth_per_atp(claim)


class Equal:
    """The same share for everybody, in turn."""

    name = "equal"
    shares = True

    def weight(self, trust: float) -> float:
        """The same for all."""
        return 1.0

    def index(self, job: Job, now_s: float) -> float:
        """Who has spent least of this cycle steps next."""
        account = job.account
        return account.base_atp - account.meter.spent_atp

    def rank(self, claim: Claim) -> float:
        """First come, first served."""
        return -claim.observation.captured_s


class EarliestDeadlineFirst:
    """The earliest deadline runs to its end, then the next (Liu and Layland, 1973)."""

    name = "edf"
    shares = False

    def weight(self, trust: float) -> float:
        """The same for all."""
        return 1.0

    def index(self, job: Job, now_s: float) -> float:
        """The earlier it is due, the larger."""
        return -job.due_s

    def rank(self, claim: Claim) -> float:
        """The earlier it is due, the larger."""
        return -claim.due_s


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {policy.name: policy for policy in (Greedy(), Proportional(), Equal(), EarliestDeadlineFirst())}
)


def policy_named(name: str) -> Policy:
    """The policy of that name; ConfigError lists the valid ones."""
    try:
        return POLICIES[name]
    except KeyError:
        known = ", ".join(POLICIES)
        raise ConfigError(f"unknown policy {name!r}; valid: {known}") from None
