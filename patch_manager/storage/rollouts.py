"""Rollouts under way: what is counted of them, and what releasing, stopping and going on write.

Units of work on a connection inside a transaction. A deployment's row is locked after the calendar and before its jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.deployments import JobTotals
from patch_manager.domain.principal import EVERYTHING, Scope
from patch_manager.domain.ring_rules import Progress, RingCount
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_plans import NewPlan, WaitingJob, waiting_job
from patch_manager.storage.job_scope import JOB_IN_SCOPE, groups_of
from patch_manager.storage.rollout_json import dump_rollout, load_rollout

NOTHING_SENT: Final = """
NOT EXISTS (SELECT 1 FROM job_sends s WHERE s.job_id = j.id AND s.outcome NOT IN ('not_sent', 'refused', 'rejected'))
"""
"""Over ``jobs j``: no call of the job can have changed its host."""

_ROLLING: Final = """
SELECT * FROM deployments WHERE rolling AND ($1::uuid[] IS NULL OR id = ANY ($1)) ORDER BY created_at, id
"""
_SOME: Final = "SELECT * FROM deployments WHERE id = ANY ($1) AND rollout IS NOT NULL"
_LOCK: Final = "SELECT * FROM deployments WHERE id = $1 AND rollout IS NOT NULL FOR NO KEY UPDATE"
_COUNTS: Final = f"""
SELECT j.deployment_id, j.ring, j.state, count(*) AS jobs, count(*) FILTER (WHERE j.excused) AS excused,
       max(j.finished_at) AS last_finished
FROM jobs j WHERE j.deployment_id = ANY ($2) AND j.superseded_by IS NULL AND {JOB_IN_SCOPE}
GROUP BY j.deployment_id, j.ring, j.state
"""  # noqa: S608 - constants only
_RELEASE: Final = "UPDATE deployments SET rings_released = $2, soak_skipped = false WHERE id = $1"
_STOP: Final = "UPDATE deployments SET stopped_at = $2, stop_reason = $3 WHERE id = $1"
_RESUME: Final = """
UPDATE deployments SET stopped_at = NULL, stop_reason = NULL, rollout = $2, rolling = true WHERE id = $1
"""
_SKIP_SOAK: Final = "UPDATE deployments SET soak_skipped = true WHERE id = $1"
_ROLL: Final = "UPDATE deployments SET rolling = $2 WHERE id = $1 AND rollout IS NOT NULL"
_EXCUSE: Final = """
UPDATE jobs SET excused = true WHERE deployment_id = $1 AND superseded_by IS NULL
  AND state IN ('failed', 'outcome_unknown') AND NOT excused
"""
_HELD: Final = """
SELECT j.id, j.host_id, j.deployment_id, j.starts, j.override_freeze, j.not_before, j.message FROM jobs j
WHERE j.deployment_id = $1 AND j.held AND j.state = 'queued' AND j.ring < $2 ORDER BY j.id FOR UPDATE
"""
_SET_FREE: Final = """
UPDATE jobs j SET held = false, not_before = u.not_before, by_calendar = u.by_calendar, message = u.message,
                  version = j.version + 1
FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[], $4::text[]) AS u (id, not_before, by_calendar, message)
WHERE j.id = u.id RETURNING j.id, j.version, j.message
"""
_TO_HOLD: Final = f"""
j.deployment_id = $1 AND j.superseded_by IS NULL AND NOT j.held AND j.created_at <= $2
AND j.state IN ('queued', 'dispatching') AND {NOTHING_SENT}
"""
_ANY_TO_HOLD: Final = f"SELECT EXISTS (SELECT 1 FROM jobs j WHERE {_TO_HOLD})"  # noqa: S608 - constants only
_LOCK_TO_HOLD: Final = f"SELECT j.id FROM jobs j WHERE {_TO_HOLD} ORDER BY j.id FOR UPDATE"  # noqa: S608 - constants only
_HOLD: Final = f"""
UPDATE jobs j SET held = true, state = 'queued', not_before = NULL, by_calendar = false, message = $3,
                  version = j.version + 1
WHERE {_TO_HOLD} RETURNING j.id, j.version, j.message
"""  # noqa: S608 - constants only
_NOTE: Final = """
INSERT INTO job_transitions (id, job_id, version, at, state, reason)
SELECT gen_random_uuid(), u.id, u.version, $4, 'queued', u.reason
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS u (id, version, reason)
"""


@dataclass(frozen=True, slots=True)
class Rolling:
    """A deployment that goes over its hosts by a rollout."""

    id: UUID
    progress: Progress
    stopped_at: datetime | None
    stop_reason: str | None


async def rolling(connection: Connection, deployment_ids: Collection[UUID] | None = None) -> tuple[Rolling, ...]:
    """Those of these deployments, or of all, about which there is something left to decide."""
    ids = None if deployment_ids is None else list(deployment_ids)
    return await _counted(connection, await connection.fetch(_ROLLING, ids), EVERYTHING)


async def rollouts_of(
    connection: Connection, deployment_ids: Collection[UUID], scope: Scope = EVERYTHING
) -> dict[UUID, Rolling]:
    """Those of these deployments that have a rollout; their jobs counted as ``scope`` sees them."""
    if not deployment_ids:
        return {}
    rows = await connection.fetch(_SOME, list(deployment_ids))
    return {each.id: each for each in await _counted(connection, rows, scope)}


async def lock_rollout(connection: Connection, deployment_id: UUID) -> Rolling | None:
    """A deployment's rollout, which nobody else decides about before the transaction ends; None: it has none."""
    row = await connection.fetchrow(_LOCK, deployment_id)
    if row is None:
        return None
    (found,) = await _counted(connection, [row], EVERYTHING)
    return found


async def _counted(connection: Connection, rows: Sequence[asyncpg.Record], scope: Scope) -> tuple[Rolling, ...]:
    if not rows:
        return ()
    counts: dict[tuple[UUID, int], list[asyncpg.Record]] = {}
    for found in await connection.fetch(_COUNTS, groups_of(scope), [row["id"] for row in rows]):
        counts.setdefault((found["deployment_id"], found["ring"]), []).append(found)
    return tuple(_rolling(row, counts) for row in rows)


def _rolling(row: asyncpg.Record, counts: Mapping[tuple[UUID, int], Sequence[asyncpg.Record]]) -> Rolling:
    rings = (_ring(name, counts.get((row["id"], ring), ())) for ring, name in enumerate(row["ring_names"]))
    progress = Progress(
        rollout=load_rollout(row["rollout"]),
        rings=tuple(rings),
        released=row["rings_released"],
        soak_skipped=row["soak_skipped"],
        stopped=row["stopped_at"] is not None,
    )
    return Rolling(row["id"], progress, row["stopped_at"], row["stop_reason"])


def _ring(name: str, counts: Sequence[asyncpg.Record]) -> RingCount:
    return RingCount(
        name=name,
        totals=JobTotals.of({found["state"]: found["jobs"] for found in counts}),
        excused=sum(found["excused"] for found in counts if found["state"] in ("failed", "outcome_unknown")),
        last_finished=max((found["last_finished"] for found in counts if found["last_finished"]), default=None),
    )


async def release_ring(connection: Connection, deployment_id: UUID, released: int) -> None:
    """So many rings may work from now on; their jobs are set free by ``held_jobs`` and ``set_free``."""
    await connection.execute(_RELEASE, deployment_id, released)


async def held_jobs(connection: Connection, deployment_id: UUID, released: int) -> tuple[WaitingJob, ...]:
    """Jobs of the rings below ``released`` that are held back, locked."""
    return tuple(waiting_job(row) for row in await connection.fetch(_HELD, deployment_id, released))


async def set_free(connection: Connection, plans: Sequence[NewPlan], by_calendar: Sequence[bool], at: datetime) -> None:
    """Give locked jobs that were held back their plan."""
    rows = await connection.fetch(
        _SET_FREE,
        [plan.job.id for plan in plans],
        [plan.not_before for plan in plans],
        list(by_calendar),
        [plan.message for plan in plans],
    )
    await _note(connection, rows, at)


async def stop_rollout(connection: Connection, deployment_id: UUID, at: datetime, reason: str) -> None:
    """Nothing of it starts any more; its jobs are held back by ``hold_jobs``."""
    await connection.execute(_STOP, deployment_id, at, reason)


async def any_to_hold(connection: Connection, deployment_id: UUID, stopped_at: datetime) -> bool:
    """Whether a job that was there when the deployment was stopped could start."""
    found: bool = await connection.fetchval(_ANY_TO_HOLD, deployment_id, stopped_at)
    return found


async def hold_jobs(
    connection: Connection, deployment_id: UUID, stopped_at: datetime, words: str, at: datetime
) -> list[UUID]:
    """Hold back what has sent nothing yet; the version it raises stops a run that is about to. Returns the jobs.

    Jobs made after ``stopped_at`` go on: an operator retried what had failed, to see whether it works by now.
    """
    await connection.execute(_LOCK_TO_HOLD, deployment_id, stopped_at)
    rows = await connection.fetch(_HOLD, deployment_id, stopped_at, words)
    await _note(connection, rows, at)
    return [row["id"] for row in rows]


async def resume_rollout(connection: Connection, deployment_id: UUID, rolling: Rolling) -> None:
    """Go on by the rollout of ``rolling``, despite of all that failed until now."""
    await connection.execute(_EXCUSE, deployment_id)
    await connection.execute(_RESUME, deployment_id, dump_rollout(rolling.progress.rollout))


async def skip_soak(connection: Connection, deployment_id: UUID) -> None:
    """The next ring need not wait for the present soak."""
    await connection.execute(_SKIP_SOAK, deployment_id)


async def roll(connection: Connection, deployment_id: UUID, rolling: bool) -> None:
    """Whether the scan looks at the deployment's rollout; nothing happens to one that has none."""
    await connection.execute(_ROLL, deployment_id, rolling)


async def _note(connection: Connection, rows: Sequence[asyncpg.Record], at: datetime) -> None:
    if rows:
        ids, versions = [row["id"] for row in rows], [row["version"] for row in rows]
        await connection.execute(_NOTE, ids, versions, [row["message"] for row in rows], at)
