"""Running totals: added to and taken from as snapshots change, never counted anew."""

from __future__ import annotations

from bisect import bisect_left, insort
from datetime import datetime, timedelta

from patch_manager.domain.health import ActorState, Health
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.patches import OVERDUE_DAYS, Severity
from patch_manager.domain.totals import FleetTotals

_OVERDUE = timedelta(days=OVERDUE_DAYS[Severity.CRITICAL])


class Tally:
    """Totals over a set of snapshots. What is overdue depends on the moment of asking, hence the sorted dates."""

    __slots__ = (
        "_by_actor_state",
        "_by_health",
        "_hosts",
        "_never_polled",
        "_oldest",
        "_pending",
        "_reboot",
        "_security",
        "_with_critical",
        "_working",
    )

    def __init__(self) -> None:
        self._hosts = 0
        self._by_health = {health.value: 0 for health in Health}
        self._by_actor_state = {state.value: 0 for state in ActorState}
        self._reboot = 0
        self._pending = 0
        self._security = 0
        self._with_critical = 0
        self._never_polled = 0
        self._working = 0
        self._oldest: list[datetime] = []

    def add(self, snapshot: HostSnapshot) -> None:
        """Count a snapshot in."""
        self._count(snapshot, 1)
        if snapshot.patches.oldest_security_at is not None:
            insort(self._oldest, snapshot.patches.oldest_security_at)

    def remove(self, snapshot: HostSnapshot) -> None:
        """Count out a snapshot that was counted in."""
        self._count(snapshot, -1)
        oldest = snapshot.patches.oldest_security_at
        if oldest is not None:
            del self._oldest[bisect_left(self._oldest, oldest)]

    def _count(self, snapshot: HostSnapshot, sign: int) -> None:
        self._hosts += sign
        self._by_health[snapshot.health.value] += sign
        self._by_actor_state[snapshot.actor_state.value] += sign
        self._reboot += sign * snapshot.reboot_required
        self._pending += sign * snapshot.patches.pending
        self._security += sign * snapshot.patches.security
        self._with_critical += sign * (snapshot.patches.critical > 0)
        self._never_polled += sign * (snapshot.patches_read_at is None)
        self._working += sign * (snapshot.job is not None)

    def totals(self, now: datetime) -> FleetTotals:
        """The totals at ``now`` (aware)."""
        return FleetTotals(
            hosts=self._hosts,
            by_health=dict(self._by_health),
            by_actor_state=dict(self._by_actor_state),
            reboot_required=self._reboot,
            pending_patches=self._pending,
            pending_security=self._security,
            with_critical=self._with_critical,
            overdue_critical=bisect_left(self._oldest, now - _OVERDUE),
            never_polled=self._never_polled,
            working=self._working,
        )
