"""A run's place among those that begin or dispatch: few at once, so that intents stay young (decision 0008)."""

from __future__ import annotations

import trio


class Place:
    """Held by one run; given back whenever that would only wait."""

    __slots__ = ("_held", "_limiter")

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter = limiter
        self._held = False

    async def take(self) -> None:
        """Wait for a place, unless one is held."""
        if not self._held:
            await self._limiter.acquire_on_behalf_of(self)
            self._held = True

    def give_back(self) -> None:
        """Let others have it."""
        if self._held:
            self._held = False
            self._limiter.release_on_behalf_of(self)
