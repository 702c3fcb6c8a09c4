"""The jobs room put together: what the composition root makes, gives to actors and to http, and runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol
from uuid import UUID

import trio

from patch_manager.actors.jobs.clock import system_clock
from patch_manager.actors.jobs.ports import Clock
from patch_manager.actors.jobs.run import Runner
from patch_manager.domain.jobs import DueJob
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.database import Database
from patch_manager.supervisor.answers import JobAnswer
from patch_manager.supervisor.jobs.calendar import Calendar, CalendarGate
from patch_manager.supervisor.jobs.committer import Committer, LeaderNow
from patch_manager.supervisor.jobs.deployments import Deployments
from patch_manager.supervisor.jobs.live import LiveJobs
from patch_manager.supervisor.jobs.news import Hub, JobNews
from patch_manager.supervisor.jobs.operations import HostOperations
from patch_manager.supervisor.jobs.ring_keeper import RingKeeper, StopGate, Stops
from patch_manager.supervisor.jobs.scheduler import InHand, JobScheduler, TrackedRunner
from patch_manager.supervisor.jobs.service import Outside
from patch_manager.supervisor.jobs.turns import Turns
from patch_manager.supervisor.policies.keeper import PolicyKeeper


class JobFleet(Protocol):
    """The part of the supervisor that jobs need."""

    @property
    def hub(self) -> Hub:
        """Where news go."""
        ...

    def run_job(self, due: DueJob) -> JobAnswer:
        """Hand a job to its host's actor. Never waits."""
        ...


class JobRoom:
    """``runner`` is for the actors; ``deployments``, ``operations`` and ``calendar`` are for http.

    ``run`` goes beside the supervisor.
    """

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        leader: LeaderNow,
        *,
        beginning: trio.CapacityLimiter,
        dispatch: trio.CapacityLimiter,
        followed_jobs: trio.CapacityLimiter,
        clock: Clock | None = None,
    ) -> None:
        """``leader`` gives the leadership held right now; the limiters are those of ``supervisor.limits``."""
        clock = clock or system_clock()

        def wall() -> datetime:
            return clock().wall

        live = LiveJobs()
        in_hand = InHand()
        self._news = JobNews(database, live)
        self.stops = Stops()
        self._rings = RingKeeper(database, audit, self.stops, self._changed, wall)
        turns = Turns(database, leader)
        self._committer = Committer(database, audit, leader, self._changed)
        self.calendar = Calendar(database, wall, self._planned)
        self._scheduler = JobScheduler(
            database,
            audit,
            leader,
            in_hand,
            self._changed,
            self.calendar,
            clock,
            followed_jobs,
            upkeep=(turns.keep, self._rings.keep),
        )
        self.jobs_changed = self._scheduler.jobs_changed
        self._policies = PolicyKeeper(
            database, audit, leader, self._news.changed, self.jobs_changed, self.calendar, clock
        )
        self.runner = TrackedRunner(
            Runner(
                self._committer,
                clock,
                StopGate(self.stops, CalendarGate(self.calendar)),
                beginning,
                dispatch,
                live,
                turns,
            ),
            in_hand,
            self.jobs_changed,
        )
        outside = Outside(self.jobs_changed, self._changed)
        self.deployments = Deployments(database, audit, live, outside, wall)
        self.operations = HostOperations(database, audit, live, outside, wall)

    def _changed(self, job_ids: Iterable[UUID], deployment_ids: Iterable[UUID]) -> None:
        deployments = list(deployment_ids)
        self._news.changed(job_ids, deployments)
        self._rings.changed(deployments)

    def _planned(self, job_ids: Iterable[UUID], deployment_ids: Iterable[UUID]) -> None:
        self._changed(job_ids, deployment_ids)
        self.jobs_changed()

    async def run(self, fleet: JobFleet, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit, tell and scan until cancelled; started when all three are."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._committer.run)
            await nursery.start(self._news.run, fleet.hub)
            await nursery.start(self._scheduler.run, fleet.run_job)
            await nursery.start(self._policies.run)
            task_status.started()
