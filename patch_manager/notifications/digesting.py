"""Gathers what happened into digests, and queues each for the rules whose audience may see any of it."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from patch_manager.domain.notification_rules import Topic, digest_due
from patch_manager.domain.notifications import EventKind
from patch_manager.notifications.wording import summary
from patch_manager.storage import notification_deliveries, notification_events, notification_rules
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.leadership import assert_epoch


async def make_digests(database: Database, epoch: int, now: datetime) -> int:
    """Tell what is due; how many deliveries were queued. Each topic is one transaction: its events, all deliveries."""
    if not await database.read(notification_events.anything_new):
        return 0
    topics = await database.transaction(_topics, epoch)
    queued = 0
    # What went wrong comes first; kinds are declared in that order.
    for topic in sorted(topics, key=lambda topic: list(EventKind).index(topic.kind)):
        if digest_due(topic, now):
            queued += await database.transaction(_digest, topic, epoch, now)
    return queued


async def _topics(connection: Connection, epoch: int) -> tuple[Topic, ...]:
    if not await assert_epoch(connection, epoch):
        return ()
    await notification_events.note_ended_deployments(connection)
    return await notification_events.open_topics(connection)


async def _digest(connection: Connection, topic: Topic, epoch: int, now: datetime) -> int:
    if not await assert_epoch(connection, epoch):
        return 0
    digest_id = uuid4()
    await notification_events.make_digest(connection, topic, digest_id, now)
    queued = 0
    for rule in await notification_rules.rules_asking(connection, topic.kind):
        sight = await notification_rules.sight_of(connection, rule)
        if sight is None:
            continue
        count = await notification_events.visible_count(connection, digest_id, sight, rule.group_ids)
        if count:
            words = summary(topic.kind, count)
            await notification_deliveries.insert_delivery(connection, uuid4(), digest_id, topic.kind, words, rule, now)
            queued += 1
    return queued
