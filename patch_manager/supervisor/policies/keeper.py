"""The scan that carries standing policies out: every second, and when a window of their hosts opens.

Memory says where to look; the transaction that starts jobs decides by what the database says, and a key per policy,
host and opening keeps it from starting twice, whoever scans and however often it is killed (decision 0013).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import structlog
import trio

from patch_manager.actors.jobs.ports import Clock
from patch_manager.domain.audit import AuditEvent
from patch_manager.domain.openings import Opening
from patch_manager.domain.policies import Policy
from patch_manager.storage import jobs as stored_jobs
from patch_manager.storage import policies, policy_runs
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.windows import Revision
from patch_manager.supervisor.jobs.calendar import Calendar
from patch_manager.supervisor.jobs.committer import LeaderNow, News
from patch_manager.supervisor.policies.starting import Doubled, Starting, decide
from patch_manager.supervisor.policies.watching import Watch

SCAN_SECONDS: Final = 1.0  # ours: as the scan for due jobs
_SHORTEST_NAP: Final = 0.002


class PolicyKeeper:
    """``run`` belongs beside the scheduler, which keeps ``calendar`` fresh."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        leader: LeaderNow,
        news: News,
        jobs_changed: Callable[[], None],
        calendar: Calendar,
        clock: Clock,
    ) -> None:
        self._database = database
        self._audit = audit
        self._leader = leader
        self._news = news
        self._jobs_changed = jobs_changed
        self._calendar = calendar
        self._clock = clock
        self._watch = Watch(calendar)
        self._seen: object = None  # what ``_watch`` was learnt at
        self._grouped_at: Revision | None = None
        self._reachable = True

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Scan until cancelled."""
        task_status.started()
        while True:
            nap = SCAN_SECONDS
            try:
                nap = await self._scan()
                self._reachable = True
            except (DatabaseUnavailable, asyncpg.PostgresError, Doubled) as error:
                if self._reachable:
                    structlog.get_logger(__name__).warning("policies_scan_failed", reason=repr(error))
                self._reachable = False
                self._seen = None
            await trio.sleep(nap)

    async def _scan(self) -> float:
        leader = self._leader()
        if leader is None or not leader.is_leader or not self._calendar.sound:
            self._seen = None
            return SCAN_SECONDS
        seen = (leader.epoch, await self._database.read(policies.revision))
        if seen != self._seen:
            await self._learn(leader.epoch)
            self._seen = seen
        if self._calendar.revision != self._grouped_at:
            self._grouped_at = self._calendar.revision
            self._watch.group()
        now = self._clock().wall
        due, following = self._watch.due(now)
        for policy in self._watch.policies:
            if policy.id in due and not await self._start(policy, due[policy.id], leader.epoch):
                self._seen = None  # somebody was faster: read everything anew
        return min(SCAN_SECONDS, max(_SHORTEST_NAP, (following - self._clock().wall).total_seconds()))

    async def _learn(self, epoch: int) -> None:
        """Read policies and their hosts; jobs of policies that are not in force any more do not start."""
        cancelled = await self._database.transaction(self._cancel_stale, epoch)
        if cancelled:
            self._news(cancelled, set(cancelled.values()))
        found = await self._database.read(policies.enabled_policies)
        members = await self._database.read(policies.memberships)
        self._watch.learn(found, members, await self._database.read(policy_runs.recent_runs, self._clock().wall))
        self._grouped_at = None

    async def _cancel_stale(self, connection: Connection, epoch: int) -> dict[UUID, UUID]:
        if not await assert_epoch(connection, epoch):
            return {}
        return await cancel_stale(connection, self._audit, None, self._clock().wall)

    async def _start(self, policy: Policy, due: Mapping[UUID, Opening], epoch: int) -> bool:
        """Look at hosts of a policy, and start what is to start; False when memory is behind the database."""
        now = self._clock().wall
        if not await self._news_about(policy, due, now):
            return True
        starting = Starting(self._audit, policy, due, uuid4(), now)
        done = await self._database.transaction(starting, epoch)
        for run in done.runs:
            self._watch.note(policy.id, run, now)
        if done.deployment_id is not None:
            structlog.get_logger(__name__).info("policy_started", policy=policy.name, hosts=len(done.runs))
            self._jobs_changed()
            self._news((), (done.deployment_id,))
        return not done.changed

    async def _news_about(self, policy: Policy, due: Mapping[UUID, Opening], now: datetime) -> bool:
        """Whether there is anything to write; hosts that are as they were known are left for later."""
        known = self._watch.known
        again = [host_id for host_id, opening in due.items() if _is_of(known.get((policy.id, host_id)), opening)]
        if len(again) < len(due):
            return True
        runs = await self._database.read(decide, policy, due, now)
        same = len(runs) == len(due)
        for run in runs:
            before = known[policy.id, run.host_id]
            if (run.result, run.reason) != (before.result, before.reason):
                same = False
        if same:
            for run in runs:
                self._watch.note(policy.id, run, now)
        return not same


def _is_of(known: policy_runs.Known | None, opening: Opening) -> bool:
    return known is not None and known.opens_at == opening.opens_at


async def cancel_stale(
    connection: Connection, audit: AuditLog, policy_id: UUID | None, now: datetime
) -> dict[UUID, UUID]:
    """Cancel what has not begun of policies (one, or all) that are not in force for its hosts.

    Returns the jobs, with their deployments.
    """
    stale = await policy_runs.stale_jobs(connection, policy_id)
    by_reason: dict[str, list[UUID]] = {}
    for row in stale:
        by_reason.setdefault(row["reason"], []).append(row["id"])
    cancelled: dict[UUID, UUID] = {}
    for reason, ids in by_reason.items():
        rows = await stored_jobs.cancel_listed(connection, ids, reason, now)
        cancelled |= {row["id"]: row["deployment_id"] for row in rows}
        events = [
            AuditEvent("job.cancelled", "system", target_type="job", target_id=row["id"], detail={"reason": reason})
            for row in rows
        ]
        await audit.append(connection, events)
    return cancelled
