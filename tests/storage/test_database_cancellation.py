"""Cancelling a unit of work at any of its awaits leaves the pool whole, and says truly what was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from patch_manager.storage import Connection, Database, DatabaseUnavailable, Deadlines, open_database
from tests.postgres import TestDatabase

SIZE = 2
STEPS = 4


class _Probe(Coroutine[Any, Any, Any]):
    """A coroutine that calls ``hook`` at its n-th suspension.

    ``when`` is "waiting": the future it waits for is pending; or "ready": that future is done, and the task has not
    run yet. The second is the narrow race in which a result, such as an acquired connection, may be lost.
    """

    def __init__(self, inner: Coroutine[Any, Any, Any], at: int, when: str, hook: Callable[[], None]) -> None:
        self.inner = inner
        self.at = at
        self.when = when
        self.hook = hook
        self.suspensions = 0

    def send(self, value: Any) -> Any:
        waited = self.inner.send(value)
        self.suspensions += 1
        if self.suspensions == self.at:
            if self.when == "waiting" or waited is None:
                self.hook()
            else:
                waited.add_done_callback(lambda _future: self.hook())
        return waited

    def throw(self, *error: Any) -> Any:
        return self.inner.throw(*error)

    def close(self) -> None:
        self.inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError


async def _work(connection: Connection, number: int) -> int:
    for step in range(STEPS):
        await connection.execute("INSERT INTO steps VALUES ($1, $2)", number, step)
        await asyncio.sleep(0)
    return number


async def _rows(connection: Connection, number: int) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM steps WHERE number = $1", number))


async def _open_elsewhere(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT state FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return [row["state"] for row in rows]


async def _prepare(connection: Connection) -> None:
    await connection.execute("CREATE TABLE steps (number integer, step integer)")


async def _run_cancelled_at(db: Database, number: int, at: int, when: str) -> tuple[bool, int]:
    """Run the unit and cancel at suspension ``at``; whether it returned a result, and how often it was suspended."""
    loop = db._loop
    scope = trio.CancelScope()
    probes: list[_Probe] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None) -> asyncio.Task[Any]:
        if not probes:  # the first task is the unit; later ones are its helpers
            probes.append(_Probe(coroutine, at, when, scope.cancel))
            coroutine = probes[0]
        return asyncio.Task(coroutine, loop=loop, context=context)

    loop.set_task_factory(factory)
    returned = False
    try:
        with scope:
            assert await db.transaction(_work, number) == number
            returned = True
    finally:
        loop.set_task_factory(None)
    return returned, probes[0].suspensions


@pytest.mark.parametrize("when", ["waiting", "ready"])
@pytest.mark.parametrize("fresh", [False, True], ids=["kept connection", "new connection"])
async def test_cancelled_at_every_await_the_pool_is_whole(database: TestDatabase, when: str, fresh: bool) -> None:
    with capture_logs() as logged, trio.fail_after(60):
        async with open_database(database.owner, min_size=SIZE, max_size=SIZE) as db:
            await db.transaction(_prepare)
            at = 0
            seen_returned = seen_cancelled = 0
            while True:
                at += 1
                if fresh:
                    await db._pool.expire_connections()
                returned, suspensions = await _run_cancelled_at(db, at, at, when)
                seen_returned += returned
                seen_cancelled += not returned
                # The rule of the module: a result means committed, Cancelled means rolled back.
                assert await db.read(_rows, at) == (STEPS if returned else 0), f"cancelled at await {at}"
                await _assert_whole(db, at)
                if suspensions < at:
                    break
            assert seen_cancelled > STEPS, "the test did not reach the awaits of the unit"
            assert seen_returned > 1, "the test did not reach COMMIT and what follows it"
    assert logged == [], "asyncpg had to clean up after us"


async def _assert_whole(db: Database, at: int) -> None:
    """Every place of the pool can be taken at once, and no session is left inside a transaction."""
    together = asyncio.Barrier(SIZE)

    async def meet(connection: Connection) -> int:
        async with asyncio.timeout(5):
            await together.wait()
        return int(await connection.fetchval("SELECT 1"))

    async with trio.open_nursery() as nursery:
        for _ in range(SIZE):
            nursery.start_soon(db.transaction, meet)
    statistics = db.statistics()
    assert (statistics.size, statistics.idle) == (SIZE, SIZE), f"cancelled at await {at}"
    others = await db.read(_open_elsewhere)
    assert "idle in transaction" not in others, f"cancelled at await {at}"
    assert len(others) <= SIZE + 1, f"a session leaked at await {at}: {others}"


async def test_a_cancelled_unit_does_not_wait_for_its_statement(db: Database) -> None:
    with trio.fail_after(5):
        with trio.move_on_after(0.1) as scope:
            await db.read(lambda connection: connection.execute("SELECT pg_sleep(20)"))
        assert scope.cancelled_caught
        assert db.statistics().idle == db.statistics().size


async def test_a_crowd_of_cancelled_units_leaves_the_pool_whole(database: TestDatabase) -> None:
    async with open_database(database.owner, max_size=SIZE, deadlines=Deadlines(acquire=5)) as db:
        await db.transaction(_prepare)

        async def impatient(number: int) -> None:
            with trio.move_on_after(0.001 * (number % 17)):
                await db.transaction(_work, number)

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(impatient, number)
        await _assert_whole(db, 0)


async def test_a_server_that_hangs_is_given_up_in_time(database: TestDatabase) -> None:
    async def hang(connection: Connection) -> None:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SELECT pg_sleep(30)")

    async with open_database(database.app, deadlines=Deadlines(command=0.3, cleanup=1)) as db:
        with trio.fail_after(5), pytest.raises(DatabaseUnavailable):
            await db.transaction(hang)
        assert await db.read(lambda connection: connection.fetchval("SELECT 1")) == 1
