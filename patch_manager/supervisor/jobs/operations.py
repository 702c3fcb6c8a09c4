"""Operations on one host: reboot, install, update, remove, and the rollback of a finished job.

Each is one job without a deployment; the scan and the protocol carry it out like any other. The job, its plan and its
audit event are one transaction (TRUST 19); a host out of sight is answered like none (TRUST 10).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson

from patch_manager.domain.deployments import IdempotencyConflict, JobView, NotFound, NotPossible, OnlyAdmins, Origin
from patch_manager.domain.jobs import Operation, RebootPolicy, When
from patch_manager.domain.operations import (
    NeedsConfirmation,
    OperationRefusal,
    PackageRequest,
    RollbackPreview,
    Terms,
    Undoable,
    unfit,
    warnings_of,
    why_not,
)
from patch_manager.domain.principal import EVERYTHING, Principal, Role
from patch_manager.storage import deployments as stored
from patch_manager.storage import jobs as stored_jobs
from patch_manager.storage import operations
from patch_manager.storage.connecting import Connection
from patch_manager.storage.errors import CommitUnknown
from patch_manager.supervisor.jobs.service import Refusal, Service, event_of, same_request

AskAgent = Callable[[UUID, str], Awaitable[bool | None]]
"""Whether a host's agent knows a job; None when it gives no answer in time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked, on which terms, from where, and under which idempotency key."""

    principal: Principal
    terms: Terms = field(default_factory=Terms)
    key: str | None = None
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True)
class _Work:
    """What to do on a host, beside the terms."""

    operation: Operation
    requested: tuple[str, ...] | None = None
    versions: tuple[str | None, ...] | None = None
    purge: bool = False
    reboot: RebootPolicy = RebootPolicy.NEVER
    rollback_of: UUID | None = None
    rollback_agent_job_id: str | None = None

    @property
    def words(self) -> dict[str, Any]:
        """For the audit log and the digest; what does not apply is absent."""
        said: dict[str, Any] = {"operation": self.operation.value}
        if self.requested is not None:
            said["packages"] = list(self.requested)
        if self.versions is not None and any(self.versions):
            said["versions"] = list(self.versions)
        if self.purge:
            said["purge"] = True
        if self.reboot is not RebootPolicy.NEVER:
            said["reboot"] = self.reboot.value
        if self.rollback_of is not None:
            said["rollback_of"] = str(self.rollback_of)
        return said


class HostOperations(Service):
    """The service; it stands beside that of deployments."""

    __slots__ = ()

    async def reboot(self, asked: Asked, host_id: UUID) -> JobView | OperationRefusal:
        """Queue a reboot; refused while the host is on hold."""
        return await self._queue(asked, host_id, _Work(Operation.REBOOT))

    async def change_packages(self, asked: Asked, host_id: UUID, request: PackageRequest) -> JobView | OperationRefusal:
        """Queue a package operation."""
        refusal = unfit(request)
        if refusal is not None:
            return refusal
        work = _Work(
            request.operation,
            requested=tuple(wish.name for wish in request.packages),
            versions=tuple(wish.version for wish in request.packages),
            purge=request.purge,
            reboot=request.reboot,
        )
        return await self._queue(asked, host_id, work)

    async def preview_rollback(
        self, principal: Principal, job_id: UUID, ask_agent: AskAgent
    ) -> RollbackPreview | NotFound:
        """What a rollback of a job would undo. Its agent is asked whether it still knows the job; nothing is queued."""
        job = await self.database.read(operations.undoable, principal.scope, job_id)
        if job is None:
            return NotFound()
        reason = why_not(job)
        knows = None
        if reason is None and job.agent_job_id is not None:
            knows = await ask_agent(job.host_id, job.agent_job_id)
        warnings = warnings_of(job)
        if knows is False:
            warnings = ("the agent does not know this job any more and will refuse to roll it back", *warnings)
        return RollbackPreview(
            job_id=job.job_id,
            host_id=job.host_id,
            host_name=job.host_name,
            operation=job.operation,
            agent_job_id=job.agent_job_id,
            agent_knows_job=knows,
            adopted=job.adopted,
            needs_confirmation=reason is None and job.adopted,
            why_not=reason,
            packages=job.packages,
            warnings=warnings,
        )

    async def rollback(self, asked: Asked, job_id: UUID, *, confirm_adopted: bool) -> JobView | OperationRefusal:
        """Queue the rollback of a finished job through its agent."""
        job = await self.database.read(operations.undoable, asked.principal.scope, job_id)
        if job is None:
            return NotFound()
        work = _Work(Operation.ROLLBACK, rollback_of=job.job_id, rollback_agent_job_id=job.agent_job_id)
        return await self._queue(asked, job.host_id, work, confirm_adopted)

    # One transaction

    async def _queue(
        self, asked: Asked, host_id: UUID, work: _Work, confirm_adopted: bool = False
    ) -> JobView | OperationRefusal:
        if asked.terms.override_freeze and asked.principal.role is not Role.ADMIN:
            return OnlyAdmins()
        new_id = uuid4()
        try:
            job_id = await self.database.transaction(self._insert, asked, host_id, work, new_id, confirm_adopted)
        except Refusal as refused:
            return refused.value  # type: ignore[no-any-return]  # raised below with one of these
        except CommitUnknown:
            # Ids are ours: reading tells whether the work is whole or absent.
            if await self.database.read(stored_jobs.get_job, EVERYTHING, new_id) is None:
                raise
            job_id = new_id
        self.outside.jobs_changed()
        self.outside.news((job_id,), ())
        view = await self.database.read(stored_jobs.get_job, asked.principal.scope, job_id)
        return NotFound() if view is None else self.live.over(view)

    async def _insert(
        self, connection: Connection, asked: Asked, host_id: UUID, work: _Work, new_id: UUID, confirm_adopted: bool
    ) -> UUID:
        principal, terms = asked.principal, asked.terms
        digest = _digest(host_id, work, terms)
        if asked.key is not None:
            before = await operations.operation_by_key(connection, principal.user_id, asked.key)
            if before is not None:
                return same_request(before, digest)
        hosts = await stored.target_hosts(connection, principal.scope, [host_id], [], lock=True)
        if not hosts:
            raise Refusal(NotFound())
        (host,) = hosts
        if work.operation is Operation.REBOOT:
            hold = await operations.hold_on(connection, host_id)
            if hold is not None:
                words = f"the host is {hold.words}, set by {hold.set_by}: lift the hold before it is rebooted"
                raise Refusal(NotPossible(words))
        planner = await self.planner(connection, hosts)
        if work.rollback_of is not None:
            await _may_undo(connection, principal, work.rollback_of, confirm_adopted)
        new = operations.NewOperation(
            id=new_id,
            host=host,
            plan=planner.of(host_id, terms.when, terms.override_freeze),
            operation=work.operation,
            when=terms.when,
            override_freeze=terms.override_freeze,
            reason=terms.reason,
            created_at=self.now(),
            created_by=principal.user_id,
            created_by_name=principal.username,
            idempotency_key=asked.key,
            digest=digest,
            requested=work.requested,
            versions=work.versions,
            purge=work.purge,
            reboot=work.reboot,
            rollback_of=work.rollback_of,
            rollback_agent_job_id=work.rollback_agent_job_id,
        )
        if not await operations.insert_operation(connection, new):
            before = await operations.operation_by_key(connection, principal.user_id, asked.key or "")
            if before is None:
                raise Refusal(IdempotencyConflict())
            return same_request(before, digest)
        detail = {"host_id": host_id, **work.words, **_terms(terms)}
        if terms.when is When.NOW:
            detail["outside_windows"] = not planner.open(host_id)
        groups = frozenset(host.group_ids)
        event = event_of(principal, asked.origin, "job.requested", "job", new_id, groups, detail)
        await self.audit.append(connection, [event])
        return new_id


async def _may_undo(connection: Connection, principal: Principal, job_id: UUID, confirm_adopted: bool) -> Undoable:
    """Whether it still may, with the job locked: two people may press the button at once."""
    job = await operations.undoable(connection, principal.scope, job_id, lock=True)
    if job is None:
        raise Refusal(NotFound())
    reason = why_not(job)
    if reason is not None:
        raise Refusal(NotPossible(reason))
    if job.adopted and not confirm_adopted:
        raise Refusal(NeedsConfirmation())
    return job


def _terms(terms: Terms) -> dict[str, Any]:
    said: dict[str, Any] = {"when": terms.when.value}
    if terms.reason:
        said["reason"] = terms.reason
    if terms.override_freeze:
        said["override_freeze"] = True
    return said


def _digest(host_id: UUID, work: _Work, terms: Terms) -> bytes:
    canonical = {"host_id": str(host_id), **work.words, **_terms(terms)}
    return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).digest()
