"""Reboot holds: columns of hosts that only operators write."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from patch_manager.domain.holds import RebootHold
from patch_manager.storage.connecting import Connection

_ALL: Final = """
SELECT id, reboot_hold_reason, reboot_hold_by, reboot_hold_at FROM hosts WHERE reboot_hold_at IS NOT NULL
"""
_SET: Final = "UPDATE hosts SET reboot_hold_reason = $2, reboot_hold_by = $3, reboot_hold_at = $4 WHERE id = $1"


def hold_of(row: Any) -> RebootHold | None:
    """The hold in a row of hosts."""
    if row["reboot_hold_at"] is None:
        return None
    return RebootHold(row["reboot_hold_reason"], row["reboot_hold_by"], row["reboot_hold_at"])


async def all_holds(connection: Connection) -> dict[UUID, RebootHold]:
    """The hosts that are on hold."""
    return {row["id"]: hold for row in await connection.fetch(_ALL) if (hold := hold_of(row)) is not None}


async def set_hold(connection: Connection, host_id: UUID, hold: RebootHold | None) -> None:
    """Hold a host that is locked, or lift its hold. Raises the calendar's revision."""
    given = (None, None, None) if hold is None else (hold.reason, hold.set_by, hold.set_at)
    await connection.execute(_SET, host_id, *given)
