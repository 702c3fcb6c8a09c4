"""Hosts as actors start from them: the operators' record and what polling concluded, many in one query."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import asyncpg

from patch_manager.domain.health import Health
from patch_manager.domain.host_status import HostStatus, StoredHost
from patch_manager.domain.hosts import HostFacts, HostRecord, PatchSummary
from patch_manager.domain.patches import Severity
from patch_manager.storage.connecting import Connection
from patch_manager.storage.holds import hold_of

_SELECT: Final = """
SELECT h.*, ARRAY(SELECT g.group_id FROM group_hosts g WHERE g.host_id = h.id) AS group_ids FROM hosts h
"""
_SOME: Final = _SELECT + "WHERE h.id = ANY ($1::uuid[])"
_AFTER: Final = _SELECT + "WHERE $1::uuid IS NULL OR h.id > $1 ORDER BY h.id LIMIT $2"


async def load_hosts(connection: Connection, host_ids: Collection[UUID]) -> list[StoredHost]:
    """These hosts, as far as they exist, in no order."""
    return [_host(row, {}) for row in await connection.fetch(_SOME, list(host_ids))]


async def load_page(connection: Connection, after: UUID | None, limit: int) -> list[StoredHost]:
    """Hosts in the order of their ids, ``limit`` at most, beginning after ``after``."""
    shared: dict[frozenset[UUID], frozenset[UUID]] = {}
    return [_host(row, shared) for row in await connection.fetch(_AFTER, after, limit)]


def _host(row: asyncpg.Record, shared: dict[frozenset[UUID], frozenset[UUID]]) -> StoredHost:
    groups = frozenset(row["group_ids"] or ())
    record = HostRecord(
        id=row["id"],
        address=row["address"],
        port=row["port"],
        fqdn=row["fqdn"],
        display_name=row["display_name"],
        group_ids=shared.setdefault(groups, groups),
        created_at=row["created_at"],
        reboot_hold=hold_of(row),
    )
    return StoredHost(record, _status(row))


def _status(row: asyncpg.Record) -> HostStatus:
    worst = row["max_severity"]
    return HostStatus(
        facts=HostFacts(
            os_name=_one(row["os_name"]),
            os_version=_one(row["os_version"]),
            kernel=_one(row["kernel"]),
            architecture=_one(row["architecture"]),
            agent_version=_one(row["agent_version"]),
            hostname=row["hostname"],
        ),
        health=Health(row["health"]),
        health_reason=_one(row["health_reason"]) or "",
        health_since=row["health_since"],
        failures=row["failures"],
        last_seen_at=row["last_seen_at"],
        reboot_required=row["reboot_required"],
        patches=PatchSummary(
            pending=row["pending"],
            security=row["security"],
            critical=row["critical"],
            high=row["high"],
            medium=row["medium"],
            low=row["low"],
            unknown=row["unknown_severity"],
            cve_count=row["cve_count"],
            max_severity=None if worst is None else Severity(worst),
            needs_reboot=row["needs_reboot"],
            oldest_security_at=row["oldest_security_at"],
        ),
        patches_read_at=row["patches_read_at"],
        patches_digest=row["patches_digest"],
    )


def _one(text: Any) -> str | None:
    """One object for all hosts that say the same: words like the system's name repeat over the whole fleet."""
    return None if text is None else sys.intern(text)
