"""A reboot hold: an operator's word that no job reboots this host, until somebody lifts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from patch_manager.domain.openings import Closed


@dataclass(frozen=True, slots=True)
class RebootHold:
    """Who keeps the host from being rebooted, since when and why (may be empty)."""

    reason: str
    set_by: str
    set_at: datetime

    @property
    def words(self) -> str:
        """``on hold: reason``, as messages and previews say it."""
        return f"on hold: {self.reason}" if self.reason else f"on hold (set by {self.set_by})"

    @property
    def closed(self) -> Closed:
        """What the last check before a reboot answers."""
        return Closed(f"the host is {self.words}", f"waiting: the host is {self.words}", None, on_hold=True)
