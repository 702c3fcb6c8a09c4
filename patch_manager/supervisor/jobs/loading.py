"""Reads the records of jobs for their runs: those that begin at the same time in one transaction.

A batch begins fifty jobs at once, and crossing to asyncio once for each would cost more than reading them does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import trio

from patch_manager.domain.job_record import JobRecord
from patch_manager.storage import job_ledger
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable

_MOST_AT_ONCE: Final = 500


@dataclass(slots=True, eq=False)
class _Wanted:
    job_id: UUID
    read: trio.Event = field(default_factory=trio.Event)
    record: JobRecord | None = None
    error: Exception | None = None


class Loading:
    """``run`` belongs into the supervisor's nursery."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted: list[_Wanted] = []
        self._some = trio.Event()

    async def load(self, job_id: UUID) -> JobRecord | None:
        """All that is durable of a job; raises ``DatabaseUnavailable``."""
        wanted = _Wanted(job_id)
        self._wanted.append(wanted)
        self._some.set()
        await wanted.read.wait()
        if wanted.error is not None:
            raise wanted.error
        return wanted.record

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what is wanted until cancelled."""
        task_status.started()
        while True:
            if not self._wanted:
                self._some = trio.Event()
                await self._some.wait()
            batch, self._wanted = self._wanted[:_MOST_AT_ONCE], self._wanted[_MOST_AT_ONCE:]
            await self._read(batch)

    async def _read(self, batch: Sequence[_Wanted]) -> None:
        try:
            found = await self._database.read(job_ledger.load_records, [wanted.job_id for wanted in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
                # A record that cannot be read is a fault of its own run, and of nobody else's.
                for wanted in batch:
                    await self._read([wanted])
                return
            for wanted in batch:
                wanted.error = error
                wanted.read.set()
            return
        for wanted in batch:
            wanted.record = found.get(wanted.job_id)
            wanted.read.set()
