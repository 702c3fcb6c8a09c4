"""The scan for due jobs: every second, when the next one falls due, and at once when something is told to have changed.

Messages are hints: a lost one delays a job by a second and never loses it (TRUST "The database owns jobs"). Windows run
on the wall clock, which may jump: what is due is asked anew each time, and no timer holds a moment for longer than a
second (decision 0010).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import structlog
import trio

from patch_manager.actors.jobs.ports import Clock
from patch_manager.actors.jobs.run import Runner
from patch_manager.actors.ports import HostLink
from patch_manager.domain.audit import AuditEvent
from patch_manager.domain.jobs import DueJob
from patch_manager.storage import job_ledger, job_plans
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.job_plans import WaitingJob
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.answers import JobAnswer
from patch_manager.supervisor.jobs.calendar import Calendar
from patch_manager.supervisor.jobs.committer import LeaderNow, News
from patch_manager.supervisor.jobs.planning import replan

SCAN_SECONDS: Final = 1.0  # TRUST "The supervisor rescans due jobs every second"
HANDED_SECONDS: Final = 15.0  # ours: an actor that took a job and did not begin it has restarted
ORPHANS_SECONDS: Final = 10.0  # ours: jobs of deleted hosts end within this
REPLAN_SECONDS: Final = 30.0  # ours: a plan made from what was just being changed is corrected within this
_SHORTEST_NAP: Final = 0.002

Upkeep = Callable[[int], Awaitable[None]]
"""What the leading manager keeps in order before it looks for due jobs; given the epoch."""


class InHand:
    """Jobs that this process runs, or has just handed to an actor: the scan leaves them alone."""

    def __init__(self) -> None:
        self._running: set[UUID] = set()
        self._handed: dict[UUID, float] = {}

    def handed(self, job_id: UUID) -> None:
        """An actor took the job and will begin it."""
        self._handed[job_id] = trio.current_time()

    def ids(self) -> list[UUID]:
        """All of them."""
        late = trio.current_time() - HANDED_SECONDS
        self._handed = {job_id: at for job_id, at in self._handed.items() if at > late}
        return list(self._running | self._handed.keys())

    async def run(self, runner: Runner, due: DueJob, link: HostLink) -> bool:
        """Run a job unless it runs already; False then."""
        job_id = due.key.id
        if job_id in self._running:
            return False
        self._running.add(job_id)
        self._handed.pop(job_id, None)
        try:
            await runner(due, link)
        finally:
            self._running.discard(job_id)
        return True


class TrackedRunner:
    """The ``JobRunner`` that actors are given: runs jobs, keeps ``InHand``, and wakes the scan when one ends."""

    def __init__(self, runner: Runner, in_hand: InHand, jobs_changed: Callable[[], None]) -> None:
        self._runner = runner
        self._in_hand = in_hand
        self._jobs_changed = jobs_changed

    async def __call__(self, due: DueJob, link: HostLink) -> None:
        """Run ``due`` on the host behind ``link``; see ``actors.ports.JobRunner``."""
        try:
            await self._in_hand.run(self._runner, due, link)
        except DatabaseUnavailable as error:
            structlog.get_logger(__name__).warning("job_run_postponed", job_id=str(due.key.id), reason=str(error))
        finally:
            self._jobs_changed()


class JobScheduler:
    """Finds due jobs and hands them to actors. ``run`` belongs into the supervisor's nursery."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        leader: LeaderNow,
        in_hand: InHand,
        news: News,
        calendar: Calendar,
        clock: Clock,
        limit: trio.CapacityLimiter,
        upkeep: Sequence[Upkeep] = (),
    ) -> None:
        """``limit`` bounds jobs in hand at once (the limiter *followed_jobs*); ``upkeep`` goes before each scan."""
        self._database = database
        self._audit = audit
        self._leader = leader
        self._in_hand = in_hand
        self._news = news
        self._calendar = calendar
        self._clock = clock
        self._limit = limit
        self._upkeep = tuple(upkeep)
        self._hint = trio.Event()
        self._reachable = True

    def jobs_changed(self) -> None:
        """Something may be due: look at once."""
        self._hint.set()

    async def run(
        self, run_job: Callable[[DueJob], JobAnswer], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Scan until cancelled; ``run_job`` hands a job to its host's actor and never waits."""
        task_status.started()
        orphans_at = replan_at = trio.current_time()
        while True:
            self._hint = trio.Event()
            nap = SCAN_SECONDS
            try:
                if await self._calendar.keep_fresh() or trio.current_time() >= replan_at:
                    replan_at = trio.current_time() + REPLAN_SECONDS
                    await self._replan()
                nap = await self._scan(run_job)
                if trio.current_time() >= orphans_at:
                    orphans_at = trio.current_time() + ORPHANS_SECONDS
                    await self._end_orphans()
                self._reachable = True
            except (DatabaseUnavailable, asyncpg.PostgresError) as error:
                if self._reachable:
                    structlog.get_logger(__name__).warning("jobs_scan_failed", reason=str(error))
                self._reachable = False
                await trio.sleep(SCAN_SECONDS)
            with trio.move_on_after(nap):
                await self._hint.wait()

    async def _scan(self, run_job: Callable[[DueJob], JobAnswer]) -> float:
        """Hand out what is due; the seconds to wait before the next look."""
        leader = self._leader()
        if leader is None or not leader.is_leader:
            return SCAN_SECONDS
        for keep in self._upkeep:
            await keep(leader.epoch)
        taken = self._in_hand.ids()
        room = int(self._limit.total_tokens) - len(taken)
        now = self._clock().wall
        if room > 0:
            for due in await self._database.read(job_ledger.due_jobs, now, taken, room):
                if run_job(due) == JobAnswer.ACCEPTED:
                    self._in_hand.handed(due.key.id)
        following = await self._database.read(job_plans.next_start, now)
        if following is None:
            return SCAN_SECONDS
        return min(SCAN_SECONDS, max(_SHORTEST_NAP, (following - self._clock().wall).total_seconds()))

    async def _replan(self) -> None:
        """Plan anew what waits: groups may have changed, and a run may have planned by what was just changed."""
        leader = self._leader()
        if leader is None or not leader.is_leader:
            return
        moved = await self._database.transaction(self._plan_anew, leader.epoch)
        if moved:
            self._news([job.id for job in moved], {job.deployment_id for job in moved if job.deployment_id is not None})

    async def _plan_anew(self, connection: Connection, epoch: int) -> tuple[WaitingJob, ...]:
        if not await assert_epoch(connection, epoch):
            return ()
        await hold_calendar(connection)
        moved = await replan(connection, None, self._clock().wall)
        await self._audit.append(connection, [_event("job.planned", job.id, "planned anew") for job in moved])
        return moved

    async def _end_orphans(self) -> None:
        leader = self._leader()
        if leader is None or not leader.is_leader:
            return
        ended = await self._database.transaction(self._orphans, leader.epoch)
        if ended:
            self._news([job_id for job_id, _ in ended], {d for _, d in ended if d is not None})

    async def _orphans(self, connection: Connection, epoch: int) -> list[tuple[UUID, UUID | None]]:
        if not await assert_epoch(connection, epoch):
            return []
        rows = await job_ledger.end_orphans(connection, self._clock().wall)
        reason = "the host was deleted"
        await self._audit.append(connection, [_event("job.ended", row["id"], reason) for row in rows])
        return [(row["id"], row["deployment_id"]) for row in rows]


def _event(action: str, job_id: UUID, reason: str) -> AuditEvent:
    return AuditEvent(action, "system", target_type="job", target_id=job_id, detail={"reason": reason})
