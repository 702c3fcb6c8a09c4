"""What the last check before each mutating call asks: the windows, freezes and reboot holds of the fleet, in memory.

The database owns them. Whoever changes them tells the calendar before the answer to the change leaves, and the scan
compares a revision every second, so that a lost word costs a second. A calendar that was told of a change and could not
read it answers nothing but no.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import trio

from patch_manager.domain.holds import RebootHold
from patch_manager.domain.job_record import JobRecord, Moment
from patch_manager.domain.jobs import Operation
from patch_manager.domain.openings import Closed, Freeze, HostWindow, closed_to_go_on, closed_to_start
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.freezes import Freezes, coming_freezes
from patch_manager.storage.holds import all_holds
from patch_manager.storage.job_plans import WaitingJob
from patch_manager.storage.windows import Revision, calendar_revision, enabled_windows

_UNREAD: Final = Revision(-1, -1, -1)
_AGAIN: Final = timedelta(seconds=1)

Windows = dict[UUID, tuple[HostWindow, ...]]
Tell = Callable[[Iterable[UUID], Iterable[UUID]], None]
"""Told jobs and deployments whose plan changed; must not block."""


class Calendar:
    """Enabled windows and holds by host, and freezes. ``now`` is the wall clock that windows run on."""

    def __init__(self, database: Database, now: Callable[[], datetime], planned: Tell) -> None:
        self.now = now
        self._database = database
        self._planned = planned
        self._windows: Windows = {}
        self._freezes = Freezes()
        self._holds: dict[UUID, RebootHold] = {}
        self._revision = _UNREAD
        self._sound = False
        self._reading = trio.Lock()

    @property
    def sound(self) -> bool:
        """Whether it knows everything that it was told of."""
        return self._sound

    @property
    def revision(self) -> Revision:
        """Which state of the database it knows."""
        return self._revision

    @property
    def hosts(self) -> Collection[UUID]:
        """The hosts that have an enabled window."""
        return self._windows.keys()

    def windows(self, host_id: UUID) -> tuple[HostWindow, ...]:
        """The enabled windows of a host."""
        return self._windows.get(host_id, ())

    def freezes(self, host_id: UUID) -> tuple[Freeze, ...]:
        """The freezes that concern a host, in force or to come."""
        return self._freezes.of(host_id)

    def hold(self, host_id: UUID) -> RebootHold | None:
        """What keeps a host from being rebooted."""
        return self._holds.get(host_id)

    async def keep_fresh(self) -> bool:
        """Read what changed, if anything did; whether it had.

        Raises:
            DatabaseUnavailable, asyncpg.PostgresError: it stays as it was.
        """
        return await self._read(None)

    async def changed(self, host_ids: Collection[UUID] | None, replanned: Collection[WaitingJob]) -> None:
        """Windows of these hosts (None: freezes or holds) and plans of these jobs were changed, and committed.

        Raises:
            DatabaseUnavailable: until the change has been read, nothing is sent.
        """
        try:
            await self._read(host_ids)
        except (DatabaseUnavailable, asyncpg.PostgresError, trio.Cancelled):
            self._sound = False
            raise
        finally:
            self._planned(
                [job.id for job in replanned], {job.deployment_id for job in replanned if job.deployment_id is not None}
            )

    async def _read(self, host_ids: Collection[UUID] | None) -> bool:
        async with self._reading:
            known = self._revision if self._sound else _UNREAD
            found = await self._database.read(_changes, known, host_ids, self.now())
            revision, windows, whole, freezes, holds = found
            if windows is not None and whole:
                self._windows = windows
            elif windows is not None:
                for host_id in host_ids or ():
                    self._windows.pop(host_id, None)
                self._windows.update(windows)
            if freezes is not None:
                self._freezes = freezes
            if holds is not None:
                self._holds = holds
            self._revision, self._sound = revision, True
            return revision != known


async def _changes(
    connection: Connection, known: Revision, host_ids: Collection[UUID] | None, now: datetime
) -> tuple[Revision, Windows | None, bool, Freezes | None, dict[UUID, RebootHold] | None]:
    """The revision; windows (of all hosts: True), freezes and holds where they changed.

    The revision is read first: what is read after it may be newer, and is then read once more.
    """
    revision = await calendar_revision(connection)
    windows: Windows | None = None
    whole = False
    if revision.windows != known.windows:
        # One step since: it was the change that these hosts are named for.
        whole = host_ids is None or revision.windows != known.windows + 1 or known == _UNREAD
        windows = await enabled_windows(connection, None if whole else host_ids)
    freezes = await coming_freezes(connection, now) if revision.freezes != known.freezes else None
    holds = await all_holds(connection) if revision.holds != known.holds else None
    return revision, windows, whole, freezes, holds


class CalendarGate:
    """``actors.jobs.ports.Gate`` by the calendar."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def refuses(self, record: JobRecord, operation: Operation, now: Moment) -> Closed | None:
        """Why ``record`` may not make that call now. A reboot after updates may still be made within a cutoff."""
        if not self._calendar.sound:
            reason = "maintenance windows and freezes are being read"
            return Closed(reason, f"waiting: {reason}", now.wall + _AGAIN)
        hold = self._calendar.hold(record.host_id) if operation is Operation.REBOOT else None
        if hold is not None:
            return hold.closed
        windows = self._calendar.windows(record.host_id)
        freezes = () if record.override_freeze else self._calendar.freezes(record.host_id)
        starts = operation is record.operation
        return (closed_to_start if starts else closed_to_go_on)(windows, freezes, now.wall, record.starts)
