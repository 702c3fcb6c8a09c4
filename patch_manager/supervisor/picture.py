"""The fleet picture: the latest snapshot of every host, totals per scope, and what changed since a revision.

Everything that people see is read from here and never from the database. All methods but ``wait_beyond`` are
synchronous: between two checkpoints of Trio a reader meets one consistent revision.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import trio

from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.principal import EVERYTHING, Scope
from patch_manager.domain.totals import FleetTotals
from patch_manager.supervisor.change_log import ChangeLog
from patch_manager.supervisor.rows import encode_row
from patch_manager.supervisor.tally import Tally

_SCOPES_KEPT: Final = 64
_DEPARTURES_KEPT: Final = 20_000
_FORMER_GROUPS_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reader of one scope has to learn to get from its revision to ``revision``."""

    revision: int
    changed: tuple[UUID, ...]
    removed: tuple[UUID, ...]


def _same(old: HostSnapshot, new: HostSnapshot) -> bool:
    """Equal but for the moments that move at every poll, which are outside the revision (DESIGN §3)."""
    if (old.patches_read_at is None) != (new.patches_read_at is None):
        return False
    moved = replace(
        old, last_seen_at=new.last_seen_at, next_poll_at=new.next_poll_at, patches_read_at=new.patches_read_at
    )
    return moved == new


class FleetPicture:
    """Host id → latest ``HostSnapshot``. ``revision`` grows with every visible change and never falls."""

    def __init__(self, wall_clock: Callable[[], datetime], *, first_revision: int = 0) -> None:
        """``first_revision`` must be beyond all revisions of an earlier run, so that browsers never look ahead."""
        self.revision = first_revision
        self.seen_number = 0
        self._wall_clock = wall_clock
        self._hosts: dict[UUID, HostSnapshot] = {}
        self._rows: dict[UUID, bytes] = {}
        self._changes: ChangeLog[UUID] = ChangeLog()
        self._seen: ChangeLog[UUID] = ChangeLog()
        self._departures: ChangeLog[UUID] = ChangeLog(_DEPARTURES_KEPT)
        self._former: dict[UUID, list[tuple[int, frozenset[UUID]]]] = {}
        self._all = Tally()
        self._tallies: OrderedDict[Scope, Tally] = OrderedDict()
        self._changed = trio.Event()
        self._first_revision = first_revision

    # Written by actors and their supervisor

    def publish(self, snapshot: HostSnapshot, *, force: bool = False) -> None:
        """Show a snapshot. ``force``: a change beyond it (the stored patch list) must reach the readers too."""
        host_id = snapshot.record.id
        old = self._hosts.get(host_id)
        self._hosts[host_id] = snapshot
        self._rows.pop(host_id, None)
        if old is None or old.last_seen_at != snapshot.last_seen_at or old.next_poll_at != snapshot.next_poll_at:
            self.seen_number += 1
            self._seen.note(host_id, self.seen_number)
        if old is not None and not force and _same(old, snapshot):
            return
        self.revision += 1
        self._changes.note(host_id, self.revision)
        self._count(old, snapshot)
        if old is not None and old.record.group_ids != snapshot.record.group_ids:
            self._depart(host_id, old.record.group_ids)
        self._wake()

    def remove(self, host_id: UUID) -> None:
        """The host is no more."""
        old = self._hosts.pop(host_id, None)
        if old is None:
            return
        self.revision += 1
        self._rows.pop(host_id, None)
        self._changes.forget(host_id)
        self._seen.forget(host_id)
        self._count(old, None)
        self._depart(host_id, old.record.group_ids)
        self._wake()

    def _depart(self, host_id: UUID, groups: frozenset[UUID]) -> None:
        former = self._former.setdefault(host_id, [])
        former.append((self.revision, groups))
        del former[:-_FORMER_GROUPS_KEPT]
        for dropped in self._departures.note(host_id, self.revision):
            self._former.pop(dropped, None)

    def _count(self, old: HostSnapshot | None, new: HostSnapshot | None) -> None:
        for scope, tally in ((EVERYTHING, self._all), *self._tallies.items()):
            if old is not None and scope.sees(old.record.group_ids):
                tally.remove(old)
            if new is not None and scope.sees(new.record.group_ids):
                tally.add(new)

    def _wake(self) -> None:
        if self._changed.statistics().tasks_waiting:
            self._changed.set()
            self._changed = trio.Event()

    # Read by everybody

    def __len__(self) -> int:
        return len(self._hosts)

    def __contains__(self, host_id: object) -> bool:
        return host_id in self._hosts

    def get(self, host_id: UUID, scope: Scope = EVERYTHING) -> HostSnapshot | None:
        """The host's snapshot; None when there is no such host in the scope."""
        found = self._hosts.get(host_id)
        return found if found is not None and scope.sees(found.record.group_ids) else None

    def hosts(self, scope: Scope = EVERYTHING) -> Iterator[HostSnapshot]:
        """All snapshots of a scope. Do not await while iterating."""
        if scope.everything:
            return iter(self._hosts.values())
        return (found for found in self._hosts.values() if scope.sees(found.record.group_ids))

    def revision_of(self, host_id: UUID) -> int:
        """The fleet's revision at which this host last changed."""
        return self._changes.number(host_id)

    def totals(self, scope: Scope = EVERYTHING) -> FleetTotals:
        """Totals of a scope: counted once when first asked for, then running."""
        if scope.everything:
            return self._all.totals(self._wall_clock())
        tally = self._tallies.get(scope)
        if tally is None:
            tally = Tally()
            for snapshot in self.hosts(scope):
                tally.add(snapshot)
            self._tallies[scope] = tally
            while len(self._tallies) > _SCOPES_KEPT:
                self._tallies.popitem(last=False)
        self._tallies.move_to_end(scope)
        return tally.totals(self._wall_clock())

    def row(self, host_id: UUID) -> bytes:
        """The host's encoded row, kept until its next change. Raises ``KeyError``."""
        row = self._rows.get(host_id)
        if row is None:
            row = self._rows[host_id] = encode_row(self._hosts[host_id], self.revision_of(host_id))
        return row

    def rows_to_encode(self) -> list[UUID]:
        """Hosts whose row changed since it was last encoded; for doing that in portions."""
        return [host_id for host_id in self._hosts if host_id not in self._rows]

    def changes_since(self, revision: int, scope: Scope, *, limit: int) -> Changes | None:
        """What changed after ``revision`` in a scope; None: too much or too long ago, start over.

        ``removed`` has deleted hosts and those that left the scope, and only such as the scope saw after ``revision``.
        """
        if revision < max(self._departures.floor, self._first_revision) or revision > self.revision:
            return None
        changed: list[UUID] = []
        for host_id in self._changes.since(revision):
            if scope.sees(self._hosts[host_id].record.group_ids):
                if len(changed) == limit:
                    return None
                changed.append(host_id)
        removed = tuple(
            host_id
            for host_id in self._departures.since(revision)
            if self.get(host_id, scope) is None
            and any(at > revision and scope.sees(groups) for at, groups in self._former[host_id])
        )
        return Changes(self.revision, tuple(changed), removed)

    def seen_since(self, number: int, scope: Scope) -> list[HostSnapshot]:
        """Hosts of a scope that were polled after ``seen_number`` was ``number``."""
        hosts = self._hosts
        found = [hosts[host_id] for host_id in self._seen.since(number)]
        return found if scope.everything else [host for host in found if scope.sees(host.record.group_ids)]

    async def wait_beyond(self, revision: int) -> int:
        """Wait until the fleet's revision is larger than ``revision``; returns it."""
        while self.revision <= revision:
            await self._changed.wait()
        return self.revision
