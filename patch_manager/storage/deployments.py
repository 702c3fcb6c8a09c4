"""Deployments: written with all their jobs in one transaction, read as one principal sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from patch_manager.domain.deployments import DeploymentRequest, DeploymentState, DeploymentView, JobTotals
from patch_manager.domain.jobs import Operation, RebootPolicy, When
from patch_manager.domain.openings import Plan
from patch_manager.domain.patches import Severity
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.exclusions import exclude_column, excluded_of
from patch_manager.storage.job_scope import HOST_IN_SCOPE, JOB_IN_SCOPE, groups_of
from patch_manager.storage.ring_views import SeenRollout, seen_rollouts
from patch_manager.storage.rollout_json import dump_rollout

_HOSTS: Final = f"""
SELECT h.id, h.display_name, h.address,
       ARRAY(SELECT g.group_id FROM group_hosts g WHERE g.host_id = h.id ORDER BY 1) AS group_ids
FROM hosts h
WHERE (h.id = ANY ($2) OR EXISTS (SELECT 1 FROM group_hosts m WHERE m.host_id = h.id AND m.group_id = ANY ($3)))
  AND {HOST_IN_SCOPE}
ORDER BY h.display_name, h.id
"""  # noqa: S608 - constants only
_GROUPS: Final = "SELECT count(*) FROM groups WHERE id = ANY ($1) AND ($2::uuid[] IS NULL OR id = ANY ($2))"
_INSERT: Final = """
INSERT INTO deployments (id, created_at, created_by, created_by_name, idempotency_key, request_digest, packages,
                         security_only, starts, reboot, override_freeze, rollout, ring_names, rings_released, rolling,
                         exclude, policy_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $12::jsonb IS NULL THEN 0 ELSE 1 END,
        $12 IS NOT NULL, $14, $15)
ON CONFLICT (created_by, idempotency_key) DO NOTHING RETURNING id
"""
_BY_KEY: Final = "SELECT id, request_digest FROM deployments WHERE created_by = $1 AND idempotency_key = $2"
_INSERT_JOBS: Final = """
INSERT INTO jobs (id, deployment_id, host_id, host_name, host_address, operation, state, requested, security_only,
                  starts, reboot, override_freeze, created_at, max_unavailable, message, not_before, by_calendar,
                  ring, held)
SELECT u.id, $8, u.host_id, u.name, u.address, $9, 'queued', $10, $11, $12, $13, $14, $15, $16,
       u.message, u.not_before, u.by_calendar, u.ring, u.held
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::boolean[],
            $17::integer[], $18::boolean[])
     AS u (id, host_id, name, address, message, not_before, by_calendar, ring, held)
"""
_FIRST_TRANSITIONS: Final = """
INSERT INTO job_transitions (id, job_id, version, at, state, reason)
SELECT gen_random_uuid(), u.id, 1, $3, 'queued', u.message FROM unnest($1::uuid[], $2::text[]) AS u (id, message)
"""
_VIEWS: Final = f"""
SELECT d.*, t.*
FROM deployments d
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE j.state = 'queued') AS queued,
           count(*) FILTER (WHERE j.state = 'dispatching') AS dispatching,
           count(*) FILTER (WHERE j.state = 'running') AS running,
           count(*) FILTER (WHERE j.state = 'rebooting') AS rebooting,
           count(*) FILTER (WHERE j.state = 'verifying') AS verifying,
           count(*) FILTER (WHERE j.state = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE j.state = 'failed') AS failed,
           count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE j.state = 'outcome_unknown') AS outcome_unknown,
           count(*) FILTER (WHERE j.state = 'queued' AND j.held) AS held,
           max(j.finished_at) AS last_finished
    FROM jobs j WHERE j.deployment_id = d.id AND j.superseded_by IS NULL AND {JOB_IN_SCOPE}
) t
"""  # noqa: S608 - constants only
_VISIBLE: Final = f"EXISTS (SELECT 1 FROM jobs j WHERE j.deployment_id = d.id AND {JOB_IN_SCOPE})"  # noqa: S608
_ONE: Final = f"{_VIEWS} WHERE d.id = $2 AND {_VISIBLE}"
_PAGE: Final = f"""
{_VIEWS}
WHERE {_VISIBLE} AND ($2::timestamptz IS NULL OR (d.created_at, d.id) < ($2, $3::uuid))
ORDER BY d.created_at DESC, d.id DESC LIMIT $4
"""
_COUNT: Final = f"SELECT count(*) FROM deployments d WHERE {_VISIBLE}"  # noqa: S608 - constants only
_HOSTS_OF: Final = "SELECT DISTINCT host_id FROM jobs WHERE deployment_id = $1 AND superseded_by IS NULL"
_PREVIEW_HOSTS: Final = """
SELECT h.id, h.display_name, h.address, h.health, h.health_reason, h.patches_read_at, h.reboot_required,
       h.reboot_hold_reason, h.reboot_hold_by, h.reboot_hold_at,
       (SELECT j.state FROM jobs j WHERE j.host_id = h.id
        AND j.state IN ('dispatching', 'running', 'rebooting', 'verifying', 'outcome_unknown') LIMIT 1) AS busy
FROM hosts h WHERE h.id = ANY ($1) ORDER BY h.display_name, h.id
"""
_PREVIEW_PATCHES: Final = """
SELECT u.number, name, current_version, available_version, severity, cve_ids, requires_reboot
FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, number) JOIN host_patches ON host_id = u.id
WHERE ($2::text[] IS NULL OR name = ANY ($2)) AND (NOT $3 OR cardinality(cve_ids) > 0 OR severity = ANY ($4))
ORDER BY u.number, name
"""
_REBOOTS: Final = """
SELECT count(*) FROM hosts h WHERE h.id = ANY ($1) AND EXISTS (
    SELECT 1 FROM host_patches p
    WHERE p.host_id = h.id AND ($2::text[] IS NULL OR p.name = ANY ($2))
      AND (NOT $3 OR cardinality(p.cve_ids) > 0 OR p.severity = ANY ($4)) AND (h.reboot_required OR p.requires_reboot))
"""
SECURITY_WORDS: Final = [severity.value for severity in Severity if severity.rank >= Severity.HIGH.rank]


@dataclass(frozen=True, slots=True)
class TargetHost:
    """A host that a deployment names, with what its job copies so as to outlive it."""

    id: UUID
    name: str
    address: str
    group_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be queued, with when it may start; ``held``: when its ring is released, and not before."""

    id: UUID
    host: TargetHost
    plan: Plan
    ring: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """A deployment to be written. Ids are ours, so that an ambiguous COMMIT is checked by reading them."""

    id: UUID
    created_at: datetime
    created_by: UUID | None
    created_by_name: str
    idempotency_key: str | None
    digest: bytes
    request: DeploymentRequest
    policy_id: UUID | None = None
    ring_names: tuple[str, ...] = ()


async def target_hosts(
    connection: Connection, scope: Scope, host_ids: Sequence[UUID], group_ids: Sequence[UUID], *, lock: bool
) -> tuple[TargetHost, ...] | None:
    """The hosts named, once each; None when one host or group does not exist or is out of sight (TRUST 10).

    ``lock``: they cannot be deleted before the transaction ends.
    """
    wanted = set(host_ids)
    groups = set(group_ids)
    if groups and await connection.fetchval(_GROUPS, sorted(groups), groups_of(scope)) != len(groups):
        return None
    statement = f"{_HOSTS} FOR SHARE OF h" if lock else _HOSTS
    rows = await connection.fetch(statement, groups_of(scope), sorted(wanted), sorted(groups))
    found = tuple(TargetHost(r["id"], r["display_name"], r["address"], tuple(r["group_ids"])) for r in rows)
    if not wanted <= {host.id for host in found}:
        return None
    return found


async def same_key(connection: Connection, user_id: UUID, key: str) -> tuple[UUID, bytes] | None:
    """The deployment that this user made with this idempotency key, and the digest of its request."""
    row = await connection.fetchrow(_BY_KEY, user_id, key)
    return None if row is None else (row["id"], row["request_digest"])


async def insert_deployment(connection: Connection, new: NewDeployment, jobs: Sequence[NewJob]) -> bool:
    """Write a deployment with its queued jobs; False when its idempotency key was used meanwhile."""
    request = new.request
    packages = None if request.packages is None else list(request.packages)
    inserted = await connection.fetchval(
        _INSERT,
        new.id,
        new.created_at,
        new.created_by,
        new.created_by_name,
        new.idempotency_key,
        new.digest,
        packages,
        request.security_only,
        request.when.value,
        request.reboot.value,
        request.override_freeze,
        None if request.rollout is None else dump_rollout(request.rollout),
        list(new.ring_names),
        exclude_column(request.exclude),
        new.policy_id,
    )
    if inserted is None:
        return False
    await insert_jobs(connection, new.id, jobs, operation=Operation.PATCH_APPLY, request=request, at=new.created_at)
    return True


async def insert_jobs(
    connection: Connection,
    deployment_id: UUID | None,
    jobs: Sequence[NewJob],
    *,
    operation: Operation,
    request: DeploymentRequest,
    at: datetime,
) -> None:
    """Queue jobs. The calendar's lock is held, so that what they wait for is what holds when they are committed."""
    ids, messages = [job.id for job in jobs], [job.plan.words for job in jobs]
    await connection.execute(
        _INSERT_JOBS,
        ids,
        [job.host.id for job in jobs],
        [job.host.name for job in jobs],
        [job.host.address for job in jobs],
        messages,
        [job.plan.not_before for job in jobs],
        [not job.held and (request.when is When.WINDOW or not job.plan.starts_now) for job in jobs],
        deployment_id,
        operation.value,
        None if request.packages is None else list(request.packages),
        request.security_only,
        request.when.value,
        request.reboot.value,
        request.override_freeze,
        at,
        None if request.rollout is None else request.rollout.max_unavailable,
        [job.ring for job in jobs],
        [job.held for job in jobs],
    )
    await connection.execute(_FIRST_TRANSITIONS, ids, messages, at)


async def get_deployment(connection: Connection, scope: Scope, deployment_id: UUID) -> DeploymentView | None:
    """A deployment with totals over the hosts in ``scope``; None when no host of it is in sight."""
    row = await connection.fetchrow(_ONE, groups_of(scope), deployment_id)
    if row is None:
        return None
    rollouts = await seen_rollouts(connection, [deployment_id], scope) if row["rollout"] is not None else {}
    return _view(row, rollouts.get(deployment_id))


async def list_deployments(
    connection: Connection, scope: Scope, limit: int, after: tuple[datetime, UUID] | None
) -> tuple[tuple[DeploymentView, ...], int]:
    """A page, newest first, and how many there are in sight."""
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, groups_of(scope), moment, key, limit)
    total: int = await connection.fetchval(_COUNT, groups_of(scope))
    rollouts = await seen_rollouts(connection, [row["id"] for row in rows if row["rollout"] is not None], scope)
    return tuple(_view(row, rollouts.get(row["id"])) for row in rows), total


async def hosts_of(connection: Connection, deployment_id: UUID) -> list[UUID]:
    """All hosts of a deployment."""
    return [row["host_id"] for row in await connection.fetch(_HOSTS_OF, deployment_id)]


def _view(row: asyncpg.Record, rollout: SeenRollout | None) -> DeploymentView:
    totals = JobTotals.of(dict(row))
    stopped = row["stopped_at"] is not None and row["held"] > 0
    return DeploymentView(
        id=row["id"],
        state=DeploymentState.STOPPED if stopped else totals.state,
        totals=totals,
        packages=None if row["packages"] is None else tuple(row["packages"]),
        security_only=row["security_only"],
        when=When(row["starts"]),
        reboot=RebootPolicy(row["reboot"]),
        created_at=row["created_at"],
        created_by=row["created_by_name"],
        finished_at=None if totals.unended else row["last_finished"],
        override_freeze=row["override_freeze"],
        exclude=excluded_of(row),
        policy_id=row["policy_id"],
        rollout=None if rollout is None else rollout.rollout,
        rings=() if rollout is None else rollout.rings,
        stopped_at=row["stopped_at"],
        stop_reason=None if rollout is None else rollout.stop_reason,
    )


async def preview_rows(
    connection: Connection, host_ids: Sequence[UUID], packages: Sequence[str] | None, security_only: bool
) -> tuple[list[dict[str, Any]], dict[UUID, list[Any]]]:
    """Hosts, and the patches that would be applied by host, as last read from the agents."""
    ids = list(host_ids)
    hosts = [dict(row) for row in await connection.fetch(_PREVIEW_HOSTS, ids)]
    names = None if packages is None else list(packages)
    patches: dict[UUID, list[Any]] = {}
    for row in await connection.fetch(_PREVIEW_PATCHES, ids, names, security_only, SECURITY_WORDS):
        # Hosts by number: of 100,000 rows, making the ids takes as long as all else.
        patches.setdefault(ids[row["number"] - 1], []).append(row)
    return hosts, patches


async def reboots_at_most(connection: Connection, host_ids: Sequence[UUID], request: DeploymentRequest) -> int:
    """How many of these hosts what was asked for may reboot, as last read; exclusions may make it fewer."""
    names = None if request.packages is None else list(request.packages)
    count: int = await connection.fetchval(_REBOOTS, list(host_ids), names, request.security_only, SECURITY_WORDS)
    return count
