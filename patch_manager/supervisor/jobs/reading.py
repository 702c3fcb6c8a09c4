"""Reading deployments and jobs: everything is filtered by the principal's scope."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from patch_manager.domain.deployments import DeploymentView, JobFilter, JobView, ListPage, NotFound, NotPossible
from patch_manager.domain.principal import Principal
from patch_manager.storage import deployments as stored
from patch_manager.storage import jobs as stored_jobs
from patch_manager.supervisor.jobs.cursors import read_cursor, write_cursor
from patch_manager.supervisor.jobs.service import Service


class Reading(Service):
    """Deployments and jobs, one and by the page."""

    __slots__ = ()

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
