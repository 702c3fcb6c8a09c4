"""Live changes for browsers: coalesced into about ten batches a second, encoded once per scope.

A subscriber holds no queue but its place (revision and counters) in what the fleet picture and this hub remember: the
latest of each host, job and deployment. One that falls behind thus skips what was overtaken and costs nothing; behind
the edge of what is remembered it is told to start over, and gets the whole fleet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import trio

from patch_manager.domain.principal import Scope
from patch_manager.supervisor.change_log import ChangeLog
from patch_manager.supervisor.fleet_bytes import fleet_rows
from patch_manager.supervisor.picture import FleetPicture
from patch_manager.supervisor.rows import encode

Item = Mapping[str, Any]
ScopeGetter = Callable[[], Scope]

RESYNC: Final = b'{"type":"resync"}'
_ITEMS_KEPT: Final = 5000


class _Topic:
    """The latest of each job or deployment, with the hosts that decide who may see it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.log: ChangeLog[UUID] = ChangeLog(_ITEMS_KEPT)
        self._items: dict[UUID, tuple[Item, Collection[UUID]]] = {}

    def put(self, item: Item, host_ids: Collection[UUID]) -> None:
        self.number += 1
        key = _uuid(item["id"])
        self._items[key] = (item, host_ids)
        for dropped in self.log.note(key, self.number):
            del self._items[dropped]

    def since(self, number: int, sees: Callable[[Collection[UUID]], bool]) -> list[Item]:
        found = [self._items[key] for key in self.log.since(number)]
        found.reverse()
        return [item for item, host_ids in found if sees(host_ids)]


class Subscription:
    """One browser's place in the stream. ``next_batch`` and ``snapshot`` belong to one task."""

    def __init__(self, hub: EventHub, scope: ScopeGetter) -> None:
        self._hub = hub
        self._scope_of = scope
        self._scope: Scope | None = None  # None: the whole fleet comes next
        self._revision = 0
        self._seen = 0
        self._jobs = 0
        self._deployments = 0
        self._tick = self._looked_at = 0

    async def snapshot(self) -> bytes:
        """``{"type":"snapshot","revision","totals","hosts"}`` of the scope; batches go on from there."""
        scope = self._scope_of()
        jobs, deployments = self._hub.jobs.number, self._hub.deployments.number
        self._tick = self._looked_at = self._hub.tick
        rows = await fleet_rows(self._hub.picture, scope)
        self._scope = scope
        self._revision, self._seen = rows.revision, rows.seen_number
        self._jobs, self._deployments = jobs, deployments
        parts: list[bytes] = []
        for part in rows.json('"type":"snapshot",'):
            parts.append(part)
            await trio.lowlevel.checkpoint()
        return b"".join(parts)

    def begin(self) -> int:
        """Take the place of now without the fleet; returns the revision that batches go on from.

        For readers that fetch the fleet themselves afterwards: they get it at this revision or a later one.
        """
        hub = self._hub
        self._scope = self._scope_of()
        self._tick = self._looked_at = hub.tick
        self._revision, self._seen = hub.picture.revision, hub.seen_number
        self._jobs, self._deployments = hub.jobs.number, hub.deployments.number
        return self._revision

    async def next_batch(self) -> list[bytes]:
        """Wait for news and return them as JSON messages, at least one.

        Before anything else of a new scope, or when this reader is too far behind: ``resync`` and a snapshot.
        """
        while True:
            scope = self._scope_of()
            messages = self._collect(scope) if scope == self._scope else None
            if messages is None:
                return [RESYNC, await self.snapshot()]
            if messages:
                return messages
            self._tick = await self._hub.wait_tick(self._tick)

    def _collect(self, scope: Scope) -> list[bytes] | None:
        hub = self._hub
        if self._looked_at == self._tick:
            return []  # news of the window that is still open wait for its end
        self._looked_at = self._tick
        if self._jobs < hub.jobs.log.floor or self._deployments < hub.deployments.log.floor:
            return None
        messages: list[bytes] = []
        if self._revision < hub.picture.revision:
            delta = hub.delta(scope, self._revision)
            if delta is None:
                return None
            self._revision, message = delta
            messages += [message] if message else []
        if self._seen < hub.seen_number:
            message = hub.seen(scope, self._seen)
            self._seen = hub.seen_number
            messages += [message] if message else []
        for topic, place in ((hub.jobs, self._jobs), (hub.deployments, self._deployments)):
            if place < topic.number:
                message = hub.items(topic, scope, place)
                messages += [message] if message else []
        self._jobs, self._deployments = hub.jobs.number, hub.deployments.number
        return messages


class EventHub:
    """Wakes subscribers in windows and encodes what they share once."""

    def __init__(
        self, picture: FleetPicture, *, window: float = 0.08, seen_window: float = 3.0, resync_beyond: int = 2500
    ) -> None:
        """``window`` and ``seen_window`` in seconds; ``resync_beyond``: hosts in one delta."""
        self.picture = picture
        self.jobs = _Topic("jobs")
        self.deployments = _Topic("deployments")
        self.seen_number = 0
        self.subscribers = 0
        self._window = window
        self._seen_window = seen_window
        self._resync_beyond = resync_beyond
        self.tick = 0
        self._ticked = trio.Event()
        self._news = trio.Event()
        self._shared: dict[tuple[object, ...], Any] = {}

    @asynccontextmanager
    async def subscribe(self, scope: ScopeGetter) -> AsyncIterator[Subscription]:
        """``scope`` is asked anew for every batch, so that a change of somebody's groups takes hold at once."""
        self.subscribers += 1
        try:
            yield Subscription(self, scope)
        finally:
            self.subscribers -= 1

    def publish_jobs(self, items: Iterable[Item]) -> None:
        """Jobs that changed, ready for JSON with ``id`` and ``host_id``; seen by who sees the host."""
        for item in items:
            self.jobs.put(item, (_uuid(item["host_id"]),))
        self._news.set()

    def publish_deployments(self, items: Iterable[tuple[Item, Collection[UUID]]]) -> None:
        """Deployments that changed (ready for JSON with ``id``) and all their hosts.

        Their totals count all hosts, so only who sees each of these gets them; a deleted host counts as seen.
        """
        for item, host_ids in items:
            self.deployments.put(item, host_ids)
        self._news.set()

    def wake_all(self) -> None:
        """Make every subscriber look again now: somebody's groups changed or a session ended."""
        self._advance()

    async def run(self) -> None:
        """Tick while there is news. Belongs into the supervisor's nursery."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_picture)
            nursery.start_soon(self._watch_seen)
            told: tuple[int, ...] = ()
            while True:
                await self._news.wait()
                self._news = trio.Event()  # before the window: what comes within it may need the next one
                await trio.sleep(self._window)
                numbers = (self.picture.revision, self.seen_number, self.jobs.number, self.deployments.number)
                if numbers != told:
                    told = numbers
                    self._advance()

    async def _watch_picture(self) -> None:
        revision = -1  # what changed before this task ran its first step is news too
        while True:
            revision = await self.picture.wait_beyond(revision)
            self._news.set()
            await trio.sleep(self._window)

    async def _watch_seen(self) -> None:
        while True:
            await trio.sleep(self._seen_window)
            if self.seen_number != self.picture.seen_number:
                self.seen_number = self.picture.seen_number
                self._news.set()

    def _advance(self) -> None:
        self.tick += 1
        self._shared.clear()
        self._ticked.set()
        self._ticked = trio.Event()

    async def wait_tick(self, tick: int) -> int:
        """Wait for a window to close after ``tick``; returns its number."""
        while self.tick <= tick:
            await self._ticked.wait()
        return self.tick

    # What subscribers of one scope and place share

    def delta(self, scope: Scope, since: int) -> tuple[int, bytes | None] | None:
        """The delta from ``since`` and the revision it leads to, without bytes when nothing of it is in the scope."""
        key = ("delta", scope, since, self.picture.revision)
        if key not in self._shared:
            self._shared[key] = self._delta(scope, since)
        found: tuple[int, bytes | None] | None = self._shared[key]
        return found

    def _delta(self, scope: Scope, since: int) -> tuple[int, bytes | None] | None:
        picture = self.picture
        changes = picture.changes_since(since, scope, limit=self._resync_beyond)
        if changes is None:
            return None
        if not changes.changed and not changes.removed:
            return changes.revision, None
        totals = encode(picture.totals(scope))
        hosts = b",".join([picture.row(host_id) for host_id in changes.changed])
        message = b'{"type":"delta","revision":%d,"totals":%s,"hosts":[%s],"removed":%s}'
        return changes.revision, message % (changes.revision, totals, hosts, encode(changes.removed))

    def seen(self, scope: Scope, since: int) -> bytes | None:
        """Moments of hosts polled since: ``items`` when last seen, ``next`` when polled next."""
        key = ("seen", scope, since, self.seen_number)
        if key not in self._shared:
            hosts = self.picture.seen_since(since, scope)
            items = {str(host.record.id): host.last_seen_at for host in hosts if host.last_seen_at is not None}
            following = {str(host.record.id): host.next_poll_at for host in hosts}
            self._shared[key] = encode({"type": "seen", "items": items, "next": following}) if hosts else None
        found: bytes | None = self._shared[key]
        return found

    def items(self, topic: _Topic, scope: Scope, since: int) -> bytes | None:
        """Jobs or deployments that changed since ``since`` and that the scope may see."""
        key = (topic.name, scope, since, topic.number)
        if key not in self._shared:
            items = topic.since(since, lambda host_ids: self._sees_all(scope, host_ids))
            self._shared[key] = encode({"type": topic.name, "items": items}) if items else None
        found: bytes | None = self._shared[key]
        return found

    def _sees_all(self, scope: Scope, host_ids: Collection[UUID]) -> bool:
        if scope.everything:
            return True
        # Nobody knows any more whose a deleted host was: only admins hear of it (as in storage.job_scope).
        return all(self.picture.get(host_id, scope) is not None for host_id in host_ids)


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
