"""Jobs without a deployment: one operation on one host, and what a rollback must know of the job it undoes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.holds import RebootHold
from patch_manager.domain.jobs import LEFT_OUT, JobState, Operation, PackageResult, RebootPolicy, When
from patch_manager.domain.openings import Plan
from patch_manager.domain.operations import EarlierRollback, Undoable, UndoPackage
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.deployments import TargetHost
from patch_manager.storage.holds import hold_of
from patch_manager.storage.job_scope import JOB_IN_SCOPE, groups_of

_INSERT: Final = """
INSERT INTO jobs (id, host_id, host_name, host_address, operation, state, requested, versions, purge, starts, reboot,
                  override_freeze, created_at, created_by, created_by_name, reason, idempotency_key, request_digest,
                  message, not_before, by_calendar, rollback_of, rollback_agent_job_id)
VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT (created_by, idempotency_key) DO NOTHING RETURNING id
"""
_FIRST_TRANSITION: Final = """
INSERT INTO job_transitions (id, job_id, version, at, state, reason) VALUES (gen_random_uuid(), $1, 1, $2, 'queued', $3)
"""
_BY_KEY: Final = "SELECT id, request_digest FROM jobs WHERE created_by = $1 AND idempotency_key = $2"
_HOLD: Final = "SELECT reboot_hold_reason, reboot_hold_by, reboot_hold_at FROM hosts WHERE id = $1"
_UNDOABLE: Final = f"""
SELECT j.*, a.agent_job_id, coalesce(a.adopted, false) AS adopted,
       (SELECT count(*) FROM jobs l
        WHERE l.host_id = j.host_id AND l.created_at > j.created_at AND l.started_at IS NOT NULL
          AND l.operation <> 'reboot' AND l.rollback_of IS DISTINCT FROM j.id AND l.state <> 'cancelled') AS later_jobs
FROM jobs j
LEFT JOIN LATERAL (
    SELECT * FROM job_attempts a WHERE a.job_id = j.id AND a.agent_job_id IS NOT NULL ORDER BY a.number DESC LIMIT 1
) a ON true
WHERE j.id = $2 AND {JOB_IN_SCOPE}
"""  # noqa: S608 - constants only
_LOCK: Final = "SELECT id FROM jobs WHERE id = $1 FOR UPDATE"
_PACKAGES: Final = "SELECT * FROM job_packages WHERE job_id = $1 ORDER BY name"
_EARLIER: Final = "SELECT id, state, created_at FROM jobs WHERE rollback_of = $1 ORDER BY created_at"


@dataclass(frozen=True, slots=True)
class NewOperation:
    """A job to be queued. Its id is ours, so that an ambiguous COMMIT is checked by reading it."""

    id: UUID
    host: TargetHost
    plan: Plan
    operation: Operation
    when: When
    override_freeze: bool
    reason: str
    created_at: datetime
    created_by: UUID
    created_by_name: str
    idempotency_key: str | None
    digest: bytes
    requested: tuple[str, ...] | None = None
    versions: tuple[str | None, ...] | None = None
    purge: bool = False
    reboot: RebootPolicy = RebootPolicy.NEVER
    rollback_of: UUID | None = None
    rollback_agent_job_id: str | None = None


async def insert_operation(connection: Connection, new: NewOperation) -> bool:
    """Queue a job; False when its idempotency key was used meanwhile. The calendar's lock is held."""
    inserted = await connection.fetchval(
        _INSERT,
        new.id,
        new.host.id,
        new.host.name,
        new.host.address,
        new.operation.value,
        None if new.requested is None else list(new.requested),
        None if new.versions is None else list(new.versions),
        new.purge,
        new.when.value,
        new.reboot.value,
        new.override_freeze,
        new.created_at,
        new.created_by,
        new.created_by_name,
        new.reason,
        new.idempotency_key,
        new.digest,
        new.plan.words,
        new.plan.not_before,
        new.when is When.WINDOW or not new.plan.starts_now,
        new.rollback_of,
        new.rollback_agent_job_id,
    )
    if inserted is None:
        return False
    await connection.execute(_FIRST_TRANSITION, new.id, new.created_at, new.plan.words)
    return True


async def operation_by_key(connection: Connection, user_id: UUID, key: str) -> tuple[UUID, bytes] | None:
    """The job that this user asked for with this idempotency key, and the digest of the request."""
    row = await connection.fetchrow(_BY_KEY, user_id, key)
    return None if row is None else (row["id"], row["request_digest"])


async def hold_on(connection: Connection, host_id: UUID) -> RebootHold | None:
    """The reboot hold of a host that is locked."""
    row = await connection.fetchrow(_HOLD, host_id)
    return None if row is None else hold_of(row)


async def undoable(connection: Connection, scope: Scope, job_id: UUID, *, lock: bool = False) -> Undoable | None:
    """A job in sight as a rollback needs to know it; ``lock``: no other rollback of it is queued meanwhile."""
    if lock:
        await connection.execute(_LOCK, job_id)
    row = await connection.fetchrow(_UNDOABLE, groups_of(scope), job_id)
    if row is None:
        return None
    operation = Operation(row["operation"])
    packages = await connection.fetch(_PACKAGES, job_id)
    earlier = await connection.fetch(_EARLIER, job_id)
    return Undoable(
        job_id=row["id"],
        host_id=row["host_id"],
        host_name=row["host_name"],
        operation=operation,
        state=JobState(row["state"]),
        agent_job_id=row["agent_job_id"],
        adopted=row["adopted"],
        attempts=row["attempt"],
        finished_at=row["finished_at"],
        rebooted_at=row["rebooted_at"],
        packages=tuple(found for each in packages if (found := _undo(operation, each)) is not None),
        later_jobs=row["later_jobs"],
        earlier=tuple(EarlierRollback(each["id"], JobState(each["state"]), each["created_at"]) for each in earlier),
    )


_UNCHANGED: Final = LEFT_OUT | {PackageResult.KEPT_BACK, PackageResult.FAILED}


def _undo(operation: Operation, row: asyncpg.Record) -> UndoPackage | None:
    """The change of one package turned round; None when the job did not change it."""
    if PackageResult(row["result"]) in _UNCHANGED:
        return None
    before, after = row["from_version"], row["to_version"]
    if operation is Operation.REMOVE:
        return UndoPackage(row["name"], None, before, "reinstall")
    if operation is Operation.INSTALL and before is None:
        return UndoPackage(row["name"], after, None, "remove")
    return UndoPackage(row["name"], after, before, "downgrade")
