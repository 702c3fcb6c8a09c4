"""Maintenance windows as operators state them, and the rules a statement must hold to (DESIGN §4 and §5 "Window").

A recurring window is held as a cron expression (minute, hour, day of the month, month, weekday) in its own time zone.
Only its dates are ever taken from cron: what a date means on the clock of a zone is ``domain.occurrences``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, available_timezones

MAX_MINUTES: Final = 7 * 24 * 60
MAX_DAILY_MINUTES: Final = 24 * 60
_NOT_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})
"""Names of the database that say nothing, or another thing on every machine."""
_CRON: Final = re.compile(r"(\d+) (\d+) (\*|L|\d+) \* (\*|L\d|\d#\d|\d(?:,\d)*)")

Last = Literal["last"]


class WindowKind(StrEnum):
    """How a window repeats."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """The n-th (1 to 4) or the last of a weekday (Monday is 0) in its month."""

    n: int | Last
    weekday: int


@dataclass(frozen=True, slots=True)
class Window:
    """When a host may be touched. Fields that its kind does not use are None or empty.

    ``start_time`` is on the clock of ``timezone`` (IANA), ``starts_at`` (``once`` only) an instant. The duration is
    elapsed time, so a window is as long as it says on a night when clocks change. Nothing starts in the last
    ``cutoff_minutes``; what runs goes on.
    """

    kind: WindowKind
    timezone: str
    duration_minutes: int
    start_time: time | None = None
    weekdays: tuple[int, ...] = ()
    day_of_month: int | Last | None = None
    nth_weekday: NthWeekday | None = None
    starts_at: datetime | None = None
    cutoff_minutes: int = 0

    @property
    def duration(self) -> timedelta:
        """How long it stays open."""
        return timedelta(minutes=self.duration_minutes)

    @property
    def cutoff(self) -> timedelta:
        """How long before its close nothing starts any more."""
        return timedelta(minutes=self.cutoff_minutes)


@dataclass(frozen=True, slots=True)
class WindowProblem:
    """What is wrong with a field of a window, in words."""

    field: str
    words: str


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """The names of IANA time zones that a window may have."""
    return frozenset(available_timezones() - _NOT_PLACES)


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of that name; None when there is none."""
    return ZoneInfo(name) if name in time_zones() else None


def problems(window: Window) -> tuple[WindowProblem, ...]:
    """All that keeps ``window`` from being used; empty when nothing does. Types are taken to be right."""
    return tuple(WindowProblem(field, words) for field, words in _problems(window))


def _problems(window: Window) -> Iterator[tuple[str, str]]:
    if zone_of(window.timezone) is None:
        yield "timezone", "must be the name of an IANA time zone, for example Europe/Berlin or UTC"
    yield from _length(window)
    if window.kind is WindowKind.ONCE:
        if window.starts_at is None:
            yield "starts_at", "a one-time window needs the date and time at which it opens"
        elif not 1971 <= window.starts_at.year <= 9000:
            yield "starts_at", "must be between the years 1971 and 9000"
        if window.start_time is not None:
            yield "start_time", "a one-time window has starts_at, and no start time besides"
    else:
        if window.start_time is None:
            yield "start_time", f"a {window.kind} window needs the time of day at which it opens, for example 22:00"
        if window.starts_at is not None:
            yield "starts_at", f"a {window.kind} window repeats: only a one-time window has a date"
    yield from _weekdays(window)
    yield from _days(window)


def _length(window: Window) -> Iterator[tuple[str, str]]:
    longest = MAX_DAILY_MINUTES if window.kind is WindowKind.DAILY else MAX_MINUTES
    if not 1 <= window.duration_minutes <= longest:
        hours = longest // 60
        yield "duration_minutes", f"a {_word(window.kind)} window lasts from 1 to {longest} minutes ({hours} hours)"
    if window.cutoff_minutes < 0:
        yield "cutoff_minutes", "cannot be negative"
    elif window.cutoff_minutes and window.cutoff_minutes >= window.duration_minutes:
        yield "cutoff_minutes", "must be shorter than the window, or nothing could ever start in it"


def _weekdays(window: Window) -> Iterator[tuple[str, str]]:
    if window.kind is WindowKind.WEEKLY:
        if not window.weekdays:
            yield "weekdays", "a weekly window needs at least one weekday: 0 is Monday, 6 is Sunday"
        elif not all(0 <= day <= 6 for day in window.weekdays):
            yield "weekdays", "weekdays are 0 (Monday) to 6 (Sunday)"
    elif window.weekdays:
        yield "weekdays", f"a {_word(window.kind)} window has no weekdays: make it weekly"


def _days(window: Window) -> Iterator[tuple[str, str]]:
    day, nth = window.day_of_month, window.nth_weekday
    if window.kind is not WindowKind.MONTHLY:
        if day is not None:
            yield "day_of_month", f"a {_word(window.kind)} window has no day of the month: make it monthly"
        if nth is not None:
            yield "nth_weekday", f"a {_word(window.kind)} window has no n-th weekday: make it monthly"
        return
    if (day is None) == (nth is None):
        yield "day_of_month", 'a monthly window needs either a day of the month (1 to 31, or "last") or an n-th weekday'
    if isinstance(day, int) and not 1 <= day <= 31:
        yield "day_of_month", 'must be 1 to 31, or "last"'
    if nth is not None:
        if isinstance(nth.n, int) and not 1 <= nth.n <= 4:
            yield "nth_weekday/n", 'must be 1 to 4, or "last"'
        if not 0 <= nth.weekday <= 6:
            yield "nth_weekday/weekday", "must be 0 (Monday) to 6 (Sunday)"


def _word(kind: WindowKind) -> str:
    return "one-time" if kind is WindowKind.ONCE else kind.value


# As cron expressions


def cron_of(window: Window) -> str | None:
    """The cron expression of a recurring window; None for a one-time one."""
    if window.start_time is None:
        return None
    return f"{window.start_time.minute} {window.start_time.hour} {dates_of(window)}"


def dates_of(window: Window) -> str:
    """The expression's last three fields, which say on which dates it opens. Cron's week begins with Sunday, as 0."""
    nth = window.nth_weekday
    if window.kind is WindowKind.WEEKLY:
        return f"* * {','.join(str(day) for day in sorted(_cron_day(day) for day in set(window.weekdays)))}"
    if nth is not None:
        day = _cron_day(nth.weekday)
        return f"* * L{day}" if nth.n == "last" else f"* * {day}#{nth.n}"
    if window.day_of_month is not None:
        return f"{'L' if window.day_of_month == 'last' else window.day_of_month} * *"
    return "* * *"


def window_from(
    kind: WindowKind,
    cron: str | None,
    starts_at: datetime | None,
    timezone: str,
    duration_minutes: int,
    cutoff_minutes: int,
) -> Window:
    """The window that was stored with ``cron_of``.

    Raises:
        ValueError: not an expression of ours.
    """
    if cron is None:
        return Window(kind, timezone, duration_minutes, starts_at=starts_at, cutoff_minutes=cutoff_minutes)
    match = _CRON.fullmatch(cron)
    if match is None:
        raise ValueError(f"{cron!r} is no expression of a maintenance window")
    minute, hour, day, weekday = match.groups()
    weekdays: tuple[int, ...] = ()
    nth: NthWeekday | None = None
    if weekday.startswith("L"):
        nth = NthWeekday("last", _our_day(weekday[1:]))
    elif "#" in weekday:
        of, _, n = weekday.partition("#")
        nth = NthWeekday(int(n), _our_day(of))
    elif weekday != "*":
        weekdays = tuple(sorted(_our_day(each) for each in weekday.split(",")))
    day_of_month: int | Last | None = None if day == "*" else "last" if day == "L" else int(day)
    start = time(int(hour), int(minute))
    return Window(kind, timezone, duration_minutes, start, weekdays, day_of_month, nth, cutoff_minutes=cutoff_minutes)


def _cron_day(weekday: int) -> int:
    return (weekday + 1) % 7


def _our_day(cron_day: str) -> int:
    return (int(cron_day) - 1) % 7


def in_zone(at: datetime, timezone: str) -> str:
    """An instant as people read it on the clock of a zone: ``Tue 2031-03-04 22:00 Europe/Berlin``."""
    return f"{at.astimezone(zone_of(timezone) or UTC):%a %Y-%m-%d %H:%M} {timezone}"
