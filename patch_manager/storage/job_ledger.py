"""The ledger of jobs: what is due, and many runs' steps written at once (TRUST "Patch jobs")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from patch_manager.domain.job_record import Attempt, JobRecord, Send
from patch_manager.domain.jobs import DueJob, JobKey, JobState, Operation
from patch_manager.storage.connecting import Connection

_ACTIVE: Final = "('dispatching', 'running', 'rebooting', 'verifying', 'outcome_unknown')"
_DUE: Final = f"""
SELECT * FROM (
    SELECT j.id, j.host_id, j.version, j.deployment_id, j.operation, j.state, j.not_before, j.created_at
    FROM jobs j JOIN hosts h ON h.id = j.host_id
    WHERE j.state IN ('dispatching', 'running', 'rebooting', 'verifying') AND NOT j.id = ANY ($2)
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (j.host_id)
               j.id, j.host_id, j.version, j.deployment_id, j.operation, j.state, j.not_before, j.created_at
        FROM jobs j JOIN hosts h ON h.id = j.host_id
        WHERE j.state = 'queued' AND j.not_before <= $1 AND NOT j.id = ANY ($2)
          AND NOT EXISTS (SELECT 1 FROM jobs a WHERE a.host_id = j.host_id AND a.state IN {_ACTIVE})
        ORDER BY j.host_id, j.created_at, j.id
    ) queued
) due
ORDER BY state = 'queued', created_at, id LIMIT $3
"""  # noqa: S608 - constants only
_ORPHANS: Final = """
SELECT j.id, j.host_id, j.version, j.state, j.deployment_id FROM jobs j
WHERE j.state IN ('queued', 'dispatching', 'running', 'rebooting', 'verifying')
  AND NOT EXISTS (SELECT 1 FROM hosts h WHERE h.id = j.host_id)
FOR UPDATE OF j SKIP LOCKED
"""
_END_ORPHANS: Final = """
UPDATE jobs j SET state = u.state, version = j.version + 1, message = $3, finished_at = $4
FROM unnest($1::uuid[], $2::text[]) AS u (id, state) WHERE j.id = u.id RETURNING j.id, j.version, j.state
"""
_KEPT: Final = "SELECT id FROM job_transitions WHERE id = ANY ($1)"
_VERSIONS: Final = "SELECT id FROM jobs WHERE id = ANY ($1) ORDER BY id FOR UPDATE"
_UPDATE: Final = f"""
UPDATE jobs j SET
    version = j.version + 1, state = u.state, message = u.message, not_before = u.not_before, attempt = u.attempt,
    planned_at = u.planned_at, work_done_at = u.work_done_at, work_done_boot_id = u.work_done_boot_id,
    work_done_boot_clock = u.work_done_boot_clock, agent_completed_at = u.agent_completed_at,
    rebooted_at = u.rebooted_at, started_at = u.started_at, finished_at = u.finished_at,
    by_calendar = u.by_calendar
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::integer[],
            $8::timestamptz[], $9::timestamptz[], $10::text[], $11::float8[], $12::timestamptz[], $13::timestamptz[],
            $14::timestamptz[], $15::timestamptz[], $16::boolean[])
     AS u (id, version, was, state, message, not_before, attempt, planned_at, work_done_at, work_done_boot_id,
           work_done_boot_clock, agent_completed_at, rebooted_at, started_at, finished_at,
           by_calendar)
WHERE j.id = u.id AND j.version = u.version AND j.state = u.was
  AND (u.state NOT IN {_ACTIVE} OR NOT EXISTS (
      SELECT 1 FROM jobs a WHERE a.host_id = j.host_id AND a.id <> j.id AND a.state IN {_ACTIVE}))
RETURNING j.id
"""  # noqa: S608 - constants only
_TRANSITION: Final = """
INSERT INTO job_transitions (id, job_id, version, at, state, reason)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::text[], $6::text[])
"""
_ATTEMPT: Final = """
INSERT INTO job_attempts (job_id, number, state, agent_job_id, adopted, sends, accepted_at, error_code, error,
                          exit_code, stdout, stderr, started_at, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (job_id, number) DO UPDATE SET
    state = excluded.state, agent_job_id = excluded.agent_job_id, adopted = excluded.adopted, sends = excluded.sends,
    accepted_at = excluded.accepted_at, error_code = excluded.error_code, error = excluded.error,
    exit_code = excluded.exit_code, stdout = excluded.stdout, stderr = excluded.stderr,
    finished_at = excluded.finished_at
"""
_SEND: Final = """
INSERT INTO job_sends (job_id, number, attempt, operation, packages, baseline_ids, baseline_newest, intent_at,
                       boot_id, boot_clock, epoch, outcome, agent_job_id, undoes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_OUTCOME: Final = "UPDATE job_sends SET outcome = $3, agent_job_id = $4 WHERE job_id = $1 AND number = $2"
_PACKAGE: Final = """
INSERT INTO job_packages (job_id, name, from_version, to_version, requires_reboot, result, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (job_id, name) DO UPDATE SET
    result = excluded.result, to_version = excluded.to_version, reason = excluded.reason
"""
_GROUPS: Final = "SELECT host_id, group_id FROM group_hosts WHERE host_id = ANY ($1)"


@dataclass(frozen=True, slots=True)
class Change:
    """One step of one job. ``id`` is its transition's, made by us; ``at`` is the manager's wall clock."""

    id: UUID
    at: datetime
    before: JobRecord
    after: JobRecord
    reason: str


async def due_jobs(connection: Connection, now: datetime, in_hand: Iterable[UUID], limit: int) -> tuple[DueJob, ...]:
    """Active jobs that nobody runs, then queued ones whose time has come on hosts without an active job."""
    rows = await connection.fetch(_DUE, now, list(in_hand), limit)
    return tuple(
        DueJob(
            key=JobKey(row["id"], row["host_id"], row["version"]),
            deployment_id=row["deployment_id"],
            operation=Operation(row["operation"]),
            state=JobState(row["state"]),
            not_before=row["not_before"],
        )
        for row in rows
    )


async def end_orphans(connection: Connection, at: datetime) -> list[asyncpg.Record]:
    """Jobs of deleted hosts end: cancelled where they had not begun, with an unknown outcome where they had."""
    rows = await connection.fetch(_ORPHANS)
    if not rows:
        return []
    reason = "the host was deleted"
    states = ["cancelled" if row["state"] == "queued" else "outcome_unknown" for row in rows]
    ended = await connection.fetch(_END_ORPHANS, [row["id"] for row in rows], states, reason, at)
    await connection.execute(
        "INSERT INTO job_transitions (id, job_id, version, at, state, reason) "
        "SELECT gen_random_uuid(), u.id, u.version, $4, u.state, $5 "
        "FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS u (id, version, state)",
        [row["id"] for row in ended],
        [row["version"] for row in ended],
        [row["state"] for row in ended],
        at,
        reason,
    )
    return rows


async def kept(connection: Connection, change_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the changes that were committed: asked after a COMMIT whose answer was lost."""
    return frozenset(row["id"] for row in await connection.fetch(_KEPT, list(change_ids)))


async def apply_changes(connection: Connection, changes: Sequence[Change], epoch: int) -> frozenset[UUID]:
    """Write the changes whose jobs still have the version and state they were decided on; returns those changes' ids.

    The caller has read the epoch row FOR SHARE in this transaction. At most one change per host.
    """
    # In one order, so that two transactions cannot wait for each other.
    await connection.execute(_VERSIONS, [change.before.id for change in changes])
    rows = await connection.fetch(_UPDATE, *_columns(changes))
    updated = {row["id"] for row in rows}
    good = [change for change in changes if change.before.id in updated]
    if not good:
        return frozenset()
    await connection.execute(
        _TRANSITION,
        [change.id for change in good],
        [change.after.id for change in good],
        [change.before.version + 1 for change in good],
        [change.at for change in good],
        [change.after.state.value for change in good],
        [_clean(change.reason) for change in good],
    )
    await _write_details(connection, good, epoch)
    return frozenset(change.id for change in good)


def _columns(changes: Sequence[Change]) -> list[list[Any]]:
    rows = [
        (
            change.before.id,
            change.before.version,
            change.before.state.value,
            change.after.state.value,
            _clean(change.after.message),
            change.after.not_before,
            change.after.attempt.number if change.after.attempt is not None else 0,
            change.after.planned_at,
            change.after.work_done.wall if change.after.work_done is not None else None,
            change.after.work_done.boot_id if change.after.work_done is not None else None,
            change.after.work_done.boot_clock if change.after.work_done is not None else None,
            change.after.agent_completed_at,
            change.after.rebooted_at,
            change.after.started_at,
            change.after.finished_at,
            change.after.by_calendar,
        )
        for change in changes
    ]
    return [list(column) for column in zip(*rows, strict=True)]


async def _write_details(connection: Connection, changes: Sequence[Change], epoch: int) -> None:
    attempts, sends, outcomes, packages = [], [], [], []
    for change in changes:
        job_id, before, after = change.after.id, change.before, change.after
        if after.attempt is not None and after.attempt != before.attempt:
            attempts.append(_attempt_row(job_id, after.attempt))
        if after.send is not None and after.send != before.send:
            if before.send is None or after.send.number != before.send.number:
                sends.append(_send_row(job_id, after.send, epoch))
            else:
                outcomes.append((job_id, after.send.number, after.send.outcome.value, after.send.agent_job_id))
        known = set(before.targets or ())
        packages += [
            (job_id, t.name, t.from_version, t.to_version, t.requires_reboot, t.result.value, _clean(t.reason))
            for t in after.targets or ()
            if t not in known
        ]
    for statement, rows in ((_ATTEMPT, attempts), (_SEND, sends), (_OUTCOME, outcomes), (_PACKAGE, packages)):
        if rows:
            await connection.executemany(statement, rows)


def _attempt_row(job_id: UUID, attempt: Attempt) -> tuple[Any, ...]:
    return (
        job_id,
        attempt.number,
        attempt.state.value,
        attempt.agent_job_id,
        attempt.adopted,
        attempt.sends,
        attempt.accepted_at,
        _clean(attempt.error_code),
        _clean(attempt.error),
        _int4(attempt.exit_code),
        _clean(attempt.stdout),
        _clean(attempt.stderr),
        attempt.started_at,
        attempt.finished_at,
    )


def _send_row(job_id: UUID, send: Send, epoch: int) -> tuple[Any, ...]:
    return (
        job_id,
        send.number,
        send.attempt,
        send.operation.value,
        list(send.packages),
        sorted(send.baseline_ids),
        send.baseline_newest,
        send.intent.wall,
        send.intent.boot_id,
        send.intent.boot_clock,
        epoch,
        send.outcome.value,
        send.agent_job_id,
        send.undoes,
    )


async def groups_by_host(connection: Connection, host_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """The groups of hosts, for audit events."""
    groups: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(_GROUPS, list(host_ids)):
        groups.setdefault(row["host_id"], []).append(row["group_id"])
    return groups


def _clean(text: Any) -> Any:
    """What PostgreSQL takes: an agent's output with NUL or lone surrogates must never block a transition (TRUST)."""
    if not isinstance(text, str):
        return text
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def _int4(number: int | None) -> int | None:
    return number if number is not None and -(2**31) <= number < 2**31 else None
