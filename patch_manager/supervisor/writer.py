"""One task writes what polls found, gathered into set-based statements (DESIGN §3).

Whatever happens to the database, at most one entry per host waits here: newer results replace older ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
import trio

from patch_manager.actors.messages import PatchesStored
from patch_manager.domain.host_status import HostWrite
from patch_manager.storage.database import Database
from patch_manager.storage.poll_results import UNSTORABLE, write_results, write_seen
from patch_manager.supervisor.counters import PollCounters

log = structlog.get_logger(__name__)

_HOSTS_AT_ONCE: Final = 2500
_PATCHES_AT_ONCE: Final = 1500  # more in one statement would hold the loop too long while they are encoded
_CHANGES_KEPT: Final = 8
_FIRST_RETRY: Final = 0.5
_LONGEST_RETRY: Final = 10.0

Stored = Callable[[UUID, PatchesStored], None]


def _merged(old: HostWrite, new: HostWrite) -> HostWrite:
    patches = old.patches if new.patches is None else new.patches
    changes = (*old.changes, *new.changes)[-_CHANGES_KEPT:]
    return replace(new, row=old.row or new.row, patches=patches, changes=changes)


class ResultWriter:
    """Takes results from actors without waiting and writes them soon; ``stored`` hears of every written list."""

    def __init__(
        self,
        db: Database,
        stored: Stored,
        counters: PollCounters,
        *,
        gather: float = 0.1,
        seen_every: float = 30.0,
    ) -> None:
        """Seconds: ``gather`` before a batch is written, ``seen_every`` between bulk writes of last seen."""
        self._db = db
        self._stored = stored
        self._counters = counters
        self._gather = gather
        self._seen_every = seen_every
        self._pending: dict[UUID, HostWrite] = {}
        self._writing: dict[UUID, HostWrite] = {}
        self._seen: dict[UUID, tuple[datetime | None, datetime | None]] = {}
        self._most = _HOSTS_AT_ONCE
        self._news = trio.Event()
        self._progress = trio.Event()

    @property
    def waiting(self) -> int:
        """Hosts whose results are not written yet."""
        return len(self._pending) + len(self._writing)

    def put(self, write: HostWrite) -> None:
        """Take a result. A poll that changed nothing adds only to the next bulk of last seen."""
        self._seen[write.host_id] = (write.status.last_seen_at, write.status.patches_read_at)
        if write.row or write.patches is not None:
            old = self._pending.get(write.host_id)
            self._pending[write.host_id] = write if old is None else _merged(old, write)
            self._news.set()

    async def written(self, host_id: UUID) -> None:
        """Wait until all that was put for a host is in the database; the caller owns the time-out."""
        while host_id in self._pending or host_id in self._writing:
            await self._progress.wait()

    async def run(self) -> None:
        """Write until cancelled. An unreachable database is waited for."""
        next_seen = trio.current_time() + self._seen_every
        retry = _FIRST_RETRY
        while True:
            with trio.move_on_at(next_seen):
                await self._news.wait()
            await trio.sleep(self._gather)
            try:
                await self._write_pending()
                if trio.current_time() >= next_seen:
                    next_seen = trio.current_time() + self._seen_every
                    await self._write_seen()
                retry = _FIRST_RETRY
            except Exception as error:
                self._counters.write_failures += 1
                log.warning("poll_results_wait_for_the_database", error=str(error), hosts=self.waiting)
                await trio.sleep(retry)
                retry = min(retry * 2, _LONGEST_RETRY)

    async def flush(self) -> None:
        """Write all that waits, for the end of the program. Raises what ``Database.transaction`` does."""
        await self._write_pending()
        await self._write_seen()

    async def _write_pending(self) -> None:
        while self._pending:
            await self._write(self._portion())
        self._news = trio.Event()

    def _portion(self) -> dict[UUID, HostWrite]:
        portion: dict[UUID, HostWrite] = {}
        patches = 0
        for host_id, write in self._pending.items():
            patches += len(write.patches or ())
            if portion and (patches > _PATCHES_AT_ONCE or len(portion) >= self._most):
                break
            portion[host_id] = write
        for host_id in portion:
            del self._pending[host_id]
        return portion

    async def _write(self, portion: dict[UUID, HostWrite]) -> None:
        self._writing = portion
        try:
            oldest = await self._db.transaction(write_results, list(portion.values()))
        except UNSTORABLE as error:
            self._not_storable(portion, error)
            return
        except BaseException:
            self._put_back(portion)
            raise
        finally:
            self._writing = {}
            self._progress.set()
            self._progress = trio.Event()
        self._most = min(self._most * 2, _HOSTS_AT_ONCE)
        self._counters.batches_written += 1
        self._counters.rows_written += len(portion)
        for host_id, write in portion.items():
            digest = write.status.patches_digest
            if host_id in oldest and digest is not None:
                self._stored(host_id, PatchesStored(digest, oldest[host_id]))

    def _not_storable(self, portion: dict[UUID, HostWrite], error: Exception) -> None:
        """One host's result cannot be written: smaller portions find it, so that it does not hold back the others'."""
        if len(portion) > 1:
            self._put_back(portion)
            self._most = len(portion) // 2
            return
        # It would fail for ever: dropped, said aloud, and read again after the next change.
        self._counters.write_failures += 1
        log.error("poll_result_not_storable", host_id=str(next(iter(portion))), exc_info=error)

    def _put_back(self, portion: dict[UUID, HostWrite]) -> None:
        for host_id, write in portion.items():
            newer = self._pending.get(host_id)
            self._pending[host_id] = write if newer is None else _merged(write, newer)
        self._news.set()

    async def _write_seen(self) -> None:
        seen, self._seen = self._seen, {}
        ids = list(seen)
        done = 0
        try:
            for done in range(0, len(ids), _HOSTS_AT_ONCE):
                await self._db.transaction(write_seen, {key: seen[key] for key in ids[done : done + _HOSTS_AT_ONCE]})
            done = len(ids)
        finally:
            for key in ids[done:]:
                self._seen.setdefault(key, seen[key])
