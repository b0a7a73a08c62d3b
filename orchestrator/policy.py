"""Who steps next, who is let in first, and how a lane's ATP is divided: one small interface."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sage.irp import ConfigError

if TYPE_CHECKING:
    from orchestrator.lane import Job
    from orchestrator.member import Captured


class Claim(NamedTuple):
    """An observation that wants to be let in.

    Attributes:
        plugin: whose it is.
        observation: what waits.
        trust: trust in the plugin.
        salience: how much the observation matters, in [0, 1].
        first_s: what a first answer is expected to cost, in seconds; 0 while that is unknown.
        due_s: clock time by which the answer is due; inf without a deadline.
        waited: cycles in which the lane had no room for this plugin, in a row.
    """

    plugin: str
    observation: Captured
    trust: float
    salience: float
    first_s: float
    due_s: float
    waited: int


class Policy(Protocol):
    """How one lane's time is given to the refinements that want it.

    Answers that are due come before anything a policy says.

    Attributes:
        name: what configuration calls it.
        first_steps_first: True begins all that waits before anything is refined further; with
            False, ``rank`` and ``index`` are on one scale.
        shares: True divides a lane's pool among its live refinements, by weight above floors;
            with False, whoever steps next draws on all that is left above what is kept for the
            floors and the first steps of the others.
    """

    name: str
    first_steps_first: bool
    shares: bool

    def weight(self, trust: float) -> float:
        """The share of a plugin relative to the others', above 0."""
        ...

    def index(self, job: Job, now_s: float) -> float:
        """The refinement with the largest index makes the next step."""
        ...

    def rank(self, claim: Claim) -> float:
        """Of all that waits to begin, the largest rank begins first."""
        ...


_AGEING = 0.1  # per cycle: nobody is turned away for ever
_SHORTEST_S = 1e-4  # a first step that nobody knows yet is taken for so cheap: it is found out


def _worth_per_s(claim: Claim) -> float:
    """Salience x trust for each second that a first answer costs, more with every cycle missed."""
    worth = claim.salience * claim.trust * (1.0 + _AGEING * claim.waited)
    return worth / max(claim.first_s, _SHORTEST_S)


class Greedy:
    """The step that improves most for its cost, a first answer counting as 1.

    A claim is worth salience x trust for what its first answer costs; a later step salience x
    trust x the best expected drop per second over a horizon of steps (so that a plateau before a
    drop is looked across), normalised to the plugin's own typical drop, x what all later steps
    add to the worth of a first answer. For diminishing returns this is near-optimal (Nemhauser,
    Wolsey and Fisher, 1978, on greedy maximisation of submodular functions).
    """

    name = "greedy"
    first_steps_first = False
    shares = False

    def weight(self, trust: float) -> float:
        """Nothing is shared."""
        return 1.0

    def index(self, job: Job, now_s: float) -> float:
        """Salience x trust x worth gained per second."""
        member = job.member
        gain_per_s = member.profile.gain_per_s(job.refinement.energies)
        return job.salience * member.trust() * member.settings.later_worth * gain_per_s

    def rank(self, claim: Claim) -> float:
        """Salience x trust x worth of a first answer, which is 1, per second."""
        return _worth_per_s(claim)


class Proportional:
    """Shares by trust; whoever has had least of its share steps next (stride scheduling)."""

    name = "proportional"
    first_steps_first = True
    shares = True

    def weight(self, trust: float) -> float:
        """Trust."""
        return trust

    def index(self, job: Job, now_s: float) -> float:
        """Behind with its share, the more the sooner."""
        account = job.account
        return (account.base_atp - account.meter.spent_atp) / account.weight

    def rank(self, claim: Claim) -> float:
        """Salience x trust per second."""
        return _worth_per_s(claim)


class Equal:
    """The same share for everybody, in turn."""

    name = "equal"
    first_steps_first = True
    shares = True

    def weight(self, trust: float) -> float:
        """The same for all."""
        return 1.0

    def index(self, job: Job, now_s: float) -> float:
        """Who has spent least of this cycle steps next."""
        account = job.account
        return account.base_atp - account.meter.spent_atp

    def rank(self, claim: Claim) -> float:
        """Who was turned away for longest."""
        return float(claim.waited)


class EarliestDeadlineFirst:
    """The earliest deadline is refined to its end, then the next (Liu and Layland, 1973)."""

    name = "edf"
    first_steps_first = False
    shares = False

    def weight(self, trust: float) -> float:
        """Nothing is shared."""
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
