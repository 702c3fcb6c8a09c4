"""How often an agent may be asked: token buckets that stay inside the agent's own (AGENT_API "Limits").

``TokenBucket`` is arithmetic on moments passed in; ``RateGate`` waits for it on Trio's clock, first come first served,
and shows who waits (TRUST: waiting is visible).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import trio

READS_PER_MINUTE = 100.0
READS_AT_ONCE = 20.0
WRITES_PER_MINUTE = 5.0
WRITES_AT_ONCE = 5.0
LONGEST_RETRY_AFTER = 900.0
"""Seconds: an agent's ``Retry-After`` beyond this is cut, so that a wrong one cannot silence a host for days."""


class TokenBucket:
    """Tokens that refill evenly. Starts with one, because the agent may still remember our last run."""

    __slots__ = ("_blocked_until", "_capacity", "_rate", "_tokens", "_updated_at")

    def __init__(self, per_minute: float, at_once: float) -> None:
        self._rate = per_minute / 60.0
        self._capacity = at_once
        self._tokens = 1.0
        self._updated_at: float | None = None
        self._blocked_until = float("-inf")

    def _refill(self, now: float) -> None:
        if self._updated_at is None:
            self._updated_at = now
        elif now > self._updated_at:
            self._tokens = min(self._capacity, self._tokens + (now - self._updated_at) * self._rate)
            self._updated_at = now

    def delay(self, now: float) -> float:
        """Seconds until a token can be taken; 0 when one is there."""
        self._refill(now)
        missing = max(0.0, 1.0 - self._tokens) / self._rate
        return max(missing, self._blocked_until - now, 0.0)

    def take(self, now: float) -> bool:
        """Take a token if one is there."""
        if self.delay(now) > 0.0:
            return False
        self._tokens -= 1.0
        return True

    def block(self, now: float, seconds: float) -> None:
        """The agent said ``Retry-After``: nothing until then, and one token at that moment."""
        until = now + min(max(0.0, seconds), LONGEST_RETRY_AFTER)
        if until > self._blocked_until:
            self._blocked_until = until
            self._updated_at = until
            self._tokens = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Calls that wait for the budget right now, and for how many seconds the next of each kind will."""

    reads: int
    writes: int
    read_delay_s: float
    write_delay_s: float


class _Lane:
    __slots__ = ("_clock", "_turn", "bucket", "waiting")

    def __init__(self, bucket: TokenBucket, clock: Callable[[], float]) -> None:
        self.bucket = bucket
        self.waiting = 0
        self._clock = clock
        self._turn = trio.Lock()  # fair: a later caller cannot overtake

    async def take(self) -> None:
        if not self.waiting and self.bucket.take(self._clock()):
            return  # nobody to queue behind: a scheduled poll costs no lock
        self.waiting += 1
        try:
            async with self._turn:
                while True:
                    now = self._clock()
                    if self.bucket.take(now):
                        return
                    # A hair more than the exact delay: rounding must not make this a busy loop.
                    await trio.sleep(self.bucket.delay(now) + 0.001)
        finally:
            self.waiting -= 1


class RateGate:
    """One agent's budget. ``/health`` and ``/api/v1/system/info`` are exempt and do not come here."""

    __slots__ = ("_clock", "_reads", "_writes")

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._reads = _Lane(TokenBucket(READS_PER_MINUTE, READS_AT_ONCE), clock)
        self._writes = _Lane(TokenBucket(WRITES_PER_MINUTE, WRITES_AT_ONCE), clock)

    async def read(self) -> None:
        """Wait for a read's token."""
        await self._reads.take()

    async def write(self) -> None:
        """Wait for a write's token."""
        await self._writes.take()

    def block_reads(self, seconds: float) -> None:
        """A read was answered 429."""
        self._reads.bucket.block(self._clock(), seconds)

    def block_writes(self, seconds: float) -> None:
        """A write was answered 429."""
        self._writes.bucket.block(self._clock(), seconds)

    def waiting(self) -> Waiting:
        """Who waits, for metrics and pages."""
        now = self._clock()
        return Waiting(
            self._reads.waiting, self._writes.waiting, self._reads.bucket.delay(now), self._writes.bucket.delay(now)
        )
