"""The agent's limits are kept: bursts, refill, Retry-After, order."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from patch_manager.actors.agent.rate_budget import LONGEST_RETRY_AFTER, RateGate, TokenBucket


def test_a_bucket_starts_with_one_token() -> None:
    bucket = TokenBucket(60, 20)
    assert bucket.take(100.0)
    assert not bucket.take(100.0)
    assert bucket.delay(100.0) == pytest.approx(1.0)
    assert bucket.take(101.0)


def test_a_long_rest_allows_a_burst_and_no_more() -> None:
    bucket = TokenBucket(5, 5)
    bucket.delay(0.0)
    assert [bucket.take(10_000.0) for _ in range(6)] == [True] * 5 + [False]


def test_no_minute_sees_more_than_the_burst_and_the_rate() -> None:
    bucket = TokenBucket(100, 20)
    bucket.delay(0.0)
    taken = [tenth for tenth in range(6_000, 12_000) if bucket.take(tenth / 10)]
    for start in range(6_000, 11_400, 10):
        assert sum(start <= at < start + 600 for at in taken) <= 120


def test_retry_after_blocks_and_leaves_one_token() -> None:
    bucket = TokenBucket(100, 20)
    bucket.delay(0.0)
    bucket.block(1_000.0, 30)
    assert bucket.delay(1_000.0) == pytest.approx(30)
    assert not bucket.take(1_029.9)
    assert bucket.take(1_030.0)
    assert not bucket.take(1_030.0)


def test_a_shorter_retry_after_does_not_undo_a_longer_one_and_an_absurd_one_is_cut() -> None:
    bucket = TokenBucket(100, 20)
    bucket.block(0.0, 60)
    bucket.block(0.0, 1)
    assert bucket.delay(0.0) == pytest.approx(60)
    bucket.block(0.0, 1e9)
    assert bucket.delay(0.0) == pytest.approx(LONGEST_RETRY_AFTER)


async def test_waiters_are_visible_and_served_in_order(autojump_clock: trio.testing.MockClock) -> None:
    gate = RateGate()
    served: list[int] = []

    async def write(number: int) -> None:
        await gate.write()
        served.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(write, number)
            await trio.testing.wait_all_tasks_blocked()
        assert gate.waiting().writes == 2
        assert 0 < gate.waiting().write_delay_s <= 12.0
        await gate.read()  # reads do not wait for writes
    assert served == [0, 1, 2]
    assert trio.current_time() >= 24.0
    assert gate.waiting().writes == 0


async def test_a_cancelled_waiter_takes_no_token(autojump_clock: trio.testing.MockClock) -> None:
    gate = RateGate()
    await gate.write()
    with trio.move_on_after(5):
        await gate.write()
    assert gate.waiting().writes == 0
    start = trio.current_time()
    await gate.write()
    assert trio.current_time() - start == pytest.approx(7, abs=0.1)


async def test_a_429_of_a_read_does_not_hold_up_writes(autojump_clock: trio.testing.MockClock) -> None:
    gate = RateGate()
    gate.block_reads(60)
    start = trio.current_time()
    await gate.write()
    assert trio.current_time() == start
    await gate.read()
    assert trio.current_time() - start == pytest.approx(60, abs=0.1)
