"""Operations on one host as operators ask for them: a reboot, a package operation, the rollback of a finished job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from patch_manager.domain.deployments import (
    IdempotencyConflict,
    InvalidPackages,
    NotFound,
    NotPossible,
    OnlyAdmins,
    invalid_package_names,
)
from patch_manager.domain.jobs import JobState, Operation, RebootPolicy, When

MOST_PACKAGES: Final = 50
"""Packages of one installation; more are a deployment's or a configuration's work."""
SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,255}")
"""Names of systemd units."""
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^_-]{0,255}")


@dataclass(frozen=True, slots=True)
class Terms:
    """When and why: what every operation has. ``override_freeze`` is an admin's word."""

    when: When = When.NOW
    reason: str = ""
    override_freeze: bool = False


@dataclass(frozen=True, slots=True)
class PackageWish:
    """A package, and the version it should have (None: the newest)."""

    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """Install some packages, or update or remove one."""

    operation: Operation
    packages: tuple[PackageWish, ...]
    purge: bool = False
    reboot: RebootPolicy = RebootPolicy.NEVER


@dataclass(frozen=True, slots=True)
class Unfit:
    """A request that no agent could carry out; ``field`` is the one to change, ``reason`` says how: 422."""

    field: str
    reason: str


def unfit(request: PackageRequest) -> Unfit | InvalidPackages | None:
    """Why a package operation cannot be asked of an agent; None when it can."""
    names = [wish.name for wish in request.packages]
    wrong = invalid_package_names(names)
    if wrong or not names:
        return InvalidPackages(wrong)
    if len(set(names)) != len(names):
        return Unfit("packages", "a package is named twice")
    if request.operation is not Operation.INSTALL and len(names) != 1:
        return Unfit("packages", f"agents {request.operation.value} one package a call: name exactly one")
    if len(names) > MOST_PACKAGES:
        return Unfit("packages", f"at most {MOST_PACKAGES} packages are installed at once")
    return _unfit_versions(request)


def _unfit_versions(request: PackageRequest) -> Unfit | None:
    versions = [wish.version for wish in request.packages if wish.version is not None]
    if versions and request.operation is Operation.REMOVE:
        return Unfit("packages", "a removal takes no version: whichever is installed goes")
    if not all(_VERSION.fullmatch(version) for version in versions):
        return Unfit("packages", "a version is letters, digits and . + : ~ ^ _ - only")
    if request.purge and request.operation is not Operation.REMOVE:
        return Unfit("purge", "only a removal purges")
    return None


@dataclass(frozen=True, slots=True)
class EarlierRollback:
    """A rollback of the same job."""

    id: UUID
    state: JobState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UndoPackage:
    """A package that a rollback would change: ``change`` is *downgrade*, *remove* or *reinstall*; None: not known."""

    name: str
    from_version: str | None
    to_version: str | None
    change: str


@dataclass(frozen=True, slots=True)
class Undoable:
    """A job as a rollback needs to know it."""

    job_id: UUID
    host_id: UUID
    host_name: str
    operation: Operation
    state: JobState
    agent_job_id: str | None
    adopted: bool
    attempts: int
    finished_at: datetime | None
    rebooted_at: datetime | None
    packages: tuple[UndoPackage, ...]
    later_jobs: int
    earlier: tuple[EarlierRollback, ...]


@dataclass(frozen=True, slots=True)
class RollbackPreview:
    """What a rollback would undo, as far as the manager knows. ``why_not`` None: it may be asked for.

    ``agent_knows_job`` is None where the agent could not be asked.
    """

    job_id: UUID
    host_id: UUID
    host_name: str
    operation: Operation
    agent_job_id: str | None
    agent_knows_job: bool | None
    adopted: bool
    needs_confirmation: bool
    why_not: str | None
    packages: tuple[UndoPackage, ...]
    warnings: tuple[str, ...]

    @property
    def possible(self) -> bool:
        """Whether it may be asked for."""
        return self.why_not is None


UNDOABLE: Final = frozenset({Operation.PATCH_APPLY, Operation.INSTALL, Operation.UPDATE, Operation.REMOVE})


def why_not(job: Undoable) -> str | None:
    """Why a job cannot be rolled back; None when it may be asked for."""
    if job.operation not in UNDOABLE:
        return f"a {job.operation.value} cannot be rolled back"
    if job.state not in (JobState.SUCCEEDED, JobState.FAILED):
        state = job.state.value.replace("_", " ")
        return f"the job is {state}: only what succeeded or failed can be rolled back"
    if job.agent_job_id is None:
        return "the agent never took this job, so there is nothing to roll back"
    for rollback in job.earlier:
        if rollback.state is JobState.SUCCEEDED:
            return f"the job was rolled back already, by job {rollback.id}"
        if not rollback.state.terminal or rollback.state is JobState.OUTCOME_UNKNOWN:
            return f"a rollback of this job is {rollback.state.value.replace('_', ' ')}: job {rollback.id}"
    return None


def warnings_of(job: Undoable) -> tuple[str, ...]:
    """What a rollback cannot promise."""
    found: list[str] = []
    if job.adopted:
        found.append(
            "the agent's job was adopted: its answer was lost and it was found in the agent's list, so it may be"
            " somebody else's work"
        )
    if job.rebooted_at is not None:
        found.append("the host was rebooted since: agents that keep jobs in memory only have forgotten this one")
    if any(_is_kernel(package.name) for package in job.packages):
        found.append("a kernel is among the packages: the one that runs stays until the host is rebooted")
    if job.attempts > 1:
        found.append("the job took two attempts: only the last one's work is undone")
    if job.later_jobs:
        jobs = "another job has" if job.later_jobs == 1 else f"{job.later_jobs} jobs have"
        found.append(f"{jobs} changed this host since: what they installed may depend on it")
    if any(rollback.state is JobState.FAILED for rollback in job.earlier):
        found.append("an earlier rollback of this job failed")
    if job.state is JobState.FAILED:
        found.append("the job failed: its agent may have changed packages that are not listed here")
    found.append(
        "configuration and data that the packages changed are not put back; several agent releases never"
        " start a rollback, which is then reported as failed"
    )
    return tuple(found)


def _is_kernel(name: str) -> bool:
    return name.startswith(("linux-image", "linux-generic", "kernel"))


@dataclass(frozen=True, slots=True)
class NeedsConfirmation:
    """An adopted job is rolled back only when somebody says so: 409."""


OperationRefusal = (
    NotFound | OnlyAdmins | NotPossible | InvalidPackages | Unfit | IdempotencyConflict | NeedsConfirmation
)


def names(wishes: Sequence[PackageWish]) -> tuple[str, ...]:
    """The names of packages asked for."""
    return tuple(wish.name for wish in wishes)
