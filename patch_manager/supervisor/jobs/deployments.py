"""What operators ask of jobs and deployments; the http room calls this and turns refusals into statuses.

Every change and its audit event are one transaction (TRUST 19). Everything is filtered by the principal's scope; a
batch with one host out of sight queues nothing (TRUST 10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from patch_manager.domain.deployments import (
    CreateRefusal,
    DeploymentPreview,
    DeploymentRequest,
    DeploymentView,
    HostsNotAvailable,
    IdempotencyConflict,
    InvalidPackages,
    JobFilter,
    JobView,
    ListPage,
    NoHosts,
    NotFound,
    NotPossible,
    OnlyAdmins,
    Origin,
    Resolution,
    invalid_package_names,
)
from patch_manager.domain.jobs import JobState, Operation, When
from patch_manager.domain.principal import EVERYTHING, Principal, Role
from patch_manager.storage import deployments as stored
from patch_manager.storage import jobs as stored_jobs
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import CommitUnknown
from patch_manager.storage.job_ledger import groups_by_host
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.acting import Outside, Refusal, event_of
from patch_manager.supervisor.jobs.cursors import read_cursor, write_cursor
from patch_manager.supervisor.jobs.live import LiveJobs
from patch_manager.supervisor.jobs.planning import Planner
from patch_manager.supervisor.jobs.previews import preview_of
from patch_manager.supervisor.jobs.requests import digest_of, request_of, summary_of


@dataclass(frozen=True, slots=True)
class Deployments:
    """The service. ``now`` is the wall clock (UTC)."""

    database: Database
    audit: AuditLog
    live: LiveJobs
    outside: Outside
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    # Asking

    async def preview(
        self, principal: Principal, request: DeploymentRequest
    ) -> DeploymentPreview | HostsNotAvailable | OnlyAdmins | NoHosts | InvalidPackages:
        """What ``request`` would do, from the patches as last read; nothing is asked of any agent."""
        refusal = _check(principal, request)
        if refusal is not None:
            return refusal
        try:
            return await self.database.read(self._preview, principal, request)
        except Refusal as refused:
            return refused.value  # type: ignore[no-any-return]  # raised in _resolve with one of these

    async def _preview(
        self, connection: Connection, principal: Principal, request: DeploymentRequest
    ) -> DeploymentPreview:
        hosts = await _resolve(connection, principal, request, lock=False)
        ids = [host.id for host in hosts]
        rows, patches = await stored.preview_rows(connection, ids, request.packages, request.security_only)
        return preview_of(request, rows, patches, await Planner.read(connection, ids, self.now()))

    async def create(
        self,
        principal: Principal,
        request: DeploymentRequest,
        idempotency_key: str | None = None,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> DeploymentView | CreateRefusal:
        """Queue a job per host. The same key with the same request gives the deployment made before."""
        refusal = _check(principal, request)
        if refusal is not None:
            return refusal
        new = stored.NewDeployment(
            id=uuid4(),
            created_at=self.now(),
            created_by=principal.user_id,
            created_by_name=principal.username,
            idempotency_key=idempotency_key,
            digest=digest_of(request),
            request=request,
        )
        try:
            deployment_id = await self.database.transaction(self._create, principal, new, origin)
        except Refusal as refused:
            return refused.value  # type: ignore[no-any-return]  # raised below with one of these
        except CommitUnknown:
            # Ids are ours: reading tells whether the work is whole or absent.
            if await self.database.read(stored.get_deployment, EVERYTHING, new.id) is None:
                raise
            deployment_id = new.id
        self.outside.jobs_changed()
        self.outside.news((), (deployment_id,))
        view = await self.database.read(stored.get_deployment, principal.scope, deployment_id)
        return HostsNotAvailable() if view is None else view

    async def _planner(self, connection: Connection, hosts: Sequence[stored.TargetHost]) -> Planner:
        """Windows and freezes of hosts that are locked; they stay as they are until the jobs are queued."""
        await hold_calendar(connection)
        return await Planner.read(connection, [host.id for host in hosts], self.now())

    async def _create(
        self, connection: Connection, principal: Principal, new: stored.NewDeployment, origin: Origin
    ) -> UUID:
        if new.idempotency_key is not None:
            before = await stored.same_key(connection, principal.user_id, new.idempotency_key)
            if before is not None:
                return _same(before, new.digest)
        hosts = await _resolve(connection, principal, new.request, lock=True)
        planner = await self._planner(connection, hosts)
        if not await stored.insert_deployment(connection, new, _planned(hosts, new.request, planner)):
            before = await stored.same_key(connection, principal.user_id, new.idempotency_key or "")
            if before is None:
                raise Refusal(IdempotencyConflict())
            return _same(before, new.digest)
        groups = frozenset(group for host in hosts for group in host.group_ids)
        detail = {**summary_of(new.request), "hosts": len(hosts), "host_ids": [host.id for host in hosts[:100]]}
        if new.request.when is When.NOW:
            detail["outside_windows"] = sum(not planner.open(host.id) for host in hosts)
        event = event_of(principal, origin, "deployment.created", "deployment", new.id, groups, detail)
        await self.audit.append(connection, [event])
        return new.id

    # Reading

    async def get(self, principal: Principal, deployment_id: UUID) -> DeploymentView | NotFound:
        """A deployment with totals over the hosts in sight."""
        view = await self.database.read(stored.get_deployment, principal.scope, deployment_id)
        return view or NotFound()

    async def list(
        self, principal: Principal, limit: int = 50, cursor: str | None = None
    ) -> ListPage[DeploymentView] | NotPossible:
        """Deployments in sight, newest first."""
        after = read_cursor(cursor)
        if isinstance(after, NotPossible):
            return after
        items, total = await self.database.read(stored.list_deployments, principal.scope, limit + 1, after)
        more = len(items) > limit
        items = items[:limit]
        return ListPage(items, write_cursor(items[-1].created_at, items[-1].id) if more else None, total)

    async def get_job(self, principal: Principal, job_id: UUID) -> JobView | NotFound:
        """A job with its history."""
        view = await self.database.read(stored_jobs.get_job, principal.scope, job_id)
        return NotFound() if view is None else self.live.over(view)

    async def list_jobs(self, principal: Principal, wanted: JobFilter) -> ListPage[JobView] | NotPossible:
        """Jobs in sight, newest first."""
        after = read_cursor(wanted.cursor)
        if isinstance(after, NotPossible):
            return after
        more_than = replace(wanted, limit=wanted.limit + 1)
        items, total = await self.database.read(stored_jobs.list_jobs, principal.scope, more_than, after)
        more = len(items) > wanted.limit
        items = tuple(self.live.over(view) for view in items[: wanted.limit])
        return ListPage(items, write_cursor(items[-1].created_at, items[-1].id) if more else None, total)

    # Deciding

    async def cancel(
        self,
        principal: Principal,
        deployment_id: UUID,
        origin: Origin = Origin(),  # noqa: B008
    ) -> DeploymentView | NotFound:
        """Cancel the jobs of a deployment that have sent nothing yet; those at work go on."""
        if await self.database.read(stored.get_deployment, principal.scope, deployment_id) is None:
            return NotFound()
        await self.database.transaction(self._cancel, principal, None, deployment_id, origin)
        self.outside.news((), (deployment_id,))
        return await self.get(principal, deployment_id)

    async def cancel_job(
        self,
        principal: Principal,
        job_id: UUID,
        origin: Origin = Origin(),  # noqa: B008
    ) -> JobView | NotFound | NotPossible:
        """Cancel a job that has sent nothing yet."""
        before = await self.get_job(principal, job_id)
        if isinstance(before, NotFound):
            return before
        if not await self.database.transaction(self._cancel, principal, job_id, None, origin):
            return NotPossible(f"the job is {before.state.value.replace('_', ' ')}: only what has not started can stop")
        self.outside.news((job_id,), _some(before.deployment_id))
        return await self.get_job(principal, job_id)

    async def _cancel(
        self,
        connection: Connection,
        principal: Principal,
        job_id: UUID | None,
        deployment_id: UUID | None,
        origin: Origin,
    ) -> int:
        rows = await stored_jobs.cancel_jobs(
            connection,
            principal.scope,
            job_id=job_id,
            deployment_id=deployment_id,
            reason=f"cancelled by {principal.username}",
            at=self.now(),
        )
        if rows:
            by_host = await groups_by_host(connection, {row["host_id"] for row in rows})
            groups = frozenset(group for found in by_host.values() for group in found)
            kind, target = ("job", job_id) if job_id is not None else ("deployment", deployment_id)
            detail = {"jobs": len(rows), "job_ids": [row["id"] for row in rows[:100]]}
            event = event_of(principal, origin, f"{kind}.cancelled", kind, target, groups, detail)
            await self.audit.append(connection, [event])
        return len(rows)

    async def resolve_job(
        self,
        principal: Principal,
        job_id: UUID,
        resolution: Resolution,
        origin: Origin = Origin(),  # noqa: B008
    ) -> JobView | NotFound | NotPossible:
        """An operator who looked at the host ends a job whose outcome is unknown."""
        answer = await self.database.transaction(self._resolve_job, principal, job_id, resolution, origin)
        if answer is not None:
            return answer
        self.outside.jobs_changed()
        view = await self.get_job(principal, job_id)
        if isinstance(view, JobView):
            self.outside.news((job_id,), _some(view.deployment_id))
        return view

    async def _resolve_job(
        self, connection: Connection, principal: Principal, job_id: UUID, resolution: Resolution, origin: Origin
    ) -> NotFound | NotPossible | None:
        found = await stored_jobs.lock_job(connection, principal.scope, job_id)
        if found is None:
            return NotFound()
        host_id, state = found
        reason = f"resolved as {resolution.value} by {principal.username}"
        if not await stored_jobs.resolve_job(connection, job_id, JobState(resolution.value), reason, self.now()):
            return NotPossible(f"the job is {state.value.replace('_', ' ')}: only an unknown outcome can be resolved")
        groups = frozenset((await groups_by_host(connection, [host_id])).get(host_id, ()))
        detail = {"resolution": resolution.value}
        await self.audit.append(
            connection, [event_of(principal, origin, "job.resolved", "job", job_id, groups, detail)]
        )
        return None

    async def retry_failed(
        self,
        principal: Principal,
        deployment_id: UUID,
        origin: Origin = Origin(),  # noqa: B008
    ) -> DeploymentView | NotFound:
        """Queue a new job for every host whose job failed; it takes the old one's place in the totals."""
        view = await self.get(principal, deployment_id)
        if isinstance(view, NotFound):
            return view
        # An admin's word on a freeze is for the one start that it was given for.
        request = replace(request_of(view), override_freeze=view.override_freeze and principal.role is Role.ADMIN)
        await self.database.transaction(self._retry_failed, principal, deployment_id, request, origin)
        self.outside.jobs_changed()
        self.outside.news((), (deployment_id,))
        return await self.get(principal, deployment_id)

    async def _retry_failed(
        self,
        connection: Connection,
        principal: Principal,
        deployment_id: UUID,
        request: DeploymentRequest,
        origin: Origin,
    ) -> None:
        failed = await stored_jobs.failed_jobs(connection, principal.scope, deployment_id)
        if not failed:
            return
        by_host = await groups_by_host(connection, {row["host_id"] for row in failed})
        hosts = [
            stored.TargetHost(
                row["host_id"], row["host_name"], row["host_address"], tuple(by_host.get(row["host_id"], ()))
            )
            for row in failed
        ]
        jobs = _planned(hosts, request, await self._planner(connection, hosts))
        job_ids = [job.id for job in jobs]
        await stored.insert_jobs(
            connection, deployment_id, jobs, operation=Operation.PATCH_APPLY, request=request, at=self.now()
        )
        await stored_jobs.supersede(connection, [row["id"] for row in failed], job_ids)
        groups = frozenset(group for host in hosts for group in host.group_ids)
        detail = {"jobs": len(job_ids), "job_ids": job_ids[:100]}
        event = event_of(principal, origin, "deployment.retried", "deployment", deployment_id, groups, detail)
        await self.audit.append(connection, [event])


def _check(principal: Principal, request: DeploymentRequest) -> OnlyAdmins | NoHosts | InvalidPackages | None:
    if request.override_freeze and principal.role is not Role.ADMIN:
        return OnlyAdmins()
    if not request.host_ids and not request.group_ids:
        return NoHosts()
    if request.packages is not None:
        wrong = invalid_package_names(request.packages)
        if wrong or not request.packages:
            return InvalidPackages(wrong)
    return None


def _same(before: tuple[UUID, bytes], digest: bytes) -> UUID:
    if before[1] != digest:
        raise Refusal(IdempotencyConflict())
    return before[0]


def _planned(
    hosts: Sequence[stored.TargetHost], request: DeploymentRequest, planner: Planner
) -> tuple[stored.NewJob, ...]:
    """A job per host, with when it may start."""
    return tuple(
        stored.NewJob(uuid4(), host, planner.of(host.id, request.when, request.override_freeze)) for host in hosts
    )


async def _resolve(
    connection: Connection, principal: Principal, request: DeploymentRequest, *, lock: bool
) -> tuple[stored.TargetHost, ...]:
    hosts = await stored.target_hosts(connection, principal.scope, request.host_ids, request.group_ids, lock=lock)
    if hosts is None:
        raise Refusal(HostsNotAvailable())
    if not hosts:
        raise Refusal(NoHosts())
    return hosts


def _some(value: UUID | None) -> tuple[UUID, ...]:
    return () if value is None else (value,)
