"""An independent account of local time: offsets sampled from the zone's data, and no arithmetic of ours.

A zone is a list of stretches of constant offset. It is found by looking at the offset every twelve hours and halving
where it changed; local starts are then looked up by walking the list.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from patch_manager.domain.windows import Window, WindowKind, time_zones

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2036, 7, 1, tzinfo=UTC)
_STEP = timedelta(hours=12)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``begin`` up to ``end`` (UTC) the zone's clock is ``offset`` ahead."""

    begin: datetime
    end: datetime
    offset: timedelta


@cache
def stretches(name: str) -> tuple[Stretch, ...]:
    """Ten years of a zone."""
    zone = ZoneInfo(name)
    found: list[Stretch] = []
    begin = at = BEGIN
    while at < END:
        after = at + _STEP
        if _offset(zone, after) != _offset(zone, at):
            low, high = at, after
            while high - low > _SECOND:
                middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
                if _offset(zone, middle) == _offset(zone, at):
                    low = middle
                else:
                    high = middle
            found.append(Stretch(begin, high, _offset(zone, at)))
            begin = high
        at = after
    return (*found, Stretch(begin, at, _offset(zone, at)))


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


@cache
def distinct_zones() -> tuple[str, ...]:
    """One name for each different account of the ten years; every zone is one of these under another name."""
    names: dict[tuple[Stretch, ...], str] = {}
    for name in sorted(time_zones()):
        names.setdefault(stretches(name), name)
    return tuple(names.values())


def first_shown(name: str, nominal: datetime) -> datetime:
    """The first instant at which the clock shows ``nominal`` (naive) or later."""
    shown = nominal.replace(tzinfo=UTC)
    for stretch in stretches(name):
        if stretch.end + stretch.offset > shown:
            return max(stretch.begin, shown - stretch.offset)
    raise AssertionError("beyond the ten years")


def dates(window: Window, begin: date, end: date) -> Iterator[date]:
    """Nominal dates by the calendar alone."""
    for ordinal in range(begin.toordinal(), end.toordinal()):
        day = date.fromordinal(ordinal)
        length = calendar.monthrange(day.year, day.month)[1]
        nth = window.nth_weekday
        if window.kind is WindowKind.DAILY:
            yield day
        elif window.kind is WindowKind.WEEKLY:
            if day.weekday() in window.weekdays:
                yield day
        elif nth is not None:
            which = day.day + 7 > length if nth.n == "last" else (day.day - 1) // 7 + 1 == nth.n
            if which and day.weekday() == nth.weekday:
                yield day
        elif day.day == (length if window.day_of_month == "last" else window.day_of_month):
            yield day


def naive_openings(window: Window, begin: date, end: date) -> list[datetime]:
    """Where ``window`` opens, of nominal dates from ``begin`` up to ``end``."""
    assert window.start_time is not None
    return [first_shown(window.timezone, datetime.combine(day, window.start_time)) for day in dates(window, begin, end)]
