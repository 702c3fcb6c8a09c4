"""Cursors of lists ordered by time and id, newest first. Opaque to clients; a wrong one is refused, never guessed."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from uuid import UUID

from patch_manager.domain.deployments import NotPossible


def write_cursor(at: datetime, key: UUID) -> str:
    """The place after a row."""
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{key}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | NotPossible | None:
    """The row's time and id; None for the first page."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, key = text.split("|", 1)
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            raise ValueError("a cursor's time is aware")
        return at, UUID(key)
    except (ValueError, binascii.Error):
        return NotPossible("the cursor is not one of this list")
