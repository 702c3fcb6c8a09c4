"""The room put together: what the composition root makes, gives to http as its `Notifier`, and runs."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import structlog
import trio

from patch_manager.domain.notifications import Attempt, EventKind
from patch_manager.notifications.digesting import make_digests
from patch_manager.notifications.reaching import Reach
from patch_manager.notifications.sending import OpenSealed, Sender
from patch_manager.notifications.watching import Calendar, OwnCertificates, Watch
from patch_manager.notifications.wording import trial_message
from patch_manager.storage import (
    notification_channels,
    notification_deliveries,
    notification_events,
    notification_rules,
)
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.leadership import Leader

log = structlog.get_logger(__name__)

LeaderNow = Callable[[], Leader | None]

ROUND_SECONDS: Final = 2.0
WATCH_SECONDS: Final = 10.0
COUNT_SECONDS: Final = 60.0
_HOUR: Final = timedelta(hours=1)
_AT_ONCE: Final = 8
"""Channels that are sent through at once; one that hangs holds up itself only."""
_TESTS_AT_ONCE: Final = 4
_TEST_SECONDS: Final = 20.0
_DUE_AT_ONCE: Final = 500
_REST_SECONDS: Final = 30.0
"""A channel that failed is left alone for so long, whatever else waits for it."""


class Notifications:
    """Watches, gathers and sends while this manager leads. Errors end a round, never the room."""

    def __init__(
        self,
        database: Database,
        leader: LeaderNow,
        open_sealed: OpenSealed,
        reach: Reach,
        *,
        origin: str,
        wall: Callable[[], datetime],
        calendar: Calendar,
        own_certificates: OwnCertificates,
    ) -> None:
        """``own_certificates`` are those that no table lists; ``origin`` is what browsers type."""
        self._database = database
        self._leader = leader
        self._wall = wall
        self._watch = Watch(database, calendar, own_certificates)
        self.sender = Sender(database, open_sealed, reach, origin, wall, trio.CapacityLimiter(_AT_ONCE))
        self._tests = trio.CapacityLimiter(_TESTS_AT_ONCE)
        self._sending = trio.CapacityLimiter(_AT_ONCE)
        self._busy: set[UUID | None] = set()
        self._resting: dict[UUID | None, float] = {}
        self._hint = trio.Event()
        self._reachable = True
        self._watch_at = -math.inf
        self._count_at = -math.inf
        self._tidy_at: datetime | None = None
        self.by_state: Mapping[str, int] = {}
        """Deliveries kept in each state, as last counted."""

    def changed(self) -> None:
        """A rule, a channel or a delivery was changed: look at once, also through channels that rest."""
        self._resting.clear()
        self._watch_at = -math.inf
        self._hint.set()

    async def test(self, channel_id: UUID, recipients: Sequence[str]) -> Attempt | None:
        """Send a test message now and wait for its real end, 20 s at most; None: no such channel."""
        channel = await self._database.read(notification_channels.get_channel, channel_id)
        if channel is None:
            return None
        message = trial_message(uuid4(), channel.name, self._wall(), self.sender.origin)
        with trio.move_on_after(_TEST_SECONDS):
            async with self._tests:
                return await self.sender.send(channel, recipients, message)
        return Attempt(False, f"no end within {_TEST_SECONDS:g} s: other tests may be waiting for their servers")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look every two seconds, or when told, until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._hint = trio.Event()
                await self._guarded(lambda: self.round(nursery))
                with trio.move_on_after(ROUND_SECONDS):
                    await self._hint.wait()

    async def round(self, nursery: trio.Nursery) -> None:
        """Watch, gather, and start sending what is due. Nothing while another manager leads."""
        leader = self._leader()
        if leader is None or not leader.is_leader:
            return
        now = self._wall()
        if trio.current_time() >= self._watch_at:
            self._watch_at = trio.current_time() + WATCH_SECONDS
            asked_for: frozenset[EventKind] = await self._database.read(notification_rules.kinds_asked_for)
            await self._watch.look(asked_for, leader.epoch, now)
        await make_digests(self._database, leader.epoch, now)
        await self._start_sending(nursery, leader.epoch, now)
        if trio.current_time() >= self._count_at:
            self._count_at = trio.current_time() + COUNT_SECONDS
            self.by_state = await self._database.read(notification_deliveries.deliveries_by_state)
        if self._tidy_at is None or abs(now - self._tidy_at) >= _HOUR:
            self._tidy_at = now
            await self._database.transaction(notification_events.forget_old, now)

    async def _start_sending(self, nursery: trio.Nursery, epoch: int, now: datetime) -> None:
        """One task per channel. Those that are busy or rest are left out, lest what waits for them hides all else."""
        moment = trio.current_time()
        self._resting = {channel_id: until for channel_id, until in self._resting.items() if until > moment}
        without = [channel_id for channel_id in self._busy | self._resting.keys() if channel_id is not None]
        due = await self._database.read(notification_deliveries.due_deliveries, now, _DUE_AT_ONCE, without)
        by_channel: dict[UUID | None, list[UUID]] = {}
        for delivery_id, channel_id in due:
            by_channel.setdefault(channel_id, []).append(delivery_id)
        for channel_id, deliveries in by_channel.items():
            if channel_id not in self._busy:
                self._busy.add(channel_id)
                nursery.start_soon(self._send_through, channel_id, deliveries, epoch)

    async def _send_through(self, channel_id: UUID | None, deliveries: Sequence[UUID], epoch: int) -> None:
        """One after another, so that a room reads them in order; the first failure ends it for now."""
        try:
            await self._guarded(lambda: self._send_each(channel_id, deliveries, epoch))
        finally:
            self._busy.discard(channel_id)

    async def _send_each(self, channel_id: UUID | None, deliveries: Sequence[UUID], epoch: int) -> None:
        async with self._sending:
            for delivery_id in deliveries:
                if await self.sender.attempt(delivery_id, epoch) is False:
                    self._resting[channel_id] = trio.current_time() + _REST_SECONDS
                    return

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Notifications are not worth the manager: what goes wrong is logged, and the next round comes."""
        try:
            await work()
            self._reachable = True
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            if self._reachable:
                log.warning("notifications_postponed", reason=str(error))
            self._reachable = False
        except Exception:
            log.exception("notifications_failed")
