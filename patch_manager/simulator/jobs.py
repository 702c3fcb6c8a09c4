"""An agent's jobs: what they are and how they are kept."""

import enum
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

KEPT_JOBS = 1000


class Operation(enum.Enum):
    """What a job does; the value is how the 202 answer spells it."""

    PATCH_APPLY = "patch_apply"
    INSTALL = "install"
    UPDATE = "update"
    REMOVE = "remove"
    REBOOT = "reboot"
    ROLLBACK = "rollback"


class Status(enum.Enum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def is_final(self) -> bool:
        return self not in (Status.PENDING, Status.RUNNING)


@dataclass(slots=True, eq=False)
class Job:
    """One job; *packages* is None for everything that is pending."""

    operation: Operation
    packages: tuple[str, ...] | None
    reboot: bool = False
    delay: int = 0
    original: "Job | None" = None
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: Status = Status.PENDING
    progress: int = 0
    message: str = "Job queued"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed_at: datetime | None = None
    logs: list[str] = field(default_factory=list)
    error: str | None = None
    error_code: str | None = None
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    rollback_job_id: str | None = None
    updated: tuple[str, ...] = ()  # what it took off the pending list, for a rollback to put back
    changed: tuple[str, ...] = ()  # what it installed or removed

    @property
    def exclusive(self) -> bool:
        return self.operation in (Operation.PATCH_APPLY, Operation.ROLLBACK, Operation.REBOOT)

    def finish(self, status: Status, message: str) -> None:
        self.status = status
        self.message = message
        self.completed_at = datetime.now(UTC)
        self.logs.append(message)
        if status is Status.COMPLETED:
            self.progress = 100

    def fail(self, code: str, message: str, *, exit_code: int = 100, status: Status = Status.FAILED) -> None:
        self.error, self.error_code, self.exit_code = message, code, exit_code
        self.stderr = f"E: {message}\n"
        self.finish(status, message)


class JobTable:
    """Jobs by id, oldest first; finished ones beyond `KEPT_JOBS` are forgotten."""

    __slots__ = ("_jobs",)

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs[job.job_id] = job
        if len(self._jobs) > KEPT_JOBS:
            oldest = next((other for other in self._jobs.values() if other.status.is_final), None)
            if oldest is not None:
                del self._jobs[oldest.job_id]

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def remove(self, job: Job) -> None:
        self._jobs.pop(job.job_id, None)

    def newest_first(self) -> list[Job]:
        return list(reversed(self._jobs.values()))

    def count(self, status: Status) -> int:
        return sum(job.status is status for job in self._jobs.values())

    def clear(self) -> None:
        self._jobs.clear()
