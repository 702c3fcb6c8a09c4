"""What a queued job waits for when its time has come: another job that has its host in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.jobs import JobState
from patch_manager.storage.connecting import Connection

_IN_HAND: Final = """
SELECT host_id, state FROM jobs
WHERE host_id = ANY ($1) AND state IN ('dispatching', 'running', 'rebooting', 'verifying', 'outcome_unknown')
"""


async def in_hand(connection: Connection, rows: Sequence[asyncpg.Record]) -> Mapping[UUID, str]:
    """What jobs among ``rows`` that are due wait for, by host."""
    now = datetime.now(UTC)
    due = {row["host_id"] for row in rows if is_due(row, now)}
    if not due:
        return {}
    return {found["host_id"]: _words(found) for found in await connection.fetch(_IN_HAND, list(due))}


def is_due(row: asyncpg.Record, now: datetime) -> bool:
    """Whether a job waits, and not for its calendar, its ring or the moment that its agent named."""
    at = row["not_before"]
    later = row["held"] or (row["by_calendar"] if at is None else at > now)
    return row["state"] == JobState.QUEUED and not later


def _words(other: asyncpg.Record) -> str:
    if other["state"] == JobState.OUTCOME_UNKNOWN:
        return "waiting: the outcome of another job of this host is unknown, and must be resolved first"
    return f"waiting for another job of this host, which is {other['state']}"
