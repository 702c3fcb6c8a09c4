"""Deployments as operators ask for them and read them back; the shapes behind ``http.schemas.jobs``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, TypeVar
from uuid import UUID

from patch_manager.domain.exclusions import Excluded
from patch_manager.domain.jobs import ACTIVE, JobState, Operation, PackageOutcome, RebootPolicy, When
from patch_manager.domain.rollouts import Problem, RingState, Rollout

Item = TypeVar("Item")

PACKAGE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,255}")
"""Names that agents accept (AGENT_API "Endpoints"); one bad name makes an agent refuse the whole call."""


def invalid_package_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names no agent would accept, in the order given."""
    return tuple(name for name in names if PACKAGE_NAME.fullmatch(name) is None)


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """What an operator asked for. ``packages`` None means all that is pending when each job starts.

    ``override_freeze``: an admin lets it start inside freezes. ``rollout`` None: all hosts at once. ``exclude`` is left
    out, beside what is so for all.
    """

    host_ids: tuple[UUID, ...] = ()
    group_ids: tuple[UUID, ...] = ()
    packages: tuple[str, ...] | None = None
    security_only: bool = False
    when: When = When.NOW
    reboot: RebootPolicy = RebootPolicy.NEVER
    override_freeze: bool = False
    exclude: tuple[Excluded, ...] = ()
    rollout: Rollout | None = None


class DeploymentState(StrEnum):
    """Derived from the totals, never stored: it cannot disagree with the jobs. ``stopped``: its rollout's rule keeps
    back jobs that have not started.
    """

    QUEUED = "queued"
    RUNNING = "running"
    STOPPED = "stopped"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class JobTotals:
    """Jobs by state. ``total`` is their sum by construction, so the numbers always add up."""

    queued: int = 0
    dispatching: int = 0
    running: int = 0
    rebooting: int = 0
    verifying: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    outcome_unknown: int = 0

    @staticmethod
    def of(counts: Mapping[str, int]) -> JobTotals:
        """Totals from a count per state word."""
        return JobTotals(**{field.name: counts.get(field.name, 0) for field in fields(JobTotals)})

    def count(self, state: JobState) -> int:
        """Jobs in ``state``."""
        value: int = getattr(self, state.value)
        return value

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.count(state) for state in JobState)

    @property
    def unended(self) -> int:
        """Jobs that something will still change by itself; an unknown outcome waits for an operator."""
        return self.total - self.succeeded - self.failed - self.cancelled - self.outcome_unknown

    @property
    def state(self) -> DeploymentState:
        """Failed when, after all ended, one failed or has an unknown outcome; cancelled when nothing else happened."""
        working = sum(self.count(state) for state in ACTIVE if state is not JobState.OUTCOME_UNKNOWN)
        ended = self.succeeded + self.failed + self.cancelled + self.outcome_unknown
        if working or (self.queued and ended):
            return DeploymentState.RUNNING
        if self.queued:
            return DeploymentState.QUEUED
        if self.failed or self.outcome_unknown:
            return DeploymentState.FAILED
        return DeploymentState.SUCCEEDED if self.succeeded else DeploymentState.CANCELLED


@dataclass(frozen=True, slots=True)
class RingView:
    """One ring as one principal sees it; ``soak_until`` while it is soaking."""

    name: str
    hosts: int
    state: RingState
    totals: JobTotals
    soak_until: datetime | None


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment as one principal sees it: totals count only the hosts in their scope (TRUST 10)."""

    id: UUID
    state: DeploymentState
    totals: JobTotals
    packages: tuple[str, ...] | None
    security_only: bool
    when: When
    reboot: RebootPolicy
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    override_freeze: bool = False
    exclude: tuple[Excluded, ...] = ()
    policy_id: UUID | None = None  # the standing policy that made it
    rollout: Rollout | None = None
    rings: tuple[RingView, ...] = ()
    stopped_at: datetime | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a job and what the agent said about it."""

    number: int
    agent_job_id: str | None
    state: str
    sends: int
    adopted: bool
    error_code: str | None
    error: str | None
    exit_code: int | None
    stdout: str | None
    stderr: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransitionView:
    """One step of a job: when, to what state, why."""

    at: datetime
    state: JobState
    reason: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as lists and details show it; ``transitions`` are filled in a detail only.

    ``not_before`` is when a queued job may start; None while nobody knows, and once it has begun. ``reason`` and
    ``created_by`` are of jobs without a deployment, ``rollback_of`` of rollbacks.
    """

    id: UUID
    host_id: UUID
    host_name: str
    host_address: str
    deployment_id: UUID | None
    operation: Operation
    state: JobState
    progress: int
    message: str
    reboot: RebootPolicy
    attempts: tuple[AttemptView, ...]
    packages: tuple[PackageOutcome, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    transitions: tuple[TransitionView, ...] = ()
    when: When = When.NOW
    not_before: datetime | None = None
    ring: int = 0
    reason: str = ""
    created_by: str | None = None
    rollback_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, for its audit event."""

    ip: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Item]):
    """One page of a list: ``next_cursor`` is None on the last, ``total`` counts all that match in scope."""

    items: tuple[Item, ...]
    next_cursor: str | None
    total: int


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None does not filter. ``cursor`` comes from the page before."""

    states: tuple[JobState, ...] | None = None
    host_id: UUID | None = None
    deployment_id: UUID | None = None
    limit: int = 50
    cursor: str | None = None
    search: str | None = None  # part of the host's name or address, or of the message
    ring: int | None = None
    operations: tuple[Operation, ...] | None = None
    since: datetime | None = None  # created at that moment or later
    until: datetime | None = None  # created before


class Resolution(StrEnum):
    """How an operator ends a job whose outcome is unknown (TRUST "outcome_unknown")."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


# Expected refusals are values; http answers each with one status.


@dataclass(frozen=True, slots=True)
class HostsNotAvailable:
    """A host or group does not exist or is outside the principal's sight: 404 either way, nothing queued (TRUST 10)."""


@dataclass(frozen=True, slots=True)
class OnlyAdmins:
    """A freeze is overridden by an admin's word only: 403."""


@dataclass(frozen=True, slots=True)
class NoHosts:
    """Neither hosts nor groups were named, or the groups hold no host: 422."""


@dataclass(frozen=True, slots=True)
class InvalidPackages:
    """Package names that no agent accepts, or an empty list of packages: 422."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InvalidExclusion:
    """A pattern that excludes nothing that an agent lists, or everything: 422. ``index`` is its place."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class InvalidRollout:
    """The rollout cannot be, or not with these hosts: 422 with the fields."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class IdempotencyConflict:
    """The idempotency key was used with another body: 409."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """No such deployment or job in the principal's sight: 404."""


@dataclass(frozen=True, slots=True)
class NotPossible:
    """The job or deployment is not in a state that allows it; ``reason`` says so in words: 409."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotWholly:
    """The deployment concerns hosts out of the principal's sight, and this decision all of its hosts: 403."""


CreateRefusal = (
    HostsNotAvailable | OnlyAdmins | NoHosts | InvalidPackages | InvalidExclusion | InvalidRollout | IdempotencyConflict
)
