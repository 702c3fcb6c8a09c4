"""PostgreSQL goes away and comes back: the pool and the standby recover by themselves."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from patch_manager.storage import (
    Connection,
    Database,
    DatabaseUnavailable,
    EmbeddedServer,
    Leadership,
    embedded_postgres,
    migrate,
    open_database,
)
from patch_manager.storage.embedded_binaries import choose_launcher
from tests.postgres import PostgresServer

DOWN_SECONDS = 4.0


@pytest.fixture
async def server(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[tuple[EmbeddedServer, Path]]:
    """A server of this test alone, of each kind."""
    data_dir = tmp_path / "data dir"
    async with embedded_postgres(data_dir, binaries=postgres.server.binaries) as running:
        await migrate(running.owner, running.app.user)
        yield running, data_dir / "postgres"


async def pg_ctl(server: EmbeddedServer, home: Path, *arguments: str) -> None:
    """As an operator would: not by the program."""
    launcher = await choose_launcher(server.binaries, home, home / "cluster")
    command = [server.binaries.program("pg_ctl"), *arguments, "-D", str(home / "cluster"), "-w", "-s"]
    status, said = await launcher.run(command, seconds=30, cwd=home)
    assert status == 0, said


async def one(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT 1"))


async def busy(connection: Connection) -> None:
    await connection.execute("SELECT pg_sleep(30)")


async def until_it_answers(db: Database) -> None:
    with trio.fail_after(20):
        while True:
            try:
                assert await db.read(one) == 1
            except DatabaseUnavailable:
                await trio.sleep(0.1)
            else:
                return


async def test_an_immediate_stop_is_survived(
    server: tuple[EmbeddedServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle connections, one inside a statement and one inside a transaction are all cut."""
    running, home = server
    # The program's own watch would bring it back at once; an external server has none.
    monkeypatch.setattr("patch_manager.storage.embedded_cluster.Cluster.alive", lambda _cluster: True)
    failures: list[DatabaseUnavailable] = []

    async def work(db: Database) -> None:
        try:
            await db.transaction(busy)
        except DatabaseUnavailable as error:
            failures.append(error)

    async with open_database(running.app, min_size=3) as db:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, db)
            await trio.sleep(0.2)
            await pg_ctl(running, home, "stop", "-m", "immediate")
        assert len(failures) == 1
        started = trio.current_time()
        while trio.current_time() < started + DOWN_SECONDS:
            with trio.fail_after(1), pytest.raises(DatabaseUnavailable):
                await db.transaction(one)
            await trio.sleep(0.2)
        assert db.statistics().idle == db.statistics().size == 0
        await pg_ctl(running, home, "start", "-l", str(home / "start.log"))
        await until_it_answers(db)
        async with trio.open_nursery() as nursery:
            for _ in range(db.statistics().limit * 2):
                nursery.start_soon(db.transaction, one)
        assert db.statistics().idle == db.statistics().size
    gc.collect()  # a forgotten connection would warn, and warnings are errors


async def test_the_lead_is_lost_in_an_outage_and_can_be_won_again(
    server: tuple[EmbeddedServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, home = server
    monkeypatch.setattr("patch_manager.storage.embedded_cluster.Cluster.alive", lambda _cluster: True)
    with trio.fail_after(40):
        async with open_database(running.app) as db:
            async with Leadership(db, "one").acquire() as leader:
                await pg_ctl(running, home, "stop", "-m", "immediate")
                await leader.lost.wait()
            async with trio.open_nursery() as nursery:

                async def start_later() -> None:
                    await trio.sleep(1.5)
                    await pg_ctl(running, home, "start", "-l", str(home / "start.log"))

                nursery.start_soon(start_later)
                async with Leadership(db, "one").acquire() as again:
                    assert again.epoch == leader.epoch + 1
