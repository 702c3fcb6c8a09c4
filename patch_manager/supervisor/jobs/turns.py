"""Turns to reboot: counted in memory, where all jobs run, and rebuilt from the database (``domain.turns``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import trio

from patch_manager.domain.job_record import JobRecord
from patch_manager.domain.turns import WAITING, Away, is_away, no_turn
from patch_manager.storage.database import Database
from patch_manager.storage.leadership import Leader
from patch_manager.storage.turns import stored_turns

LOOKS_APART: Final = 0.9  # ours: with every second's scan, and not with each that a job's end brings about


class Turns:
    """Implements ``actors.jobs.ports.Turns``.

    What a run of this process took is its own until it gives it back; all else is what the database says, read with
    every scan: reboots under way before this process began, or whose run ended early.
    """

    def __init__(self, database: Database, leader: Callable[[], Leader | None]) -> None:
        self._database = database
        self._leader = leader
        self._own: dict[UUID, Away] = {}
        self._stored: dict[UUID, Away] = {}
        self._left: dict[UUID, Away] = {}
        self._limits: dict[UUID, int] = {}
        self._epoch: int | None = None
        self._again_at = 0.0

    async def keep(self, epoch: int) -> None:
        """Read what is stored. Nobody gets a turn under a leadership for which it was not read yet.

        Raises:
            DatabaseUnavailable, asyncpg.PostgresError: it stays as it was.
        """
        if epoch == self._epoch and trio.current_time() < self._again_at:
            return
        self._again_at = trio.current_time() + LOOKS_APART
        self._left.clear()
        found = await self._database.read(stored_turns)
        # What was read may be older than a run that ended meanwhile.
        self._stored, self._limits, self._epoch = {**found.away, **self._left}, found.limits, epoch

    @property
    def away(self) -> int:
        """Hosts that are away, or about to be."""
        return len(self._stored.keys() | self._own.keys())

    def take(self, record: JobRecord, group_ids: frozenset[UUID]) -> str | None:
        """Take a turn for a job's host; else why there is none."""
        leader = self._leader()
        if leader is None or leader.epoch != self._epoch:
            return f"{WAITING}: which hosts are rebooting is being read"
        asking = Away(record.host_id, group_ids)
        away = {**self._stored, **self._own}
        full = no_turn(asking, away.values(), self._limits, record.max_unavailable)
        if full is None:
            self._own[record.id] = asking
        return full

    def settle(self, record: JobRecord) -> None:
        """The job is as committed: one that is not away has no turn any more."""
        if not is_away(record):
            self._own.pop(record.id, None)
            self._stored.pop(record.id, None)

    def leave(self, record: JobRecord) -> None:
        """The run is over: from now on the database says whether the host is away."""
        taken = self._own.pop(record.id, None)
        if taken is not None and is_away(record):
            self._stored[record.id] = self._left[record.id] = taken
