"""What polls found, written for many hosts at once. Hosts deleted meanwhile are left out, not an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.domain.host_status import HostWrite
from patch_manager.storage.connecting import Connection

UNSTORABLE: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.CardinalityViolationError,
    UnicodeError,
)
"""Errors that lie in what was to be written: trying again cannot help."""

_SEPARATOR: Final = "\x1f"  # between CVE names, which cannot contain it: arrays of arrays cannot be unnested

# Locked in one order before any change, so that no other transaction over several hosts can deadlock with these.
_LOCK: Final = "SELECT id FROM hosts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"

_ROWS: Final = """
UPDATE hosts h SET hostname = n.hostname, os_name = n.os_name, os_version = n.os_version, kernel = n.kernel,
    architecture = n.architecture, agent_version = n.agent_version, health = n.health,
    health_reason = n.health_reason, health_since = n.health_since, failures = n.failures,
    reboot_required = n.reboot_required
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::timestamptz[], $11::integer[], $12::boolean[])
    AS n (id, hostname, os_name, os_version, kernel, architecture, agent_version, health, health_reason,
          health_since, failures, reboot_required)
WHERE h.id = n.id
"""
_HISTORY: Final = """
INSERT INTO health_history (host_id, at, health, reason)
SELECT host_id, at, health, reason
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS n (host_id, at, health, reason)
ON CONFLICT DO NOTHING
"""
_GONE: Final = """
DELETE FROM host_patches p
WHERE p.host_id = ANY ($1::uuid[]) AND NOT EXISTS (
    SELECT FROM unnest($2::uuid[], $3::text[]) AS n (host_id, name) WHERE n.host_id = p.host_id AND n.name = p.name)
"""
_PATCHES: Final = """
INSERT INTO host_patches AS p (host_id, name, current_version, available_version, severity, cve_ids,
                               requires_reboot, description, first_seen_at)
SELECT host_id, name, current_version, available_version, severity,
       coalesce(string_to_array(nullif(cves, ''), E'\\x1f'), '{}'), requires_reboot, description, first_seen_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[],
            $9::timestamptz[])
    AS n (host_id, name, current_version, available_version, severity, cves, requires_reboot, description,
          first_seen_at)
ON CONFLICT (host_id, name) DO UPDATE SET current_version = excluded.current_version,
    available_version = excluded.available_version, severity = excluded.severity, cve_ids = excluded.cve_ids,
    requires_reboot = excluded.requires_reboot, description = excluded.description
WHERE (p.current_version, p.available_version, p.severity, p.cve_ids, p.requires_reboot, p.description)
    IS DISTINCT FROM (excluded.current_version, excluded.available_version, excluded.severity, excluded.cve_ids,
                      excluded.requires_reboot, excluded.description)
"""
# The age of the oldest security patch counts from first_seen_at; "security" as ``domain.patches.Patch.is_security``.
_SUMMARIES: Final = """
UPDATE hosts h SET pending = n.pending, security = n.security, critical = n.critical, high = n.high,
    medium = n.medium, low = n.low, unknown_severity = n.unknown, cve_count = n.cve_count,
    needs_reboot = n.needs_reboot, max_severity = n.max_severity, patches_digest = n.digest,
    patches_read_at = n.read_at,
    oldest_security_at = (
        SELECT min(p.first_seen_at) FROM host_patches p
        WHERE p.host_id = h.id AND (p.severity IN ('critical', 'high') OR cardinality(p.cve_ids) > 0))
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[],
            $8::integer[], $9::integer[], $10::integer[], $11::text[], $12::bytea[], $13::timestamptz[])
    AS n (id, pending, security, critical, high, medium, low, unknown, cve_count, needs_reboot, max_severity,
          digest, read_at)
WHERE h.id = n.id
RETURNING h.id, h.oldest_security_at
"""
_SEEN: Final = """
UPDATE hosts h SET last_seen_at = greatest(h.last_seen_at, n.seen_at),
    patches_read_at = greatest(h.patches_read_at, n.read_at)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS n (id, seen_at, read_at)
WHERE h.id = n.id
"""


async def write_results(connection: Connection, writes: Sequence[HostWrite]) -> Mapping[UUID, datetime | None]:
    """Write rows, changes of health and lists of patches of several hosts, each host once.

    Returns ``oldest_security_at`` of the hosts whose list was written.
    """
    locked = await connection.fetch(_LOCK, [write.host_id for write in writes])
    there = {row["id"] for row in locked}
    rows = [write for write in writes if write.row and write.host_id in there]
    if rows:
        await connection.execute(_ROWS, *_row_columns(rows))
        changes = [(write.host_id, change) for write in rows for change in write.changes]
        if changes:
            await connection.execute(
                _HISTORY,
                [host_id for host_id, _ in changes],
                [change.at for _, change in changes],
                [change.health.value for _, change in changes],
                [_text(change.reason) for _, change in changes],
            )
    lists = [write for write in writes if write.patches is not None and write.host_id in there]
    return await _write_lists(connection, lists) if lists else {}


async def write_seen(connection: Connection, seen: Mapping[UUID, tuple[datetime | None, datetime | None]]) -> None:
    """When hosts were last seen and their patches last read; neither ever moves back.

    Raises ``asyncpg.LockNotAvailableError`` when another transaction holds one of the hosts: try again later.
    """
    # Shorter than PostgreSQL waits before it looks for a deadlock: this transaction, which can wait, is the one to
    # give way, and rows need not be locked in order first, which would double the cost.
    await connection.execute("SET LOCAL lock_timeout = '300ms'")
    values = list(seen.values())
    await connection.execute(_SEEN, list(seen), [value[0] for value in values], [value[1] for value in values])


async def _write_lists(connection: Connection, writes: Sequence[HostWrite]) -> dict[UUID, datetime | None]:
    rows = [(write, patch) for write in writes for patch in write.patches or ()]
    host_ids, names = [write.host_id for write, _ in rows], [_text(patch.name) for _, patch in rows]
    await connection.execute(_GONE, [write.host_id for write in writes], host_ids, names)
    if rows:
        await connection.execute(
            _PATCHES,
            host_ids,
            names,
            [_maybe(patch.current_version) for _, patch in rows],
            [_maybe(patch.available_version) for _, patch in rows],
            [patch.severity.value for _, patch in rows],
            [_text(_SEPARATOR.join(patch.cve_ids)) for _, patch in rows],
            [patch.requires_reboot for _, patch in rows],
            [_text(patch.description) for _, patch in rows],
            [write.status.patches_read_at for write, _ in rows],
        )
    found = await connection.fetch(_SUMMARIES, *_summary_columns(writes))
    return {row["id"]: row["oldest_security_at"] for row in found}


def _row_columns(writes: Sequence[HostWrite]) -> list[list[object]]:
    rows = []
    for write in writes:
        status, facts = write.status, write.status.facts
        rows.append(
            (
                write.host_id,
                _maybe(facts.hostname),
                _maybe(facts.os_name),
                _maybe(facts.os_version),
                _maybe(facts.kernel),
                _maybe(facts.architecture),
                _maybe(facts.agent_version),
                status.health.value,
                _text(status.health_reason),
                status.health_since,
                status.failures,
                status.reboot_required,
            )
        )
    return [list(column) for column in zip(*rows, strict=True)]


def _summary_columns(writes: Sequence[HostWrite]) -> list[list[object]]:
    rows = []
    for write in writes:
        counted, status = write.status.patches, write.status
        rows.append(
            (
                write.host_id,
                counted.pending,
                counted.security,
                counted.critical,
                counted.high,
                counted.medium,
                counted.low,
                counted.unknown,
                counted.cve_count,
                counted.needs_reboot,
                None if counted.max_severity is None else counted.max_severity.value,
                status.patches_digest,
                status.patches_read_at,
            )
        )
    return [list(column) for column in zip(*rows, strict=True)]


def _text(text: str) -> str:
    """What PostgreSQL can hold: no NUL, no lone surrogates. An agent's words must never block the other hosts'."""
    if text.isprintable():
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _maybe(text: str | None) -> str | None:
    return None if text is None else _text(text)
