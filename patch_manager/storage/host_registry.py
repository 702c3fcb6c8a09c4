"""Hosts as operators register them: add, change, move between groups, remove. Facts from polls live elsewhere.

Functions are units of work, or parts of one, on a connection inside a transaction. A caller that decides by a host's
groups reads them with `lock_host` first, so that no move by somebody else comes between the check and the change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.hosts import HostRecord
from patch_manager.storage.connecting import Connection
from patch_manager.storage.holds import hold_of

_INSERT: Final = """
INSERT INTO hosts (id, address, port, fqdn, display_name, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (address) DO NOTHING
RETURNING id
"""
_ISSUED_BEFORE: Final = """
UPDATE certificates SET host_id = $1 WHERE host_id IS NULL AND profile = 'agent_server' AND $2 = ANY (sans)
"""
_RECORD: Final = """
SELECT h.id, h.address, h.port, h.fqdn, h.display_name, h.created_at,
       h.reboot_hold_reason, h.reboot_hold_by, h.reboot_hold_at,
       ARRAY(SELECT g.group_id FROM group_hosts g WHERE g.host_id = h.id) AS group_ids
FROM hosts h
"""
_LOCK: Final = "SELECT id FROM hosts WHERE id = $1 FOR UPDATE"
_BY_ID: Final = _RECORD + "WHERE h.id = $1"
_BY_ADDRESS: Final = _RECORD + "WHERE h.address = $1"
_UPDATE: Final = "UPDATE hosts SET port = $2, fqdn = $3, display_name = $4 WHERE id = $1"
_JOIN: Final = """
INSERT INTO group_hosts (group_id, host_id) SELECT group_id, $1 FROM unnest($2::uuid[]) AS group_id
ON CONFLICT DO NOTHING
"""
_LEAVE: Final = "DELETE FROM group_hosts WHERE host_id = $1 AND group_id = ANY ($2::uuid[])"
_DELETE: Final = "DELETE FROM hosts WHERE id = $1"
_UNFINISHED_JOBS: Final = """
SELECT count(*) FROM jobs WHERE host_id = $1 AND state NOT IN ('succeeded', 'failed', 'cancelled')
"""
_KNOWN_GROUPS: Final = "SELECT id FROM groups WHERE id = ANY ($1::uuid[]) FOR KEY SHARE"
_HISTORY: Final = """
SELECT at, health, reason FROM health_history
WHERE host_id = $1 AND at >= $2 ORDER BY at DESC LIMIT $3
"""
_HISTORY_BEFORE: Final = """
SELECT at, health, reason FROM health_history
WHERE host_id = $1 AND at < $2 ORDER BY at DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class HealthEntry:
    """One change of a host's health; ``health`` is a word of ``domain.health.Health``."""

    at: datetime
    health: str
    reason: str


def _record(row: asyncpg.Record) -> HostRecord:
    return HostRecord(
        id=row["id"],
        address=row["address"],
        port=row["port"],
        fqdn=row["fqdn"],
        display_name=row["display_name"],
        group_ids=frozenset(row["group_ids"]),
        created_at=row["created_at"],
        reboot_hold=hold_of(row),
    )


async def add_host(connection: Connection, record: HostRecord, *, created_by: UUID | None) -> HostRecord | None:
    """Insert a host with its groups, which must exist (`known_groups`).

    Returns None when added, else the host that already has the address; then nothing was changed.
    """
    added = await connection.fetchval(
        _INSERT,
        record.id,
        record.address,
        record.port,
        record.fqdn,
        record.display_name,
        record.created_at,
        created_by,
    )
    if added is None:
        row = await connection.fetchrow(_BY_ADDRESS, record.address)
        # Removed by somebody between the two statements: the caller may as well be told of the clash that was.
        return _record(row) if row is not None else record
    await join_groups(connection, record.id, record.group_ids)
    await connection.execute(_ISSUED_BEFORE, record.id, record.address)
    return None


async def get_host(connection: Connection, host_id: UUID) -> HostRecord | None:
    """A host with its groups, or None."""
    row = await connection.fetchrow(_BY_ID, host_id)
    return None if row is None else _record(row)


async def lock_host(connection: Connection, host_id: UUID) -> HostRecord | None:
    """A host with its groups, kept as it is until the transaction ends, or None.

    All that changes a host's groups takes this lock; the row is locked before its groups are read, so that they are
    those of the moment the lock was got (read committed).
    """
    if await connection.fetchval(_LOCK, host_id) is None:
        return None
    return await get_host(connection, host_id)


async def known_groups(connection: Connection, group_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of ``group_ids`` that exist; they cannot be deleted before the transaction ends."""
    if not group_ids:
        return frozenset()
    return frozenset(row["id"] for row in await connection.fetch(_KNOWN_GROUPS, list(group_ids)))


async def update_host(connection: Connection, host_id: UUID, *, port: int, fqdn: str | None, display_name: str) -> None:
    """Change what an operator may say of a host; its address is its identity and never changes."""
    await connection.execute(_UPDATE, host_id, port, fqdn, display_name)


async def join_groups(connection: Connection, host_id: UUID, group_ids: Collection[UUID]) -> None:
    """Put a host into existing groups; those it is in already are left alone."""
    if group_ids:
        await connection.execute(_JOIN, host_id, list(group_ids))


async def leave_groups(connection: Connection, host_id: UUID, group_ids: Collection[UUID]) -> None:
    """Take a host out of groups."""
    if group_ids:
        await connection.execute(_LEAVE, host_id, list(group_ids))


async def delete_host(connection: Connection, host_id: UUID) -> None:
    """Remove a host with its patches, history and memberships; its jobs and audit events stay."""
    await connection.execute(_DELETE, host_id)


async def unfinished_jobs(connection: Connection, host_id: UUID) -> int:
    """Jobs of a host that wait, run, or whose outcome nobody knows yet."""
    return int(await connection.fetchval(_UNFINISHED_JOBS, host_id))


async def health_history(
    connection: Connection, host_id: UUID, *, since: datetime, limit: int
) -> tuple[HealthEntry, ...]:
    """Changes of health from ``since`` on, newest first, and the one in force at ``since`` where it is known."""
    rows = await connection.fetch(_HISTORY, host_id, since, limit)
    if len(rows) < limit:
        rows += await connection.fetch(_HISTORY_BEFORE, host_id, since)
    return tuple(HealthEntry(row["at"], row["health"], row["reason"]) for row in rows)
