"""Deciding about what is under way: cancel, resolve, retry; each change with its audit event (TRUST 19)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from patch_manager.domain.deployments import (
    DeploymentRequest,
    DeploymentView,
    JobView,
    NotFound,
    NotPossible,
    Origin,
    Resolution,
)
from patch_manager.domain.jobs import JobState, Operation
from patch_manager.domain.principal import Principal, Role
from patch_manager.storage import deployments as stored
from patch_manager.storage import jobs as stored_jobs
from patch_manager.storage import rollouts
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_ledger import groups_by_host
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.planning import planned
from patch_manager.supervisor.jobs.reading import Reading
from patch_manager.supervisor.jobs.requests import request_of
from patch_manager.supervisor.jobs.service import event_of


class Deciding(Reading):
    """What operators do to what they asked for."""

    __slots__ = ()

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
        await hold_calendar(connection)
        await rollouts.roll(connection, deployment_id, True)
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
        fresh = planned(hosts, request, await self.planner(connection, hosts))
        jobs = [replace(job, ring=row["ring"]) for job, row in zip(fresh, failed, strict=True)]
        job_ids = [job.id for job in jobs]
        await stored.insert_jobs(
            connection, deployment_id, jobs, operation=Operation.PATCH_APPLY, request=request, at=self.now()
        )
        await stored_jobs.supersede(connection, [row["id"] for row in failed], job_ids)
        groups = frozenset(group for host in hosts for group in host.group_ids)
        detail = {"jobs": len(job_ids), "job_ids": job_ids[:100]}
        event = event_of(principal, origin, "deployment.retried", "deployment", deployment_id, groups, detail)
        await self.audit.append(connection, [event])


def _some(value: UUID | None) -> tuple[UUID, ...]:
    return () if value is None else (value,)
