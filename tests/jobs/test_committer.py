"""The one committer: many hosts in one transaction, conflicts told, outages waited for, lost COMMITs read back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
import trio

from patch_manager.actors.jobs.clock import system_clock
from patch_manager.actors.jobs.ports import Kept
from patch_manager.domain.job_record import Attempt, JobRecord
from patch_manager.domain.jobs import JobState
from patch_manager.domain.principal import Principal
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from patch_manager.storage.errors import CommitUnknown, DatabaseUnavailable
from patch_manager.supervisor.jobs.committer import Committer
from tests.jobs.scripted import ScriptedFleet, everything


class FlakyDatabase:
    """The real database, with faults before or after the transactions to come."""

    def __init__(self, real: Database) -> None:
        self.real = real
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.transactions = 0
        self.reads = 0
        self.unreadable: set[UUID] = set()

    async def read(self, unit: Any, *args: Any) -> Any:
        self.reads += 1
        if any(isinstance(ids, list) and self.unreadable.intersection(ids) for ids in args):
            raise ValueError("no such word")
        return await self.real.read(unit, *args)

    async def transaction(self, unit: Any, *args: Any) -> Any:
        self.transactions += 1
        if self.before:
            raise self.before.pop(0)
        result = await self.real.transaction(unit, *args)
        if self.after:
            raise self.after.pop(0)
        return result


@pytest.fixture
def flaky(db: Database) -> FlakyDatabase:
    return FlakyDatabase(db)


@asynccontextmanager
async def committing(fleet: ScriptedFleet, flaky: FlakyDatabase) -> AsyncIterator[Committer]:
    committer = Committer(cast(Database, flaky), fleet.audit, lambda: fleet.leader, lambda jobs, deployments: None)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(committer.run)
            yield committer
            nursery.cancel_scope.cancel()


async def queued(fleet: ScriptedFleet, admin: Principal, committer: Committer, hosts: int = 1) -> list[JobRecord]:
    """Records of fresh jobs on as many hosts."""
    ids = [await fleet.add() for _ in range(hosts)]
    await fleet.service.create(admin, everything(*ids))
    records = [await committer.load(job_id) for job_id in await fleet.db.read(_job_ids)]
    return [record for record in records if record is not None]


def dispatching(record: JobRecord) -> JobRecord:
    now = system_clock()()
    return replace(record, state=JobState.DISPATCHING, attempt=Attempt(1, now.wall), started_at=now.wall)


async def commit(committer: Committer, before: JobRecord, after: JobRecord) -> Kept | None:
    return await committer.commit(before, after, "test", system_clock()())


async def test_records_that_are_wanted_at_once_are_read_together(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    async with committing(fleet, flaky) as committer:
        wanted = await queued(fleet, admin, committer, hosts=20)
        found: dict[UUID, JobRecord | None] = {}

        async def load(job_id: UUID) -> None:
            found[job_id] = await committer.load(job_id)

        flaky.reads = 0
        async with trio.open_nursery() as nursery:
            for job_id in (UUID(int=0), *(record.id for record in wanted)):
                nursery.start_soon(load, job_id)
    assert found == {UUID(int=0): None, **{record.id: record for record in wanted}}
    assert flaky.reads <= 2


async def test_a_record_that_cannot_be_read_fails_its_own_run_only(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    async with committing(fleet, flaky) as committer:
        bad, good = await queued(fleet, admin, committer, hosts=2)
        flaky.unreadable.add(bad.id)
        found: list[JobRecord | None] = []

        async def load_good() -> None:
            found.append(await committer.load(good.id))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load_good)
            with pytest.raises(ValueError, match="no such word"):
                await committer.load(bad.id)
    assert found == [good]


async def test_steps_of_many_hosts_are_one_transaction_with_their_audit_rows(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    kept: list[Kept | None] = []
    async with committing(fleet, flaky) as committer:
        records = await queued(fleet, admin, committer, hosts=20)

        async def one(record: JobRecord) -> None:
            kept.append(await commit(committer, record, dispatching(record)))

        async with trio.open_nursery() as nursery:
            for record in records:
                nursery.start_soon(one, record)
    assert all(each is not None and each.record.version == 2 for each in kept)
    assert flaky.transactions <= 2  # one may leave with the first step, the rest gathers meanwhile
    assert await fleet.db.read(_audited, "job.dispatching") == 20


async def test_what_is_read_back_is_what_was_written(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    async with committing(fleet, flaky) as committer:
        (record,) = await queued(fleet, admin, committer)
        kept = await commit(committer, record, dispatching(record))
        assert kept is not None
        assert await committer.load(record.id) == replace(kept.record, message=kept.record.message)


async def test_a_step_decided_on_an_old_version_is_a_conflict(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    async with committing(fleet, flaky) as committer:
        (record,) = await queued(fleet, admin, committer)
        assert await commit(committer, record, dispatching(record)) is not None
        assert await commit(committer, record, dispatching(record)) is None


async def test_a_host_has_one_active_job(fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase) -> None:
    async with committing(fleet, flaky) as committer:
        (first,) = await queued(fleet, admin, committer)
        await fleet.service.create(admin, everything(first.host_id))
        ids = await fleet.db.read(_job_ids)
        second = await committer.load(next(job_id for job_id in ids if job_id != first.id))
        assert second is not None
        assert await commit(committer, first, dispatching(first)) is not None
        assert await commit(committer, second, dispatching(second)) is None


async def test_steps_wait_for_the_database(fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase) -> None:
    async with committing(fleet, flaky) as committer:
        (record,) = await queued(fleet, admin, committer)
        flaky.before = [DatabaseUnavailable("refused"), DatabaseUnavailable("refused")]
        assert await commit(committer, record, dispatching(record)) is not None


@pytest.mark.parametrize("kept_by_the_server", [True, False])
async def test_a_lost_commit_is_read_back(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase, kept_by_the_server: bool
) -> None:
    async with committing(fleet, flaky) as committer:
        (record,) = await queued(fleet, admin, committer)
        fault: list[Exception] = [CommitUnknown("the answer to COMMIT was lost")]
        flaky.after, flaky.before = (fault, []) if kept_by_the_server else ([], fault)
        kept = await commit(committer, record, dispatching(record))
        assert kept is not None
        assert await fleet.db.read(_steps, record.id) == 2


async def test_nothing_is_written_while_another_manager_leads(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    async with committing(fleet, flaky) as committer:
        (record,) = await queued(fleet, admin, committer)
        ours = fleet.leader
        await fleet.lead()
        fleet.leader = ours
        with trio.move_on_after(1.0) as waited:
            await commit(committer, record, dispatching(record))
        assert waited.cancelled_caught
        assert await fleet.db.read(_steps, record.id) == 1


async def test_a_step_that_the_database_refuses_fails_its_own_run_only(
    fleet: ScriptedFleet, admin: Principal, flaky: FlakyDatabase
) -> None:
    results: list[object] = []
    async with committing(fleet, flaky) as committer:
        good, bad = await queued(fleet, admin, committer, hosts=2)

        async def one(before: JobRecord, after: JobRecord) -> None:
            try:
                results.append(await commit(committer, before, after))
            except asyncpg.PostgresError as error:
                results.append(error)

        broken = replace(dispatching(bad), attempt=Attempt(7, system_clock()().wall))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, good, dispatching(good))
            nursery.start_soon(one, bad, broken)
    assert sorted(isinstance(result, Kept) for result in results) == [False, True]
    assert sum(isinstance(result, asyncpg.CheckViolationError) for result in results) == 1


async def _job_ids(connection: Connection) -> list[UUID]:
    return [row["id"] for row in await connection.fetch("SELECT id FROM jobs ORDER BY created_at, id")]


async def _audited(connection: Connection, action: str) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM audit_log WHERE action = $1", action))


async def _steps(connection: Connection, job_id: UUID) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM job_transitions WHERE job_id = $1", job_id))
