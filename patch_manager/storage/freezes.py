"""Freezes: times in which nothing starts, on all hosts or on those of a group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.openings import Freeze
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_scope import groups_of

_SELECT: Final = """
SELECT f.id, f.group_id, g.name AS group_name, f.starts_at, f.ends_at, f.reason, f.created_by_name, f.created_at
FROM freezes f LEFT JOIN groups g ON g.id = f.group_id
"""
_MATCH: Final = """
WHERE ($1::uuid[] IS NULL OR f.group_id IS NULL OR f.group_id = ANY ($1)) AND ($2 OR f.ends_at > $3)
"""
_PAGE: Final = f"""
{_SELECT} {_MATCH} AND ($4::timestamptz IS NULL OR (f.starts_at, f.id) > ($4, $5::uuid))
ORDER BY f.starts_at, f.id LIMIT $6
"""
_COUNT: Final = f"SELECT count(*) FROM freezes f {_MATCH}"  # noqa: S608 - constants only
_BY_ID: Final = f"{_SELECT} WHERE f.id = $1"
_INSERT: Final = """
INSERT INTO freezes (id, group_id, starts_at, ends_at, reason, created_by, created_by_name, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_UPDATE: Final = "UPDATE freezes SET starts_at = $2, ends_at = $3, reason = $4 WHERE id = $1"
_DELETE: Final = "DELETE FROM freezes WHERE id = $1 RETURNING id"
_COMING: Final = """
SELECT id, group_id, starts_at, ends_at, reason FROM freezes WHERE ends_at > $1 ORDER BY starts_at, id
"""
_MEMBERS: Final = "SELECT group_id, host_id FROM group_hosts WHERE group_id = ANY ($1)"


@dataclass(frozen=True, slots=True)
class FreezeRow:
    """A freeze as listed; ``group_id`` None: all hosts."""

    id: UUID
    group_id: UUID | None
    group_name: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Freezes:
    """Freezes in force or to come, and the hosts of the groups that they are for."""

    all: tuple[Freeze, ...] = ()
    members: dict[UUID, frozenset[UUID]] | None = None

    def of(self, host_id: UUID) -> tuple[Freeze, ...]:
        """Those that concern a host."""
        members = self.members or {}
        return tuple(
            freeze
            for freeze in self.all
            if freeze.group_id is None or host_id in members.get(freeze.group_id, frozenset())
        )


def _row(row: asyncpg.Record) -> FreezeRow:
    return FreezeRow(**row)


async def insert_freeze(connection: Connection, row: FreezeRow, created_by: UUID | None) -> None:
    """Add a freeze; its group exists."""
    await connection.execute(
        _INSERT,
        row.id,
        row.group_id,
        row.starts_at,
        row.ends_at,
        row.reason,
        created_by,
        row.created_by_name,
        row.created_at,
    )


async def get_freeze(connection: Connection, freeze_id: UUID) -> FreezeRow | None:
    """A freeze, or None."""
    row = await connection.fetchrow(_BY_ID, freeze_id)
    return None if row is None else _row(row)


async def update_freeze(connection: Connection, after: FreezeRow) -> None:
    """Write the times and the reason."""
    await connection.execute(_UPDATE, after.id, after.starts_at, after.ends_at, after.reason)


async def delete_freeze(connection: Connection, freeze_id: UUID) -> bool:
    """Remove a freeze; False: somebody did already."""
    return await connection.fetchval(_DELETE, freeze_id) is not None


async def list_freezes(
    connection: Connection,
    scope: Scope,
    now: datetime,
    limit: int,
    after: tuple[datetime, UUID] | None,
    *,
    past: bool = False,
) -> tuple[tuple[FreezeRow, ...], int]:
    """A page of the freezes of all hosts and of the groups in ``scope``, by their begin; over ones only if ``past``."""
    match = (groups_of(scope), past, now)
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, *match, moment, key, limit)
    total: int = await connection.fetchval(_COUNT, *match)
    return tuple(_row(row) for row in rows), total


async def coming_freezes(connection: Connection, now: datetime) -> Freezes:
    """What jobs are planned by."""
    rows = await connection.fetch(_COMING, now)
    groups = {row["group_id"] for row in rows if row["group_id"] is not None}
    members: dict[UUID, set[UUID]] = {}
    if groups:
        for member in await connection.fetch(_MEMBERS, list(groups)):
            members.setdefault(member["group_id"], set()).add(member["host_id"])
    found = tuple(Freeze(**row) for row in rows)
    return Freezes(found, {group: frozenset(hosts) for group, hosts in members.items()})
