"""All that is durable of a job, as its run must know it (TRUST "Patch jobs")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from patch_manager.domain.job_record import Attempt, AttemptState, JobRecord, Moment, Send, SendOutcome, Target, Undo
from patch_manager.domain.jobs import JobState, Operation, PackageResult, RebootPolicy, When
from patch_manager.storage.connecting import Connection

_JOBS: Final = "SELECT * FROM jobs WHERE id = ANY ($1)"
_LAST_ATTEMPTS: Final = """
SELECT DISTINCT ON (job_id) * FROM job_attempts WHERE job_id = ANY ($1) ORDER BY job_id, number DESC
"""
_LAST_SENDS: Final = "SELECT DISTINCT ON (job_id) * FROM job_sends WHERE job_id = ANY ($1) ORDER BY job_id, number DESC"
_TARGETS: Final = "SELECT * FROM job_packages WHERE job_id = ANY ($1) ORDER BY job_id, name"
_UNDONE: Final = "SELECT id, operation FROM jobs WHERE id = ANY ($1)"


async def load_records(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, JobRecord]:
    """All that is durable of jobs, by id; those that do not exist are missing."""
    ids = list(job_ids)
    rows = await connection.fetch(_JOBS, ids)
    begun = [row["id"] for row in rows if row["attempt"]]
    attempts = {row["job_id"]: row for row in await connection.fetch(_LAST_ATTEMPTS, begun)} if begun else {}
    sends = {row["job_id"]: row for row in await connection.fetch(_LAST_SENDS, begun)} if begun else {}
    targets: dict[UUID, list[Target]] = {row["id"]: [] for row in rows if row["planned_at"] is not None}
    if targets:
        for found in await connection.fetch(_TARGETS, list(targets)):
            targets[found["job_id"]].append(_target(found))
    undone = await _undone(connection, rows)
    return {
        row["id"]: _record(
            row, attempts.get(row["id"]), sends.get(row["id"]), targets.get(row["id"]), undone.get(row["id"])
        )
        for row in rows
    }


def _record(
    row: asyncpg.Record,
    attempt: asyncpg.Record | None,
    send: asyncpg.Record | None,
    targets: list[Target] | None,
    undoes: Undo | None,
) -> JobRecord:
    done = None
    if row["work_done_at"] is not None:
        done = Moment(row["work_done_at"], row["work_done_boot_id"], row["work_done_boot_clock"])
    return JobRecord(
        id=row["id"],
        host_id=row["host_id"],
        deployment_id=row["deployment_id"],
        version=row["version"],
        operation=Operation(row["operation"]),
        state=JobState(row["state"]),
        starts=When(row["starts"]),
        requested=None if row["requested"] is None else tuple(row["requested"]),
        security_only=row["security_only"],
        reboot=RebootPolicy(row["reboot"]),
        message=row["message"],
        not_before=row["not_before"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        targets=None if targets is None else tuple(targets),
        planned_at=row["planned_at"],
        attempt=None if attempt is None else _attempt(attempt),
        send=None if send is None else _send(send),
        work_done=done,
        agent_completed_at=row["agent_completed_at"],
        rebooted_at=row["rebooted_at"],
        override_freeze=row["override_freeze"],
        by_calendar=row["by_calendar"],
        versions=() if row["versions"] is None else tuple(row["versions"]),
        purge=row["purge"],
        undoes=undoes,
        max_unavailable=row["max_unavailable"],
    )


async def _undone(connection: Connection, rows: Sequence[asyncpg.Record]) -> dict[UUID, Undo]:
    """What those of the jobs that are rollbacks undo."""
    rollbacks = [row for row in rows if row["rollback_of"] is not None]
    if not rollbacks:
        return {}
    originals = [row["rollback_of"] for row in rollbacks]
    operations = {row["id"]: Operation(row["operation"]) for row in await connection.fetch(_UNDONE, originals)}
    packages: dict[UUID, list[Target]] = {}
    for found in await connection.fetch(_TARGETS, originals):
        packages.setdefault(found["job_id"], []).append(_target(found))
    return {
        row["id"]: Undo(
            row["rollback_of"],
            row["rollback_agent_job_id"],
            operations[row["rollback_of"]],
            tuple(packages.get(row["rollback_of"], ())),
        )
        for row in rollbacks
    }


def _target(row: asyncpg.Record) -> Target:
    return Target(
        row["name"],
        row["from_version"],
        row["to_version"],
        row["requires_reboot"],
        PackageResult(row["result"]),
        row["reason"],
    )


def _attempt(row: asyncpg.Record) -> Attempt:
    fields: dict[str, Any] = {key: value for key, value in row.items() if key != "job_id"}
    return Attempt(**{**fields, "state": AttemptState(row["state"])})


def _send(row: asyncpg.Record) -> Send:
    return Send(
        number=row["number"],
        attempt=row["attempt"],
        operation=Operation(row["operation"]),
        packages=tuple(row["packages"]),
        baseline_ids=frozenset(row["baseline_ids"]),
        baseline_newest=row["baseline_newest"],
        intent=Moment(row["intent_at"], row["boot_id"], row["boot_clock"]),
        outcome=SendOutcome(row["outcome"]),
        agent_job_id=row["agent_job_id"],
        undoes=row["undoes"],
    )
