"""Gathered writes: set-based, only what changed, whole whatever the database does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import trio

from patch_manager.actors.messages import PatchesStored
from patch_manager.actors.reading import digest_of
from patch_manager.domain.health import Health
from patch_manager.domain.host_status import HealthChange, HostStatus, HostWrite
from patch_manager.domain.hosts import PatchSummary
from patch_manager.domain.patches import Patch, Severity
from patch_manager.storage import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.writer import ResultWriter
from tests.actors.hosts import NOW, patch, record
from tests.supervisor.fleets import fetch, insert_hosts, run_sql

DAY = timedelta(days=1)


def found(number: int, *patches: Patch, at_day: int = 0, reason: str = "") -> HostWrite:
    status = HostStatus(
        health=Health.HEALTHY,
        health_reason=reason,
        health_since=NOW,
        last_seen_at=NOW + at_day * DAY,
        patches=PatchSummary.of(patches),
        patches_read_at=NOW + at_day * DAY,
        patches_digest=digest_of(patches),
    )
    change = HealthChange(NOW + at_day * DAY, Health.HEALTHY, reason)
    return HostWrite(record(number).id, status, True, patches, (change,))


class Flaky:
    """A database that is away for the first transactions."""

    def __init__(self, db: Database, failures: int) -> None:
        self.db = db
        self.failures = failures
        self.transactions = 0
        self.failed = trio.Event()

    async def transaction(self, unit: Any, *arguments: Any) -> Any:
        self.transactions += 1
        if self.failures:
            self.failures -= 1
            await trio.lowlevel.checkpoint()
            self.failed.set()
            raise DatabaseUnavailable("away")
        return await self.db.transaction(unit, *arguments)


class Writing:
    def __init__(self, db: Database | Flaky) -> None:
        self.stored: dict[UUID, PatchesStored] = {}
        self.counters = PollCounters()
        self.writer = ResultWriter(cast(Database, db), self.stored.__setitem__, self.counters, gather=0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ResultWriter]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.run)
            yield self.writer
            nursery.cancel_scope.cancel()


async def test_a_list_is_diffed_and_the_first_sighting_of_a_patch_is_kept(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    writing = Writing(db)
    old, gone = patch("openssl", cve_ids=("CVE-1", "CVE-2")), patch("bash", Severity.LOW)
    new = patch("linux", requires_reboot=True)
    writing.writer.put(found(1, old, gone))
    await writing.writer.flush()
    writing.writer.put(found(1, replace(old, available_version="9.9"), new, at_day=3))
    await writing.writer.flush()
    rows = await db.read(fetch, "SELECT * FROM host_patches ORDER BY name")
    assert [(row["name"], row["first_seen_at"], row["available_version"]) for row in rows] == [
        ("linux", NOW + 3 * DAY, "1.1"),
        ("openssl", NOW, "9.9"),
    ]
    assert rows[1]["cve_ids"] == ["CVE-1", "CVE-2"]
    assert rows[0]["cve_ids"] == []
    (host,) = await db.read(fetch, "SELECT * FROM hosts")
    assert (host["pending"], host["cve_count"], host["oldest_security_at"]) == (2, 2, NOW)
    assert writing.stored[record(1).id].oldest_security_at == NOW


async def test_an_empty_list_is_written_too(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    writing = Writing(db)
    writing.writer.put(found(1, patch()))
    await writing.writer.flush()
    writing.writer.put(found(1, at_day=1))
    await writing.writer.flush()
    assert await db.read(fetch, "SELECT * FROM host_patches") == []
    (host,) = await db.read(fetch, "SELECT * FROM hosts")
    assert (host["pending"], host["oldest_security_at"], host["patches_read_at"]) == (0, None, NOW + DAY)


async def test_a_poll_that_changed_nothing_writes_only_when_the_host_was_seen(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    writing = Writing(db)
    writing.writer.put(replace(found(1, at_day=1), row=False, patches=None, changes=()))
    assert writing.writer.waiting == 0
    await writing.writer.flush()
    (host,) = await db.read(fetch, "SELECT * FROM hosts")
    assert (host["last_seen_at"], host["health"]) == (NOW + DAY, "unknown")


async def test_a_database_that_is_away_loses_no_result_and_holds_the_latest_of_each_host(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    flaky = Flaky(db, failures=2)
    writing = Writing(flaky)
    async with writing.running() as writer:
        with trio.fail_after(10):
            writer.put(found(1, patch("bash")))
            writer.put(found(2))
            await flaky.failed.wait()
            writer.put(replace(found(1, at_day=1, reason="newer"), patches=None))
            assert writer.waiting == 2
            await writer.written(record(1).id)
    (host, _) = await db.read(fetch, "SELECT * FROM hosts ORDER BY id")
    assert host["health_reason"] == "newer"
    assert [row["name"] for row in await db.read(fetch, "SELECT name FROM host_patches")] == ["bash"]
    history = await db.read(fetch, "SELECT at FROM health_history WHERE host_id = $1 ORDER BY at", record(1).id)
    assert [row["at"] for row in history] == [NOW, NOW + DAY]
    assert writing.counters.write_failures == 2


async def test_a_host_deleted_meanwhile_holds_nobody_up(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    await db.transaction(run_sql, "DELETE FROM hosts WHERE id = $1", record(1).id)
    writing = Writing(db)
    for number in (1, 2):
        writing.writer.put(found(number, patch()))
    await writing.writer.flush()
    assert [row["host_id"] for row in await db.read(fetch, "SELECT host_id FROM host_patches")] == [record(2).id]


async def test_one_result_that_cannot_be_stored_holds_back_no_other(db: Database) -> None:
    await db.transaction(insert_hosts, [record(number) for number in range(1, 9)])
    writing = Writing(db)
    for number in range(1, 9):
        write = found(number, patch())
        if number == 5:
            write = replace(write, status=replace(write.status, failures=2**40))
        writing.writer.put(write)
    await writing.writer.flush()
    assert len(await db.read(fetch, "SELECT * FROM host_patches")) == 7
    assert writing.writer.waiting == 0


async def test_words_of_agents_that_the_database_cannot_hold_are_replaced(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    writing = Writing(db)
    spoilt = (patch("a", description="nul\x00 and \ud800"),)
    writing.writer.put(replace(found(1, patch("a"), reason="line\nline\x00"), patches=spoilt))
    await writing.writer.flush()
    (row,) = await db.read(fetch, "SELECT description FROM host_patches")
    assert row["description"] == "nul and ?"


async def test_2500_results_are_few_transactions(db: Database) -> None:
    await db.transaction(insert_hosts, [record(number) for number in range(1, 2501)])
    counting = Flaky(db, failures=0)
    writing = Writing(counting)
    for number in range(1, 2501):
        writing.writer.put(replace(found(number), patches=None))
    await writing.writer.flush()
    assert counting.transactions == 2
