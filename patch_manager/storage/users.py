"""Users: credentials and what they belong to. Every function is a unit of work or a part of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from patch_manager.domain.principal import Role
from patch_manager.storage.connecting import Connection

_COLUMNS = "id, username, role, password_hash, password_changed_at, totp_secret_sealed, totp_last_step, disabled_at"
_BY_USERNAME = f"SELECT {_COLUMNS} FROM users WHERE username_key = lower($1)"  # noqa: S608  # constants only
_BY_ID = f"SELECT {_COLUMNS} FROM users WHERE id = $1"  # noqa: S608  # constants only
_INSERT = """
INSERT INTO users (id, username, role, password_hash, password_changed_at, totp_secret_sealed)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (username_key) DO NOTHING RETURNING id
"""
_REHASH = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
# The condition is what makes a code single-use: of two requests with it, one updates no row (TRUST 5).
_SPEND_STEP = """
UPDATE users SET totp_last_step = $2
WHERE id = $1 AND totp_last_step < $2 AND disabled_at IS NULL RETURNING id
"""
_ENROL = """
UPDATE users SET totp_secret_sealed = $2, totp_last_step = $3
WHERE id = $1 AND totp_secret_sealed IS NULL AND disabled_at IS NULL RETURNING id
"""
_GROUPS = """
SELECT g.id, g.name FROM groups g JOIN group_users u ON u.group_id = g.id WHERE u.user_id = $1 ORDER BY g.name_key
"""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A row of users."""

    id: UUID
    username: str
    role: Role
    password_hash: str = field(repr=False)
    password_changed_at: datetime
    totp_secret_sealed: bytes | None = field(repr=False)
    totp_last_step: int
    disabled_at: datetime | None


def _record(row: asyncpg.Record | None) -> UserRecord | None:
    return None if row is None else UserRecord(**{**row, "role": Role(row["role"])})


async def by_username(connection: Connection, username: str) -> UserRecord | None:
    """The user of that name, whatever the case of its letters."""
    return _record(await connection.fetchrow(_BY_USERNAME, username))


async def by_id(connection: Connection, user_id: UUID) -> UserRecord | None:
    """The user with that id."""
    return _record(await connection.fetchrow(_BY_ID, user_id))


async def insert(connection: Connection, user: UserRecord) -> bool:
    """Add a user; False when the name is taken."""
    added = await connection.fetchval(
        _INSERT,
        user.id,
        user.username,
        user.role.value,
        user.password_hash,
        user.password_changed_at,
        user.totp_secret_sealed,
    )
    return added is not None


async def replace_hash(connection: Connection, user_id: UUID, old_hash: str, new_hash: str) -> None:
    """Store the same password under stronger parameters, unless it was changed meanwhile."""
    await connection.execute(_REHASH, user_id, old_hash, new_hash)


async def spend_totp_step(connection: Connection, user_id: UUID, step: int) -> bool:
    """Use up a TOTP time step; False when it, or a later one, was used before, or the user is disabled."""
    return await connection.fetchval(_SPEND_STEP, user_id, step) is not None


async def enrol_totp(connection: Connection, user_id: UUID, sealed: bytes, step: int) -> bool:
    """Give a user their first TOTP secret and use up the step that confirmed it; False when they have one."""
    return await connection.fetchval(_ENROL, user_id, sealed, step) is not None


async def groups_of(connection: Connection, user_id: UUID) -> list[tuple[UUID, str]]:
    """Id and name of the user's groups, by name."""
    return [(row["id"], row["name"]) for row in await connection.fetch(_GROUPS, user_id)]
