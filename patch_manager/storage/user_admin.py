"""Accounts as an administrator sees them. Passwords, factors and sessions belong to the auth room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.storage.connecting import Connection

_USER: Final = """
SELECT u.id, u.username, u.username_key, u.role, u.disabled_at, u.created_at,
       u.totp_secret_sealed IS NOT NULL AS mfa_enrolled,
       ARRAY(SELECT g.group_id FROM group_users g WHERE g.user_id = u.id ORDER BY g.group_id) AS group_ids
FROM users u
"""
_LIST: Final = (
    _USER
    + """
WHERE ($1::text IS NULL OR strpos(u.username_key, lower($1)) > 0) AND ($2::text IS NULL OR u.role = $2)
  AND ($3::text IS NULL OR (u.username_key, u.id) > ($3, $4::uuid))
ORDER BY u.username_key, u.id LIMIT $5
"""
)
_COUNT: Final = """
SELECT count(*) FROM users u
WHERE ($1::text IS NULL OR strpos(u.username_key, lower($1)) > 0) AND ($2::text IS NULL OR u.role = $2)
"""
_BY_ID: Final = _USER + "WHERE u.id = $1"
_LOCK: Final = "SELECT id FROM users WHERE id = $1 FOR UPDATE"
_LOCK_ADMINS: Final = "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR UPDATE"
_SET: Final = """
UPDATE users SET role = $2, disabled_at = CASE WHEN $3::timestamptz IS NULL THEN NULL
                                               ELSE coalesce(disabled_at, $3) END WHERE id = $1
"""
_CLEAR_GROUPS: Final = "DELETE FROM group_users WHERE user_id = $1 AND NOT group_id = ANY ($2::uuid[])"
_FILL_GROUPS: Final = """
INSERT INTO group_users (group_id, user_id) SELECT group_id, $1 FROM unnest($2::uuid[]) AS group_id
ON CONFLICT DO NOTHING
"""
_DELETE: Final = "DELETE FROM users WHERE id = $1"


@dataclass(frozen=True, slots=True)
class UserRow:
    """An account without its secrets; ``username_key``, which lists are ordered by, is the database's."""

    id: UUID
    username: str
    username_key: str
    role: str
    disabled_at: datetime | None
    created_at: datetime
    mfa_enrolled: bool
    group_ids: tuple[UUID, ...]


def _row(row: asyncpg.Record) -> UserRow:
    return UserRow(**{**row, "group_ids": tuple(row["group_ids"])})


async def list_users(
    connection: Connection,
    *,
    search: str | None = None,
    role: str | None = None,
    after: tuple[str, UUID] | None = None,
    limit: int = 100,
) -> tuple[tuple[UserRow, ...], int]:
    """Accounts by name from ``after`` (username_key, id) on, and how many match."""
    name, user_id = after if after is not None else (None, None)
    rows = await connection.fetch(_LIST, search, role, name, user_id, limit)
    return tuple(_row(row) for row in rows), await connection.fetchval(_COUNT, search, role)


async def get_user(connection: Connection, user_id: UUID) -> UserRow | None:
    """An account, or None."""
    row = await connection.fetchrow(_BY_ID, user_id)
    return None if row is None else _row(row)


async def lock_user(connection: Connection, user_id: UUID) -> UserRow | None:
    """An account that nobody else changes before the transaction ends, or None."""
    if await connection.fetchval(_LOCK, user_id) is None:
        return None
    return await get_user(connection, user_id)


async def lock_active_admins(connection: Connection) -> frozenset[UUID]:
    """Admins who can act, all locked: two admins who remove each other at the same moment cannot both succeed.

    Take it before `lock_user`: one order of locks for all.
    """
    return frozenset(row["id"] for row in await connection.fetch(_LOCK_ADMINS))


async def set_account(connection: Connection, user_id: UUID, *, role: str, disabled_at: datetime | None) -> None:
    """Set role and whether the account is disabled; the time of an earlier disabling stays."""
    await connection.execute(_SET, user_id, role, disabled_at)


async def set_groups(connection: Connection, user_id: UUID, group_ids: frozenset[UUID]) -> None:
    """Put a user into exactly these existing groups."""
    await connection.execute(_CLEAR_GROUPS, user_id, list(group_ids))
    await connection.execute(_FILL_GROUPS, user_id, list(group_ids))


async def delete_user(connection: Connection, user_id: UUID) -> None:
    """Remove an account; what it did stays in the audit log and in deployments."""
    await connection.execute(_DELETE, user_id)
