"""Hosts with their windows and freezes, all from memory: what notifications about openings are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from patch_manager.domain.openings import Freeze, HostWindow
from patch_manager.supervisor.jobs.calendar import Calendar
from patch_manager.supervisor.picture import FleetPicture


@dataclass(frozen=True, slots=True)
class FleetCalendar:
    """The fleet picture's hosts and the calendar's times."""

    picture: FleetPicture
    calendar: Calendar

    def hosts(self) -> Iterator[tuple[UUID, str]]:
        """All hosts, by id and name."""
        return ((host.record.id, host.record.display_name) for host in self.picture.hosts())

    def windows(self, host_id: UUID) -> tuple[HostWindow, ...]:
        """The enabled windows of a host."""
        return self.calendar.windows(host_id)

    def freezes(self, host_id: UUID) -> tuple[Freeze, ...]:
        """The freezes that concern a host, in force or to come."""
        return self.calendar.freezes(host_id)
