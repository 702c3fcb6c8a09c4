"""Deliveries: one message to one rule's audience each, tried until it arrived or is given up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.notification_rules import GIVE_UP
from patch_manager.domain.notifications import DeliveryState, EventKind
from patch_manager.storage.connecting import Connection
from patch_manager.storage.notification_rules import RuleRow

_COLUMNS: Final = """
d.id, d.digest_id, d.kind, d.summary, d.rule_id, d.rule_name, d.owner_id, d.shared, d.channel_id, d.channel_name,
d.state, d.attempts, d.created_at, d.next_try_at, d.give_up_at, d.last_attempt_at, d.finished_at, d.last_error
"""
_MATCH: Final = """
WHERE ($1::uuid IS NULL OR d.owner_id = $1) AND (cardinality($2::text[]) = 0 OR d.state = ANY ($2))
  AND ($3::uuid IS NULL OR d.rule_id = $3) AND ($4::uuid IS NULL OR d.channel_id = $4)
"""
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM notification_deliveries d {_MATCH}
  AND ($5::timestamptz IS NULL OR (d.created_at, d.id) < ($5, $6::uuid))
ORDER BY d.created_at DESC, d.id DESC LIMIT $7
"""  # noqa: S608 - constants only
_COUNT: Final = f"SELECT count(*) FROM notification_deliveries d {_MATCH}"  # noqa: S608 - constants only
_INSERT: Final = """
INSERT INTO notification_deliveries (id, digest_id, kind, summary, rule_id, rule_name, owner_id, shared, channel_id,
                                     channel_name, state, created_at, next_try_at, give_up_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', $11, $11, $12)
"""
_DUE: Final = """
SELECT id, channel_id FROM notification_deliveries
WHERE state = 'pending' AND next_try_at <= $1 AND (channel_id IS NULL OR NOT channel_id = ANY ($3))
ORDER BY next_try_at, number LIMIT $2
"""
_CLAIM: Final = f"""
UPDATE notification_deliveries d SET attempts = attempts + 1, last_attempt_at = $2, next_try_at = $3
WHERE d.id = $1 AND d.state = 'pending' AND d.next_try_at <= $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_NEXT: Final = "SELECT attempts FROM notification_deliveries WHERE id = $1 AND state = 'pending' AND next_try_at <= $2"
_RECORD: Final = """
UPDATE notification_deliveries
SET state = $3, last_error = $4, next_try_at = $5,
    finished_at = CASE WHEN $3 = 'pending' THEN NULL ELSE $6::timestamptz END
WHERE id = $1 AND attempts = $2 AND state = 'pending'
"""
_LOCK: Final = f"SELECT {_COLUMNS} FROM notification_deliveries d WHERE d.id = $1 FOR UPDATE"  # noqa: S608
_AGAIN: Final = f"""
UPDATE notification_deliveries d SET state = 'pending', next_try_at = $2, give_up_at = $3, finished_at = NULL
WHERE d.id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_BY_STATE: Final = "SELECT state, count(*) FROM notification_deliveries GROUP BY state"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as kept. ``rule_id`` and ``channel_id`` None: deleted since; the names stay."""

    id: UUID
    digest_id: UUID
    kind: EventKind
    summary: str
    rule_id: UUID | None
    rule_name: str
    owner_id: UUID | None
    shared: bool
    channel_id: UUID | None
    channel_name: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_try_at: datetime | None
    give_up_at: datetime
    last_attempt_at: datetime | None
    finished_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None and empty do not filter."""

    owner_id: UUID | None = None
    states: tuple[DeliveryState, ...] = ()
    rule_id: UUID | None = None
    channel_id: UUID | None = None


def _row(row: asyncpg.Record) -> DeliveryRow:
    return DeliveryRow(**{**row, "kind": EventKind(row["kind"]), "state": DeliveryState(row["state"])})


async def list_deliveries(
    connection: Connection, wanted: DeliveryFilter, limit: int, after: tuple[datetime, UUID] | None
) -> tuple[tuple[DeliveryRow, ...], int]:
    """A page, newest first, and how many match."""
    match = (wanted.owner_id, [state.value for state in wanted.states], wanted.rule_id, wanted.channel_id)
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, *match, moment, key, limit)
    return tuple(_row(row) for row in rows), await connection.fetchval(_COUNT, *match)


async def insert_delivery(
    connection: Connection,
    delivery_id: UUID,
    digest_id: UUID,
    kind: EventKind,
    summary: str,
    rule: RuleRow,
    now: datetime,
) -> None:
    """Queue a digest for a rule's audience."""
    await connection.execute(
        _INSERT,
        delivery_id,
        digest_id,
        kind.value,
        summary,
        rule.id,
        rule.name,
        rule.owner_id,
        rule.owner_id is None,
        rule.channel_id,
        rule.channel_name,
        now,
        now + GIVE_UP,
    )


async def due_deliveries(
    connection: Connection, now: datetime, limit: int, without: Collection[UUID]
) -> tuple[tuple[UUID, UUID | None], ...]:
    """Deliveries to try now with their channels, those that wait longest first; none of the channels ``without``."""
    rows = await connection.fetch(_DUE, now, limit, list(without))
    return tuple((row["id"], row["channel_id"]) for row in rows)


async def attempts_of(connection: Connection, delivery_id: UUID, now: datetime) -> int | None:
    """How often a due delivery was tried; None: it is not due any more."""
    found: int | None = await connection.fetchval(_NEXT, delivery_id, now)
    return found


async def claim_delivery(
    connection: Connection, delivery_id: UUID, now: datetime, next_try_at: datetime
) -> DeliveryRow | None:
    """Count an attempt before it is made. Whoever dies in it is followed by the next one at ``next_try_at``."""
    row = await connection.fetchrow(_CLAIM, delivery_id, now, next_try_at)
    return None if row is None else _row(row)


async def record_attempt(
    connection: Connection,
    claimed: DeliveryRow,
    state: DeliveryState,
    error: str,
    next_try_at: datetime | None,
    now: datetime,
) -> None:
    """Write how the claimed attempt ended; one that was overtaken by a later one changes nothing."""
    await connection.execute(_RECORD, claimed.id, claimed.attempts, state.value, error, next_try_at, now)


async def lock_delivery(connection: Connection, delivery_id: UUID) -> DeliveryRow | None:
    """A delivery that nobody else changes before the transaction ends, or None."""
    row = await connection.fetchrow(_LOCK, delivery_id)
    return None if row is None else _row(row)


async def try_again(connection: Connection, delivery_id: UUID, now: datetime) -> DeliveryRow:
    """Try a locked delivery at once, and for another day."""
    row = await connection.fetchrow(_AGAIN, delivery_id, now, now + GIVE_UP)
    assert row is not None  # noqa: S101  # the caller holds its lock
    return _row(row)


async def deliveries_by_state(connection: Connection) -> Mapping[str, int]:
    """How many deliveries are kept in each state."""
    return {row["state"]: row["count"] for row in await connection.fetch(_BY_STATE)}
