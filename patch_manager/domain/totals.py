"""Running totals over a part of the fleet; the shape behind ``http.schemas.fleet.FleetTotals``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """Numbers over the hosts of one scope. The dictionaries have every word of ``Health`` and ``ActorState``."""

    hosts: int
    by_health: dict[str, int]
    by_actor_state: dict[str, int]
    reboot_required: int
    pending_patches: int
    pending_security: int
    with_critical: int
    overdue_critical: int
    never_polled: int
    working: int
