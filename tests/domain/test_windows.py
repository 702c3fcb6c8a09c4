"""Windows: what may be stated, and how a statement is kept."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_manager.domain.windows import (
    NthWeekday,
    Window,
    WindowKind,
    cron_of,
    in_zone,
    problems,
    time_zones,
    window_from,
)


def window(kind: str, **fields: Any) -> Window:
    """A window of an hour at 22:00 in Berlin, unless said otherwise."""
    usual: dict[str, Any] = {"timezone": "Europe/Berlin", "duration_minutes": 60}
    if kind != "once":
        usual["start_time"] = time(22)
    return Window(WindowKind(kind), **usual | fields)


TIMES = st.times().map(lambda at: time(at.hour, at.minute))
WEEKDAYS = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
DAYS = st.integers(1, 31) | st.just("last")
NTH = st.builds(NthWeekday, st.integers(1, 4) | st.just("last"), st.integers(0, 6))
RECURRING = st.one_of(
    st.builds(lambda at: window("daily", start_time=at), TIMES),
    st.builds(lambda at, days: window("weekly", start_time=at, weekdays=days), TIMES, WEEKDAYS),
    st.builds(lambda at, day: window("monthly", start_time=at, day_of_month=day), TIMES, DAYS),
    st.builds(lambda at, nth: window("monthly", start_time=at, nth_weekday=nth), TIMES, NTH),
)


@given(RECURRING)
def test_a_window_is_kept_as_an_expression_and_comes_back_as_it_was(stated: Window) -> None:
    assert problems(stated) == ()
    kept = window_from(stated.kind, cron_of(stated), None, stated.timezone, 60, 0)
    assert kept == stated


@pytest.mark.parametrize(
    ("stated", "cron"),
    [
        (window("daily"), "0 22 * * *"),
        (window("weekly", weekdays=(0, 6), start_time=time(0, 30)), "30 0 * * 0,1"),
        (window("monthly", day_of_month=31), "0 22 31 * *"),
        (window("monthly", day_of_month="last"), "0 22 L * *"),
        (window("monthly", nth_weekday=NthWeekday(2, 1)), "0 22 * * 2#2"),
        (window("monthly", nth_weekday=NthWeekday("last", 6)), "0 22 * * L0"),
        (window("once", starts_at=datetime(2030, 1, 1, tzinfo=UTC)), None),
    ],
)
def test_expressions_are_those_that_people_know(stated: Window, cron: str | None) -> None:
    assert problems(stated) == ()
    assert cron_of(stated) == cron


@pytest.mark.parametrize("cron", ["", "0 22 * * * *", "R 22 * * *", "0 22 30 2 *", "@daily", "0 22 * * MON"])
def test_an_expression_that_is_not_ours_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match="no expression of a maintenance window"):
        window_from(WindowKind.DAILY, cron, None, "UTC", 60, 0)


@pytest.mark.parametrize(
    ("stated", "field", "words"),
    [
        (window("daily", timezone="Europe/Atlantis"), "timezone", "IANA"),
        (window("daily", timezone="../etc/passwd"), "timezone", "IANA"),
        (window("daily", timezone="localtime"), "timezone", "IANA"),
        (window("daily", timezone="europe/berlin"), "timezone", "IANA"),
        (window("daily", start_time=None), "start_time", "needs the time of day"),
        (window("daily", weekdays=(1,)), "weekdays", "make it weekly"),
        (window("daily", day_of_month=1), "day_of_month", "make it monthly"),
        (window("daily", nth_weekday=NthWeekday(1, 1)), "nth_weekday", "make it monthly"),
        (window("daily", starts_at=datetime(2030, 1, 1, tzinfo=UTC)), "starts_at", "repeats"),
        (window("daily", duration_minutes=0), "duration_minutes", "1 to 1440 minutes"),
        (window("daily", duration_minutes=1441), "duration_minutes", "1 to 1440 minutes"),
        (window("weekly", weekdays=(1,), duration_minutes=10081), "duration_minutes", "1 to 10080 minutes"),
        (window("weekly"), "weekdays", "0 is Monday"),
        (window("weekly", weekdays=(7,)), "weekdays", "0 (Monday) to 6"),
        (window("monthly"), "day_of_month", "either"),
        (window("monthly", day_of_month=1, nth_weekday=NthWeekday(1, 1)), "day_of_month", "either"),
        (window("monthly", day_of_month=32), "day_of_month", "1 to 31"),
        (window("monthly", nth_weekday=NthWeekday(5, 1)), "nth_weekday/n", "1 to 4"),
        (window("monthly", nth_weekday=NthWeekday(1, 7)), "nth_weekday/weekday", "0 (Monday)"),
        (window("once"), "starts_at", "needs the date"),
        (window("once", starts_at=datetime(2030, 1, 1, tzinfo=UTC), start_time=time(1)), "start_time", "besides"),
        (window("once", starts_at=datetime(9500, 1, 1, tzinfo=UTC)), "starts_at", "between the years"),
        (window("daily", cutoff_minutes=60), "cutoff_minutes", "shorter than the window"),
        (window("daily", cutoff_minutes=-1), "cutoff_minutes", "negative"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(stated: Window, field: str, words: str) -> None:
    (problem,) = problems(stated)
    assert problem.field == field
    assert words in problem.words


def test_every_zone_has_a_name_that_means_the_same_everywhere() -> None:
    assert {"UTC", "Europe/Berlin", "America/Nuuk", "Asia/Kolkata"} <= time_zones()
    assert not {"localtime", "posixrules", "Factory"} & time_zones()


def test_times_are_told_on_the_clock_of_the_zone() -> None:
    assert in_zone(datetime(2027, 3, 28, 1, tzinfo=UTC), "Europe/Berlin") == "Sun 2027-03-28 03:00 Europe/Berlin"
