"""When a host is polled: slots spread evenly over the interval by host, the same after every restart.

Slots are anchored to the wall clock once, when the actor starts, and from then on run on Trio's clock: a jump of the
wall clock moves no poll.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from uuid import UUID

from patch_manager.actors.health_rules import fraction


@dataclass(frozen=True, slots=True)
class Cadence:
    """Seconds between health polls and between readings of everything."""

    health: float
    patches: float


@dataclass(frozen=True, slots=True)
class Slots:
    """Moments on Trio's clock: ``health_base + n * cadence.health`` and the same for full polls."""

    cadence: Cadence
    health_base: float
    full_base: float

    @staticmethod
    def of(host_id: UUID, cadence: Cadence, clock: float, wall: float) -> Slots:
        """``clock``: Trio's clock, ``wall``: seconds since the epoch, both of the same moment.

        A full poll takes the place of a health poll: its slots are some of those of health, where the intervals allow.
        """
        phase = fraction(host_id, "health") * cadence.health
        turns = max(1, floor(cadence.patches / cadence.health))
        full_phase = phase + floor(fraction(host_id, "full") * turns) * cadence.health
        return Slots(
            cadence,
            health_base=clock + (phase - wall) % cadence.health,
            full_base=clock + (full_phase - wall) % cadence.patches,
        )

    def next_health(self, clock: float) -> float:
        """The first slot of health after ``clock``."""
        return _next(self.health_base, self.cadence.health, clock)

    def next_full(self, clock: float) -> float:
        """The first slot of a full poll after ``clock``."""
        return _next(self.full_base, self.cadence.patches, clock)


def _next(base: float, interval: float, clock: float) -> float:
    slot = base + (floor((clock - base) / interval) + 1) * interval
    # A slot that is only a rounding error away is the one that was just taken.
    return slot if slot - clock > 1e-3 else slot + interval
