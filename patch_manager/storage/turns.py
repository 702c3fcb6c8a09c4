"""Which hosts are away for a reboot, and how many of a group may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from patch_manager.domain.turns import Away
from patch_manager.storage.connecting import Connection

_AWAY: Final = """
SELECT j.id, j.host_id, ARRAY(SELECT g.group_id FROM group_hosts g WHERE g.host_id = j.host_id) AS group_ids
FROM jobs j
JOIN LATERAL (SELECT s.operation, s.outcome FROM job_sends s WHERE s.job_id = j.id ORDER BY s.number DESC LIMIT 1) s
     ON s.operation = 'reboot' AND s.outcome IN ('open', 'ambiguous', 'accepted', 'adopted')
WHERE j.state = 'rebooting'
"""
_LIMITS: Final = "SELECT id, max_unavailable FROM groups WHERE max_unavailable IS NOT NULL"


@dataclass(frozen=True, slots=True)
class StoredTurns:
    """Hosts that are away, by job, and the limits of groups."""

    away: dict[UUID, Away]
    limits: dict[UUID, int]


async def stored_turns(connection: Connection) -> StoredTurns:
    """As the database has them; the same as ``domain.turns.is_away`` says of each job."""
    rows = await connection.fetch(_AWAY)
    limits = await connection.fetch(_LIMITS)
    return StoredTurns(
        {row["id"]: Away(row["host_id"], frozenset(row["group_ids"])) for row in rows},
        {row["id"]: row["max_unavailable"] for row in limits},
    )
