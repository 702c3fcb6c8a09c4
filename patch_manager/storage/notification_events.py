"""What happened and is to be told: written once, gathered into digests, read by those who may see it at that moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from patch_manager.domain.notification_rules import Alarm, Topic
from patch_manager.domain.notifications import EventKind, Fact, Story
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_scope import HOST_IN_SCOPE, groups_of

_UNFINISHED: Final = "('queued', 'dispatching', 'running', 'rebooting', 'verifying')"
_NOTE: Final = """
INSERT INTO notification_events (kind, topic, at, host_id, host_name, deployment_id, job_id, detail, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[],
                     $8::text[], $9::jsonb[])
"""
_TELL: Final = """
INSERT INTO notification_told (kind, key, at) SELECT $1, key, $3 FROM unnest($2::text[]) AS u (key)
ON CONFLICT DO NOTHING RETURNING key
"""
_WATCHED: Final = """
SELECT h.id, h.display_name, h.health = 'unreachable' AS red, h.health_since, h.health_reason,
       a.raised_at, a.well_since, a.recovered_at
FROM hosts h LEFT JOIN notification_alarms a ON a.host_id = h.id
WHERE h.health = 'unreachable' OR a.host_id IS NOT NULL
"""
# A host that is deleted meanwhile needs no alarm.
_ALARM: Final = """
INSERT INTO notification_alarms (host_id, raised_at, well_since, recovered_at)
SELECT u.* FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
    AS u (host_id, raised_at, well_since, recovered_at)
WHERE EXISTS (SELECT 1 FROM hosts h WHERE h.id = u.host_id FOR KEY SHARE)
ON CONFLICT (host_id) DO UPDATE SET raised_at = excluded.raised_at, well_since = excluded.well_since,
    recovered_at = excluded.recovered_at
"""
_FORGET_ALARMS: Final = "DELETE FROM notification_alarms WHERE host_id = ANY ($1)"
_EXPIRING: Final = """
SELECT c.serial, c.profile, c.subject, c.not_after, c.host_id, h.display_name
FROM certificates c LEFT JOIN hosts h ON h.id = c.host_id
WHERE c.revoked_at IS NULL AND c.not_after <= $1 AND c.not_after > $2
  AND (c.profile <> 'agent_server' OR h.id IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM certificates n
                  WHERE n.profile = c.profile AND n.host_id IS NOT DISTINCT FROM c.host_id AND n.revoked_at IS NULL
                    AND (c.host_id IS NOT NULL OR n.subject = c.subject) AND n.not_after > c.not_after)
ORDER BY c.not_after, c.serial
"""
_END_DEPLOYMENTS: Final = f"""
WITH over AS (
    SELECT DISTINCT e.deployment_id FROM notification_events e
    WHERE e.kind = 'job_ended' AND e.digest_id IS NULL
      AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.deployment_id = e.deployment_id AND j.state IN {_UNFINISHED})
), gone AS (
    DELETE FROM notification_events e USING over o
    WHERE e.kind = 'job_ended' AND e.digest_id IS NULL AND e.deployment_id = o.deployment_id
    RETURNING e.deployment_id, e.at
)
INSERT INTO notification_events (kind, topic, at, deployment_id)
SELECT 'deployment_finished', deployment_id::text, max(at), deployment_id FROM gone GROUP BY deployment_id
"""  # noqa: S608 - constants only
_TOPICS: Final = f"""
SELECT e.kind, e.topic, min(e.at) AS first_at, max(e.at) AS last_at, count(*) AS count,
       (SELECT max(t.digested_at) FROM notification_events t WHERE t.kind = e.kind AND t.topic = e.topic) AS told_at,
       e.topic <> '' AND NOT EXISTS (
           SELECT 1 FROM jobs j WHERE j.deployment_id = e.deployment_id AND j.state IN {_UNFINISHED}) AS over
FROM notification_events e WHERE e.digest_id IS NULL AND e.kind <> 'job_ended'
GROUP BY e.kind, e.topic, e.deployment_id
"""  # noqa: S608 - constants only
_NEW: Final = "SELECT EXISTS (SELECT 1 FROM notification_events WHERE digest_id IS NULL)"
_DIGEST: Final = """
UPDATE notification_events SET digest_id = $3, digested_at = $4 WHERE kind = $1 AND topic = $2 AND digest_id IS NULL
"""
_HOST_VISIBLE: Final = f"""
({HOST_IN_SCOPE} AND (cardinality($2::uuid[]) = 0
    OR EXISTS (SELECT 1 FROM group_hosts m WHERE m.host_id = h.id AND m.group_id = ANY ($2))))
"""  # noqa: S608 - constants only
# What concerns no single host, or one that is gone, is for those who see everything.
_VISIBLE: Final = f"""
(($1::uuid[] IS NULL AND cardinality($2::uuid[]) = 0)
 OR EXISTS (SELECT 1 FROM hosts h WHERE h.id = e.host_id AND {_HOST_VISIBLE})
 OR (e.kind IN ('deployment_stopped', 'deployment_finished') AND EXISTS (
        SELECT 1 FROM jobs j JOIN hosts h ON h.id = j.host_id
        WHERE j.deployment_id = e.deployment_id AND {_HOST_VISIBLE})))
"""  # noqa: S608 - constants only
_COUNT: Final = f"SELECT count(*) FROM notification_events e WHERE e.digest_id = $3 AND {_VISIBLE}"  # noqa: S608
_FACTS: Final = f"""
SELECT e.kind, e.topic, e.at, e.host_id, e.host_name, e.deployment_id, e.job_id, e.detail, e.data
FROM notification_events e WHERE e.digest_id = $3 AND {_VISIBLE} ORDER BY e.at, e.host_name, e.id LIMIT $4
"""  # noqa: S608 - constants only
_TOTALS: Final = f"""
SELECT j.state, count(*) FROM jobs j
WHERE j.deployment_id = $3 AND j.superseded_by IS NULL AND (($1::uuid[] IS NULL AND cardinality($2::uuid[]) = 0)
    OR EXISTS (SELECT 1 FROM hosts h WHERE h.id = j.host_id AND {_HOST_VISIBLE}))
GROUP BY j.state
"""  # noqa: S608 - constants only
_ASKED_BY: Final = "SELECT created_by_name FROM deployments WHERE id = $1"
_FORGET: Final = (
    "DELETE FROM notification_deliveries WHERE state <> 'pending' AND created_at < $1",
    """
    DELETE FROM notification_events e WHERE e.digested_at < $1
    AND NOT EXISTS (SELECT 1 FROM notification_deliveries d WHERE d.digest_id = e.digest_id)
    """,
    "DELETE FROM notification_told WHERE at < $1",
)

KEPT: Final = timedelta(days=90)
"""How long the log of deliveries, and what they told, is kept."""


@dataclass(frozen=True, slots=True)
class WatchedHost:
    """A host that is unreachable, or has an alarm."""

    id: UUID
    name: str
    red: bool
    since: datetime | None
    reason: str
    alarm: Alarm | None


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate near its end that no later one replaces. ``host_id`` None: the manager's own."""

    serial: str
    profile: str
    subject: str
    not_after: datetime
    host_id: UUID | None
    host_name: str | None


async def note(connection: Connection, facts: Sequence[Fact]) -> None:
    """Write what happened, in the transaction in which it did."""
    if not facts:
        return
    await connection.execute(
        _NOTE,
        [fact.kind.value for fact in facts],
        [fact.topic for fact in facts],
        [fact.at for fact in facts],
        [fact.host_id for fact in facts],
        [fact.host_name for fact in facts],
        [fact.deployment_id for fact in facts],
        [fact.job_id for fact in facts],
        [fact.detail for fact in facts],
        [orjson.dumps(fact.data).decode() if fact.data else None for fact in facts],
    )


async def tell_once(connection: Connection, kind: EventKind, keys: Iterable[str], at: datetime) -> frozenset[str]:
    """Those of the keys that were never told, noted as told from now on."""
    return frozenset(row["key"] for row in await connection.fetch(_TELL, kind.value, list(keys), at))


async def watched_hosts(connection: Connection) -> tuple[WatchedHost, ...]:
    """Hosts that are unreachable or have an alarm."""
    return tuple(
        WatchedHost(
            id=row["id"],
            name=row["display_name"],
            red=row["red"],
            since=row["health_since"],
            reason=row["health_reason"],
            alarm=None if row["raised_at"] is None else Alarm(row["raised_at"], row["well_since"], row["recovered_at"]),
        )
        for row in await connection.fetch(_WATCHED)
    )


async def write_alarms(connection: Connection, alarms: Collection[tuple[UUID, Alarm | None]]) -> None:
    """Set alarms of hosts, or end them."""
    kept = [(host_id, alarm) for host_id, alarm in alarms if alarm is not None]
    ended = [host_id for host_id, alarm in alarms if alarm is None]
    if kept:
        await connection.execute(
            _ALARM,
            [host_id for host_id, _ in kept],
            [alarm.raised_at for _, alarm in kept],
            [alarm.well_since for _, alarm in kept],
            [alarm.recovered_at for _, alarm in kept],
        )
    if ended:
        await connection.execute(_FORGET_ALARMS, ended)


async def expiring_certificates(connection: Connection, until: datetime, since: datetime) -> tuple[Expiring, ...]:
    """Certificates that end before ``until`` and have not ended before ``since``."""
    return tuple(
        Expiring(row["serial"], row["profile"], row["subject"], row["not_after"], row["host_id"], row["display_name"])
        for row in await connection.fetch(_EXPIRING, until, since)
    )


async def note_ended_deployments(connection: Connection) -> None:
    """Deployments whose last job has ended since this was last looked up become an event each."""
    await connection.execute(_END_DEPLOYMENTS)


async def anything_new(connection: Connection) -> bool:
    """Whether anything waits to be told, or a deployment to come to its end."""
    return bool(await connection.fetchval(_NEW))


async def open_topics(connection: Connection) -> tuple[Topic, ...]:
    """What waits to be told, by topic."""
    return tuple(
        Topic(
            EventKind(row["kind"]),
            row["topic"],
            row["first_at"],
            row["last_at"],
            row["count"],
            row["told_at"],
            row["over"],
        )
        for row in await connection.fetch(_TOPICS)
    )


async def make_digest(connection: Connection, topic: Topic, digest_id: UUID, now: datetime) -> None:
    """Put all that waits of a topic into a digest."""
    await connection.execute(_DIGEST, topic.kind.value, topic.key, digest_id, now)


async def visible_count(connection: Connection, digest_id: UUID, sight: Scope, group_ids: Collection[UUID]) -> int:
    """How many events of a digest an audience may see now; ``group_ids`` empty: all in sight."""
    return int(await connection.fetchval(_COUNT, groups_of(sight), list(group_ids), digest_id))


async def story_of(
    connection: Connection, digest_id: UUID, kind: EventKind, sight: Scope, group_ids: Collection[UUID], limit: int
) -> Story:
    """What a digest tells an audience now: up to ``limit`` facts, and how many there are."""
    seen = (groups_of(sight), list(group_ids))
    rows = await connection.fetch(_FACTS, *seen, digest_id, limit)
    count = await connection.fetchval(_COUNT, *seen, digest_id)
    deployment_id = next((row["deployment_id"] for row in rows), None)
    asked_by, totals = None, {}
    if deployment_id is not None:
        asked_by = await connection.fetchval(_ASKED_BY, deployment_id)
        totals = {row["state"]: row["count"] for row in await connection.fetch(_TOTALS, *seen, deployment_id)}
    return Story(kind, tuple(_fact(row) for row in rows), count, deployment_id, asked_by, totals)


def _fact(row: asyncpg.Record) -> Fact:
    data: dict[str, Any] = {} if row["data"] is None else orjson.loads(row["data"])
    return Fact(
        EventKind(row["kind"]),
        row["topic"],
        row["at"],
        row["host_id"],
        row["host_name"],
        row["deployment_id"],
        row["job_id"],
        row["detail"],
        data,
    )


async def forget_old(connection: Connection, now: datetime) -> None:
    """Drop what is older than the log is kept."""
    for statement in _FORGET:
        await connection.execute(statement, now - KEPT)
