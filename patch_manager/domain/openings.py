"""When a host may be touched: its windows put together, less the freezes; what waiting jobs and the last check ask.

Pure. The same ``plan`` says when a job will start, whether it may be sent at this moment, and in which words.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from patch_manager.domain.jobs import When
from patch_manager.domain.occurrences import Occurrence, closing_after
from patch_manager.domain.windows import Window, in_zone

_LONGEST_OPENING: Final = timedelta(days=15)
"""Windows that follow each other without end are told as one opening up to here; asked later, it is longer."""

NO_WINDOW: Final = "waiting: this host has no maintenance window yet"
NO_OPENING: Final = "waiting: no maintenance window of this host opens again"


@dataclass(frozen=True, slots=True)
class HostWindow:
    """An enabled window of a host."""

    id: UUID
    name: str
    window: Window

    @property
    def words(self) -> str:
        """How people know it."""
        return f"maintenance window “{self.name}”" if self.name else "maintenance window"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which nothing starts: on all hosts, or on those of a group. ``ends_at`` is outside it."""

    id: UUID
    group_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    reason: str

    def covers(self, at: datetime) -> bool:
        """Whether it is in force at that moment."""
        return self.starts_at <= at < self.ends_at

    @property
    def words(self) -> str:
        """What stops, until when, and why."""
        return f"frozen until {in_zone(self.ends_at, 'UTC')} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Opening:
    """A time without a break in which a host may be touched; made of one window, or of several that overlap or meet.

    ``window`` is the one that opens it. Work may start before ``start_until``, which the windows' cutoffs leave.
    """

    opens_at: datetime
    closes_at: datetime
    start_until: datetime
    window: HostWindow

    def covers(self, at: datetime) -> bool:
        """Whether the host may be touched at that moment."""
        return self.opens_at <= at < self.closes_at


def openings(windows: Sequence[HostWindow], since: datetime, *, apart: bool = False) -> Iterator[Opening]:
    """Openings that close after ``since``, in order: one that is open at ``since`` comes first.

    ``apart``: windows that only meet are told one by one; those that overlap never are.
    """
    current: Opening | None = None
    for occurrence, window in _merged(windows, since):
        until = occurrence.closes_at - window.window.cutoff
        if current is None:
            current = Opening(occurrence.opens_at, occurrence.closes_at, until, window)
        elif _joins(current, occurrence, apart) and current.closes_at <= since + _LONGEST_OPENING:
            closes_at = max(current.closes_at, occurrence.closes_at)
            current = Opening(current.opens_at, closes_at, max(current.start_until, until), current.window)
        else:
            yield current
            current = Opening(occurrence.opens_at, occurrence.closes_at, until, window)
    if current is not None:
        yield current


def _joins(current: Opening, following: Occurrence, apart: bool) -> bool:
    return following.opens_at < current.closes_at or (following.opens_at == current.closes_at and not apart)


def _merged(windows: Sequence[HostWindow], since: datetime) -> Iterator[tuple[Occurrence, HostWindow]]:
    def of(window: HostWindow) -> Iterator[tuple[Occurrence, HostWindow]]:
        return ((occurrence, window) for occurrence in closing_after(window.window, since))

    return heapq.merge(*(of(window) for window in windows), key=lambda each: each[0].opens_at)


def open_now(windows: Sequence[HostWindow], now: datetime) -> Opening | None:
    """The opening in which the host is at ``now``."""
    opening = next(openings(windows, now), None)
    return opening if opening is not None and opening.covers(now) else None


def freeze_at(freezes: Sequence[Freeze], at: datetime) -> Freeze | None:
    """The freeze in force at that moment; of several, the one that ends last."""
    return max((freeze for freeze in freezes if freeze.covers(at)), key=lambda freeze: freeze.ends_at, default=None)


@dataclass(frozen=True, slots=True)
class Plan:
    """When a job may start: at ``not_before``, which is the moment asked about when it may now; None: nobody knows.

    ``words`` are the job's message.
    """

    not_before: datetime | None
    words: str
    starts_now: bool = False


def plan(windows: Sequence[HostWindow], freezes: Sequence[Freeze], now: datetime, when: When) -> Plan:
    """Plan the start of a job on a host with these enabled windows, under the freezes that concern it."""
    return _now(freezes, now) if when is When.NOW else _in_window(windows, freezes, now)


def _now(freezes: Sequence[Freeze], now: datetime) -> Plan:
    at, frozen = _after_freezes(freezes, now)
    return Plan(at, "queued", True) if frozen is None else Plan(at, f"waiting: {frozen.words}")


def _after_freezes(freezes: Sequence[Freeze], at: datetime) -> tuple[datetime, Freeze | None]:
    """The first moment from ``at`` on without a freeze, and the last one that was in the way."""
    frozen = None
    while (freeze := freeze_at(freezes, at)) is not None:
        at, frozen = freeze.ends_at, freeze
    return at, frozen


def _in_window(windows: Sequence[HostWindow], freezes: Sequence[Freeze], now: datetime) -> Plan:
    if not windows:
        return Plan(None, NO_WINDOW)
    at, frozen = now, None
    while True:  # each freeze is met once at most: behind it, it covers nothing
        opening = next((each for each in openings(windows, at) if each.start_until > at), None)
        if opening is None:
            return Plan(None, NO_OPENING)
        at = max(at, opening.opens_at)
        free, met = _after_freezes(freezes, at)
        if met is None:
            break
        at, frozen = free, met
    window = opening.window
    if at <= now:
        closes = in_zone(opening.closes_at, window.window.timezone)
        return Plan(now, f"queued: {window.words} is open until {closes}", True)
    behind = "" if frozen is None else f"{frozen.words}; "
    opens = in_zone(at, window.window.timezone)
    verb = "which opens" if at == opening.opens_at else "from"
    return Plan(at, f"waiting: {behind}{window.words}, {verb} {opens}")


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a host may not be touched at this moment, and when a job that waits for it may start (None: not planned).

    ``reason`` ends a sentence (*not sent: …*); ``waiting`` is the message of a job that stays in its queue.
    ``on_hold``: an operator keeps the host from being rebooted, and nobody knows until when.
    """

    reason: str
    waiting: str
    until: datetime | None
    on_hold: bool = False


def closed_to_start(
    windows: Sequence[HostWindow], freezes: Sequence[Freeze], now: datetime, when: When
) -> Closed | None:
    """Why work may not start now; None when it may."""
    found = plan(windows, freezes, now, when)
    return None if found.starts_now else _closed(freezes, now, found)


def closed_to_go_on(
    windows: Sequence[HostWindow], freezes: Sequence[Freeze], now: datetime, when: When
) -> Closed | None:
    """Why begun work may not take its next step (a reboot); None when it may. A cutoff keeps only starts away."""
    if freeze_at(freezes, now) is None and (when is When.NOW or open_now(windows, now) is not None):
        return None
    return _closed(freezes, now, plan(windows, freezes, now, when))


def _closed(freezes: Sequence[Freeze], now: datetime, planned: Plan) -> Closed:
    frozen = freeze_at(freezes, now)
    reason = "outside the host's maintenance windows" if frozen is None else f"the host is {frozen.words}"
    return Closed(reason, planned.words, planned.not_before)
