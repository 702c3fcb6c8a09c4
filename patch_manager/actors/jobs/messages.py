"""Commands the protocol gives and the events that answer them. One command is out at a time; each has one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from patch_manager.domain.exclusions import Exclusion
from patch_manager.domain.job_record import JobRecord, Send
from patch_manager.domain.jobs import Operation
from patch_manager.domain.openings import Closed
from patch_manager.domain.patches import Patch


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job on the agent, as the protocol needs it. ``status``: pending, running, completed, failed, cancelled,
    timed_out or unknown. ``packages`` None: the agent does not say.
    """

    id: str
    operation: str
    status: str
    created_at: datetime | None = None
    completed_at: datetime | None = None
    packages: tuple[str, ...] | None = None
    original_job_id: str | None = None  # of a rollback, where the agent says what it undoes
    progress: int = 0
    message: str = ""
    error_code: str | None = None
    error: str | None = None
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None

    @property
    def ended(self) -> bool:
        """The agent will not change it any more."""
        return self.status in ("completed", "failed", "cancelled", "timed_out")


# Commands


@dataclass(frozen=True, slots=True)
class ReadJobs:
    """``GET /jobs?limit=1000`` → ``JobsRead`` or ``ReadFailed``."""


@dataclass(frozen=True, slots=True)
class ReadJob:
    """``GET /jobs/{id}`` → ``JobSeen``, ``JobGone`` or ``ReadFailed``."""

    agent_job_id: str


@dataclass(frozen=True, slots=True)
class ReadPatches:
    """``GET /patches`` → ``PatchesRead`` or ``ReadFailed``."""


@dataclass(frozen=True, slots=True)
class ReadPackages:
    """``GET /packages/{name}`` for each, or the whole list → ``PackagesRead`` or ``ReadFailed``.

    ``patches``: the host's pending patches too, which say of some agents what their packages do not.
    """

    names: tuple[str, ...]
    patches: bool = False


@dataclass(frozen=True, slots=True)
class ReadExclusions:
    """What this job must leave out, as kept in the database at this moment → ``ExclusionsRead``."""


@dataclass(frozen=True, slots=True)
class ReadHealth:
    """Health and system facts → ``HealthRead`` or ``ReadFailed``; ``facts`` also asks for the system's."""

    facts: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Take a place among the dispatches, unless it is held, and wait for the agent's budget of writes → ``Claimed``.

    The place is given back after the send, and as soon as the protocol waits.
    """


@dataclass(frozen=True, slots=True)
class MakeSend:
    """Make the mutating call of a committed intent, checking again before its first byte → one of ``SendAnswer``."""

    send: Send


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow the accepted job → ``JobSeen`` (ended, or as seen after ``seconds``), ``JobGone`` or ``ReadFailed``."""

    agent_job_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Let ``seconds`` pass → ``Woke``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AskGate:
    """Ask windows and freezes whether ``operation`` may be sent now → ``GateOpen`` or ``GateClosed``."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class AskTurn:
    """Take a turn to reboot, of which a group has so many at once → ``TurnTaken`` or ``TurnDenied``.

    It is held while the host is away, and given back as soon as the protocol waits before that.
    """


@dataclass(frozen=True, slots=True)
class Commit:
    """Make ``after`` durable where version and state of ``before`` still match → ``Committed`` or ``Conflict``."""

    before: JobRecord
    after: JobRecord
    reason: str


Command = (
    ReadJobs
    | ReadJob
    | ReadPatches
    | ReadPackages
    | ReadExclusions
    | ReadHealth
    | Claim
    | MakeSend
    | Follow
    | Wait
    | AskGate
    | AskTurn
    | Commit
)


# Events


@dataclass(frozen=True, slots=True)
class Began:
    """The run begins with the record as read."""


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The agent gave no usable answer; ``retry_after`` seconds when it asked us to wait (429)."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class JobsRead:
    """The agent's jobs."""

    jobs: tuple[FoundJob, ...]


@dataclass(frozen=True, slots=True)
class JobSeen:
    """The agent's word on one job."""

    job: FoundJob


@dataclass(frozen=True, slots=True)
class JobGone:
    """404: the agent does not know the job."""


@dataclass(frozen=True, slots=True)
class PatchesRead:
    """Pending patches. Not ``complete``: a part of the list is missing, so absence proves nothing."""

    patches: tuple[Patch, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class PackageState:
    """An installed package. ``version`` None: the agent does not say."""

    version: str | None = None
    latest_version: str | None = None
    upgradable: bool = False


@dataclass(frozen=True, slots=True)
class PackagesRead:
    """Those of the packages asked about that are installed; what is absent is not. ``pending`` None: not known.

    Not ``complete``: a part of the list is missing, so absence proves nothing.
    """

    packages: Mapping[str, PackageState]
    pending: tuple[Patch, ...] | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ExclusionsRead:
    """Standing exclusions of the job's host and its deployment's own."""

    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True)
class HealthRead:
    """What the host says of itself; None where it does not say, or the facts were not asked for.

    ``cache_updated_at``, ``last_boot`` and ``agent_time`` (when it answered) are on the agent's clock.
    """

    uptime_seconds: int | None = None
    cache_status: str | None = None
    cache_updated_at: datetime | None = None
    agent_time: datetime | None = None
    last_boot: datetime | None = None
    facts_uptime_seconds: int | None = None
    pending_reboot: bool | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """There is a place and a token."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """202: the agent took the job."""

    agent_job_id: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not one byte left. ``cause``: ``unreachable`` or ``stale`` (the intent grew old)."""

    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateOpen:
    """The host may be touched."""


@dataclass(frozen=True, slots=True)
class GateClosed:
    """Not one byte left: outside the host's windows, or inside a freeze."""

    closed: Closed


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The host may go away."""


@dataclass(frozen=True, slots=True)
class TurnDenied:
    """Too many hosts are away; ``words`` are the job's message."""

    words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """429 or 409: not now."""

    retry_after: float
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """400, 404, 405: never."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Sent, and nobody knows."""

    reason: str


SendAnswer = Accepted | NotSent | GateClosed | Refused | Rejected | Ambiguous


@dataclass(frozen=True, slots=True)
class Woke:
    """The wait is over."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Durable; ``record`` has the new version."""

    record: JobRecord


@dataclass(frozen=True, slots=True)
class Conflict:
    """The job changed meanwhile (cancelled, re-planned, another is active): do nothing more."""


Event = (
    Began
    | ReadFailed
    | JobsRead
    | JobSeen
    | JobGone
    | PatchesRead
    | PackagesRead
    | ExclusionsRead
    | HealthRead
    | Claimed
    | Accepted
    | NotSent
    | GateOpen
    | GateClosed
    | TurnTaken
    | TurnDenied
    | Refused
    | Rejected
    | Ambiguous
    | Woke
    | Committed
    | Conflict
)
