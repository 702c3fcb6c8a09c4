"""Maintenance windows of hosts. Units of work on a connection inside a transaction.

Whoever changes a host's windows, or plans jobs by them, holds the host's lock (``host_registry.lock_host``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from patch_manager.domain.openings import HostWindow
from patch_manager.domain.principal import Scope
from patch_manager.domain.windows import Window, WindowKind, cron_of, window_from
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_scope import HOST_IN_SCOPE, groups_of

_COLUMNS: Final = """
w.id, w.host_id, w.name, w.enabled, w.kind, w.cron, w.starts_at, w.timezone, w.duration_minutes, w.cutoff_minutes,
w.created_by_name, w.created_at, w.updated_at, w.version
"""
_INSERT: Final = """
INSERT INTO maintenance_windows (id, host_id, name, enabled, kind, cron, starts_at, timezone, duration_minutes,
                                 cutoff_minutes, created_by, created_by_name, created_at, updated_at)
SELECT u.id, u.host_id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13
FROM unnest($1::uuid[], $2::uuid[]) AS u (id, host_id)
"""
_BY_ID: Final = f"SELECT {_COLUMNS} FROM maintenance_windows w WHERE w.id = $1"  # noqa: S608 - constants only
_OF_HOSTS: Final = f"""
SELECT {_COLUMNS} FROM maintenance_windows w WHERE w.host_id = ANY ($1) ORDER BY w.host_id, w.created_at, w.id
"""  # noqa: S608 - constants only
_UPDATE: Final = """
UPDATE maintenance_windows SET name = $2, enabled = $3, kind = $4, cron = $5, starts_at = $6, timezone = $7,
       duration_minutes = $8, cutoff_minutes = $9, updated_at = $10, version = version + 1
WHERE id = $1
"""
_DELETE: Final = "DELETE FROM maintenance_windows WHERE id = $1"
_MATCH: Final = f"""
FROM maintenance_windows w JOIN hosts h ON h.id = w.host_id
WHERE {HOST_IN_SCOPE}
  AND ($2::uuid[] IS NULL OR EXISTS (SELECT 1 FROM group_hosts m WHERE m.host_id = h.id AND m.group_id = ANY ($2)))
  AND ($3::boolean IS NULL OR w.enabled = $3)
  AND ($4::text IS NULL OR strpos(lower(concat_ws(E'\\n', w.name, h.display_name, h.address)), lower($4)) > 0)
"""  # noqa: S608 - constants only
_PAGE: Final = f"""
SELECT {_COLUMNS} {_MATCH} AND ($5::timestamptz IS NULL OR (w.created_at, w.id) < ($5, $6::uuid))
ORDER BY w.created_at DESC, w.id DESC LIMIT $7
"""
_COUNT: Final = f"SELECT count(*) {_MATCH}"
_ENABLED: Final = """
SELECT w.id, w.host_id, w.name, w.kind, w.cron, w.starts_at, w.timezone, w.duration_minutes, w.cutoff_minutes
FROM maintenance_windows w
WHERE w.enabled AND ($1::uuid[] IS NULL OR w.host_id = ANY ($1))
ORDER BY w.host_id, w.created_at, w.id
"""
_REVISION: Final = "SELECT windows, freezes, holds FROM calendar_revision"
_HOLD: Final = "SELECT 1 FROM calendar_revision FOR SHARE"


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A window as kept for a host. ``version`` grows with every change."""

    id: UUID
    host_id: UUID
    name: str
    enabled: bool
    window: Window
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    version: int = 1


@dataclass(frozen=True, slots=True)
class WindowFilter:
    """Which windows to list; None does not filter."""

    group_ids: Sequence[UUID] | None = None
    enabled: bool | None = None
    search: str | None = None


def _row(row: asyncpg.Record) -> WindowRow:
    return WindowRow(
        id=row["id"],
        host_id=row["host_id"],
        name=row["name"],
        enabled=row["enabled"],
        window=_window(row),
        created_by_name=row["created_by_name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )


def _window(row: asyncpg.Record) -> Window:
    return window_from(
        WindowKind(row["kind"]),
        row["cron"],
        row["starts_at"],
        row["timezone"],
        row["duration_minutes"],
        row["cutoff_minutes"],
    )


def _values(window: Window) -> tuple[Any, ...]:
    return (
        window.kind.value,
        cron_of(window),
        window.starts_at,
        window.timezone,
        window.duration_minutes,
        window.cutoff_minutes,
    )


async def insert_windows(connection: Connection, rows: Sequence[WindowRow], created_by: UUID | None) -> None:
    """Add windows that differ in id and host only."""
    if not rows:
        return
    first = rows[0]
    await connection.execute(
        _INSERT,
        [row.id for row in rows],
        [row.host_id for row in rows],
        first.name,
        first.enabled,
        *_values(first.window),
        created_by,
        first.created_by_name,
        first.created_at,
    )


async def get_window(connection: Connection, window_id: UUID) -> WindowRow | None:
    """A window, or None."""
    row = await connection.fetchrow(_BY_ID, window_id)
    return None if row is None else _row(row)


async def update_window(connection: Connection, after: WindowRow) -> None:
    """Write name, state and rule, and raise the version."""
    await connection.execute(_UPDATE, after.id, after.name, after.enabled, *_values(after.window), after.updated_at)


async def delete_window(connection: Connection, window_id: UUID) -> None:
    """Remove a window."""
    await connection.execute(_DELETE, window_id)


async def windows_of(connection: Connection, host_ids: Collection[UUID]) -> dict[UUID, list[WindowRow]]:
    """All windows of hosts, oldest first; hosts without any are absent."""
    found: dict[UUID, list[WindowRow]] = {}
    for row in await connection.fetch(_OF_HOSTS, list(host_ids)):
        found.setdefault(row["host_id"], []).append(_row(row))
    return found


async def list_windows(
    connection: Connection, scope: Scope, wanted: WindowFilter, limit: int, after: tuple[datetime, UUID] | None
) -> tuple[tuple[WindowRow, ...], int]:
    """A page of the windows of hosts in ``scope``, newest first, and how many match."""
    groups = None if wanted.group_ids is None else list(wanted.group_ids)
    match = (groups_of(scope), groups, wanted.enabled, wanted.search)
    moment, key = after or (None, None)
    rows = await connection.fetch(_PAGE, *match, moment, key, limit)
    total: int = await connection.fetchval(_COUNT, *match)
    return tuple(_row(row) for row in rows), total


async def enabled_windows(
    connection: Connection, host_ids: Collection[UUID] | None = None
) -> dict[UUID, tuple[HostWindow, ...]]:
    """What jobs are planned by: the enabled windows of these hosts, or of all; hosts without any are absent.

    Equal rules are one object, because most windows are copies.
    """
    rules: dict[Window, Window] = {}
    found: dict[UUID, list[HostWindow]] = {}
    for row in await connection.fetch(_ENABLED, None if host_ids is None else list(host_ids)):
        window = _window(row)
        found.setdefault(row["host_id"], []).append(
            HostWindow(row["id"], row["name"], rules.setdefault(window, window))
        )
    return {host_id: tuple(windows) for host_id, windows in found.items()}


@dataclass(frozen=True, slots=True)
class Revision:
    """Grows with every change of windows, of freezes or of the groups that they are for, and of reboot holds."""

    windows: int
    freezes: int
    holds: int


async def calendar_revision(connection: Connection) -> Revision:
    """The present revision."""
    row = await connection.fetchrow(_REVISION)
    if row is None:
        raise LookupError("the calendar's revision is missing")
    return Revision(row["windows"], row["freezes"], row["holds"])


async def hold_calendar(connection: Connection) -> None:
    """Keep windows and freezes as they are until the transaction ends. Locks: groups, hosts, this, jobs."""
    await connection.execute(_HOLD)
