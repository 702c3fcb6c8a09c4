"""PostgreSQL for Trio tasks: asyncpg through trio-asyncio, whole under cancellation.

A unit of work is one asyncio coroutine ``unit(connection, ...)`` that runs from BEGIN to COMMIT inside one asyncio
task on Trio's own thread. Crossing the border per statement, or holding ``pool.acquire()`` open across it, would lose
connections when the Trio task is cancelled (TRUST "Library traps").

What a cancelled caller may rely on: :class:`trio.Cancelled` means rolled back. Once COMMIT is sent, its answer is
awaited (bounded) and the result returned; Trio delivers the cancellation at the caller's next checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg
import structlog
import trio
import trio_asyncio

from patch_manager.storage.connecting import (
    Connection,
    DatabaseAddress,
    Deadlines,
    close,
    close_pool,
    commit,
    connect,
    connect_arguments,
    cut,
    open_pool,
    roll_back,
    to_the_end,
    unavailable,
)
from patch_manager.storage.errors import DatabaseUnavailable

__all__ = ["Connection", "Database", "DatabaseAddress", "Deadlines", "DedicatedConnection", "open_database", "run_once"]

P = ParamSpec("P")
T = TypeVar("T")

READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Connections of a pool: open, of them idle, and the most there can be."""

    size: int
    idle: int
    limit: int


class Database:
    """Runs units of work for the Trio tasks of one ``trio.run``; made by :func:`open_database`."""

    def __init__(
        self,
        loop: trio_asyncio.TrioEventLoop,
        pool: asyncpg.Pool[asyncpg.Record],
        arguments: dict[str, Any],
        deadlines: Deadlines,
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._arguments = arguments
        self._deadlines = deadlines

    async def read(
        self, unit: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``unit`` on one unchanging picture of the database (repeatable read, read only).

        :raises DatabaseUnavailable: no answer; asyncpg's errors about statements pass through.
        """
        return await _cross(self._loop, self._run(READ, unit, *args, **kwargs))

    async def transaction(
        self, unit: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``unit`` between BEGIN and COMMIT (read committed); any error of it rolls all of it back.

        :raises DatabaseUnavailable: no answer, nothing was changed.
        :raises CommitUnknown: COMMIT was sent and its answer lost.
        :raises TransactionAborted: the unit hid the error of a statement; nothing was changed.
        """
        return await _cross(self._loop, self._run(WRITE, unit, *args, **kwargs))

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[DedicatedConnection]:
        """A connection of its own outside the pool, for what lives as long as its session (advisory locks)."""
        raw = await _cross(self._loop, connect(self._arguments))
        try:
            yield DedicatedConnection(self._loop, raw)
        finally:
            with trio.CancelScope(shield=True):
                await _cross(self._loop, close(raw, self._deadlines.cleanup))

    def statistics(self) -> PoolStatistics:
        """Numbers for metrics and tests."""
        return PoolStatistics(self._pool.get_size(), self._pool.get_idle_size(), self._pool.get_max_size())

    async def _run(
        self,
        begin: str,
        unit: Callable[Concatenate[Connection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with unavailable():
            async with asyncio.timeout(self._deadlines.acquire):
                connection = await self._pool.acquire()
        try:
            try:
                with unavailable(connection):
                    await connection.execute(begin)
                    result = await unit(connection, *args, **kwargs)
            except BaseException:
                await to_the_end(roll_back(connection, self._deadlines.cleanup))
                raise
            await to_the_end(commit(connection, self._deadlines.commit))
            return result
        finally:
            await to_the_end(self._give_back(connection))

    async def _give_back(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        try:
            async with asyncio.timeout(self._deadlines.cleanup):
                await self._pool.release(connection)
        except Exception:
            # A connection whose state is not known never returns: cutting it frees its place in the pool.
            cut(connection)


class DedicatedConnection:
    """One session outside the pool. A call that is cancelled, or is not answered, ends the session."""

    def __init__(self, loop: trio_asyncio.TrioEventLoop, raw: asyncpg.Connection[asyncpg.Record]) -> None:
        self._loop = loop
        self._raw = raw

    @property
    def closed(self) -> bool:
        """True as soon as this side knows that the session is gone."""
        return self._raw.is_closed()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, as soon as the session is gone; at once if it is already."""

        def gone(_connection: Connection) -> None:
            callback()

        if self.closed:
            callback()
        else:
            self._raw.add_termination_listener(gone)

    async def run(
        self, unit: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``unit`` without a transaction around it.

        :raises DatabaseUnavailable: no answer; the session is over.
        """
        return await _cross(self._loop, self._run(unit, *args, **kwargs))

    async def _run(
        self, unit: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            with unavailable(self._raw):
                return await unit(self._raw, *args, **kwargs)
        except (DatabaseUnavailable, asyncio.CancelledError):
            self._raw.terminate()
            raise


@asynccontextmanager
async def open_database(
    address: DatabaseAddress | str,
    *,
    min_size: int = 1,
    max_size: int = 8,
    application_name: str = "patch-manager",
    deadlines: Deadlines | None = None,
) -> AsyncIterator[Database]:
    """Open a pool of up to ``max_size`` connections, ``min_size`` of them at once, inside the current Trio task.

    Connections lost later are replaced when next needed, so that the pool survives any outage by itself.

    :raises DatabaseUnavailable: the first connections cannot be made.
    :raises StorageError: the address cannot be read.
    """
    deadlines = deadlines or Deadlines()
    arguments = connect_arguments(address, application_name, deadlines)
    async with _asyncio_loop() as loop:
        pool = await _cross(loop, open_pool(arguments, min_size, max_size, deadlines))
        try:
            yield Database(loop, pool, arguments, deadlines)
        finally:
            with trio.CancelScope(shield=True):
                await _cross(loop, close_pool(pool, deadlines.cleanup))


async def run_once(
    address: DatabaseAddress | str,
    unit: Callable[Concatenate[Connection, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run ``unit`` on a fresh connection, closed afterwards, without a transaction or a statement time-out.

    :raises DatabaseUnavailable: no answer.
    """
    deadlines = Deadlines(statement=0, command=600)
    arguments = connect_arguments(address, "patch-manager", deadlines)

    async def whole() -> T:
        raw = await connect(arguments)
        try:
            with unavailable(raw):
                return await unit(raw, *args, **kwargs)
        finally:
            await to_the_end(close(raw, deadlines.cleanup))

    async with _asyncio_loop() as loop:
        return await _cross(loop, whole())


@asynccontextmanager
async def _asyncio_loop() -> AsyncIterator[trio_asyncio.TrioEventLoop]:
    error: BaseException | None = None
    async with trio_asyncio.open_loop() as loop:
        loop.set_debug(False)
        # The default handler raises in the loop's nursery: one stray callback error would end trio.run.
        loop.set_exception_handler(_log_callback_error)
        try:
            yield loop
        except (Exception, KeyboardInterrupt, SystemExit) as caught:
            # Carried around the loop's nurseries, so that callers meet their errors bare and not in groups.
            error = caught
    if error is not None:
        raise error


async def _cross(loop: trio_asyncio.TrioEventLoop, work: Coroutine[Any, Any, T]) -> T:
    # The loop is named: the calling task's context may carry another database's loop, or none.
    result: T = await loop.run_aio_coroutine(work)
    return result


def _log_callback_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    structlog.get_logger(__name__).error(
        "database_callback_failed", reason=context.get("message"), exc_info=context.get("exception")
    )
