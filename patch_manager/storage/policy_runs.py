"""What standing policies did, opening by opening. Units of work on a connection inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.jobs import JobState
from patch_manager.domain.policies import History, LastJob, Policy, RunResult, What
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.deployments import SECURITY_WORDS
from patch_manager.storage.exclusions import NOT_EXCLUDED
from patch_manager.storage.job_scope import HOST_IN_SCOPE, groups_of
from patch_manager.storage.policies import MEMBER

KEPT: Final = timedelta(days=35)
"""How long it is remembered that there was nothing to do; what was started is told by its job, for good."""

_RECENT: Final = """
SELECT policy_id, host_id, opens_at, result, reason, job_id FROM policy_runs WHERE closes_at > $1
"""
_WRITE: Final = """
INSERT INTO policy_runs (policy_id, host_id, opens_at, closes_at, result, reason, job_id, at)
SELECT $1, u.*, $2
FROM unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::uuid[]) AS u
ON CONFLICT (policy_id, host_id, opens_at) DO UPDATE SET
    closes_at = excluded.closes_at, result = excluded.result, reason = excluded.reason, job_id = excluded.job_id,
    at = excluded.at
WHERE policy_runs.job_id IS NULL
RETURNING host_id
"""
_FORGET: Final = "DELETE FROM policy_runs WHERE policy_id = $1 AND job_id IS NULL AND closes_at < $2"
_DONE: Final = """
SELECT r.host_id, r.opens_at, r.result FROM policy_runs r
JOIN unnest($2::uuid[], $3::timestamptz[]) AS u (host_id, opens_at) USING (host_id, opens_at)
WHERE r.policy_id = $1 AND r.job_id IS NOT NULL
"""
_QUEUED: Final = """
SELECT DISTINCT ON (j.host_id) j.host_id, j.id FROM jobs j JOIN deployments d ON d.id = j.deployment_id
WHERE d.policy_id = $1 AND j.host_id = ANY ($2) AND j.state = 'queued' ORDER BY j.host_id, j.created_at
"""
_APPLICABLE: Final = f"""
SELECT h.id FROM hosts h
WHERE h.id = ANY ($1) AND (h.patches_read_at IS NULL OR EXISTS (
    SELECT 1 FROM host_patches p
    WHERE p.host_id = h.id AND (NOT $2 OR cardinality(p.cve_ids) > 0 OR p.severity = ANY ($3))
      AND NOT p.name LIKE ANY ($4) AND {NOT_EXCLUDED.format(now="$5")}))
"""  # noqa: S608 - constants only
_LAST_JOBS: Final = """
SELECT DISTINCT ON (j.host_id) j.host_id, j.state, j.finished_at
FROM deployments d JOIN jobs j ON j.deployment_id = d.id
WHERE d.policy_id = $1 AND j.host_id = ANY ($2) AND j.superseded_by IS NULL
ORDER BY j.host_id, j.created_at DESC, j.id
"""
_MET: Final = (
    "SELECT DISTINCT host_id FROM policy_runs WHERE policy_id = $1 AND host_id = ANY ($2) AND result <> 'held'"
)
_STALE: Final = f"""
SELECT j.id, CASE WHEN p.id IS NULL THEN 'the policy was deleted'
                  WHEN NOT p.enabled THEN 'the policy was disabled'
                  ELSE 'the host left the policy' END AS reason
FROM jobs j JOIN deployments d ON d.id = j.deployment_id LEFT JOIN policies p ON p.id = d.policy_id
WHERE d.policy_id IS NOT NULL AND ($1::uuid IS NULL OR d.policy_id = $1) AND j.state IN ('queued', 'dispatching')
  AND (p.id IS NULL OR NOT p.enabled OR NOT EXISTS (SELECT 1 FROM hosts h WHERE h.id = j.host_id AND {MEMBER}))
ORDER BY j.id FOR UPDATE OF j
"""  # noqa: S608 - constants only
_HELD: Final = f"""
SELECT r.host_id, h.display_name, r.reason, r.at FROM policy_runs r JOIN hosts h ON h.id = r.host_id
WHERE r.policy_id = $2 AND r.result = 'held' AND r.closes_at > $3 AND {HOST_IN_SCOPE}
ORDER BY h.display_name, r.host_id LIMIT $4
"""  # noqa: S608 - constants only
_DEPLOYMENTS: Final = """
SELECT id FROM deployments WHERE policy_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """What a policy did in one opening of one host. ``job_id`` None: it is looked at again while that lasts."""

    host_id: UUID
    opens_at: datetime
    closes_at: datetime
    result: RunResult
    reason: str
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A run as the scan remembers it."""

    opens_at: datetime
    result: RunResult
    reason: str
    settled: bool


@dataclass(frozen=True, slots=True)
class HeldHost:
    """A host that its ring keeps from starting in the opening that it is in."""

    host_id: UUID
    host_name: str
    reason: str
    at: datetime


async def recent_runs(connection: Connection, now: datetime) -> dict[tuple[UUID, UUID], Known]:
    """What was done in openings that last, by policy and host."""
    found: dict[tuple[UUID, UUID], Known] = {}
    for row in await connection.fetch(_RECENT, now):
        key = (row["policy_id"], row["host_id"])
        if key not in found or found[key].opens_at < row["opens_at"]:
            found[key] = Known(row["opens_at"], RunResult(row["result"]), row["reason"], row["job_id"] is not None)
    return found


async def write_runs(connection: Connection, policy_id: UUID, runs: Sequence[PolicyRun], at: datetime) -> bool:
    """Note what was done; False when a job had been started for one of these openings already."""
    if not runs:
        return True
    rows = await connection.fetch(
        _WRITE,
        policy_id,
        at,
        [run.host_id for run in runs],
        [run.opens_at for run in runs],
        [run.closes_at for run in runs],
        [run.result.value for run in runs],
        [run.reason for run in runs],
        [run.job_id for run in runs],
    )
    await connection.execute(_FORGET, policy_id, at - KEPT)
    return len(rows) == len(runs)


async def settled_runs(
    connection: Connection, policy_id: UUID, openings: Sequence[tuple[UUID, datetime]]
) -> dict[UUID, RunResult]:
    """Of these hosts and openings, those that have a job, with what was done."""
    rows = await connection.fetch(
        _DONE, policy_id, [host_id for host_id, _ in openings], [opens_at for _, opens_at in openings]
    )
    return {row["host_id"]: RunResult(row["result"]) for row in rows}


async def queued_jobs(connection: Connection, policy_id: UUID, host_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Jobs of a policy that have not begun, by host."""
    return {row["host_id"]: row["id"] for row in await connection.fetch(_QUEUED, policy_id, list(host_ids))}


async def applicable(
    connection: Connection, policy: Policy, host_ids: Collection[UUID], now: datetime
) -> frozenset[UUID]:
    """Of these hosts, those on which the policy would apply something as last read, and those never read."""
    patterns = [_like(each.package) for each in policy.exclude]
    rows = await connection.fetch(
        _APPLICABLE, list(host_ids), policy.what is What.SECURITY, SECURITY_WORDS, patterns, now
    )
    return frozenset(row["id"] for row in rows)


def _like(pattern: str) -> str:
    """As the column ``exclusions.package_like`` has it."""
    return pattern.replace("_", "\\_").replace("*", "%").replace("?", "_")


async def history_of(connection: Connection, policy_id: UUID, host_ids: Collection[UUID]) -> History:
    """What the rings of a policy are judged by."""
    ids = list(host_ids)
    jobs = {
        row["host_id"]: LastJob(JobState(row["state"]), row["finished_at"])
        for row in await connection.fetch(_LAST_JOBS, policy_id, ids)
    }
    met = frozenset(row["host_id"] for row in await connection.fetch(_MET, policy_id, ids))
    return History(jobs, met | jobs.keys())


async def stale_jobs(connection: Connection, policy_id: UUID | None = None) -> list[asyncpg.Record]:
    """Jobs that may not have begun of policies that are not in force for their hosts any more, locked; and why."""
    return await connection.fetch(_STALE, policy_id)


async def held_hosts(
    connection: Connection, scope: Scope, policy_id: UUID, now: datetime, limit: int
) -> tuple[HeldHost, ...]:
    """Hosts in ``scope`` that are in an opening and kept back by their ring."""
    rows = await connection.fetch(_HELD, groups_of(scope), policy_id, now, limit)
    return tuple(HeldHost(row["host_id"], row["display_name"], row["reason"], row["at"]) for row in rows)


async def deployments_of(connection: Connection, policy_id: UUID, limit: int) -> tuple[UUID, ...]:
    """The latest deployments that a policy made, newest first."""
    return tuple(row["id"] for row in await connection.fetch(_DEPLOYMENTS, policy_id, limit))
