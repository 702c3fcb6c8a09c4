"""Passwords: Argon2id off the loop, the same work for known and unknown users (TRUST 7)."""

from __future__ import annotations

import secrets

import trio
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's second profile: 19 MiB a hash, so that a burst of sign-ins does not push the program's memory up.
TIME_COST = 2
MEMORY_KIB = 19 * 1024
PARALLELISM = 1
MIN_LENGTH = 8
MAX_LENGTH = 1024
MAX_WAITING = 64


class Passwords:
    """Hashes and verifies in worker threads, as many at once as ``limiter`` allows."""

    def __init__(
        self, limiter: trio.CapacityLimiter, *, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB
    ) -> None:
        self._limiter = limiter
        self._hasher = PasswordHasher(time_cost, memory_kib, PARALLELISM, type=Type.ID)
        self._decoy: str | None = None

    @property
    def crowded(self) -> bool:
        """Whether so many wait that another would only grow the queue."""
        return self._limiter.statistics().tasks_waiting >= MAX_WAITING

    async def hash(self, password: str) -> str:
        """A new salted hash in PHC form."""
        return await trio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits. ``stored`` None (no such user) costs the same time and is always wrong."""
        if self._decoy is None:
            self._decoy = await self.hash(secrets.token_urlsafe())
        fits = await trio.to_thread.run_sync(self._verify, stored or self._decoy, password, limiter=self._limiter)
        return fits and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
