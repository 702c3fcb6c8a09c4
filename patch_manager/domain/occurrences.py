"""When a window opens and closes: the one function behind previews, planning, the gate and the calendar.

croniter gives nominal dates only, month by month, in UTC: on the clock of a zone it fires twice in autumn and an hour
late in spring. What a nominal date and time of day mean on a zone's clock is decided here: the window opens at the
first instant at which the clock shows its start or later. That is the start itself on nearly all days, the gap's end
where clocks jump over it, and its first occurrence where clocks show it twice. Each nominal date opens once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter

from patch_manager.domain.windows import Window, WindowKind, dates_of, zone_of

_FIRST_YEAR: Final = 1971
_LAST_YEAR: Final = 9000
"""Beyond, datetime and croniter meet their ends; nobody plans there."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a window is open: from ``opens_at`` up to, and not including, ``closes_at`` (UTC)."""

    opens_at: datetime
    closes_at: datetime


def occurrences(window: Window, after: datetime, count: int) -> tuple[Occurrence, ...]:
    """The next ``count`` occurrences that open after ``after`` (aware); fewer when there are no more.

    Raises:
        ValueError: the window has problems (``windows.problems``).
    """
    later = (each for each in closing_after(window, after) if each.opens_at > after)
    return tuple(islice(later, count))


def closing_after(window: Window, since: datetime) -> Iterator[Occurrence]:
    """All occurrences that close after ``since``, in order: one that is open at ``since`` comes first.

    Raises:
        ValueError: the window has problems.
    """
    if window.kind is WindowKind.ONCE:
        if window.starts_at is None:
            raise ValueError("a one-time window needs a start")
        once = _occurrence(window, window.starts_at.astimezone(UTC))
        if once.closes_at > since:
            yield once
        return
    zone = zone_of(window.timezone)
    if zone is None or window.start_time is None:
        raise ValueError("a recurring window needs a time zone and a start time")
    # A nominal start may be moved on by a gap, a day at most: two days earlier nothing can still be open at ``since``.
    begin = max(since.astimezone(UTC), datetime(_FIRST_YEAR, 1, 10, tzinfo=UTC)) - window.duration - timedelta(days=2)
    last: Occurrence | None = None
    for day in _dates_from(dates_of(window), begin.date()):
        found = _occurrence(window, first_instant(datetime.combine(day, window.start_time), zone))
        # A zone that leaves out a whole day gives two nominal dates one opening.
        if found.closes_at > since and (last is None or found.opens_at > last.opens_at):
            yield found
            last = found


def _occurrence(window: Window, opens_at: datetime) -> Occurrence:
    return Occurrence(opens_at, opens_at + window.duration)


def _dates_from(expression: str, begin: date) -> Iterator[date]:
    year, month = begin.year, begin.month
    while year <= _LAST_YEAR:
        for day in nominal_dates(expression, year, month):
            if day >= begin:
                yield day
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


@lru_cache(maxsize=4096)
def nominal_dates(expression: str, year: int, month: int) -> tuple[date, ...]:
    """The dates in a month of the last three fields of a cron expression; the same for every zone and start time."""
    moments = croniter(f"0 0 {expression}", datetime(year, month, 1, tzinfo=UTC) - _SECOND, ret_type=datetime)
    found: list[date] = []
    while True:
        day = moments.get_next().date()
        if (day.year, day.month) != (year, month):
            return tuple(found)
        found.append(day)


def first_instant(nominal: datetime, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) at which the clock of ``zone`` shows ``nominal`` (naive) or later."""
    found = nominal.replace(tzinfo=zone, fold=0).astimezone(UTC)  # of two occurrences, the first
    if found.astimezone(zone).replace(tzinfo=None) == nominal:
        return found
    # In a gap: with the offset after it we are before the jump, with the one before it we are behind.
    before = nominal.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while found - before > _SECOND:
        middle = before + timedelta(seconds=int((found - before).total_seconds()) // 2)
        if middle.astimezone(zone).replace(tzinfo=None) < nominal:
            before = middle
        else:
            found = middle
    return found
