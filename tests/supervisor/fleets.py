"""A fleet under test: hosts in a real database, scripted agents, a running supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import trio

from patch_manager.actors.ports import JobRunner
from patch_manager.domain.hosts import HostRecord, HostSnapshot
from patch_manager.domain.settings import LimitSettings, PollingSettings
from patch_manager.storage import Connection, Database
from patch_manager.supervisor.fleet import FleetSupervisor
from patch_manager.supervisor.keeping import CrashRules
from patch_manager.supervisor.limits import Limits
from tests.actors.hosts import Fleet, no_jobs

SLOW: Final = PollingSettings(health_seconds=3600, patches_seconds=36000)
QUICK_CRASHES: Final = CrashRules(most=3, window=600, first=0.01, longest=0.05)


def wall_clock() -> datetime:
    """The real one."""
    return datetime.now(UTC)


async def insert_hosts(connection: Connection, records: Collection[HostRecord]) -> None:
    """Hosts and their groups."""
    groups = {group for record in records for group in record.group_ids}
    await connection.executemany(
        "INSERT INTO groups (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [(group, str(group)) for group in groups],
    )
    await connection.executemany(
        "INSERT INTO hosts (id, address, port, fqdn, display_name, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        [(r.id, r.address, r.port, r.fqdn, r.display_name, r.created_at) for r in records],
    )
    await connection.executemany(
        "INSERT INTO group_hosts (group_id, host_id) VALUES ($1, $2)",
        [(group, record.id) for record in records for group in record.group_ids],
    )


async def run_sql(connection: Connection, statement: str, *arguments: object) -> None:
    """One statement."""
    await connection.execute(statement, *arguments)


async def fetch(connection: Connection, query: str, *arguments: object) -> list[dict[str, object]]:
    """Rows as dictionaries."""
    return [dict(row) for row in await connection.fetch(query, *arguments)]


@asynccontextmanager
async def running_fleet(
    db: Database,
    agents: Fleet,
    *,
    jobs: JobRunner = no_jobs,
    polling: PollingSettings = SLOW,
    limits: LimitSettings | None = None,
    crash_rules: CrashRules = QUICK_CRASHES,
) -> AsyncIterator[FleetSupervisor]:
    """A supervisor from start to an orderly stop."""
    fleet = FleetSupervisor(
        db,
        agents=agents,
        jobs=jobs,
        polling=polling,
        limits=Limits.of(limits or LimitSettings()),
        wall_clock=wall_clock,
        crash_rules=crash_rules,
        gather=0.01,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(fleet.run)
        yield fleet
        fleet.stop()


async def until(fleet: FleetSupervisor, host_id: UUID, holds: Callable[[HostSnapshot], bool]) -> HostSnapshot:
    """Wait until a host's snapshot is as wanted."""
    with trio.fail_after(10):
        while True:
            revision = fleet.picture.revision
            snapshot = fleet.picture.get(host_id)
            if snapshot is not None and holds(snapshot):
                return snapshot
            await fleet.picture.wait_beyond(revision)
