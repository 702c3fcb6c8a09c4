"""Writing what 2,500 polls found: the program's writer, beside one touch by array."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import trio

from benchmarks.children import family
from benchmarks.house import fleet_of, open_base
from benchmarks.measuring import CpuMeter, cpu_seconds, in_turns
from benchmarks.model import Bench, Row
from benchmarks.polls import wall
from patch_manager.domain.host_status import HostWrite, StoredHost
from patch_manager.domain.patches import Patch, Severity
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.writer import ResultWriter

_TOUCH = """
UPDATE hosts h SET last_seen_at = n.at FROM unnest($1::uuid[], $2::timestamptz[]) AS n (id, at) WHERE h.id = n.id
"""
_FEW = 20  # one host in twenty
_PATCHES = 10


def postgres_pids(data_dir: Path) -> list[int]:
    """The embedded server's processes."""
    found = sorted(data_dir.rglob("postmaster.pid"))
    return family(int(found[0].read_text().split()[0])) if found else []


def _patches(version: int) -> tuple[Patch, ...]:
    return tuple(
        Patch(f"package-{n}", "1.0", f"1.{version}", Severity.HIGH, (f"CVE-2029-{n}",), False, "Fixes a fault.")
        for n in range(_PATCHES)
    )


class _Results:
    """What a round of polls leaves to be written; every round sees the hosts later than the one before."""

    def __init__(self, hosts: tuple[StoredHost, ...]) -> None:
        self._hosts = hosts
        self._round = 0

    def next(self, *, rows_every: int = 0, lists: bool = False) -> list[HostWrite]:
        self._round += 1
        at = wall() + timedelta(seconds=self._round)
        patches = _patches(self._round) if lists else None
        return [
            HostWrite(
                host.record.id,
                replace(
                    host.status,
                    last_seen_at=at,
                    patches_read_at=at,
                    health_reason=f"round {self._round}",
                    patches_digest=b"%d" % self._round if lists else None,
                ),
                row=rows_every > 0 and number % rows_every == 0,
                patches=patches,
            )
            for number, host in enumerate(self._hosts)
        ]


async def _touch(connection: Connection, ids: list[object], moments: list[object]) -> None:
    await connection.execute(_TOUCH, ids, moments)


async def _measure(bench: Bench) -> list[Row]:
    hosts = fleet_of(bench.scale.hosts)
    rows = []
    async with open_base(bench.directory, hosts) as base:
        db, results = base.db, _Results(hosts)
        for name, work, every, lists, aim in (
            ("write-seen", "nothing changed: last seen only", 0, False, ""),
            ("write-few", f"one host in {_FEW} changed", _FEW, False, ""),
            ("write-all", "every host's row changed", 1, False, "<= 5.8"),
            ("write-lists", f"every row and every list of {_PATCHES} patches", 1, True, ""),
        ):
            database = _DatabaseCpu(bench.directory / "data")
            turns = await in_turns(
                bench.scale.runs,
                partial(_ours, db, results, every, lists, database),
                partial(_floor, db, hosts),
            )
            extra = {"hosts": float(len(hosts)), "PostgreSQL's CPU ms": round(database.median_ms, 1)}
            title = f"write {len(hosts)} results: {work}"
            rows.append(Row(name, title, "ms CPU", tuple(turns.ours), tuple(turns.floor), aim, extra))
    return rows


class _DatabaseCpu:
    """What the database's processes used in our side's runs."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._runs: list[float] = []

    def now(self) -> float:
        return cpu_seconds(postgres_pids(self._data_dir)[1:])

    def add(self, seconds: float) -> None:
        self._runs.append(seconds * 1000)

    @property
    def median_ms(self) -> float:
        return sorted(self._runs)[len(self._runs) // 2]


async def _ours(db: Database, results: _Results, every: int, lists: bool, database: _DatabaseCpu) -> float:
    """Milliseconds of processor time of this process: taking the results and writing them."""
    writes = results.next(rows_every=every, lists=lists)
    writer = ResultWriter(db, lambda _host, _stored: None, PollCounters())
    before, meter = database.now(), CpuMeter()
    for write in writes:
        writer.put(write)
    await writer.flush()
    cost = meter.seconds() * 1000
    database.add(database.now() - before)
    return cost


async def _floor(db: Database, hosts: tuple[StoredHost, ...]) -> float:
    at = wall()
    meter = CpuMeter()
    await db.transaction(_touch, [host.record.id for host in hosts], [at] * len(hosts))
    return meter.seconds() * 1000


def measure(bench: Bench) -> list[Row]:
    """Four kinds of rounds."""
    return trio.run(_measure, bench)
