"""Standing policies and the hosts they are for. Units of work on a connection inside a transaction.

A policy is in sight when all that it names is; one for all hosts is in everybody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from patch_manager.domain.jobs import RebootPolicy
from patch_manager.domain.policies import Policy, What
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.exclusions import exclude_column, excluded_of
from patch_manager.storage.job_scope import HOST_IN_SCOPE, groups_of
from patch_manager.storage.rollout_json import dump_rollout, load_rollout

_SELECT: Final = """
SELECT p.*, ARRAY(SELECT g.group_id FROM policy_groups g WHERE g.policy_id = p.id ORDER BY 1) AS group_ids,
       ARRAY(SELECT t.host_id FROM policy_hosts t WHERE t.policy_id = p.id ORDER BY 1) AS host_ids
FROM policies p
"""
_IN_SCOPE: Final = f"""
($1::uuid[] IS NULL OR p.all_hosts OR (
    NOT EXISTS (SELECT 1 FROM policy_groups g WHERE g.policy_id = p.id AND NOT g.group_id = ANY ($1))
    AND NOT EXISTS (SELECT 1 FROM policy_hosts t JOIN hosts h ON h.id = t.host_id
                    WHERE t.policy_id = p.id AND NOT {HOST_IN_SCOPE})
    AND (EXISTS (SELECT 1 FROM policy_groups g WHERE g.policy_id = p.id)
         OR EXISTS (SELECT 1 FROM policy_hosts t WHERE t.policy_id = p.id))))
"""  # noqa: S608 - constants only
_MATCH: Final = f"""
WHERE {_IN_SCOPE} AND ($2::text IS NULL OR strpos(lower(p.name), lower($2)) > 0)
  AND ($3::boolean IS NULL OR p.enabled = $3)
"""
_PAGE: Final = f"""
{_SELECT} {_MATCH} AND ($4::timestamptz IS NULL OR (p.created_at, p.id) < ($4, $5::uuid))
ORDER BY p.created_at DESC, p.id DESC LIMIT $6
"""
_COUNT: Final = f"SELECT count(*) FROM policies p {_MATCH}"  # noqa: S608 - constants only
_ONE: Final = f"{_SELECT} WHERE p.id = $2 AND {_IN_SCOPE}"
_LOCK: Final = "SELECT id FROM policies WHERE id = $1 FOR UPDATE"
_SHARE: Final = "SELECT id FROM policies WHERE id = $1 AND enabled AND version = $2 FOR SHARE"
_HOLD_GROUPS: Final = "SELECT 1 FROM groups WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE"
_ENABLED: Final = f"{_SELECT} WHERE p.enabled ORDER BY p.created_at, p.id"
_INSERT: Final = """
INSERT INTO policies (id, name, enabled, all_hosts, what, exclude, reboot, rollout, created_by, created_by_name,
                      created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
"""
_UPDATE: Final = """
UPDATE policies SET name = $2, enabled = $3, all_hosts = $4, what = $5, exclude = $6, reboot = $7, rollout = $8,
       updated_at = $9, version = version + 1
WHERE id = $1
"""
_DELETE: Final = "DELETE FROM policies WHERE id = $1"
_CLEAR: Final = (
    "DELETE FROM policy_groups WHERE policy_id = $1 AND NOT group_id = ANY ($2)",
    "DELETE FROM policy_hosts WHERE policy_id = $1 AND NOT host_id = ANY ($2)",
)
_NAME: Final = (
    "INSERT INTO policy_groups (policy_id, group_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
    "INSERT INTO policy_hosts (policy_id, host_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
)
MEMBER: Final = """
(p.all_hosts
 OR EXISTS (SELECT 1 FROM policy_hosts t WHERE t.policy_id = p.id AND t.host_id = h.id)
 OR EXISTS (SELECT 1 FROM policy_groups g JOIN group_hosts m ON m.group_id = g.group_id
            WHERE g.policy_id = p.id AND m.host_id = h.id))
"""
"""Over ``policies p`` and ``hosts h``: whether the host is one of the policy's."""
_MEMBERS: Final = f"""
SELECT h.id, ARRAY(SELECT g.group_id FROM group_hosts g WHERE g.host_id = h.id) AS group_ids
FROM policies p JOIN hosts h ON {MEMBER} WHERE p.id = $1
"""  # noqa: S608 - constants only
_MEMBERSHIPS: Final = """
SELECT t.policy_id, t.host_id FROM policy_hosts t JOIN policies p ON p.id = t.policy_id
WHERE p.enabled AND NOT p.all_hosts
UNION
SELECT g.policy_id, m.host_id FROM policy_groups g JOIN policies p ON p.id = g.policy_id
JOIN group_hosts m ON m.group_id = g.group_id WHERE p.enabled AND NOT p.all_hosts
"""
_OF_ALL: Final = "SELECT id FROM policies WHERE enabled AND all_hosts"
_REVISION: Final = "SELECT r.policies, c.freezes FROM policy_revision r, calendar_revision c"


def _policy(row: asyncpg.Record) -> Policy:
    return Policy(
        id=row["id"],
        name=row["name"],
        enabled=row["enabled"],
        all_hosts=row["all_hosts"],
        group_ids=tuple(row["group_ids"]),
        host_ids=tuple(row["host_ids"]),
        what=What(row["what"]),
        exclude=excluded_of(row),
        reboot=RebootPolicy(row["reboot"]),
        rollout=None if row["rollout"] is None else load_rollout(row["rollout"]),
        created_by=row["created_by_name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )


def _values(policy: Policy) -> tuple[Any, ...]:
    return (
        policy.name,
        policy.enabled,
        policy.all_hosts,
        policy.what.value,
        exclude_column(policy.exclude),
        policy.reboot.value,
        None if policy.rollout is None else dump_rollout(policy.rollout),
    )


async def insert_policy(connection: Connection, policy: Policy, created_by: UUID | None) -> None:
    """Add a policy; its groups and hosts exist."""
    await connection.execute(_INSERT, policy.id, *_values(policy), created_by, policy.created_by, policy.created_at)
    await _write_places(connection, policy)


async def _write_places(connection: Connection, policy: Policy) -> None:
    for clear, name, ids in zip(_CLEAR, _NAME, (policy.group_ids, policy.host_ids), strict=True):
        await connection.execute(clear, policy.id, list(ids))
        await connection.execute(name, policy.id, list(ids))


async def update_policy(connection: Connection, after: Policy) -> None:
    """Write a locked policy, and raise its version."""
    # Its places first: whoever deletes a host or a group holds that, and waits for nothing that is locked here.
    await _write_places(connection, after)
    await connection.execute(_UPDATE, after.id, *_values(after), after.updated_at)


async def delete_policy(connection: Connection, policy_id: UUID) -> None:
    """Remove a policy; its deployments stay."""
    await connection.execute(_DELETE, policy_id)


async def get_policy(connection: Connection, scope: Scope, policy_id: UUID) -> Policy | None:
    """A policy in sight, or None."""
    row = await connection.fetchrow(_ONE, groups_of(scope), policy_id)
    return None if row is None else _policy(row)


async def lock_policy(connection: Connection, scope: Scope, policy_id: UUID) -> Policy | None:
    """A policy in sight that nobody else changes or starts before the transaction ends, or None."""
    if await connection.fetchval(_LOCK, policy_id) is None:
        return None
    return await get_policy(connection, scope, policy_id)


async def hold_groups(connection: Connection, group_ids: Sequence[UUID]) -> None:
    """Keep groups from being deleted until the transaction ends; they are locked before hosts, everywhere."""
    await connection.execute(_HOLD_GROUPS, list(group_ids))


async def hold_policy(connection: Connection, policy: Policy) -> bool:
    """Keep a policy as it is until the transaction ends; False when it is not like that any more."""
    return await connection.fetchval(_SHARE, policy.id, policy.version) is not None


async def list_policies(
    connection: Connection,
    scope: Scope,
    limit: int,
    after: tuple[datetime, UUID] | None,
    *,
    search: str | None = None,
    enabled: bool | None = None,
) -> tuple[tuple[Policy, ...], int]:
    """A page of the policies in sight, newest first, and how many match."""
    match = (groups_of(scope), search, enabled)
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, *match, moment, key, limit)
    total: int = await connection.fetchval(_COUNT, *match)
    return tuple(_policy(row) for row in rows), total


async def enabled_policies(connection: Connection) -> tuple[Policy, ...]:
    """All that are in force, oldest first."""
    return tuple(_policy(row) for row in await connection.fetch(_ENABLED))


async def members_of(connection: Connection, policy_id: UUID) -> dict[UUID, tuple[UUID, ...]]:
    """The hosts of a policy, each with its groups."""
    return {row["id"]: tuple(row["group_ids"]) for row in await connection.fetch(_MEMBERS, policy_id)}


async def memberships(connection: Connection) -> dict[UUID, frozenset[UUID] | None]:
    """The hosts of every enabled policy; None: all. One that has none is absent."""
    named: dict[UUID, set[UUID]] = {}
    for row in await connection.fetch(_MEMBERSHIPS):
        named.setdefault(row["policy_id"], set()).add(row["host_id"])
    found: dict[UUID, frozenset[UUID] | None] = {key: frozenset(hosts) for key, hosts in named.items()}
    return found | {row["id"]: None for row in await connection.fetch(_OF_ALL)}


async def revision(connection: Connection) -> tuple[int, int]:
    """Grows when policies change, and when hosts change their groups."""
    row = await connection.fetchrow(_REVISION)
    if row is None:
        raise LookupError("the revision of policies is missing")
    return row["policies"], row["freezes"]
