"""One active manager per database: an advisory lock on a connection of its own, and an epoch that only grows.

The lock keeps a second manager waiting; it is gone the moment its session is. The epoch protects what the lock cannot:
a manager that was cut off without noticing reads the epoch FOR SHARE in the transaction before each dispatch
(:func:`assert_epoch`) and finds that another one leads (TRUST "Patch jobs").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog
import trio

from patch_manager.storage.background import background_tasks
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database, DedicatedConnection
from patch_manager.storage.errors import DatabaseUnavailable

LOCK = 0x6C706D02
"""Number of the advisory lock, in the database's one number space for them."""

_TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
_NEXT_EPOCH = "UPDATE leadership SET epoch = epoch + 1, holder = $1, acquired_at = now() RETURNING epoch"
_HOLDER = "SELECT epoch, holder, acquired_at FROM leadership"
_STILL = "SELECT epoch = $1 FROM leadership"
_STILL_SHARED = "SELECT epoch = $1 FROM leadership FOR SHARE"

_POLL_SECONDS = 1.0
_ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who acquired the leadership last; whether it still leads is only known by trying to."""

    epoch: int
    name: str
    acquired_at: datetime


class Leader:
    """Leadership that is held, until ``lost`` is set. Nothing gets it back: acquire anew."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.lost = trio.Event()

    @property
    def is_leader(self) -> bool:
        """Whether, as far as is known here, nobody else may act."""
        return not self.lost.is_set()


class Leadership:
    """Asks for the leadership of one database as ``name`` (host, pid: what an operator would look for)."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    async def holder(self) -> Holder:
        """Who acquired it last (epoch 0 and no name: nobody ever).

        :raises DatabaseUnavailable: no answer.
        """
        return await self._database.read(_read_holder)

    @asynccontextmanager
    async def acquire(self, on_standby: Callable[[Holder], None] | None = None) -> AsyncIterator[Leader]:
        """Wait until nobody else leads, asking every second, and lead for the length of the block.

        ``on_standby`` is told once who leads when it has to wait. An outage while waiting is waited for too.
        """
        async with AsyncExitStack() as stack:
            session, epoch = await self._win(stack, on_standby)
            leader = Leader(epoch)
            session.on_close(leader.lost.set)
            tasks = await stack.enter_async_context(background_tasks())
            tasks.start_soon(_watch, session, leader)
            yield leader

    async def _win(
        self, stack: AsyncExitStack, on_standby: Callable[[Holder], None] | None
    ) -> tuple[DedicatedConnection, int]:
        """The session that holds the lock, closed by ``stack``, and the new epoch."""
        told = False
        reachable = True
        while True:
            try:
                async with AsyncExitStack() as attempt:
                    session = await attempt.enter_async_context(self._database.dedicated())
                    while not await session.run(_try_lock):
                        reachable = True
                        if on_standby is not None and not told:
                            told = True
                            on_standby(await session.run(_read_holder))
                        await trio.sleep(_POLL_SECONDS)
                    epoch = await session.run(_next_epoch, self._name)
                    await stack.enter_async_context(attempt.pop_all())
                    return session, epoch
            except (DatabaseUnavailable, asyncpg.QueryCanceledError) as error:
                # A cancelled statement: the old leader's last transaction still holds the row.
                if reachable:
                    structlog.get_logger(__name__).warning("leadership_unreachable", reason=str(error))
                reachable = False
            await trio.sleep(_POLL_SECONDS)


async def _watch(session: DedicatedConnection, leader: Leader) -> None:
    """Ask every second whether the session lives and the epoch is still ours; a lost socket is told at once anyhow."""
    while leader.is_leader:
        await trio.sleep(_POLL_SECONDS)
        try:
            with trio.fail_after(_ANSWER_SECONDS):
                still = await session.run(_is_current, leader.epoch)
        except (DatabaseUnavailable, asyncpg.PostgresError, trio.TooSlowError):
            still = False
        if not still:
            leader.lost.set()
    structlog.get_logger(__name__).error("leadership_lost", epoch=leader.epoch)


async def assert_epoch(connection: Connection, epoch: int) -> bool:
    """Inside a transaction: whether ``epoch`` leads, and keeps it so until the transaction ends."""
    return bool(await connection.fetchval(_STILL_SHARED, epoch))


async def _try_lock(connection: Connection) -> bool:
    return bool(await connection.fetchval(_TRY_LOCK, LOCK))


async def _next_epoch(connection: Connection, name: str) -> int:
    return int(await connection.fetchval(_NEXT_EPOCH, name))


async def _is_current(connection: Connection, epoch: int) -> bool:
    return bool(await connection.fetchval(_STILL, epoch))


async def _read_holder(connection: Connection) -> Holder:
    row = await connection.fetchrow(_HOLDER)
    assert row is not None  # noqa: S101  # made by the migration, and nobody may delete it
    return Holder(row["epoch"], row["holder"], row["acquired_at"])
