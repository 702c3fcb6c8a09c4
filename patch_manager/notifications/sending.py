"""Tries deliveries until they arrive. An attempt is counted before it is made, so that dying in it loses nothing: the
same message, under the same id, is tried again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import orjson
import structlog
import trio

from patch_manager.domain.notification_rules import retry_delay
from patch_manager.domain.notifications import (
    Attempt,
    ChannelSettings,
    DeliveryState,
    SmtpSettings,
    WebhookSettings,
    joined,
    seal_name,
)
from patch_manager.notifications import smtp, webhook
from patch_manager.notifications.formats import mail, webhook_post
from patch_manager.notifications.reaching import NotSent, Reach
from patch_manager.notifications.wording import Message, tell
from patch_manager.storage import (
    notification_channels,
    notification_deliveries,
    notification_events,
    notification_rules,
)
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.notification_channels import ChannelRow
from patch_manager.storage.notification_deliveries import DeliveryRow

log = structlog.get_logger(__name__)

OpenSealed = Callable[[str, bytes], bytes]
"""Opens what was sealed under a name; the vault's. Raises when it cannot."""

_FACTS: Final = 2_500
_SAVED_ERROR: Final = 500
_OWN_ERROR: Final = "an error of the manager's own: its log says more"


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that an attempt needs, as it is at this moment."""

    channel: ChannelRow
    recipients: tuple[str, ...]
    message: Message


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why nobody is to get a delivery any more."""

    reason: str


@dataclass(slots=True)
class Sender:
    """Sends through channels. ``origin`` is what browsers type; ``wall`` the wall clock."""

    database: Database
    open_sealed: OpenSealed
    reach: Reach
    origin: str
    wall: Callable[[], datetime]
    threads: trio.CapacityLimiter
    jitter: Callable[[], float] = random.random
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many attempts ended well or badly since the start, by kind of channel."""

    async def attempt(self, delivery_id: UUID, epoch: int) -> bool | None:
        """Try one delivery if it is still due, and record the end; whether it arrived. None: it was not tried."""
        claimed = await self.database.transaction(self._claim, delivery_id, epoch, self.wall())
        if claimed is None:
            return None
        prepared = await self._prepared(claimed)
        if isinstance(prepared, Prepared):
            result: Attempt | Dropped = await self.send(prepared.channel, prepared.recipients, prepared.message)
        else:
            result = prepared
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            # A message that has arrived is recorded as such also while the program stops.
            await self.database.transaction(self._record, claimed, result)
        return None if isinstance(result, Dropped) else result.ok

    async def _prepared(self, claimed: DeliveryRow) -> Prepared | Dropped | Attempt:
        try:
            return await self.database.read(self._current, claimed)
        except (DatabaseUnavailable, asyncpg.PostgresError):
            raise
        except Exception:
            # It must not be tried every two seconds, nor hold up what comes behind it.
            log.exception("notification_not_made", delivery_id=str(claimed.id))
            return Attempt(False, _OWN_ERROR)

    async def send(self, channel: ChannelRow, recipients: Sequence[str], message: Message) -> Attempt:
        """Send now. Never raises for what the other side does, and says nothing secret."""
        try:
            settings = self._settings(channel)
            words = await self._through(settings, recipients or _default_recipients(settings), message)
            result = Attempt(True, words)
        except NotSent as error:
            result = Attempt(False, error.words, error.retry_after)
        except Exception as error:
            # Without its text, which may quote what was to be sent.
            log.error("notification_attempt_crashed", channel=channel.name, error=type(error).__name__)
            result = Attempt(False, _OWN_ERROR)
        key = (channel.kind.value, "delivered" if result.ok else "failed")
        self.attempts[key] = self.attempts.get(key, 0) + 1
        return result

    def _settings(self, channel: ChannelRow) -> ChannelSettings:
        try:
            secret = orjson.loads(self.open_sealed(seal_name(channel.id), channel.sealed))
        except Exception:
            raise NotSent("the channel's secrets cannot be opened with this key: enter them again") from None
        return joined(channel.kind, channel.shown, secret)

    async def _through(self, settings: ChannelSettings, recipients: Sequence[str], message: Message) -> str:
        now = self.wall()
        if isinstance(settings, WebhookSettings):
            return await webhook.send(settings, webhook_post(settings, message, now), self.reach)
        if not recipients:
            raise NotSent("neither the rule nor the channel names a recipient: add one")
        made = mail(message, settings.sender, recipients, now)
        return await smtp.send(settings, made, recipients, self.reach, self.threads)

    async def _claim(self, connection: Connection, delivery_id: UUID, epoch: int, now: datetime) -> DeliveryRow | None:
        """Count the attempt; None: another manager leads, or it is not due any more."""
        if not await assert_epoch(connection, epoch):
            return None
        tried = await notification_deliveries.attempts_of(connection, delivery_id, now)
        if tried is None:
            return None
        next_try_at = now + retry_delay(tried + 1, self.jitter())
        return await notification_deliveries.claim_delivery(connection, delivery_id, now, next_try_at)

    async def _current(self, connection: Connection, claimed: DeliveryRow) -> Prepared | Dropped:
        """What to send, made of what its audience may see now; or why nobody is to get it any more."""
        rule = None if claimed.rule_id is None else await notification_rules.get_rule(connection, claimed.rule_id)
        if rule is None:
            return Dropped("its rule was deleted")
        if not rule.enabled:
            return Dropped("its rule was switched off")
        channel = await notification_channels.get_channel(connection, rule.channel_id)
        sight = await notification_rules.sight_of(connection, rule)
        if channel is None or sight is None:
            return Dropped("its owner may not sign in any more")
        story = await notification_events.story_of(
            connection, claimed.digest_id, claimed.kind, sight, rule.group_ids, _FACTS
        )
        if not story.count:
            return Dropped("its hosts are out of the owner's sight, or of the rule's groups")
        message = tell(story, claimed.id, claimed.created_at, self.origin)
        return Prepared(channel, rule.recipients, message)

    async def _record(self, connection: Connection, claimed: DeliveryRow, result: Attempt | Dropped) -> None:
        now = self.wall()
        if isinstance(result, Dropped):
            dropped = DeliveryState.DROPPED
            await notification_deliveries.record_attempt(connection, claimed, dropped, result.reason, None, now)
            return
        error = "" if result.ok else result.detail[:_SAVED_ERROR]
        fields = {"delivery_id": str(claimed.id), "channel": claimed.channel_name, "attempt": claimed.attempts}
        if result.ok:
            state, next_try_at = DeliveryState.DELIVERED, None
            log.info("notification_delivered", event_kind=claimed.kind.value, **fields)
        else:
            next_try_at = now + retry_delay(claimed.attempts, self.jitter(), result.retry_after)
            state = DeliveryState.PENDING
            if next_try_at > claimed.give_up_at:
                state, next_try_at = DeliveryState.FAILED, None
            log.warning("notification_not_delivered", reason=error, given_up=state is DeliveryState.FAILED, **fields)
        await notification_deliveries.record_attempt(connection, claimed, state, error, next_try_at, now)


def _default_recipients(settings: ChannelSettings) -> tuple[str, ...]:
    return settings.recipients if isinstance(settings, SmtpSettings) else ()
