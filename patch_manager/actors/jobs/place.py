"""A run's place among the dispatches: bounded, because an intent may be ten seconds old at most (decision 0008)."""

from __future__ import annotations

import trio


class Place:
    """Held between the decision to send and the answer; given back whenever the run would only wait."""

    __slots__ = ("_dispatch", "_held")

    def __init__(self, dispatch: trio.CapacityLimiter) -> None:
        self._dispatch = dispatch
        self._held = False

    async def take(self) -> None:
        """Wait for a place, unless one is held."""
        if not self._held:
            await self._dispatch.acquire_on_behalf_of(self)
            self._held = True

    def give_back(self) -> None:
        """Let others have it."""
        if self._held:
            self._held = False
            self._dispatch.release_on_behalf_of(self)
