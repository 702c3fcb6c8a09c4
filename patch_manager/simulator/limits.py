"""The agent's rate limiter: one token bucket per client address and kind of request."""

import math
from dataclasses import dataclass, field

READS_PER_MINUTE, READ_BURST = 120, 30
WRITES_PER_MINUTE, WRITE_BURST = 20, 10


@dataclass(slots=True)
class TokenBucket:
    """*burst* tokens at most, refilled evenly at *per_minute*. Times are seconds of any steady clock."""

    per_minute: int
    burst: int
    tokens: float = field(init=False)
    at: float

    def __post_init__(self) -> None:
        self.tokens = float(self.burst)

    def take(self, now: float) -> int:
        """0 when the request may pass, else the whole seconds until one would."""
        self.tokens = min(float(self.burst), self.tokens + (now - self.at) * self.per_minute / 60)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0
        return max(1, math.ceil((1 - self.tokens) * 60 / self.per_minute))


class RateLimiter:
    """Per client address: reads, and everything that changes something."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, bool], TokenBucket] = {}

    def check(self, client: str, method: str, path: str, now: float) -> int:
        """Seconds to wait, 0 for none. ``/health`` and ``/api/v1/system/info`` are exempt."""
        if path in ("/health", "/api/v1/system/info"):
            return 0
        reading = method in ("GET", "HEAD")
        bucket = self._buckets.get((client, reading))
        if bucket is None:
            rate = (READS_PER_MINUTE, READ_BURST) if reading else (WRITES_PER_MINUTE, WRITE_BURST)
            bucket = self._buckets[client, reading] = TokenBucket(*rate, at=now)
        return bucket.take(now)
