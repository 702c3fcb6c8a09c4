"""What is durable of a job: enough to go on after kill -9 at any point, and nothing else.

Every stage of the protocol is chosen from a ``JobRecord`` alone (``stages.stage_of``), so that a run that goes on and
a run that recovers take the same path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from patch_manager.domain.jobs import LEFT_OUT, JobState, Operation, PackageResult, RebootPolicy, When


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time on three clocks: wall (UTC), and CLOCK_BOOTTIME in seconds with the boot it belongs to.

    CLOCK_BOOTTIME goes on while process or machine are stopped and never jumps; it means nothing on another boot.
    """

    wall: datetime
    boot_id: str
    boot_clock: float

    def elapsed(self, since: Moment) -> float:
        """Seconds since an earlier moment; by wall clock across boots, and never negative."""
        if self.boot_id == since.boot_id:
            return max(0.0, self.boot_clock - since.boot_clock)
        return max(0.0, (self.wall - since.wall).total_seconds())


class SendOutcome(StrEnum):
    """What became of an intent. ``open`` after a restart is as good as ``ambiguous``: it may have been sent."""

    OPEN = "open"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    AMBIGUOUS = "ambiguous"
    ADOPTED = "adopted"  # evidence: the agent has it, found in its list of jobs
    DONE = "done"  # evidence: the work is done
    NEVER_ARRIVED = "never_arrived"  # evidence: no new job, everything still pending
    UNCERTAIN = "uncertain"  # evidence does not decide; an operator must


UNANSWERED = frozenset({SendOutcome.OPEN, SendOutcome.AMBIGUOUS})
ON_ITS_WAY = UNANSWERED | {SendOutcome.ACCEPTED, SendOutcome.ADOPTED}


@dataclass(frozen=True, slots=True)
class Send:
    """One intent to make a mutating call, committed before its first byte. ``number`` counts all sends of the job.

    ``baseline_newest`` is the newest ``created_at`` of the agent's jobs; before a reboot, the host's last boot.
    ``undoes`` is the agent's job that a rollback is of.
    """

    number: int
    attempt: int
    operation: Operation
    packages: tuple[str, ...]
    baseline_ids: frozenset[str]
    baseline_newest: datetime | None
    intent: Moment
    outcome: SendOutcome = SendOutcome.OPEN
    agent_job_id: str | None = None
    undoes: str | None = None


class AttemptState(StrEnum):
    """How far an attempt is; ``lost``: the agent does not know the job any more, or timed it out."""

    DISPATCHING = "dispatching"
    RUNNING = "running"
    LOST = "lost"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"  # the agent will not take this request, however often it is asked
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The first try of a job or its one retry, and what the agent said. ``sends`` counts its mutating calls."""

    number: int
    started_at: datetime
    state: AttemptState = AttemptState.DISPATCHING
    agent_job_id: str | None = None
    adopted: bool = False
    sends: int = 0
    accepted_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One package of the frozen list, as it was pending when the list was frozen, and its result so far.

    ``reason`` says why it was left out.
    """

    name: str
    from_version: str | None = None
    to_version: str | None = None
    requires_reboot: bool = False
    result: PackageResult = PackageResult.PENDING
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Undo:
    """What a rollback undoes: a finished job of ours, its job on the agent, and its packages as they were told."""

    job_id: UUID
    agent_job_id: str
    operation: Operation
    packages: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The job as committed. ``targets`` None: the list is not frozen yet. ``send`` is the latest one.

    ``work_done`` is when we learned that the agent's work had ended well; ``agent_completed_at`` the same on the
    agent's clock, where it said so; ``rebooted_at`` when a reboot since then was proven. ``override_freeze`` is an
    admin's word. ``by_calendar``: windows and freezes decided ``not_before``, so a change of theirs plans it anew.
    ``versions`` goes with ``requested`` (None: any), ``purge`` with a removal, ``undoes`` with a rollback.
    ``max_unavailable``: the deployment's limit of hosts of a group that reboot at once.
    """

    id: UUID
    host_id: UUID
    deployment_id: UUID | None
    version: int
    operation: Operation
    state: JobState
    starts: When
    requested: tuple[str, ...] | None
    security_only: bool
    reboot: RebootPolicy
    message: str
    not_before: datetime | None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    targets: tuple[Target, ...] | None = None
    planned_at: datetime | None = None
    attempt: Attempt | None = None
    send: Send | None = None
    work_done: Moment | None = None
    agent_completed_at: datetime | None = None
    rebooted_at: datetime | None = None
    override_freeze: bool = False
    by_calendar: bool = False
    versions: tuple[str | None, ...] = ()
    purge: bool = False
    undoes: Undo | None = None
    max_unavailable: int | None = None

    @property
    def wanted(self) -> tuple[Target, ...]:
        """The frozen list without what was never pending here, or was left out."""
        return tuple(t for t in self.targets or () if t.result not in LEFT_OUT)

    @property
    def excluded(self) -> tuple[Target, ...]:
        """What was left out of the list on purpose."""
        return tuple(t for t in self.targets or () if t.result is PackageResult.EXCLUDED)

    @property
    def not_accepted(self) -> tuple[str, ...]:
        """Names on the list that cannot be asked for: what they stand for is still pending at the job's end."""
        return tuple(t.name for t in self.targets or () if t.result is PackageResult.NOT_ACCEPTED)

    @property
    def send_of_attempt(self) -> Send | None:
        """The latest call that does this job's work in the current attempt; None before its first."""
        if self.send is None or self.attempt is None or self.send.operation is not self.operation:
            return None
        return self.send if self.send.attempt == self.attempt.number else None

    @property
    def reboot_send(self) -> Send | None:
        """The latest request to reboot; None before the first."""
        return self.send if self.send is not None and self.send.operation is Operation.REBOOT else None

    @property
    def touched(self) -> bool:
        """Whether this job may have changed packages, so that a failure is told package by package."""
        return self.attempt is not None and (self.attempt.sends > 0 or self.attempt.number > 1)

    def with_attempt(self, **changes: object) -> JobRecord:
        """A copy whose current attempt has ``changes``."""
        if self.attempt is None:
            raise ValueError("the job has no attempt yet")
        return replace(self, attempt=replace(self.attempt, **changes))  # type: ignore[arg-type]  # names are checked by replace

    def with_outcome(self, outcome: SendOutcome, agent_job_id: str | None = None) -> JobRecord:
        """A copy whose latest send has ``outcome``."""
        if self.send is None:
            raise ValueError("the job has sent nothing yet")
        return replace(self, send=replace(self.send, outcome=outcome, agent_job_id=agent_job_id))
