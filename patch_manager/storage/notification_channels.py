"""Channels of notifications. Their secrets come and go sealed; this room has no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from patch_manager.domain.notifications import ChannelKind
from patch_manager.storage.connecting import Connection

_COLUMNS: Final = (
    "c.id, c.name, c.name_key, c.kind, c.settings, c.secrets_sealed, c.created_by_name, c.created_at, c.updated_at"
)
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM notification_channels c
WHERE $1::text IS NULL OR (c.name_key, c.id) > ($1, $2::uuid) ORDER BY c.name_key, c.id LIMIT $3
"""  # noqa: S608 - constants only
_BY_ID: Final = f"SELECT {_COLUMNS} FROM notification_channels c WHERE c.id = $1"  # noqa: S608 - constants only
_LOCK: Final = "SELECT id FROM notification_channels WHERE id = $1 FOR UPDATE"
_INSERT: Final = """
INSERT INTO notification_channels (id, name, kind, settings, secrets_sealed, created_by_name, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (name_key) DO NOTHING RETURNING id
"""
_NAME_TAKEN: Final = "SELECT id FROM notification_channels WHERE name_key = lower($1) AND id <> $2"
_UPDATE: Final = """
UPDATE notification_channels SET name = $2, settings = $3, secrets_sealed = $4, updated_at = $5 WHERE id = $1
"""
_USERS: Final = "SELECT count(*) FROM notification_rules WHERE channel_id = $1"
_DELETE: Final = "DELETE FROM notification_channels WHERE id = $1"


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel: ``shown`` is what may be seen of its settings, ``sealed`` the rest."""

    id: UUID
    name: str
    name_key: str
    kind: ChannelKind
    shown: Mapping[str, Any]
    sealed: bytes = field(repr=False)
    created_by_name: str
    created_at: datetime
    updated_at: datetime


def _row(row: asyncpg.Record) -> ChannelRow:
    return ChannelRow(
        id=row["id"],
        name=row["name"],
        name_key=row["name_key"],
        kind=ChannelKind(row["kind"]),
        shown=orjson.loads(row["settings"]),
        sealed=row["secrets_sealed"],
        created_by_name=row["created_by_name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def list_channels(
    connection: Connection, limit: int, after: tuple[str, UUID] | None
) -> tuple[tuple[ChannelRow, ...], int]:
    """A page of the channels by name, and how many there are."""
    name, key = after or (None, None)
    rows = await connection.fetch(_PAGE, name, key, limit)
    total: int = await connection.fetchval("SELECT count(*) FROM notification_channels")
    return tuple(_row(row) for row in rows), total


async def get_channel(connection: Connection, channel_id: UUID) -> ChannelRow | None:
    """A channel, or None."""
    row = await connection.fetchrow(_BY_ID, channel_id)
    return None if row is None else _row(row)


async def lock_channel(connection: Connection, channel_id: UUID) -> ChannelRow | None:
    """A channel that nobody else changes or deletes before the transaction ends, or None."""
    if await connection.fetchval(_LOCK, channel_id) is None:
        return None
    return await get_channel(connection, channel_id)


async def insert_channel(connection: Connection, row: ChannelRow) -> bool:
    """Add a channel; False: the name is taken, without regard to case."""
    shown = orjson.dumps(row.shown).decode()
    added = await connection.fetchval(
        _INSERT, row.id, row.name, row.kind.value, shown, row.sealed, row.created_by_name, row.created_at
    )
    return added is not None


async def channel_name_taken(connection: Connection, name: str, *, by_other_than: UUID) -> bool:
    """Whether another channel has the name, without regard to case."""
    return await connection.fetchval(_NAME_TAKEN, name, by_other_than) is not None


async def update_channel(connection: Connection, row: ChannelRow) -> None:
    """Write name, settings and secrets of a channel that the caller has locked."""
    await connection.execute(_UPDATE, row.id, row.name, orjson.dumps(row.shown).decode(), row.sealed, row.updated_at)


async def rules_using(connection: Connection, channel_id: UUID) -> int:
    """How many rules send through a channel."""
    return int(await connection.fetchval(_USERS, channel_id))


async def delete_channel(connection: Connection, channel_id: UUID) -> None:
    """Remove a channel that no rule uses."""
    await connection.execute(_DELETE, channel_id)
