"""News of jobs and deployments for the live stream: read for all that changed at once, and handed to the hub."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg
import structlog
import trio

from patch_manager.domain.deployments import DeploymentView, JobTotals, JobView
from patch_manager.domain.principal import EVERYTHING
from patch_manager.storage import deployments as stored
from patch_manager.storage import jobs as stored_jobs
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.supervisor.jobs.live import LiveJobs

_GATHER_SECONDS: Final = 0.15
_MOST_AT_ONCE: Final = 500
_NOT_SHOWN: Final = frozenset({"transitions", "version", "host_address"})


class Hub(Protocol):
    """The part of the event hub that takes jobs and deployments."""

    def publish_jobs(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Items in the shape of ``http.schemas.jobs.JobOut``."""
        ...

    def publish_deployments(self, items: Iterable[tuple[Mapping[str, Any], Collection[UUID]]]) -> None:
        """Items in the shape of ``http.schemas.jobs.DeploymentOut``, each with all its hosts."""
        ...


class JobNews:
    """Collects ids that changed; ``run`` turns them into items. A lost item is healed by the next change or reload."""

    def __init__(self, database: Database, live: LiveJobs) -> None:
        self._database = database
        self._live = live
        self._jobs: dict[UUID, None] = {}
        self._moved: dict[UUID, None] = {}
        self._deployments: dict[UUID, None] = {}
        self._views: dict[UUID, JobView] = {}
        self._hosts: dict[UUID, list[UUID]] = {}
        self._some = trio.Event()
        live.on_change = self._progressed

    def changed(self, job_ids: Iterable[UUID], deployment_ids: Iterable[UUID]) -> None:
        """These changed in the database."""
        self._jobs.update(dict.fromkeys(job_ids))
        self._deployments.update(dict.fromkeys(deployment_ids))
        self._some.set()

    def _progressed(self, job_id: UUID) -> None:
        self._moved[job_id] = None
        self._some.set()

    async def run(self, hub: Hub, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Publish to ``hub`` until cancelled."""
        task_status.started()
        while True:
            await self._some.wait()
            await trio.sleep(_GATHER_SECONDS)
            self._some = trio.Event()
            try:
                await self._publish(hub)
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                structlog.get_logger(__name__).warning("job_news_delayed", reason=str(error))
                await trio.sleep(1.0)

    async def _publish(self, hub: Hub) -> None:
        jobs, deployments = list(self._jobs)[:_MOST_AT_ONCE], list(self._deployments)
        # Taken off before reading: a change during the read is read again.
        for job_id in jobs:
            del self._jobs[job_id]
        self._deployments = {}
        try:
            views = await self._database.read(stored_jobs.jobs_by_id, jobs) if jobs else ()
            found = await self._database.read(_read_deployments, deployments, self._hosts) if deployments else []
        except (DatabaseUnavailable, asyncpg.PostgresError):
            self.changed(jobs, deployments)
            raise
        self._views.update({view.id: view for view in views})
        moved = dict.fromkeys([*self._moved, *(view.id for view in views)])
        self._moved = {}
        shown = [self._views[job_id] for job_id in moved if job_id in self._views]
        hub.publish_jobs([job_item(self._live.over(view)) for view in shown])
        hub.publish_deployments([(deployment_item(view), hosts) for view, hosts in found])
        for deployment, hosts in found:
            if deployment.finished_at is None:
                self._hosts[deployment.id] = hosts
            else:
                self._hosts.pop(deployment.id, None)
        for view in shown:
            if view.state.terminal:
                del self._views[view.id]
        if self._jobs:
            self._some.set()


async def _read_deployments(
    connection: Any, ids: list[UUID], hosts: Mapping[UUID, list[UUID]]
) -> list[tuple[DeploymentView, list[UUID]]]:
    """Deployments with their hosts, which never change: those that are known of one under way are not read again."""
    found = []
    for deployment_id in ids:
        view = await stored.get_deployment(connection, EVERYTHING, deployment_id)
        if view is not None:
            found.append((view, hosts.get(deployment_id) or await stored.hosts_of(connection, deployment_id)))
    return found


def job_item(view: JobView) -> dict[str, Any]:
    """A job in the shape of ``http.schemas.jobs.JobOut``."""
    return {field.name: getattr(view, field.name) for field in fields(view) if field.name not in _NOT_SHOWN}


def deployment_item(view: DeploymentView) -> dict[str, Any]:
    """A deployment in the shape of ``http.schemas.jobs.DeploymentOut``."""
    item = {field.name: getattr(view, field.name) for field in fields(view)}
    rings = [
        {**{field.name: getattr(ring, field.name) for field in fields(ring)}, "totals": _totals(ring.totals)}
        for ring in view.rings
    ]
    return {**item, "totals": _totals(view.totals), "rings": rings}


def _totals(totals: JobTotals) -> dict[str, int]:
    return {"total": totals.total, **{field.name: getattr(totals, field.name) for field in fields(JobTotals)}}
