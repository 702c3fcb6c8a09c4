"""Queued jobs that windows and freezes hold, and new plans for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.jobs import When
from patch_manager.storage.connecting import Connection

_WAITING: Final = """
SELECT j.id, j.host_id, j.deployment_id, j.starts, j.override_freeze, j.not_before, j.message
FROM jobs j
WHERE j.state = 'queued' AND j.by_calendar AND ($1::uuid[] IS NULL OR j.host_id = ANY ($1))
ORDER BY j.id FOR UPDATE
"""
_PLAN: Final = """
UPDATE jobs j SET not_before = u.not_before, message = u.message, version = j.version + 1
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS u (id, not_before, message)
WHERE j.id = u.id RETURNING j.id, j.version, j.message
"""
_NOTE: Final = """
INSERT INTO job_transitions (id, job_id, version, at, state, reason)
SELECT gen_random_uuid(), u.id, u.version, $4, 'queued', u.reason
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS u (id, version, reason)
"""
_STARTS: Final = """
SELECT j.id, j.host_id, j.deployment_id, j.not_before FROM jobs j
WHERE j.state = 'queued' AND j.starts = 'window' AND j.not_before < $1
"""
_NEXT: Final = "SELECT min(not_before) FROM jobs WHERE state = 'queued' AND not_before > $1"


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A queued job whose start windows and freezes decided."""

    id: UUID
    host_id: UUID
    deployment_id: UUID | None
    when: When
    override_freeze: bool
    not_before: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class WaitingStart:
    """A queued job that waits for a window, and when it may start."""

    id: UUID
    host_id: UUID
    deployment_id: UUID | None
    not_before: datetime


@dataclass(frozen=True, slots=True)
class NewPlan:
    """When such a job may start now, and its message."""

    job: WaitingJob
    not_before: datetime | None
    message: str


def waiting_job(row: asyncpg.Record) -> WaitingJob:
    """A queued job as it waits."""
    return WaitingJob(
        id=row["id"],
        host_id=row["host_id"],
        deployment_id=row["deployment_id"],
        when=When(row["starts"]),
        override_freeze=row["override_freeze"],
        not_before=row["not_before"],
        message=row["message"],
    )


async def lock_waiting(connection: Connection, host_ids: Collection[UUID] | None) -> tuple[WaitingJob, ...]:
    """Those of these hosts, or of all, kept as they are until the transaction ends."""
    rows = await connection.fetch(_WAITING, None if host_ids is None else list(host_ids))
    return tuple(waiting_job(row) for row in rows)


async def write_plans(connection: Connection, plans: Sequence[NewPlan], at: datetime) -> None:
    """Plan locked jobs anew; the version this raises stops a run that is about to begin."""
    if not plans:
        return
    rows = await connection.fetch(
        _PLAN, [p.job.id for p in plans], [p.not_before for p in plans], [p.message for p in plans]
    )
    await connection.execute(
        _NOTE,
        [row["id"] for row in rows],
        [row["version"] for row in rows],
        [row["message"] for row in rows],
        at,
    )


async def next_start(connection: Connection, now: datetime) -> datetime | None:
    """When the next queued job becomes due; None when none is planned."""
    found: datetime | None = await connection.fetchval(_NEXT, now)
    return found


async def waiting_starts(connection: Connection, before: datetime) -> tuple[WaitingStart, ...]:
    """Jobs that wait for a window which opens before that moment, on all hosts."""
    return tuple(WaitingStart(**row) for row in await connection.fetch(_STARTS, before))
