"""When windows open: by tables for the days that people ask about, by an independent account for all the others."""

from __future__ import annotations

import random
import zlib
from datetime import UTC, datetime, time, timedelta
from functools import partial
from itertools import takewhile
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.domain.jobs import When
from patch_manager.domain.occurrences import Occurrence, closing_after, nominal_dates, occurrences
from patch_manager.domain.openings import HostWindow, plan
from patch_manager.domain.windows import NthWeekday, Window, WindowKind, time_zones
from tests.domain.test_windows import window
from tests.domain.zones import BEGIN, distinct_zones, first_shown, naive_openings, stretches

START = datetime(2026, 7, 1, tzinfo=UTC)
STOP = datetime(2036, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def shown(stated: Window, after: datetime, count: int) -> list[str]:
    """Openings on the clock of the window's zone."""
    zone = ZoneInfo(stated.timezone)
    return [each.opens_at.astimezone(zone).isoformat() for each in occurrences(stated, after, count)]


def at(text: str) -> datetime:
    """A moment, UTC unless it says otherwise."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def test_a_start_in_a_gap_opens_at_its_end() -> None:
    stated = window("daily", start_time=time(2, 30))
    assert shown(stated, at("2027-03-27"), 3) == [
        "2027-03-27T02:30:00+01:00",
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
    ]


def test_an_ambiguous_start_opens_once_at_its_first_occurrence() -> None:
    stated = window("daily", start_time=time(2, 30))
    assert shown(stated, at("2027-10-30"), 3) == [
        "2027-10-30T02:30:00+02:00",
        "2027-10-31T02:30:00+02:00",
        "2027-11-01T02:30:00+01:00",
    ]


def test_a_gap_over_midnight_costs_the_next_day_nothing() -> None:
    stated = window("daily", start_time=time(23, 30), timezone="America/Nuuk")
    assert shown(stated, at("2027-03-26T12:00"), 3) == [
        "2027-03-26T23:30:00-02:00",
        "2027-03-28T00:00:00-01:00",
        "2027-03-28T23:30:00-01:00",
    ]


def test_a_gap_of_half_an_hour_ends_where_it_ends() -> None:
    stated = window("daily", start_time=time(2, 10), timezone="Australia/Lord_Howe")
    assert shown(stated, at("2027-10-02T00:00"), 1) == ["2027-10-03T02:30:00+11:00"]


def test_a_day_that_a_zone_left_out_opens_once() -> None:
    stated = window("daily", start_time=time(0), timezone="Pacific/Apia")
    assert shown(stated, at("2011-12-29T12:00"), 2) == ["2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"]


@pytest.mark.parametrize(("night", "closes"), [("2027-03-27", "2027-03-28T05:00"), ("2027-10-30", "2027-10-31T03:00")])
def test_a_window_over_midnight_lasts_as_long_as_it_says_when_clocks_change(night: str, closes: str) -> None:
    stated = window("daily", start_time=time(23), duration_minutes=300)  # 22:00 UTC in winter, 21:00 in summer
    (found,) = occurrences(stated, at(night), 1)
    assert found.closes_at - found.opens_at == timedelta(hours=5)
    assert found.closes_at.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=UTC) == at(closes)


@pytest.mark.parametrize(
    ("stated", "days"),
    [
        (window("monthly", day_of_month=31), ["2027-01-31", "2027-03-31", "2027-05-31"]),
        (window("monthly", day_of_month=29), ["2027-01-29", "2027-03-29", "2027-04-29"]),
        (window("monthly", day_of_month="last"), ["2027-01-31", "2027-02-28", "2027-03-31"]),
        (window("monthly", nth_weekday=NthWeekday(2, 1)), ["2027-01-12", "2027-02-09", "2027-03-09"]),
        (window("monthly", nth_weekday=NthWeekday("last", 6)), ["2027-01-31", "2027-02-28", "2027-03-28"]),
        (window("weekly", weekdays=(0, 4)), ["2027-01-01", "2027-01-04", "2027-01-08"]),
    ],
)
def test_dates_are_those_of_the_calendar(stated: Window, days: list[str]) -> None:
    assert [text[:10] for text in shown(stated, at("2026-12-31T23:00"), 3)] == days


def test_the_29th_of_february_comes_in_leap_years() -> None:
    assert [day.day for day in nominal_dates("29 * *", 2028, 2)] == [29]
    assert nominal_dates("29 * *", 2027, 2) == ()


def test_a_one_time_window_opens_once() -> None:
    stated = window("once", starts_at=at("2030-01-01T22:00:00+01:00"))
    assert [each.opens_at for each in occurrences(stated, START, 5)] == [at("2030-01-01T21:00")]
    assert occurrences(stated, at("2030-01-01T21:00"), 5) == ()
    assert next(closing_after(stated, at("2030-01-01T21:59"))).closes_at == at("2030-01-01T22:00")
    assert list(closing_after(stated, at("2030-01-01T22:00"))) == []


def test_the_next_occurrence_begins_after_the_moment_asked_about() -> None:
    stated = window("daily", timezone="UTC")
    assert occurrences(stated, at("2030-01-01T21:59:59"), 1)[0].opens_at == at("2030-01-01T22:00")
    assert occurrences(stated, at("2030-01-01T22:00"), 1)[0].opens_at == at("2030-01-02T22:00")


def some_window(name: str, rng: random.Random) -> Window:
    """Any recurring window in that zone."""
    start = time(rng.randrange(24), rng.choice([0, 15, 30, 59]))
    kind = rng.choice([WindowKind.DAILY, WindowKind.WEEKLY, WindowKind.MONTHLY, WindowKind.MONTHLY])
    fields: dict[str, object] = {}
    if kind is WindowKind.WEEKLY:
        fields["weekdays"] = tuple(sorted(rng.sample(range(7), rng.randint(1, 3))))
    elif kind is WindowKind.MONTHLY and rng.random() < 0.5:
        fields["day_of_month"] = rng.choice([1, 15, 28, 29, 30, 31, "last"])
    elif kind is WindowKind.MONTHLY:
        fields["nth_weekday"] = NthWeekday(rng.choice([1, 2, 3, 4, "last"]), rng.randrange(7))
    return window(kind.value, timezone=name, start_time=start, duration_minutes=rng.choice([30, 240]), **fields)


def previewed(stated: Window, after: datetime, until: datetime) -> list[datetime]:
    """What a preview shows, page by page, as the pages ask for it."""
    found: list[datetime] = []
    while after < until:
        page = occurrences(stated, after, 20)
        found += [each.opens_at for each in page if each.opens_at < until]
        after = page[-1].opens_at
    return found


def scheduled(stated: Window, now: datetime, until: datetime) -> list[datetime]:
    """When a scheduler that plans job after job would start them: each waits for the next opening."""
    windows = (HostWindow(UUID(int=1), "nightly", stated),)
    found: list[datetime] = []
    while True:
        planned = plan(windows, (), now, When.WINDOW).not_before
        assert planned is not None
        if planned >= until:
            return found
        if planned > now:
            found.append(planned)
        now = planned + stated.duration


@pytest.mark.parametrize("share", range(4))
def test_previews_equal_the_scheduler_and_the_naive_account_in_every_zone_for_ten_years(share: int) -> None:
    for name in distinct_zones()[share::4]:
        rng = random.Random(zlib.crc32(name.encode()))  # noqa: S311 - dice, not secrets
        stated = some_window(name, rng)
        expected = [
            moment
            for moment in naive_openings(stated, BEGIN.date() + timedelta(days=20), STOP.date() + timedelta(days=3))
            if START < moment < STOP
        ]
        seen = previewed(stated, START, STOP)
        assert seen == expected, stated
        if len(expected) > 600:  # a scheduler of every day of ten years takes long: the last three years
            seen = [moment for moment in seen if moment > STOP - timedelta(days=1100)]
        assert scheduled(stated, seen[0] - HOUR, STOP) == seen, stated


def opens_before(until: datetime, each: Occurrence) -> bool:
    return each.opens_at < until


@pytest.mark.parametrize("share", range(4))
def test_starts_around_every_change_of_clocks_agree_with_the_naive_account(share: int) -> None:
    for name in distinct_zones()[share::4]:
        changes = [(a, b) for a, b in zip(stretches(name), stretches(name)[1:], strict=False) if START < a.end < STOP]
        for before, after in changes[:6] + changes[-2:]:
            edge = min(before.offset, after.offset)
            for minutes in (-1, 0, 1, 29, 30, 59, 60, 61):
                nominal = (before.end + edge + timedelta(minutes=minutes)).replace(tzinfo=None)
                stated = window("daily", timezone=name, start_time=nominal.time())
                since = before.end - timedelta(days=2)
                until = since + timedelta(days=4)
                found = takewhile(partial(opens_before, until), closing_after(stated, since))
                expected = [
                    moment
                    for offset in range(-4, 5)
                    if (moment := first_shown(name, nominal + timedelta(days=offset))) + HOUR > since and moment < until
                ]
                assert [each.opens_at for each in found] == expected, stated


@settings(deadline=None)
@given(
    st.sampled_from(sorted(time_zones())),
    st.randoms(use_true_random=False),
    st.integers(0, 99 * 365 * 24 * 60).map(
        lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
def test_occurrences_rise_never_repeat_and_do_not_depend_on_where_one_began(
    name: str, rng: random.Random, since: datetime
) -> None:
    stated = some_window(name, rng)
    found = occurrences(stated, since, 8)
    opened = [each.opens_at for each in found]
    assert opened == sorted(set(opened))
    assert len(found) == 8
    assert all(each.closes_at - each.opens_at == stated.duration for each in found)
    assert occurrences(stated, found[2].opens_at, 5) == found[3:]
    assert next(closing_after(stated, found[4].closes_at - timedelta(seconds=1))).closes_at <= found[4].closes_at
