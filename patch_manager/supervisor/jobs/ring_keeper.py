"""Rollouts under way: releases rings, and stops what fails too often. ``domain.ring_rules`` decides, this performs.

Called by every scan of the leading manager. All it knows is in the database; what is kept in memory is for the last
check before each call, and tells which deployments need not be counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
import trio

from patch_manager.actors.jobs.ports import Gate
from patch_manager.domain.audit import AuditEvent, Outcome
from patch_manager.domain.job_record import JobRecord, Moment, SendOutcome
from patch_manager.domain.jobs import Operation
from patch_manager.domain.openings import Closed
from patch_manager.domain.ring_rules import Over, Release, Stay, Stop, decide, soak_until, stopped_words
from patch_manager.storage import rollouts
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.rollouts import Rolling
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.going_on import groups_of_deployment, set_free

WHOLE_SECONDS: Final = 10.0  # ours: what nobody told of is seen within this
LOOKS_APART: Final = 0.1  # ours
_AGAIN: Final = timedelta(seconds=1)
_NOT_TAKEN: Final = frozenset({SendOutcome.NOT_SENT, SendOutcome.REFUSED, SendOutcome.REJECTED, SendOutcome.OPEN})

Tell = Callable[[Iterable[UUID], Iterable[UUID]], None]
"""Told jobs and deployments that changed; must not block."""


class Stops:
    """Deployments that are stopped, with since when."""

    def __init__(self) -> None:
        self._since: dict[UUID, datetime] = {}

    def read(self, looked_at: Collection[UUID] | None, since: Mapping[UUID, datetime]) -> None:
        """Of those looked at (None: all), these are stopped."""
        for deployment_id in list(self._since) if looked_at is None else looked_at:
            self._since.pop(deployment_id, None)
        self._since.update(since)

    def add(self, deployment_id: UUID, since: datetime) -> None:
        """One more, before it is written: a stop that fails to be is forgotten with the next look."""
        self._since[deployment_id] = since

    def hold(self, record: JobRecord) -> bool:
        """Whether a job must not start: it was there when its deployment was stopped, and has sent nothing yet."""
        since = self._since.get(record.deployment_id) if record.deployment_id is not None else None
        return since is not None and record.created_at <= since and not _begun(record)


def _begun(record: JobRecord) -> bool:
    """Whether a call before the present one may have changed the host: such a job goes on to its end."""
    send, attempt = record.send, record.attempt
    if send is None or attempt is None:
        return False
    present = 1 if send.outcome is SendOutcome.OPEN else 0
    if attempt.sends > present or send.outcome not in _NOT_TAKEN:
        return True
    return attempt.number > 1 and send.number > present


class StopGate:
    """``actors.jobs.ports.Gate``: nothing of a stopped deployment starts, else what the gate behind it says."""

    def __init__(self, stops: Stops, behind: Gate) -> None:
        self._stops = stops
        self._behind = behind

    def refuses(self, record: JobRecord, operation: Operation, now: Moment) -> Closed | None:
        """Why ``record`` may not make that call now."""
        if operation is record.operation and self._stops.hold(record):
            reason = "the deployment was stopped"
            return Closed(reason, reason, now.wall + _AGAIN)
        return self._behind.refuses(record, operation, now)


class RingKeeper:
    """Looks after all rollouts under way."""

    def __init__(
        self, database: Database, audit: AuditLog, stops: Stops, news: Tell, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._audit = audit
        self._stops = stops
        self._news = news
        self._now = now
        self._changed: set[UUID] = set()
        self._due: dict[UUID, datetime] = {}
        self._epoch: int | None = None
        self._whole_at = 0.0
        self._again_at = 0.0

    def changed(self, deployment_ids: Iterable[UUID]) -> None:
        """Something happened to these: look at them with the next scan."""
        self._changed.update(deployment_ids)

    async def keep(self, epoch: int) -> None:
        """Do what is due. ``epoch`` is of the leadership held right now.

        Looked at are deployments to which something happened or whose soak is over, and all of them now and then: many
        may wait for their hosts' windows for weeks, and one may have hundreds of jobs that end within a second.

        Raises:
            DatabaseUnavailable, asyncpg.PostgresError: nothing could be read; the next scan tries again.
        """
        if epoch != self._epoch or trio.current_time() >= self._whole_at:
            self._epoch = None  # until all were read
            await self._look_at(None, epoch)
            self._epoch, self._whole_at = epoch, trio.current_time() + WHOLE_SECONDS
            return
        if trio.current_time() < self._again_at:
            return
        self._again_at = trio.current_time() + LOOKS_APART
        now = self._now()
        some = self._changed | {deployment_id for deployment_id, due in self._due.items() if due <= now}
        self._changed = set()
        if some:
            try:
                await self._look_at(some, epoch)
            except BaseException:
                self._changed |= some
                raise

    async def _look_at(self, some: Collection[UUID] | None, epoch: int) -> None:
        found = await self._database.read(_look, some)
        for deployment_id in list(self._due) if some is None else some:
            self._due.pop(deployment_id, None)
        self._stops.read(some, {each.id: each.stopped_at for each, _ in found if each.stopped_at is not None})
        for rolling, to_hold in found:
            due = soak_until(rolling.progress)
            if due is not None:
                self._due[rolling.id] = due
            decision = decide(rolling.progress, self._now())
            if isinstance(decision, Stay) and not to_hold:
                continue
            if isinstance(decision, Stop):
                self._stops.add(rolling.id, self._now())
            try:
                jobs = await self._database.transaction(self._perform, rolling.id, epoch)
            except asyncpg.PostgresError as error:  # one deployment's trouble holds up no other's
                log = structlog.get_logger(__name__)
                log.warning("rollout_delayed", deployment_id=str(rolling.id), reason=str(error))
                self._changed.add(rolling.id)
                continue
            self._news(jobs, (rolling.id,))

    async def _perform(self, connection: Connection, deployment_id: UUID, epoch: int) -> Iterable[UUID]:
        """Decide again on what is locked, and write it with its audit event; returns the jobs that changed."""
        if not await assert_epoch(connection, epoch):
            return ()
        await hold_calendar(connection)
        rolling = await rollouts.lock_rollout(connection, deployment_id)
        if rolling is None:
            return ()
        now = self._now()
        match decide(rolling.progress, now):
            case Release(ring):
                return await self._release(connection, rolling, ring, now)
            case Stop(reason):
                return await self._stop(connection, rolling, reason, now)
            case Over():
                await rollouts.roll(connection, rolling.id, False)
                return ()
            case Stay():
                if rolling.stopped_at is None:
                    return ()
                words = stopped_words(rolling.stop_reason or "")
                return await rollouts.hold_jobs(connection, rolling.id, rolling.stopped_at, words, now)

    async def _release(self, connection: Connection, rolling: Rolling, ring: int, now: datetime) -> Iterable[UUID]:
        await rollouts.release_ring(connection, rolling.id, ring + 1)
        freed = await set_free(connection, rolling.id, ring + 1, now)
        detail = {"ring": ring, "name": rolling.progress.rings[ring].name, "jobs": len(freed)}
        await self._note(connection, rolling.id, "deployment.ring_released", Outcome.SUCCESS, detail)
        return freed

    async def _stop(self, connection: Connection, rolling: Rolling, reason: str, now: datetime) -> Iterable[UUID]:
        await rollouts.stop_rollout(connection, rolling.id, now, reason)
        held = await rollouts.hold_jobs(connection, rolling.id, now, stopped_words(reason), now)
        waiting = sum(ring.totals.queued for ring in rolling.progress.rings[rolling.progress.released :])
        detail = {"reason": reason, "jobs": len(held) + waiting}
        await self._note(connection, rolling.id, "deployment.stopped", Outcome.FAILURE, detail)
        return held

    async def _note(
        self, connection: Connection, deployment_id: UUID, action: str, outcome: Outcome, detail: dict[str, Any]
    ) -> None:
        event = AuditEvent(
            action,
            "system",
            outcome=outcome,
            target_type="deployment",
            target_id=deployment_id,
            groups=await groups_of_deployment(connection, deployment_id),
            detail=detail,
        )
        await self._audit.append(connection, [event])


async def _look(connection: Connection, some: Collection[UUID] | None) -> list[tuple[Rolling, bool]]:
    """These rollouts, or all that are under way, and whether a stopped one has jobs that could start."""
    return [
        (found, found.stopped_at is not None and await rollouts.any_to_hold(connection, found.id, found.stopped_at))
        for found in await rollouts.rolling(connection, some)
    ]
