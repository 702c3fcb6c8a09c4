"""Pending patches of hosts, as last read from their agents. Written by the supervisor's writer, read here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from patch_manager.domain.patches import Patch, Severity
from patch_manager.storage.connecting import Connection

_PATCHES: Final = """
SELECT name, current_version, available_version, severity, cve_ids, requires_reboot, description, first_seen_at
FROM host_patches WHERE host_id = $1 ORDER BY name
"""


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
