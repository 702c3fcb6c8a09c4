"""Standing exclusions: kept for one host, a group's hosts, or all; read where a list of packages is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.exclusions import Excluded, Exclusion, own
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_scope import HOST_IN_SCOPE, groups_of

_SELECT: Final = """
SELECT e.id, e.package, e.host_id, t.display_name AS host_name, e.group_id, g.name AS group_name, e.owner, e.reason,
       e.expires_at, e.created_by_name, e.created_at, e.updated_at, e.version
FROM exclusions e LEFT JOIN hosts t ON t.id = e.host_id LEFT JOIN groups g ON g.id = e.group_id
"""
_MATCH: Final = f"""
WHERE ($1::uuid[] IS NULL OR (e.host_id IS NULL AND e.group_id IS NULL) OR e.group_id = ANY ($1)
       OR EXISTS (SELECT 1 FROM hosts h WHERE h.id = e.host_id AND {HOST_IN_SCOPE}))
  AND ($2::boolean IS NULL OR (e.expires_at > $3) = $2)
  AND ($4::text IS NULL OR strpos(lower(concat_ws(E'\\n', e.package, e.owner, e.reason)), lower($4)) > 0)
  AND ($5::uuid IS NULL OR e.host_id = $5 OR (e.host_id IS NULL AND e.group_id IS NULL)
       OR e.group_id IN (SELECT m.group_id FROM group_hosts m WHERE m.host_id = $5))
  AND ($6::uuid IS NULL OR e.group_id = $6)
"""  # noqa: S608 - constants only
_PAGE: Final = f"""
{_SELECT} {_MATCH} AND ($7::timestamptz IS NULL OR (e.created_at, e.id) < ($7, $8::uuid))
ORDER BY e.created_at DESC, e.id DESC LIMIT $9
"""
_COUNT: Final = f"SELECT count(*) FROM exclusions e {_MATCH}"  # noqa: S608 - constants only
_BY_ID: Final = f"{_SELECT} WHERE e.id = $1"
_LOCK: Final = "SELECT id FROM exclusions WHERE id = $1 FOR UPDATE"
_INSERT: Final = """
INSERT INTO exclusions (id, package, host_id, group_id, owner, reason, expires_at, created_by, created_by_name,
                        created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
"""
_UPDATE: Final = """
UPDATE exclusions SET owner = $2, reason = $3, expires_at = $4, updated_at = $5, version = version + 1 WHERE id = $1
"""
_DELETE: Final = "DELETE FROM exclusions WHERE id = $1"
_HELD: Final = f"""
SELECT count(*) AS patches, count(DISTINCT p.host_id) AS hosts
FROM exclusions e JOIN host_patches p ON p.name LIKE e.package_like JOIN hosts h ON h.id = p.host_id
WHERE e.id = $2 AND (e.host_id IS NULL OR e.host_id = h.id) AND {HOST_IN_SCOPE}
  AND (e.group_id IS NULL
       OR EXISTS (SELECT 1 FROM group_hosts m WHERE m.group_id = e.group_id AND m.host_id = h.id))
"""  # noqa: S608 - constants only
_IN_FORCE: Final = """
SELECT h.id AS host, e.id, e.package, e.owner, e.reason, e.expires_at
FROM exclusions e JOIN hosts h ON h.id = ANY ($1)
WHERE e.expires_at > $2 AND (e.host_id IS NULL OR e.host_id = h.id)
  AND (e.group_id IS NULL
       OR EXISTS (SELECT 1 FROM group_hosts m WHERE m.group_id = e.group_id AND m.host_id = h.id))
ORDER BY h.id, e.created_at, e.id
"""
_OF_JOBS: Final = """
SELECT j.id AS job, d.exclude, d.created_by_name FROM jobs j JOIN deployments d ON d.id = j.deployment_id
WHERE j.id = ANY ($1)
"""

NOT_EXCLUDED: Final = """
NOT EXISTS (
    SELECT 1 FROM exclusions e
    WHERE e.expires_at > {now} AND p.name LIKE e.package_like AND (e.host_id IS NULL OR e.host_id = p.host_id)
      AND (e.group_id IS NULL
           OR EXISTS (SELECT 1 FROM group_hosts m WHERE m.group_id = e.group_id AND m.host_id = p.host_id)))
"""
"""Over ``host_patches p``, with the parameter of the present moment put in."""


@dataclass(frozen=True, slots=True)
class ExclusionRow:
    """An exclusion as listed; without host and group it is for all hosts. ``version`` grows with every change."""

    id: UUID
    package: str
    host_id: UUID | None
    host_name: str | None
    group_id: UUID | None
    group_name: str | None
    owner: str
    reason: str
    expires_at: datetime
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    version: int = 1


@dataclass(frozen=True, slots=True)
class ExclusionFilter:
    """Which exclusions to list; None does not filter. ``host_id``: all that concern that host."""

    in_force: bool | None = None
    search: str | None = None
    host_id: UUID | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Pending patches that an exclusion is about, as last read, and on how many hosts."""

    patches: int
    hosts: int


async def insert_exclusion(connection: Connection, row: ExclusionRow, created_by: UUID | None) -> None:
    """Add an exclusion; its host or group exists."""
    await connection.execute(
        _INSERT,
        row.id,
        row.package,
        row.host_id,
        row.group_id,
        row.owner,
        row.reason,
        row.expires_at,
        created_by,
        row.created_by_name,
        row.created_at,
    )


async def get_exclusion(connection: Connection, exclusion_id: UUID) -> ExclusionRow | None:
    """An exclusion, or None."""
    row = await connection.fetchrow(_BY_ID, exclusion_id)
    return None if row is None else ExclusionRow(**row)


async def lock_exclusion(connection: Connection, exclusion_id: UUID) -> ExclusionRow | None:
    """An exclusion that nobody else changes before the transaction ends, or None."""
    if await connection.fetchval(_LOCK, exclusion_id) is None:
        return None
    return await get_exclusion(connection, exclusion_id)


async def update_exclusion(connection: Connection, after: ExclusionRow) -> None:
    """Write who answers for it, why and until when, and raise the version."""
    await connection.execute(_UPDATE, after.id, after.owner, after.reason, after.expires_at, after.updated_at)


async def delete_exclusion(connection: Connection, exclusion_id: UUID) -> None:
    """Remove an exclusion."""
    await connection.execute(_DELETE, exclusion_id)


async def list_exclusions(
    connection: Connection,
    scope: Scope,
    wanted: ExclusionFilter,
    now: datetime,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> tuple[tuple[ExclusionRow, ...], int]:
    """A page of those of all hosts and of groups and hosts in ``scope``, newest first, and how many match."""
    match = (groups_of(scope), wanted.in_force, now, wanted.search, wanted.host_id, wanted.group_id)
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, *match, moment, key, limit)
    total: int = await connection.fetchval(_COUNT, *match)
    return tuple(ExclusionRow(**row) for row in rows), total


async def held_by(connection: Connection, scope: Scope, exclusion_id: UUID) -> Held:
    """What an exclusion holds back on the hosts in ``scope``."""
    row = await connection.fetchrow(_HELD, groups_of(scope), exclusion_id)
    return Held(0, 0) if row is None else Held(row["patches"], row["hosts"])


async def in_force(
    connection: Connection, host_ids: Collection[UUID], now: datetime
) -> dict[UUID, tuple[Exclusion, ...]]:
    """The standing exclusions of these hosts at ``now``; hosts without any are absent."""
    found: dict[UUID, list[Exclusion]] = {}
    for row in await connection.fetch(_IN_FORCE, list(host_ids), now):
        each = Exclusion(row["package"], row["owner"], row["reason"], row["expires_at"], row["id"])
        found.setdefault(row["host"], []).append(each)
    return {host_id: tuple(each) for host_id, each in found.items()}


async def of_jobs(
    connection: Connection, hosts: Mapping[UUID, UUID], now: datetime
) -> dict[UUID, tuple[Exclusion, ...]]:
    """What each job must leave out at ``now``, given its host: standing exclusions and its deployment's own."""
    standing = await in_force(connection, set(hosts.values()), now)
    owns: dict[UUID, tuple[Exclusion, ...]] = {}
    for row in await connection.fetch(_OF_JOBS, list(hosts)):
        owns[row["job"]] = tuple(own(excluded_of(row), row["created_by_name"]))
    return {job_id: (*standing.get(host_id, ()), *owns.get(job_id, ())) for job_id, host_id in hosts.items()}


def excluded_of(row: asyncpg.Record) -> tuple[Excluded, ...]:
    """The column ``exclude`` of a deployment or a policy."""
    return tuple(Excluded(**each) for each in row["exclude"])


def exclude_column(excluded: Collection[Excluded]) -> list[dict[str, str]]:
    """The same to be written."""
    return [{"package": each.package, "reason": each.reason} for each in excluded]
