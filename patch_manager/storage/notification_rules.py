"""Rules of notifications: who is told of what, through which channel. Shared ones have no owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.notifications import ChannelKind, EventKind
from patch_manager.domain.principal import EVERYTHING, Role, Scope
from patch_manager.storage.connecting import Connection

_SELECT: Final = """
SELECT r.id, r.name, r.enabled, r.owner_id, u.username AS owner_name, r.channel_id, c.name AS channel_name,
       c.kind AS channel_kind, r.events, r.group_ids, r.recipients, r.created_by_name, r.created_at, r.updated_at
FROM notification_rules r JOIN notification_channels c ON c.id = r.channel_id LEFT JOIN users u ON u.id = r.owner_id
"""
_MATCH: Final = "WHERE ($1::uuid IS NULL OR r.owner_id = $1)"
_PAGE: Final = f"""
{_SELECT} {_MATCH} AND ($2::timestamptz IS NULL OR (r.created_at, r.id) < ($2, $3::uuid))
ORDER BY r.created_at DESC, r.id DESC LIMIT $4
"""
_COUNT: Final = f"SELECT count(*) FROM notification_rules r {_MATCH}"  # noqa: S608 - constants only
_OWNED: Final = "SELECT count(*) FROM notification_rules WHERE owner_id IS NOT DISTINCT FROM $1"
_BY_ID: Final = f"{_SELECT} WHERE r.id = $1"
_LOCK: Final = "SELECT id FROM notification_rules WHERE id = $1 FOR UPDATE"
_INSERT: Final = """
INSERT INTO notification_rules (id, name, enabled, owner_id, channel_id, events, group_ids, recipients,
                                created_by_name, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
"""
_UPDATE: Final = """
UPDATE notification_rules SET name = $2, enabled = $3, channel_id = $4, events = $5, group_ids = $6, recipients = $7,
       updated_at = $8
WHERE id = $1
"""
_DELETE: Final = "DELETE FROM notification_rules WHERE id = $1 RETURNING id"
_ASKING: Final = f"{_SELECT} WHERE r.enabled AND $1 = ANY (r.events) ORDER BY r.created_at, r.id"
_ASKED_FOR: Final = "SELECT DISTINCT unnest(events) FROM notification_rules WHERE enabled"
_OWNER: Final = """
SELECT u.role, ARRAY(SELECT g.group_id FROM group_users g WHERE g.user_id = u.id) AS group_ids
FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule. ``owner_id`` None: shared, made by an administrator. ``group_ids`` empty: all hosts in sight."""

    id: UUID
    name: str
    enabled: bool
    owner_id: UUID | None
    owner_name: str | None
    channel_id: UUID
    channel_name: str
    channel_kind: ChannelKind
    events: tuple[EventKind, ...]
    group_ids: tuple[UUID, ...]
    recipients: tuple[str, ...]
    created_by_name: str
    created_at: datetime
    updated_at: datetime


def _row(row: asyncpg.Record) -> RuleRow:
    return RuleRow(
        id=row["id"],
        name=row["name"],
        enabled=row["enabled"],
        owner_id=row["owner_id"],
        owner_name=row["owner_name"],
        channel_id=row["channel_id"],
        channel_name=row["channel_name"],
        channel_kind=ChannelKind(row["channel_kind"]),
        events=tuple(EventKind(word) for word in row["events"]),
        group_ids=tuple(row["group_ids"]),
        recipients=tuple(row["recipients"]),
        created_by_name=row["created_by_name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def list_rules(
    connection: Connection, owner_id: UUID | None, limit: int, after: tuple[datetime, UUID] | None
) -> tuple[tuple[RuleRow, ...], int]:
    """A page of the rules of one user, or of all, newest first, and how many match."""
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, owner_id, moment, key, limit)
    return tuple(_row(row) for row in rows), await connection.fetchval(_COUNT, owner_id)


async def count_rules(connection: Connection, owner_id: UUID | None) -> int:
    """How many rules a user has, or (None) are shared."""
    return int(await connection.fetchval(_OWNED, owner_id))


async def get_rule(connection: Connection, rule_id: UUID) -> RuleRow | None:
    """A rule, or None."""
    row = await connection.fetchrow(_BY_ID, rule_id)
    return None if row is None else _row(row)


async def lock_rule(connection: Connection, rule_id: UUID) -> RuleRow | None:
    """A rule that nobody else changes or deletes before the transaction ends, or None."""
    if await connection.fetchval(_LOCK, rule_id) is None:
        return None
    return await get_rule(connection, rule_id)


async def insert_rule(connection: Connection, row: RuleRow) -> None:
    """Add a rule; its channel exists and is locked."""
    await connection.execute(
        _INSERT,
        row.id,
        row.name,
        row.enabled,
        row.owner_id,
        row.channel_id,
        [event.value for event in row.events],
        list(row.group_ids),
        list(row.recipients),
        row.created_by_name,
        row.created_at,
    )


async def update_rule(connection: Connection, row: RuleRow) -> None:
    """Write what may change of a rule that the caller has locked."""
    await connection.execute(
        _UPDATE,
        row.id,
        row.name,
        row.enabled,
        row.channel_id,
        [event.value for event in row.events],
        list(row.group_ids),
        list(row.recipients),
        row.updated_at,
    )


async def delete_rule(connection: Connection, rule_id: UUID) -> bool:
    """Remove a rule; False: somebody did already."""
    return await connection.fetchval(_DELETE, rule_id) is not None


async def rules_asking(connection: Connection, kind: EventKind) -> tuple[RuleRow, ...]:
    """The enabled rules that ask for events of a kind."""
    return tuple(_row(row) for row in await connection.fetch(_ASKING, kind.value))


async def kinds_asked_for(connection: Connection) -> frozenset[EventKind]:
    """What any enabled rule asks for: nothing else need be looked for."""
    return frozenset(EventKind(row[0]) for row in await connection.fetch(_ASKED_FOR))


async def sight_of(connection: Connection, rule: RuleRow) -> Scope | None:
    """What a rule's audience may see at this moment; None: its owner may not see anything any more.

    Shared rules are the administrators' word and see everything.
    """
    if rule.owner_id is None:
        return EVERYTHING
    owner = await connection.fetchrow(_OWNER, rule.owner_id)
    if owner is None:
        return None
    return EVERYTHING if Role(owner["role"]) is Role.ADMIN else Scope(frozenset(owner["group_ids"]))
