"""Which windows open when over a part of the fleet: from memory, each rule worked out once for all its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.occurrences import Occurrence, closing_after
from patch_manager.domain.openings import Freeze, HostWindow, freeze_at
from patch_manager.domain.windows import Window
from patch_manager.supervisor.jobs.calendar import Calendar


@dataclass(frozen=True, slots=True)
class UpcomingWindow:
    """One occurrence of a host's window. ``freeze`` is in force when it opens, so that nothing starts then."""

    host_id: UUID
    host_name: str
    window: HostWindow
    opens_at: datetime
    closes_at: datetime
    freeze: Freeze | None


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What is open or opens in a span of time, and the hosts that have no enabled window at all."""

    windows: tuple[UpcomingWindow, ...]
    hosts_without_window: tuple[UUID, ...]


def upcoming(hosts: Iterable[HostSnapshot], calendar: Calendar, begin: datetime, end: datetime) -> Upcoming:
    """The occurrences of these hosts' enabled windows that are open at ``begin`` or open before ``end``; unsorted."""
    rules: dict[Window, tuple[Occurrence, ...]] = {}
    found: list[UpcomingWindow] = []
    without: list[UUID] = []
    for host in hosts:
        host_id = host.record.id
        windows = calendar.windows(host_id)
        if not windows:
            without.append(host_id)
            continue
        freezes = calendar.freezes(host_id)
        for window in windows:
            spans = rules.get(window.window)
            if spans is None:
                spans = rules[window.window] = _between(window.window, begin, end)
            for span in spans:
                frozen = freeze_at(freezes, max(span.opens_at, begin)) if freezes else None
                name = host.record.display_name
                found.append(UpcomingWindow(host_id, name, window, span.opens_at, span.closes_at, frozen))
    return Upcoming(tuple(found), tuple(without))


def _between(window: Window, begin: datetime, end: datetime) -> tuple[Occurrence, ...]:
    return tuple(takewhile(lambda span: span.opens_at < end, closing_after(window, begin)))


@dataclass(frozen=True, slots=True)
class NextOpening:
    """The opening a host is in, or its next one; the zone is that of the window."""

    host_id: UUID
    opens_at: datetime
    closes_at: datetime
    timezone: str


def next_openings(hosts: Iterable[HostSnapshot], calendar: Calendar, now: datetime) -> Iterator[NextOpening]:
    """One for each host with a window that is open or opens again."""
    rules: dict[Window, Occurrence | None] = {}
    for host in hosts:
        found: tuple[Occurrence, str] | None = None
        for window in calendar.windows(host.record.id):
            rule = window.window
            if rule not in rules:
                rules[rule] = next(iter(closing_after(rule, now)), None)
            occurrence = rules[rule]
            if occurrence is not None and (found is None or occurrence.opens_at < found[0].opens_at):
                found = occurrence, rule.timezone
        if found is not None:
            yield NextOpening(host.record.id, found[0].opens_at, found[0].closes_at, found[1])
