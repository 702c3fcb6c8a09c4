"""One manager leads; whoever lost the lead notices, and could not act on it anyhow."""

from __future__ import annotations

import asyncio

import pytest
import trio

from patch_manager.storage import Connection, Database, Holder, Leadership, assert_epoch, open_database
from patch_manager.storage.database import run_once
from patch_manager.storage.leadership import LOCK
from tests.postgres import TestDatabase

END_LOCK_SESSIONS = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1"


async def end_leaders_session(connection: Connection) -> int:
    return int(await connection.fetchval(END_LOCK_SESSIONS, LOCK))


async def holds(db: Database, epoch: int) -> bool:
    return await db.transaction(assert_epoch, epoch)


async def test_the_epoch_grows_with_every_acquisition(db: Database) -> None:
    leadership = Leadership(db, "one")
    assert (await leadership.holder()).epoch == 0
    for epoch in (1, 2, 3):
        async with leadership.acquire() as leader:
            assert leader.epoch == epoch
            assert leader.is_leader
            assert await holds(db, epoch)
            assert not await holds(db, epoch - 1)
            holder = await leadership.holder()
            assert (holder.epoch, holder.name) == (epoch, "one")


async def test_a_standby_learns_who_leads_and_follows_within_seconds(db: Database, database: TestDatabase) -> None:
    told: list[Holder] = []
    waiting, followed = trio.Event(), trio.Event()

    def tell(holder: Holder) -> None:
        told.append(holder)
        waiting.set()

    async def standby() -> None:
        # A connection of its own, as another process has.
        async with open_database(database.app) as other, Leadership(other, "two").acquire(tell) as leader:
            assert leader.epoch == 2
            followed.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            async with Leadership(db, "one").acquire():
                nursery.start_soon(standby)
                await waiting.wait()
                assert told[0].name == "one"
                await trio.sleep(1.2)  # longer than a standby's pause: it has asked again
                assert not followed.is_set()
            await followed.wait()
    assert len(told) == 1


async def test_a_lost_session_is_noticed_at_once_and_the_old_epoch_is_worthless(
    db: Database, database: TestDatabase
) -> None:
    with trio.fail_after(10):
        async with Leadership(db, "one").acquire() as old:
            assert await run_once(database.superuser, end_leaders_session) == 1
            with trio.fail_after(0.9):  # below the second of the regular look
                await old.lost.wait()
            assert not old.is_leader
            async with Leadership(db, "two").acquire() as new:
                assert new.epoch == 2
                assert not await holds(db, old.epoch)
                assert await holds(db, new.epoch)


async def test_an_epoch_taken_by_another_ends_the_lead(db: Database, database: TestDatabase) -> None:
    """As after a network partition in which the server freed the lock and this side saw nothing."""
    with trio.fail_after(10):
        async with Leadership(db, "one").acquire() as leader:
            await run_once(database.owner, lambda c: c.execute("UPDATE leadership SET epoch = epoch + 1, holder = 'x'"))
            await leader.lost.wait()


async def test_nobody_takes_over_inside_a_transaction_that_checked_the_epoch(
    db: Database, database: TestDatabase
) -> None:
    checked, finish = trio.Event(), trio.Event()
    order: list[str] = []

    async def intent(connection: Connection) -> None:
        assert await assert_epoch(connection, 1)
        checked.set()
        while not finish.is_set():  # noqa: ASYNC110  # an event of Trio's, looked at from asyncio
            await asyncio.sleep(0.01)
        order.append("intent")

    async def dispatch() -> None:
        await db.transaction(intent)

    async def take_over() -> None:
        async with Leadership(db, "two").acquire() as leader:
            order.append(f"leader {leader.epoch}")

    with trio.fail_after(15):
        async with trio.open_nursery() as nursery, Leadership(db, "one").acquire():
            nursery.start_soon(dispatch)
            await checked.wait()
            await run_once(database.superuser, end_leaders_session)
            nursery.start_soon(take_over)
            await trio.sleep(1.5)
            assert order == []
            finish.set()
    assert order == ["intent", "leader 2"]


async def test_errors_of_the_block_leave_bare_and_free_the_lead(db: Database) -> None:
    with pytest.raises(KeyError):
        async with Leadership(db, "one").acquire():
            raise KeyError("mine")
    with trio.fail_after(5):
        async with Leadership(db, "two").acquire() as leader:
            assert leader.epoch == 2


async def test_waiting_can_be_cancelled(db: Database) -> None:
    with trio.fail_after(5):
        async with Leadership(db, "one").acquire():
            with trio.move_on_after(0.2) as scope:
                async with Leadership(db, "two").acquire():
                    pytest.fail("two leaders")
            assert scope.cancelled_caught
