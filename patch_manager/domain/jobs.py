"""Deployments and jobs: states, evidence and outcomes that rooms share. The protocol is TRUST "Patch jobs"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class JobState(StrEnum):
    """States of DESIGN §4. *Active* blocks a second job on the same host; queued does not."""

    QUEUED = "queued"
    DISPATCHING = "dispatching"
    RUNNING = "running"
    REBOOTING = "rebooting"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OUTCOME_UNKNOWN = "outcome_unknown"

    @property
    def active(self) -> bool:
        """Counted by the partial unique index: one active job per host (an unknown outcome until resolved)."""
        return self in ACTIVE

    @property
    def terminal(self) -> bool:
        """Nothing will change it by itself any more."""
        return self in TERMINAL


ACTIVE = frozenset(
    {JobState.DISPATCHING, JobState.RUNNING, JobState.REBOOTING, JobState.VERIFYING, JobState.OUTCOME_UNKNOWN}
)
TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.OUTCOME_UNKNOWN})


class Operation(StrEnum):
    """What a job does on its host, in the agent's REST words."""

    PATCH_APPLY = "patchapply"
    REBOOT = "reboot"
    ROLLBACK = "rollback"
    INSTALL = "install"
    UPDATE = "update"
    REMOVE = "remove"


class RebootPolicy(StrEnum):
    """What an operator chose about reboots after patching."""

    NEVER = "never"
    IF_REQUIRED = "if_required"


class When(StrEnum):
    """Start at once, or in each host's own next maintenance window."""

    NOW = "now"
    WINDOW = "window"


class PackageResult(StrEnum):
    """Verified result of one package of a job, read from the host's patches or packages after the work."""

    PENDING = "pending"
    UPDATED = "updated"
    INSTALLED = "installed"
    REMOVED = "removed"
    RESTORED = "restored"  # a rollback put it back
    NOT_RESTORED = "not_restored"
    KEPT_BACK = "kept_back"
    FAILED = "failed"
    NOT_NEEDED = "not_needed"
    EXCLUDED = "excluded"  # pending, and left out on purpose
    NOT_ACCEPTED = "not_accepted"  # pending, under a name that agents refuse together with the whole request
    UNKNOWN = "unknown"


LEFT_OUT = frozenset({PackageResult.NOT_NEEDED, PackageResult.EXCLUDED, PackageResult.NOT_ACCEPTED})
"""Results of packages that are never asked for."""


@dataclass(frozen=True, slots=True)
class PackageOutcome:
    """One package of a job and what became of it, with the versions where they are known; why it was left out."""

    name: str
    result: PackageResult
    from_version: str | None = None
    to_version: str | None = None
    reason: str | None = None


NOT_RETRYABLE = frozenset(
    {
        "PKG_NOT_FOUND",
        "DEPENDENCY_CONFLICT",
        "GPG_ERROR",
        "PERMISSION_DENIED",
        "COMMAND_NOT_FOUND",
        "VALIDATION_ERROR",
    }
)
"""Agent error codes that time does not change; unknown codes are retried (TRUST "Retry")."""


@dataclass(frozen=True, slots=True)
class JobKey:
    """Identifies a job and the version of its row that an update must still find."""

    id: UUID
    host_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class DueJob:
    """A queued job that may start now, or an active one to adopt, as the supervisor's scan finds it."""

    key: JobKey
    deployment_id: UUID | None
    operation: Operation
    state: JobState
    not_before: datetime | None
