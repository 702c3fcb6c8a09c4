"""Jobs as people read them, and what operators do to them. Units of work on a connection inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.deployments import AttemptView, JobFilter, JobView, TransitionView
from patch_manager.domain.jobs import JobState, Operation, PackageOutcome, PackageResult, RebootPolicy, When
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_queue import in_hand, is_due
from patch_manager.storage.job_scope import JOB_IN_SCOPE, groups_of
from patch_manager.storage.ring_views import SeenRollout, seen_rollouts
from patch_manager.storage.rollouts import NOTHING_SENT

_MATCH: Final = f"""
{JOB_IN_SCOPE}
AND ($2::text[] IS NULL OR j.state = ANY ($2))
AND ($3::uuid IS NULL OR j.host_id = $3)
AND ($4::uuid IS NULL OR (j.deployment_id = $4 AND j.superseded_by IS NULL))
AND ($6::integer IS NULL OR j.ring = $6)
AND ($7::text[] IS NULL OR j.operation = ANY ($7))
AND ($8::timestamptz IS NULL OR j.created_at >= $8) AND ($9::timestamptz IS NULL OR j.created_at < $9)
AND ($5::text IS NULL OR strpos(lower(concat_ws(E'\\n', j.host_name, j.host_address, j.message)), lower($5)) > 0)
"""
_PAGE: Final = f"""
SELECT j.* FROM jobs j
WHERE {_MATCH} AND ($10::timestamptz IS NULL OR (j.created_at, j.id) < ($10, $11::uuid))
ORDER BY j.created_at DESC, j.id DESC LIMIT $12
"""  # noqa: S608 - constants only
_COUNT: Final = f"SELECT count(*) FROM jobs j WHERE {_MATCH}"  # noqa: S608 - constants only
_ONE: Final = f"SELECT j.* FROM jobs j WHERE j.id = $2 AND {JOB_IN_SCOPE}"  # noqa: S608 - constants only
_BY_IDS: Final = "SELECT * FROM jobs WHERE id = ANY ($1)"
_ATTEMPTS: Final = "SELECT * FROM job_attempts WHERE job_id = ANY ($1) ORDER BY job_id, number"
_PACKAGES: Final = "SELECT * FROM job_packages WHERE job_id = ANY ($1) ORDER BY job_id, name"
_TRANSITIONS: Final = "SELECT at, state, reason FROM job_transitions WHERE job_id = $1 ORDER BY version"
_LOCK: Final = f"SELECT j.id, j.host_id, j.state, j.version FROM jobs j WHERE j.id = $2 AND {JOB_IN_SCOPE} FOR UPDATE"  # noqa: S608
_CANCEL: Final = f"""
UPDATE jobs j SET state = 'cancelled', version = j.version + 1, message = $3, finished_at = $4, not_before = NULL
WHERE ($2::uuid IS NULL OR j.id = $2) AND ($5::uuid IS NULL OR (j.deployment_id = $5 AND j.superseded_by IS NULL))
  AND {JOB_IN_SCOPE}
  AND (j.state = 'queued'
       OR ((j.state = 'dispatching' OR (j.state = 'rebooting' AND j.operation = 'reboot')) AND {NOTHING_SENT}))
RETURNING j.id, j.host_id, j.deployment_id, j.version, j.message
"""  # noqa: S608 - constants only
_CANCEL_LISTED: Final = f"""
UPDATE jobs j SET state = 'cancelled', version = j.version + 1, message = $2, finished_at = $3, not_before = NULL
WHERE j.id = ANY ($1)
  AND (j.state = 'queued' OR (j.state = 'dispatching' AND {NOTHING_SENT}))
RETURNING j.id, j.host_id, j.deployment_id, j.version, j.message
"""  # noqa: S608 - constants only
_LOCK_ORDERED: Final = "SELECT id FROM jobs WHERE id = $1 OR deployment_id = $2 ORDER BY id FOR UPDATE"
_RESOLVE: Final = """
UPDATE jobs SET state = $2, version = version + 1, message = $3, finished_at = $4
WHERE id = $1 AND state = 'outcome_unknown' RETURNING version
"""
_NOTE: Final = """
INSERT INTO job_transitions (id, job_id, version, at, state, reason)
SELECT gen_random_uuid(), u.id, u.version, $3, $4, $5 FROM unnest($1::uuid[], $2::integer[]) AS u (id, version)
"""
_FAILED: Final = f"""
SELECT j.id, j.host_id, j.host_name, j.host_address, j.ring FROM jobs j JOIN hosts h0 ON h0.id = j.host_id
WHERE j.deployment_id = $2 AND j.superseded_by IS NULL AND j.state = 'failed' AND {JOB_IN_SCOPE}
ORDER BY j.id FOR UPDATE OF j
"""  # noqa: S608 - constants only
_SUPERSEDE: Final = """
UPDATE jobs j SET superseded_by = u.new FROM unnest($1::uuid[], $2::uuid[]) AS u (old, new) WHERE j.id = u.old
"""


async def list_jobs(
    connection: Connection, scope: Scope, wanted: JobFilter, after: tuple[datetime, UUID] | None
) -> tuple[tuple[JobView, ...], int]:
    """A page of jobs in sight, newest first, and how many match."""
    states = None if wanted.states is None else [state.value for state in wanted.states]
    operations = None if wanted.operations is None else [operation.value for operation in wanted.operations]
    match = (
        groups_of(scope),
        states,
        wanted.host_id,
        wanted.deployment_id,
        wanted.search,
        wanted.ring,
        operations,
        wanted.since,
        wanted.until,
    )
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, *match, moment, key, wanted.limit)
    # Counting reads as much as finding: a search that found few is not made twice.
    whole = after is None and len(rows) < wanted.limit
    total: int = len(rows) if whole else await connection.fetchval(_COUNT, *match)
    return await _views(connection, rows, scope=scope), total


async def get_job(connection: Connection, scope: Scope, job_id: UUID) -> JobView | None:
    """A job with its history; None when it does not exist or its host is out of sight."""
    row = await connection.fetchrow(_ONE, groups_of(scope), job_id)
    if row is None:
        return None
    steps = await connection.fetch(_TRANSITIONS, job_id)
    history = tuple(TransitionView(step["at"], JobState(step["state"]), step["reason"]) for step in steps)
    (view,) = await _views(connection, [row], history, scope)
    return view


async def _views(
    connection: Connection,
    rows: Sequence[asyncpg.Record],
    history: tuple[TransitionView, ...] = (),
    scope: Scope | None = None,
) -> tuple[JobView, ...]:
    """``scope``: whoever reads it; None: many may, so what is held back says nothing of other hosts."""
    ids = [row["id"] for row in rows]
    held = {row["deployment_id"] for row in rows if _is_held(row)} if scope is not None else set()
    rollouts = await seen_rollouts(connection, held, scope) if scope is not None else {}
    ahead = await in_hand(connection, rows)
    now = datetime.now(UTC)
    attempts: dict[UUID, list[AttemptView]] = {}
    for found in await connection.fetch(_ATTEMPTS, ids):
        attempts.setdefault(found["job_id"], []).append(_attempt(found))
    packages: dict[UUID, list[PackageOutcome]] = {}
    for found in await connection.fetch(_PACKAGES, ids):
        outcome = PackageOutcome(
            found["name"],
            PackageResult(found["result"]),
            found["from_version"],
            found["to_version"],
            found["reason"],
        )
        packages.setdefault(found["job_id"], []).append(outcome)
    return tuple(
        JobView(
            id=row["id"],
            host_id=row["host_id"],
            host_name=row["host_name"],
            host_address=row["host_address"],
            deployment_id=row["deployment_id"],
            operation=Operation(row["operation"]),
            state=JobState(row["state"]),
            progress=100 if row["state"] in ("succeeded", "failed", "outcome_unknown") else 0,
            message=(ahead.get(row["host_id"]) if is_due(row, now) else None) or _message(row, rollouts),
            reboot=RebootPolicy(row["reboot"]),
            attempts=tuple(attempts.get(row["id"], ())),
            packages=tuple(packages.get(row["id"], ())),
            created_at=row["created_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            version=row["version"],
            transitions=history,
            when=When(row["starts"]),
            not_before=row["not_before"],
            ring=row["ring"],
            reason=row["reason"],
            created_by=row["created_by_name"],
            rollback_of=row["rollback_of"],
        )
        for row in rows
    )


def _is_held(row: asyncpg.Record) -> bool:
    return bool(row["held"]) and row["state"] == JobState.QUEUED


def _message(row: asyncpg.Record, rollouts: Mapping[UUID, SeenRollout]) -> str:
    """What it waits for is told as it is now: thousands of rows are not written whenever a canary ends."""
    rollout = rollouts.get(row["deployment_id"]) if _is_held(row) else None
    message: str = row["message"] if rollout is None else rollout.held_message(row["ring"])
    return message


def _attempt(row: asyncpg.Record) -> AttemptView:
    return AttemptView(
        number=row["number"],
        agent_job_id=row["agent_job_id"],
        state=row["state"],
        sends=row["sends"],
        adopted=row["adopted"],
        error_code=row["error_code"],
        error=row["error"],
        exit_code=row["exit_code"],
        stdout=row["stdout"],
        stderr=row["stderr"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


async def lock_job(connection: Connection, scope: Scope, job_id: UUID) -> tuple[UUID, JobState] | None:
    """The host and state of a job in sight, kept as they are until the transaction ends."""
    row = await connection.fetchrow(_LOCK, groups_of(scope), job_id)
    return None if row is None else (row["host_id"], JobState(row["state"]))


async def cancel_jobs(
    connection: Connection,
    scope: Scope,
    *,
    job_id: UUID | None,
    deployment_id: UUID | None,
    reason: str,
    at: datetime,
) -> list[asyncpg.Record]:
    """Cancel what has sent nothing yet; the version it raises stops a run that is about to. Returns the rows."""
    if (job_id is None) == (deployment_id is None):
        raise ValueError("cancel either one job or one deployment")
    # In one order, so that the committer and a cancellation cannot wait for each other.
    await connection.execute(_LOCK_ORDERED, job_id, deployment_id)
    rows = await connection.fetch(_CANCEL, groups_of(scope), job_id, reason, at, deployment_id)
    await _note(connection, rows, at, JobState.CANCELLED, reason)
    return rows


async def cancel_listed(
    connection: Connection, job_ids: Sequence[UUID], reason: str, at: datetime
) -> list[asyncpg.Record]:
    """Cancel those of these jobs, which the caller has locked in order, that have sent nothing yet."""
    rows = await connection.fetch(_CANCEL_LISTED, list(job_ids), reason, at)
    await _note(connection, rows, at, JobState.CANCELLED, reason)
    return rows


async def resolve_job(connection: Connection, job_id: UUID, state: JobState, reason: str, at: datetime) -> bool:
    """End a job whose outcome is unknown; False when it is not (any more)."""
    version = await connection.fetchval(_RESOLVE, job_id, state.value, reason, at)
    if version is None:
        return False
    await connection.execute(_NOTE, [job_id], [version], at, state.value, reason)
    return True


async def _note(
    connection: Connection, rows: Sequence[asyncpg.Record], at: datetime, state: JobState, reason: str
) -> None:
    if rows:
        ids, versions = [row["id"] for row in rows], [row["version"] for row in rows]
        await connection.execute(_NOTE, ids, versions, at, state.value, reason)


async def failed_jobs(connection: Connection, scope: Scope, deployment_id: UUID) -> list[asyncpg.Record]:
    """Failed jobs of a deployment in sight whose hosts still exist and that were not retried, locked."""
    return await connection.fetch(_FAILED, groups_of(scope), deployment_id)


async def supersede(connection: Connection, old: Sequence[UUID], new: Sequence[UUID]) -> None:
    """New jobs take the places of old ones in their deployment's totals."""
    await connection.execute(_SUPERSEDE, list(old), list(new))


async def jobs_by_id(connection: Connection, job_ids: Sequence[UUID]) -> tuple[JobView, ...]:
    """Jobs without regard to who may see them: for the live stream, which looks at each reader's scope."""
    return await _views(connection, await connection.fetch(_BY_IDS, list(job_ids)))
