"""Units of work: what commits, what rolls back, and what errors mean."""

from __future__ import annotations

import asyncio
import gc
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest
import trio
from structlog.testing import capture_logs

from patch_manager.storage import (
    Connection,
    Database,
    DatabaseAddress,
    DatabaseUnavailable,
    Deadlines,
    StorageError,
    TransactionAborted,
    open_database,
)
from tests.postgres import TestDatabase


async def make_table(connection: Connection) -> None:
    await connection.execute("CREATE TABLE notes (id integer PRIMARY KEY, text text)")


async def add(connection: Connection, number: int) -> int:
    await connection.execute("INSERT INTO notes VALUES ($1, 'x')", number)
    return number


async def count(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM notes"))


async def test_a_transaction_commits_and_returns_the_units_result(owner_db: Database) -> None:
    await owner_db.transaction(make_table)
    assert await owner_db.transaction(add, 7) == 7
    assert await owner_db.transaction(add, number=8) == 8
    assert await owner_db.read(count) == 2


async def test_an_error_of_the_unit_rolls_back_and_passes_through_bare(owner_db: Database) -> None:
    await owner_db.transaction(make_table)

    async def fail(connection: Connection) -> None:
        await add(connection, 1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await owner_db.transaction(fail)
    with pytest.raises(asyncpg.UndefinedTableError):
        await owner_db.transaction(lambda connection: connection.execute("SELECT * FROM nothing"))
    assert await owner_db.read(count) == 0


async def test_a_unit_that_hides_a_failed_statement_does_not_look_committed(owner_db: Database) -> None:
    await owner_db.transaction(make_table)

    async def hide(connection: Connection) -> None:
        await add(connection, 1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await add(connection, 1)

    with pytest.raises(TransactionAborted):
        await owner_db.transaction(hide)
    assert await owner_db.read(count) == 0
    assert owner_db.statistics().idle == owner_db.statistics().size


async def test_a_read_cannot_write_and_sees_one_picture(owner_db: Database) -> None:
    await owner_db.transaction(make_table)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await owner_db.read(add, 1)
    first_seen, written = asyncio.Event(), asyncio.Event()

    async def look_twice(connection: Connection) -> tuple[int, int]:
        before = await count(connection)
        first_seen.set()
        await written.wait()
        return before, await count(connection)

    async def write_between(connection: Connection) -> None:
        await first_seen.wait()
        await add(connection, 1)

    async def write() -> None:
        await owner_db.transaction(write_between)
        written.set()

    seen: list[tuple[int, int]] = []

    async def look() -> None:
        seen.append(await owner_db.read(look_twice))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        nursery.start_soon(write)
    assert seen == [(0, 0)]
    assert await owner_db.read(count) == 1


async def test_json_uuids_addresses_and_times_are_python_values(db: Database) -> None:
    identifier = uuid.uuid4()
    at = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    value = {"a": [1, 2.5, None, "ü\u2603"]}

    async def echo(connection: Connection) -> asyncpg.Record | None:
        return await connection.fetchrow(
            "SELECT $1::jsonb AS b, $2::json AS j, $3::uuid AS u, $4::inet AS i, $5::timestamptz AS t",
            value,
            value,
            identifier,
            "127.0.0.1",
            at,
        )

    row = await db.read(echo)
    assert row is not None
    assert dict(row) == {"b": value, "j": value, "u": identifier, "i": "127.0.0.1", "t": at}
    assert row["t"].tzinfo is not None


async def test_waiting_for_a_connection_is_bounded(database: TestDatabase) -> None:
    # Long enough for connecting, which counts as waiting; the holder holds until it is cancelled.
    async with open_database(database.app, max_size=1, deadlines=Deadlines(acquire=2.0)) as db:
        entered = trio.Event()

        async def hold(connection: Connection) -> None:
            entered.set()
            await asyncio.sleep(60)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(db.read, hold)
            await entered.wait()
            with pytest.raises(DatabaseUnavailable, match="in time"):
                await db.read(lambda connection: connection.fetchval("SELECT 1"))
            nursery.cancel_scope.cancel()
        assert await db.read(lambda connection: connection.fetchval("SELECT 1")) == 1


async def test_a_statement_over_its_time_is_an_error_of_the_statement(database: TestDatabase) -> None:
    async with open_database(database.app, deadlines=Deadlines(statement=0.1)) as db:
        with pytest.raises(asyncpg.QueryCanceledError):
            await db.read(lambda connection: connection.execute("SELECT pg_sleep(5)"))
        assert db.statistics().idle == db.statistics().size


async def test_no_server_is_unavailable_and_a_bad_address_says_so(database: TestDatabase) -> None:
    nowhere = DatabaseAddress("127.0.0.1", "x", "x", "x", port=1)
    with pytest.raises(DatabaseUnavailable):
        async with open_database(nowhere):
            pass
    with pytest.raises(StorageError, match="address"):
        async with open_database("mysql://127.0.0.1/x"):
            pass
    assert "secret" not in repr(DatabaseAddress("127.0.0.1", "x", "x", "secret"))


async def test_a_terminated_session_is_unavailable_and_replaced(db: Database, database: TestDatabase) -> None:
    async def end_itself(connection: Connection) -> None:
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable):
        await db.transaction(end_itself)
    assert await db.read(lambda connection: connection.fetchval("SELECT 1")) == 1


async def test_a_callback_error_is_logged_and_ends_nothing(db: Database) -> None:
    async def stray(connection: Connection) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)

    with capture_logs() as logged:
        await db.read(stray)
        assert await db.read(lambda connection: connection.fetchval("SELECT 1")) == 1
    assert "database_callback_failed" in [entry["event"] for entry in logged]


async def test_errors_of_the_block_leave_bare(database: TestDatabase) -> None:
    with pytest.raises(KeyError):
        async with open_database(database.app):
            raise KeyError("mine")
    with trio.move_on_after(0.05) as scope:
        async with open_database(database.app):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    gc.collect()  # an unclosed connection would warn, and warnings are errors
