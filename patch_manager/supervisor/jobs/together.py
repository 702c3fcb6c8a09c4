"""Reads for many runs at once: those that ask while a read is under way are answered by the next, in one transaction.

A batch begins many jobs at the same moment, and crossing to asyncio once for each would cost more than reading does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import trio

from patch_manager.storage.errors import DatabaseUnavailable

K = TypeVar("K")
V = TypeVar("V")

_MOST_AT_ONCE: Final = 500


class _Wanted(Generic[K, V]):
    __slots__ = ("error", "key", "read", "value")

    def __init__(self, key: K) -> None:
        self.key = key
        self.read = trio.Event()
        self.value: V | None = None
        self.error: Exception | None = None


class Together(Generic[K, V]):
    """``read`` gives values by key, in a transaction that begins after it is called; ``run`` belongs into a nursery."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._wanted: list[_Wanted[K, V]] = []
        self._some = trio.Event()

    async def get(self, key: K) -> V | None:
        """The value of ``key``, as it is after this call; None when there is none. Raises what ``read`` raises."""
        wanted: _Wanted[K, V] = _Wanted(key)
        self._wanted.append(wanted)
        self._some.set()
        await wanted.read.wait()
        if wanted.error is not None:
            raise wanted.error
        return wanted.value

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what is wanted until cancelled."""
        task_status.started()
        while True:
            if not self._wanted:
                self._some = trio.Event()
                await self._some.wait()
            batch, self._wanted = self._wanted[:_MOST_AT_ONCE], self._wanted[_MOST_AT_ONCE:]
            await self._answer(batch)

    async def _answer(self, batch: Sequence[_Wanted[K, V]]) -> None:
        try:
            found = await self._read([wanted.key for wanted in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
                # What cannot be read is a fault of its own run, and of nobody else's.
                for wanted in batch:
                    await self._answer([wanted])
                return
            for wanted in batch:
                wanted.error = error
                wanted.read.set()
            return
        for wanted in batch:
            wanted.value = found.get(wanted.key)
            wanted.read.set()
