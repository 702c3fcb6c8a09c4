"""The one committer: steps of many hosts and their audit rows in one transaction (TRUST "The database owns jobs").

A step is written only while this manager leads (the epoch row is read FOR SHARE) and only where the job still is what
the step was decided on. While the database is away steps wait here and nothing is dispatched; a COMMIT whose answer
was lost is checked by reading, because the steps' ids are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import structlog
import trio

from patch_manager.actors.jobs.ports import Kept
from patch_manager.domain.audit import AuditEvent, Outcome
from patch_manager.domain.exclusions import Exclusion
from patch_manager.domain.job_record import JobRecord, Moment
from patch_manager.domain.jobs import JobState
from patch_manager.storage import exclusions, job_ledger, job_records
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import CommitUnknown, DatabaseUnavailable
from patch_manager.storage.job_ledger import Change
from patch_manager.storage.leadership import Leader, assert_epoch
from patch_manager.supervisor.jobs.gathering import Gathered

LARGEST_BATCH: Final = 500
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0

LeaderNow = Callable[[], Leader | None]
"""The leadership held right now; None between losing one and winning the next."""

News = Callable[[Iterable[UUID], Iterable[UUID]], None]
"""Told the jobs and deployments that changed, after the commit; must not block."""


class _NotLeading(Exception):
    """The epoch is another manager's."""


@dataclass(slots=True, eq=False)
class _Step:
    change: Change
    done: trio.Event = field(default_factory=trio.Event)
    kept: Kept | None = None
    error: BaseException | None = None


class Committer:
    """Implements ``actors.jobs.ports.Ledger``. ``run`` belongs into the supervisor's nursery."""

    def __init__(self, database: Database, audit: AuditLog, leader: LeaderNow, news: News) -> None:
        self._database = database
        self._audit = audit
        self._leader = leader
        self._news = news
        self._waiting: list[_Step] = []
        self._wake = trio.Event()
        self._records = Gathered(database, job_records.load_records)
        self._exclusions = Gathered(database, exclusions.of_jobs)

    @property
    def waiting(self) -> int:
        """Steps that are not durable yet, for metrics."""
        return len(self._waiting)

    # The ledger's face to runs

    async def load(self, job_id: UUID) -> JobRecord | None:
        """All that is durable of a job; raises ``DatabaseUnavailable``."""
        return await self._records.get(job_id)

    async def commit(self, before: JobRecord, after: JobRecord, reason: str, now: Moment) -> Kept | None:
        """Write a step, waiting for the database as long as it takes; None: the job is no longer as ``before`` says."""
        step = _Step(Change(uuid4(), now.wall, before, after, reason))
        self._waiting.append(step)
        self._wake.set()
        try:
            await step.done.wait()
        finally:
            # A run that was cancelled while its step still waited takes it back: nobody would act on it.
            if not step.done.is_set() and step in self._waiting:
                self._waiting.remove(step)
        if step.error is not None:
            raise step.error
        return step.kept

    async def exclusions(self, record: JobRecord, now: Moment) -> tuple[Exclusion, ...]:
        """What the job must leave out at this moment; raises ``DatabaseUnavailable``."""
        return await self._exclusions.get(exclusions.JobAt(record.id, record.host_id, now.wall)) or ()

    def leads(self, epoch: int) -> bool:
        """Whether this process leads under ``epoch``, as far as it knows without asking."""
        leader = self._leader()
        return leader is not None and leader.is_leader and leader.epoch == epoch

    # The one writer

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write and read what waits, batch after batch, until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._records.run)
            await nursery.start(self._exclusions.run)
            nursery.start_soon(self._write_forever)
            task_status.started()

    async def _write_forever(self) -> None:
        while True:
            if not self._waiting:
                self._wake = trio.Event()
                await self._wake.wait()
            batch = self._take()
            try:
                await self._write(batch)
            except BaseException:
                # Cancelled at shutdown: the runs are too, and adopt from what the database says.
                for step in batch:
                    if not step.done.is_set():
                        step.error = RuntimeError("the committer stopped")
                        step.done.set()
                raise

    def _take(self) -> list[_Step]:
        """The next batch: at most one step per host, so that each statement meets a host's jobs once."""
        batch: list[_Step] = []
        later: list[_Step] = []
        hosts: set[UUID] = set()
        for step in self._waiting:
            if len(batch) < LARGEST_BATCH and step.change.before.host_id not in hosts:
                hosts.add(step.change.before.host_id)
                batch.append(step)
            else:
                later.append(step)
        self._waiting = later
        return batch

    async def _write(self, batch: Sequence[_Step]) -> None:
        pause = _FIRST_PAUSE
        while True:
            leader = self._leader()
            if leader is not None and leader.is_leader:
                try:
                    kept = await self._attempt(batch, leader.epoch)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TypeError) as error:
                    await self._one_by_one(batch, error)
                    return
                if kept is not None:
                    self._answer(batch, kept, leader.epoch)
                    return
            await trio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _attempt(self, batch: Sequence[_Step], epoch: int) -> frozenset[UUID] | None:
        """One transaction: the ids that were kept, or None when it must be tried again."""
        changes = [step.change for step in batch]
        try:
            return await self._database.transaction(self._unit, changes, epoch)
        except CommitUnknown:
            return await self._read_back(changes)
        except (DatabaseUnavailable, _NotLeading, asyncpg.DeadlockDetectedError, asyncpg.QueryCanceledError) as error:
            structlog.get_logger(__name__).warning("jobs_commit_delayed", steps=len(changes), reason=str(error))
            return None

    async def _read_back(self, changes: Sequence[Change]) -> frozenset[UUID] | None:
        """After a lost COMMIT: whole or absent. Absent is tried again, which also tells conflicts from a loss."""
        while True:
            try:
                found = await self._database.read(job_ledger.kept, [change.id for change in changes])
            except DatabaseUnavailable:
                await trio.sleep(_FIRST_PAUSE)
                continue
            return found or None

    async def _unit(self, connection: Connection, changes: Sequence[Change], epoch: int) -> frozenset[UUID]:
        if not await assert_epoch(connection, epoch):
            raise _NotLeading("another manager leads")
        kept = await job_ledger.apply_changes(connection, changes, epoch)
        good = [change for change in changes if change.id in kept]
        if good:
            groups = await job_ledger.groups_by_host(connection, {change.after.host_id for change in good})
            await self._audit.append(
                connection, [_event(change, groups.get(change.after.host_id, ())) for change in good]
            )
        return kept

    async def _one_by_one(self, batch: Sequence[_Step], error: Exception) -> None:
        """One step that PostgreSQL refuses must not hold up the others'; it fails its own run only."""
        if len(batch) > 1:
            for step in batch:
                await self._write([step])
            return
        (step,) = batch
        if not isinstance(error, asyncpg.UniqueViolationError):
            # Not a conflict (another job became active on the host at the same time) but a fault: crash that run.
            structlog.get_logger(__name__).error("jobs_commit_refused", reason=str(error))
            step.error = error
        step.done.set()

    def _answer(self, batch: Sequence[_Step], kept: frozenset[UUID], epoch: int) -> None:
        jobs: list[UUID] = []
        deployments: set[UUID] = set()
        for step in batch:
            if step.change.id in kept:
                record = replace(step.change.after, version=step.change.before.version + 1)
                step.kept = Kept(record, epoch)
                jobs.append(record.id)
                if record.deployment_id is not None and record.state is not step.change.before.state:
                    deployments.add(record.deployment_id)
            step.done.set()
        self._news(jobs, deployments)


_BAD: Final = frozenset({JobState.FAILED, JobState.OUTCOME_UNKNOWN})


def _event(change: Change, groups: Iterable[UUID]) -> AuditEvent:
    record = change.after
    detail: dict[str, Any] = {
        "host_id": record.host_id,
        "deployment_id": record.deployment_id,
        "operation": record.operation.value,
        "reason": change.reason,
        "attempt": record.attempt.number if record.attempt is not None else None,
    }
    if record.send is not None and (change.before.send is None or change.before.send.number != record.send.number):
        detail["intent"] = {"send": record.send.number, "packages": record.send.packages}
    return AuditEvent(
        action=f"job.{record.state.value}",
        actor="system",
        outcome=Outcome.FAILURE if record.state in _BAD else Outcome.SUCCESS,
        target_type="job",
        target_id=record.id,
        groups=frozenset(groups),
        detail=detail,
    )
