"""The asyncio side of :mod:`patch_manager.storage.database`: addresses, connections, codecs, and what errors mean.

Every coroutine here runs inside one asyncio task of trio-asyncio's loop; Trio code does not call them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from patch_manager.storage.errors import CommitUnknown, DatabaseUnavailable, StorageError, TransactionAborted

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""What a unit of work receives. It must not begin or end transactions; SAVEPOINT statements are its own."""

T = TypeVar("T")

_LOST = (
    OSError,  # refused, reset, no such socket; TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is and as whom to enter. ``host`` is a name, an IP address or a socket's directory."""

    host: str
    database: str
    user: str
    password: str = field(repr=False)
    port: int = 5432


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Bounds in seconds. ``statement`` is kept by the server and lies below ``command``, which therefore only a
    server that gives no answer at all can reach. ``cleanup`` bounds each of rollback, release and close.
    """

    connect: float = 5.0
    acquire: float = 10.0
    statement: float = 25.0
    command: float = 30.0
    commit: float = 10.0
    cleanup: float = 3.0


def connect_arguments(address: DatabaseAddress | str, application_name: str, deadlines: Deadlines) -> dict[str, Any]:
    """Keyword arguments for :func:`asyncpg.connect`; a string is a ``postgresql://`` address."""
    arguments: dict[str, Any] = {
        "timeout": deadlines.connect,
        "command_timeout": deadlines.command,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": str(round(deadlines.statement * 1000)),
            # A manager that is cut off must not keep its locks.
            "idle_in_transaction_session_timeout": str(round(deadlines.command * 1000)),
            "timezone": "UTC",
            # Compiling pays for long analytic queries only; ours are short.
            "jit": "off",
        },
    }
    if isinstance(address, str):
        return {"dsn": address, **arguments}
    arguments |= {
        "host": address.host,
        "port": address.port,
        "database": address.database,
        "user": address.user,
        "password": address.password,
    }
    if address.host.startswith("/"):
        arguments["ssl"] = False
    return arguments


async def prepare(connection: Connection) -> None:
    """Teach a new connection our types: json and jsonb are Python values, uuid is uuid.UUID, inet is text."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=orjson.dumps, decoder=orjson.loads, format="binary"
    )
    # asyncpg's own is a subclass of uuid.UUID, which orjson refuses to encode.
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=_encode_uuid, decoder=_decode_uuid, format="binary"
    )
    await connection.set_type_codec("inet", schema="pg_catalog", encoder=str, decoder=str, format="text")


def _encode_uuid(value: UUID | str) -> bytes:
    return (value if isinstance(value, UUID) else UUID(value)).bytes


def _decode_uuid(data: bytes) -> UUID:
    return UUID(bytes=bytes(data))


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + orjson.dumps(value)


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(memoryview(data)[1:])


async def connect(arguments: dict[str, Any]) -> asyncpg.Connection[asyncpg.Record]:
    """Open one connection outside any pool.

    :raises DatabaseUnavailable: no answer.
    """
    with unavailable():
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(**arguments)
    try:
        await prepare(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _is_clean(connection: Connection) -> None:
    """In place of asyncpg's reset, which costs a round trip: a unit is one transaction, whose end resets everything.

    :raises StorageError: it is not over; the pool then replaces the connection.
    """
    if connection.is_in_transaction():
        raise StorageError("a connection came back inside a transaction")


async def open_pool(
    arguments: dict[str, Any], min_size: int, max_size: int, deadlines: Deadlines
) -> asyncpg.Pool[asyncpg.Record]:
    """Make a pool and prove it by ``min_size`` connections.

    Its floor is 0: asyncpg would restore a floor from the background, with a logged traceback per try of an outage.
    """
    with unavailable():
        pool = await asyncpg.create_pool(
            min_size=0,
            max_size=max_size,
            max_inactive_connection_lifetime=0,
            init=prepare,
            reset=_is_clean,
            **arguments,
        )
        try:
            async with asyncio.timeout(deadlines.acquire):
                warm = await asyncio.gather(*(pool.acquire() for _ in range(min_size)))
                for connection in warm:
                    await pool.release(connection)
        except BaseException:
            pool.terminate()
            raise
        return pool


async def close_pool(pool: asyncpg.Pool[asyncpg.Record], seconds: float) -> None:
    """Close politely within ``seconds``, else cut; never raises."""
    try:
        async with asyncio.timeout(seconds):
            await pool.close()
    except Exception:
        pool.terminate()


async def close(connection: asyncpg.Connection[asyncpg.Record], seconds: float) -> None:
    """Close politely within ``seconds``, else cut; never raises."""
    try:
        async with asyncio.timeout(seconds):
            await connection.close()
    except Exception:
        connection.terminate()


def is_closed(connection: Connection) -> bool:
    """Whether a connection is gone; a pool's proxy whose connection was lost says so by raising."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def cut(connection: Connection) -> None:
    """End a connection without asking the server; a pooled one gives its place back at once."""
    if not is_closed(connection):
        connection.terminate()


async def commit(connection: Connection, seconds: float) -> None:
    """Send COMMIT and wait for the answer.

    :raises CommitUnknown: no answer. :raises TransactionAborted: the answer was ROLLBACK.
    """
    try:
        with unavailable(connection):
            async with asyncio.timeout(seconds):
                answer = await connection.execute("COMMIT")
    except DatabaseUnavailable as error:
        cut(connection)
        raise CommitUnknown("the connection was lost while committing: the change is either whole or absent") from error
    if answer != "COMMIT":
        raise TransactionAborted("a statement of the transaction had failed; nothing was changed")


async def roll_back(connection: Connection, seconds: float) -> None:
    """Undo whatever is open; a connection that cannot say it did is cut, which undoes as well. Never raises."""
    if is_closed(connection):
        return
    try:
        async with asyncio.timeout(seconds):
            await connection.execute("ROLLBACK")
    except Exception:
        cut(connection)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Run bounded ``work`` to its end although this task is cancelled meanwhile, and keep its result.

    Trio delivers the cancellation again at the caller's next checkpoint, so none is lost by hiding it here.
    """
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            current = asyncio.current_task()
            assert current is not None  # noqa: S101  # a coroutine that awaits runs in a task
            current.uncancel()


@contextmanager
def unavailable(connection: Connection | None = None) -> Iterator[None]:
    """Map errors that mean "no answer" to :class:`DatabaseUnavailable`; all others pass through.

    asyncpg reports a closed connection and a misused one by the same class, hence the look at ``connection``.
    """
    try:
        yield
    except StorageError:
        raise
    except asyncpg.ClientConfigurationError as error:
        raise StorageError(f"the database's address cannot be read: {error}") from error
    except asyncpg.InterfaceError as error:
        if connection is not None and not is_closed(connection):
            raise
        raise DatabaseUnavailable(f"the connection to the database was lost: {error}") from error
    except asyncpg.InternalClientError as error:
        # An idle connection that was told of the server's end, taken before its socket was seen to close.
        raise DatabaseUnavailable(f"the connection to the database was lost: {error}") from error
    except TimeoutError as error:
        raise DatabaseUnavailable("the database did not answer in time") from error
    except _LOST as error:
        raise DatabaseUnavailable(f"the database does not answer: {error}") from error
