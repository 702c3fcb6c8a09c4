"""Whose connection waits for whom (DESIGN §3: limits hold connecting and handshakes, not waiting)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from patch_manager.actors.polling import (
    LEND_SECONDS,
    LONGEST_PASS_SECONDS,
    Turn,
    connecting,
    in_flight,
    lend_forever,
    take_turns,
)


def quiet(_: bool) -> None:
    return None


async def connect(limiter: trio.CapacityLimiter, seconds: float, done: list[float]) -> None:
    take_turns(Turn(limiter, quiet))
    async with connecting():
        await trio.sleep(seconds)
    done.append(trio.current_time())


@asynccontextmanager
async def lending(limiter: trio.CapacityLimiter) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lend_forever, [limiter])
        yield
        nursery.cancel_scope.cancel()


async def test_hosts_that_are_silent_while_connecting_hold_up_nobody(autojump_clock: MockClock) -> None:
    limiter, silent, well = trio.CapacityLimiter(2), list[float](), list[float]()
    async with lending(limiter), trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(connect, limiter, 10.0, silent)
        await trio.sleep(0.01)
        for _ in range(4):
            nursery.start_soon(connect, limiter, 0.01, well)
    assert max(well) < 20 / 2 * LEND_SECONDS + 1
    assert max(silent) < 10.0 + 20 / 2 * LEND_SECONDS + 1
    assert limiter.borrowed_tokens == 0


async def test_quick_connections_keep_to_the_limit(autojump_clock: MockClock) -> None:
    limiter, done = trio.CapacityLimiter(2), list[float]()
    async with lending(limiter), trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(connect, limiter, 0.1, done)
    began = max(done) - 0.3
    assert [round(moment - began, 2) for moment in done] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]


async def test_a_silent_host_keeps_its_place_while_nobody_waits(autojump_clock: MockClock) -> None:
    limiter, done = trio.CapacityLimiter(1), list[float]()
    async with lending(limiter), trio.open_nursery() as nursery:
        nursery.start_soon(connect, limiter, 5.0, done)
        await trio.sleep(4)
        assert limiter.borrowed_tokens == 1
    assert limiter.borrowed_tokens == 0


async def test_a_cancelled_wait_leaves_the_limiter_whole(autojump_clock: MockClock) -> None:
    limiter, done = trio.CapacityLimiter(1), list[float]()
    async with lending(limiter), trio.open_nursery() as nursery:
        nursery.start_soon(connect, limiter, 5.0, done)
        await trio.sleep(0.01)
        with trio.move_on_after(0.1):
            await connect(limiter, 0.0, done)
        with trio.move_on_after(1.0):
            await connect(limiter, 9.0, done)
    assert limiter.borrowed_tokens == 0
    assert limiter.statistics().tasks_waiting == 0


async def test_polls_in_flight_keep_their_place_however_slow(autojump_clock: MockClock) -> None:
    limiter = trio.CapacityLimiter(1)
    async with in_flight(limiter, quiet):
        with trio.move_on_after(60) as scope:
            async with in_flight(limiter, quiet):
                raise AssertionError("two polls in one place")
    assert scope.cancelled_caught


async def test_places_are_kept_while_this_process_is_the_slow_one(autojump_clock: MockClock) -> None:
    limiter, most, begun = trio.CapacityLimiter(2), 0, 0

    async def handshake() -> None:
        nonlocal most, begun
        take_turns(Turn(limiter, quiet))
        async with connecting():
            begun += 1
            most = max(most, begun)
            await trio.sleep(LEND_SECONDS * 2)
            begun -= 1

    async def starve() -> None:
        # Every pass of the loop is long, as with a processor that others use.
        while True:
            await trio.lowlevel.checkpoint()
            autojump_clock.jump(LONGEST_PASS_SECONDS * 1.5)

    async with lending(limiter), trio.open_nursery() as nursery:
        nursery.start_soon(starve)
        async with trio.open_nursery() as hosts:
            for _ in range(10):
                hosts.start_soon(handshake)
        nursery.cancel_scope.cancel()
    assert most == 2
