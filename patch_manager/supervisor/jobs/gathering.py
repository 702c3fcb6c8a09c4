"""Reads what runs of jobs need, for those that ask at the same time in one transaction.

A batch begins fifty jobs at once, and crossing to asyncio once for each would cost more than reading them does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import trio

from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable

_MOST_AT_ONCE: Final = 500

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(slots=True, eq=False)
class _Wanted(Generic[Key, Value]):
    key: Key
    read: trio.Event = field(default_factory=trio.Event)
    value: Value | None = None
    error: Exception | None = None


class Gathered(Generic[Key, Value]):
    """Values by key, read by one unit of work for many. ``run`` belongs into the supervisor's nursery."""

    def __init__(
        self, database: Database, unit: Callable[[Connection, Sequence[Key]], Awaitable[dict[Key, Value]]]
    ) -> None:
        self._database = database
        self._unit = unit
        self._wanted: list[_Wanted[Key, Value]] = []
        self._some = trio.Event()

    async def get(self, key: Key) -> Value | None:
        """The value of a key, None where there is none; raises ``DatabaseUnavailable``."""
        wanted: _Wanted[Key, Value] = _Wanted(key)
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
            await self._read(batch)

    async def _read(self, batch: Sequence[_Wanted[Key, Value]]) -> None:
        try:
            found = await self._database.read(self._unit, [wanted.key for wanted in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
                # What cannot be read is a fault of its own run, and of nobody else's.
                for wanted in batch:
                    await self._read([wanted])
                return
            for wanted in batch:
                wanted.error = error
                wanted.read.set()
            return
        for wanted in batch:
            wanted.value = found.get(wanted.key)
            wanted.read.set()
