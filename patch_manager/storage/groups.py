"""Groups: what ties operators to hosts (DESIGN §4b). Units of work on a connection inside a transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.storage.connecting import Connection

_GROUP: Final = """
SELECT g.id, g.name, g.name_key, g.description, g.max_unavailable, g.created_at,
       (SELECT count(*) FROM group_hosts h WHERE h.group_id = g.id) AS host_count,
       (SELECT count(*) FROM group_users u WHERE u.group_id = g.id) AS user_count
FROM groups g
"""
_LIST: Final = (
    _GROUP
    + """
WHERE ($1::uuid[] IS NULL OR g.id = ANY ($1)) AND ($2::text IS NULL OR strpos(g.name_key, lower($2)) > 0)
  AND ($3::text IS NULL OR (g.name_key, g.id) > ($3, $4::uuid))
ORDER BY g.name_key, g.id LIMIT $5
"""
)
_COUNT: Final = """
SELECT count(*) FROM groups g
WHERE ($1::uuid[] IS NULL OR g.id = ANY ($1)) AND ($2::text IS NULL OR strpos(g.name_key, lower($2)) > 0)
"""
_BY_ID: Final = _GROUP + "WHERE g.id = $1"
_INSERT: Final = """
INSERT INTO groups (id, name, description, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name_key) DO NOTHING RETURNING id
"""
_LOCK: Final = "SELECT id FROM groups WHERE id = $1 FOR UPDATE"
_UPDATE: Final = "UPDATE groups SET name = $2, description = $3, max_unavailable = $4 WHERE id = $1"
_HOSTS: Final = "SELECT host_id FROM group_hosts WHERE group_id = $1"
_LOCK_HOSTS: Final = """
SELECT id FROM hosts WHERE id IN (SELECT host_id FROM group_hosts WHERE group_id = $1) ORDER BY id FOR UPDATE
"""
_USERS: Final = "SELECT user_id FROM group_users WHERE group_id = $1"
_OPENED: Final = """
SELECT count(*) FROM group_hosts a WHERE a.group_id = $1
AND NOT EXISTS (SELECT 1 FROM group_hosts b WHERE b.host_id = a.host_id AND b.group_id <> $1)
"""
_DELETE: Final = "DELETE FROM groups WHERE id = $1"
_ADD_USER: Final = (
    "INSERT INTO group_users (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING user_id"
)
_REMOVE_USER: Final = "DELETE FROM group_users WHERE group_id = $1 AND user_id = $2 RETURNING user_id"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group and how many hosts and users it holds; ``name_key``, which lists are ordered by, is the database's.

    ``max_unavailable``: so many of its hosts may reboot at once; None: any number.
    """

    id: UUID
    name: str
    name_key: str
    description: str
    max_unavailable: int | None
    created_at: datetime
    host_count: int
    user_count: int


@dataclass(frozen=True, slots=True)
class DeletedGroup:
    """What a group held: its hosts, its users, and how many hosts are now in no group, open to every operator."""

    host_ids: tuple[UUID, ...]
    user_ids: tuple[UUID, ...]
    opened_hosts: int


def _row(row: asyncpg.Record) -> GroupRow:
    return GroupRow(**row)


async def list_groups(
    connection: Connection,
    *,
    visible: Collection[UUID] | None,
    search: str | None = None,
    after: tuple[str, UUID] | None = None,
    limit: int = 1000,
) -> tuple[tuple[GroupRow, ...], int]:
    """Groups by name from ``after`` (name_key, id) on, and how many match; ``visible`` None: all."""
    ids = None if visible is None else list(visible)
    name, group_id = after if after is not None else (None, None)
    rows = await connection.fetch(_LIST, ids, search, name, group_id, limit)
    total = await connection.fetchval(_COUNT, ids, search)
    return tuple(_row(row) for row in rows), total


async def get_group(connection: Connection, group_id: UUID) -> GroupRow | None:
    """A group, or None."""
    row = await connection.fetchrow(_BY_ID, group_id)
    return None if row is None else _row(row)


async def lock_group(connection: Connection, group_id: UUID) -> GroupRow | None:
    """A group that nobody else changes or deletes before the transaction ends, or None."""
    if await connection.fetchval(_LOCK, group_id) is None:
        return None
    return await get_group(connection, group_id)


async def create_group(
    connection: Connection, group_id: UUID, *, name: str, description: str, created_at: datetime
) -> bool:
    """Make a group; False: the name is taken, without regard to case."""
    return await connection.fetchval(_INSERT, group_id, name, description, created_at) is not None


async def update_group(
    connection: Connection, group_id: UUID, *, name: str, description: str, max_unavailable: int | None
) -> None:
    """Rename, describe or limit; raises `asyncpg.UniqueViolationError` when the name was taken meanwhile."""
    await connection.execute(_UPDATE, group_id, name, description, max_unavailable)


async def delete_group(connection: Connection, group_id: UUID) -> DeletedGroup:
    """Delete a group that the caller has locked; hosts and users stay.

    The hosts are locked too: an operator's move that counts on this group must see it before or not at all.
    """
    hosts = tuple(row["id"] for row in await connection.fetch(_LOCK_HOSTS, group_id))
    users = tuple(row["user_id"] for row in await connection.fetch(_USERS, group_id))
    opened = await connection.fetchval(_OPENED, group_id)
    await connection.execute(_DELETE, group_id)
    return DeletedGroup(hosts, users, opened)


async def hosts_of(connection: Connection, group_id: UUID) -> tuple[UUID, ...]:
    """The hosts in a group."""
    return tuple(row["host_id"] for row in await connection.fetch(_HOSTS, group_id))


async def add_user(connection: Connection, group_id: UUID, user_id: UUID) -> bool:
    """Put an existing user into an existing group; False: they were in it."""
    return await connection.fetchval(_ADD_USER, group_id, user_id) is not None


async def remove_user(connection: Connection, group_id: UUID, user_id: UUID) -> bool:
    """Take a user out of a group; False: they were not in it."""
    return await connection.fetchval(_REMOVE_USER, group_id, user_id) is not None
