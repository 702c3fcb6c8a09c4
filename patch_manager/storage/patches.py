"""Pending patches of hosts, as last read from their agents. Written by the supervisor's writer, read here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from patch_manager.domain.patches import Patch, Severity
from patch_manager.domain.principal import Scope
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_scope import HOST_IN_SCOPE, groups_of

_PATCHES: Final = """
SELECT name, current_version, available_version, severity, cve_ids, requires_reboot, description, first_seen_at
FROM host_patches WHERE host_id = $1 ORDER BY name
"""

_FOUND: Final = f"""
SELECT p.host_id, p.name, p.severity, p.cve_ids, p.requires_reboot
FROM host_patches p JOIN hosts h ON h.id = p.host_id
WHERE {HOST_IN_SCOPE} AND (strpos(lower(p.name), lower($2)) > 0
  OR EXISTS (SELECT 1 FROM unnest(p.cve_ids) AS c (id) WHERE strpos(lower(c.id), lower($2)) > 0))
"""  # noqa: S608 - constants only
_WIDESPREAD: Final = f"""
WITH found AS ({_FOUND})
SELECT f.name, count(*) AS hosts, array_agg(DISTINCT f.severity) AS severities, bool_or(f.requires_reboot) AS reboots,
       ARRAY (SELECT DISTINCT c.id FROM found q, unnest(q.cve_ids) AS c (id) WHERE q.name = f.name ORDER BY 1) AS cves
FROM found f GROUP BY f.name ORDER BY count(*) DESC, f.name LIMIT $3
"""  # noqa: S608 - constants only
_HOSTS: Final = f"""
WITH found AS ({_FOUND})
SELECT DISTINCT host_id FROM found WHERE $3::text IS NULL OR name = $3 ORDER BY host_id
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class PendingPatch:
    """A patch and since when it is known to wait on its host."""

    patch: Patch
    first_seen_at: datetime


async def patches_of(connection: Connection, host_id: UUID) -> tuple[PendingPatch, ...]:
    """All pending patches of a host by name; empty also for a host whose patches were never read."""
    return tuple(
        PendingPatch(
            Patch(
                name=row["name"],
                current_version=row["current_version"],
                available_version=row["available_version"],
                severity=Severity(row["severity"]),
                cve_ids=tuple(row["cve_ids"]),
                requires_reboot=row["requires_reboot"],
                description=row["description"],
            ),
            row["first_seen_at"],
        )
        for row in await connection.fetch(_PATCHES, host_id)
    )


@dataclass(frozen=True, slots=True)
class WidespreadPatch:
    """A package with pending patches on several hosts. ``severity``: the worst of them."""

    name: str
    hosts: int
    severity: Severity
    cve_ids: tuple[str, ...]
    requires_reboot: bool


async def widespread(connection: Connection, scope: Scope, search: str, limit: int) -> tuple[WidespreadPatch, ...]:
    """Packages whose name or CVEs contain ``search``, over the hosts in sight; those on the most hosts first."""
    return tuple(
        WidespreadPatch(
            name=row["name"],
            hosts=row["hosts"],
            severity=max(map(Severity, row["severities"]), key=lambda severity: severity.rank),
            cve_ids=tuple(row["cves"]),
            requires_reboot=row["reboots"],
        )
        for row in await connection.fetch(_WIDESPREAD, groups_of(scope), search, limit)
    )


async def hosts_with(connection: Connection, scope: Scope, search: str, package: str | None) -> tuple[UUID, ...]:
    """The hosts in sight on which such a patch is pending: of any package, or of the one of that name."""
    return tuple(row["host_id"] for row in await connection.fetch(_HOSTS, groups_of(scope), search, package))
