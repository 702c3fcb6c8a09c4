"""PostgreSQL servers for tests: the embedded one, and the system's where the machine has one."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from patch_manager.storage import Connection, DatabaseAddress, EmbeddedServer, embedded_postgres, migrate
from patch_manager.storage.database import run_once
from patch_manager.storage.embedded_binaries import Binaries, binaries_in
from patch_manager.storage.migrate import OLDEST_SERVER

TEMPLATE = "template_patch_manager"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server with a migrated template database."""

    server: EmbeddedServer

    async def clone(self) -> TestDatabase:
        """A fresh copy of the template."""
        name = f"test_{next(_numbers)}"
        await run_once(self.server.superuser, _clone, name)
        return TestDatabase(*(replace(address, database=name) for address in self._addresses()))

    async def drop(self, database: TestDatabase) -> None:
        """Remove a copy, whoever is still connected to it."""
        await run_once(self.server.superuser, _drop, database.app.database)

    def _addresses(self) -> tuple[DatabaseAddress, DatabaseAddress, DatabaseAddress]:
        return self.server.app, self.server.owner, self.server.superuser


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """One test's database, as its three roles."""

    __test__ = False

    app: DatabaseAddress
    owner: DatabaseAddress
    superuser: DatabaseAddress


def system_binaries() -> Binaries | None:
    """The newest PostgreSQL that the machine has and that the program supports."""
    found = [binaries_in(path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max((binaries for binaries in found if binaries.major >= OLDEST_SERVER), key=lambda b: b.major, default=None)


@contextmanager
def running_server(data_dir: Path, binaries: Binaries | None) -> Iterator[PostgresServer]:
    """Run a server for a whole session of tests, each of which has a ``trio.run`` of its own: hence the thread."""
    home = data_dir / "postgres"
    home.mkdir(parents=True, mode=0o700)
    # Nothing of a test outlives the machine.
    (home / "local.conf").write_text("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n")
    ready: Future[EmbeddedServer] = Future()
    stop = trio.Event()
    token: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        try:
            async with embedded_postgres(data_dir, binaries=binaries) as server:
                await run_once(replace(server.superuser), _make_template, server.owner.user)
                await migrate(replace(server.owner, database=TEMPLATE), server.app.user)
                ready.set_result(server)
                await stop.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=trio.run, args=(main,), name="postgres")
    thread.start()
    try:
        yield PostgresServer(ready.result(timeout=120))
    finally:
        if token and thread.is_alive():
            token[0].run_sync_soon(stop.set)
        thread.join(timeout=60)


async def _make_template(connection: Connection, owner: str) -> None:
    await connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER {owner}")


async def _clone(connection: Connection, name: str) -> None:
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER patch_manager_owner")


async def _drop(connection: Connection, name: str) -> None:
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
