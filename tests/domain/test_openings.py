"""When a host may be touched: windows put together, cutoffs, freezes, and the plans that jobs wait by."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.domain.jobs import When
from patch_manager.domain.openings import (
    Freeze,
    HostWindow,
    Plan,
    closed_to_go_on,
    closed_to_start,
    open_now,
    openings,
    plan,
)
from patch_manager.domain.windows import Window, WindowKind

DAY = datetime(2030, 5, 1, tzinfo=UTC)
FAR = datetime(2090, 1, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    """So many hours after the day's beginning."""
    return DAY + timedelta(hours=hours)


def once(hours: float, length: float, cutoff: int = 0, name: str = "once") -> HostWindow:
    """A one-time window."""
    stated = Window(WindowKind.ONCE, "UTC", round(length * 60), starts_at=at(hours), cutoff_minutes=cutoff)
    return HostWindow(UUID(int=1), name, stated)


def daily(hour: int, length: float, cutoff: int = 0) -> HostWindow:
    """A daily window called nightly, in UTC."""
    stated = Window(WindowKind.DAILY, "UTC", round(length * 60), time(hour), cutoff_minutes=cutoff)
    return HostWindow(UUID(int=2), "nightly", stated)


def freeze(begin: float, end: float, reason: str = "year end") -> Freeze:
    """A freeze over the day's hours."""
    return Freeze(UUID(int=3), None, at(begin), at(end), reason)


def test_a_window_is_open_from_its_opening_up_to_its_close() -> None:
    windows = [once(22, 2)]
    assert open_now(windows, at(22) - timedelta(microseconds=1)) is None
    assert open_now(windows, at(22)) is not None
    assert open_now(windows, at(24) - timedelta(microseconds=1)) is not None
    assert open_now(windows, at(24)) is None


def test_windows_that_overlap_or_meet_are_one_opening() -> None:
    found = list(openings([once(22, 2), once(23, 2), once(25, 1), once(27, 1)], DAY))
    assert [(each.opens_at, each.closes_at) for each in found] == [(at(22), at(26)), (at(27), at(28))]


def test_a_daily_window_of_a_whole_day_never_closes() -> None:
    windows = [daily(22, 24)]
    for moment in (at(0), at(21.9), at(22), at(500)):
        opening = open_now(windows, moment)
        assert opening is not None
        assert opening.closes_at > moment + timedelta(days=13)
    first, second = islice(openings(windows, at(0)), 2)
    assert first.closes_at == second.opens_at


def test_nothing_starts_within_the_cutoff_and_what_runs_goes_on() -> None:
    windows = [daily(22, 1, cutoff=15)]
    assert closed_to_start(windows, (), at(22.7), When.WINDOW) is None
    late = closed_to_start(windows, (), at(22.75), When.WINDOW)
    assert late is not None
    assert late.until == at(46)
    assert closed_to_go_on(windows, (), at(22.99), When.WINDOW) is None
    assert closed_to_go_on(windows, (), at(23), When.WINDOW) is not None


def test_a_following_window_takes_the_cutoff_of_the_first_away() -> None:
    windows = [once(22, 1, cutoff=30), once(23, 1)]
    assert closed_to_start(windows, (), at(22.9), When.WINDOW) is None


def test_a_job_for_a_window_says_which_one_it_waits_for() -> None:
    assert plan([daily(22, 1)], (), at(3), When.WINDOW) == Plan(
        at(22), "waiting: maintenance window “nightly”, which opens Wed 2030-05-01 22:00 UTC"
    )
    assert plan([daily(22, 1)], (), at(22.5), When.WINDOW) == Plan(
        at(22.5), "queued: maintenance window “nightly” is open until Wed 2030-05-01 23:00 UTC", True
    )
    assert plan([], (), at(3), When.WINDOW) == Plan(None, "waiting: this host has no maintenance window yet")
    assert plan([once(1, 1)], (), at(3), When.WINDOW) == Plan(
        None, "waiting: no maintenance window of this host opens again"
    )


def test_a_freeze_stops_every_start_and_is_told_with_its_reason() -> None:
    frozen = (freeze(20, 24 + 22.5),)
    assert plan([daily(22, 1)], frozen, at(3), When.WINDOW) == Plan(
        at(24 + 22.5),
        "waiting: frozen until Thu 2030-05-02 22:30 UTC (year end); maintenance window “nightly”, "
        "from Thu 2030-05-02 22:30 UTC",
    )
    assert plan([], frozen, at(21), When.NOW) == Plan(
        at(24 + 22.5), "waiting: frozen until Thu 2030-05-02 22:30 UTC (year end)"
    )
    assert plan([], frozen, at(19), When.NOW).starts_now
    assert closed_to_go_on([daily(22, 1)], frozen, at(22.5), When.WINDOW) is not None
    assert closed_to_go_on([], frozen, at(22.5), When.NOW) is not None
    assert closed_to_go_on([], frozen, at(24 + 22.5), When.NOW) is None


def test_freezes_that_follow_each_other_are_waited_out() -> None:
    frozen = (freeze(5, 10), freeze(1, 6, "first"), freeze(10, 12))
    assert plan([], frozen, at(2), When.NOW).not_before == at(12)


QUARTERS = st.integers(0, 4 * 72)
WINDOWS = st.lists(
    st.one_of(
        st.builds(
            lambda q, n, c: once(q / 4, n / 4, min(c, n * 15 - 1)), QUARTERS, st.integers(1, 40), st.integers(0, 60)
        ),
        st.builds(
            lambda h, n, c: daily(h, n / 4, min(c, n * 15 - 1)),
            st.integers(0, 23),
            st.integers(1, 96),
            st.integers(0, 60),
        ),
    ),
    max_size=4,
)
FREEZES = st.lists(st.builds(lambda q, n: freeze(q / 4, (q + n) / 4), QUARTERS, st.integers(1, 200)), max_size=3)


def naively_open(windows: list[HostWindow], moment: datetime, cutoff: bool) -> bool:
    """Walk minute by minute to the end of the opening, asking each window's every day."""
    spans = [span for window in windows for span in spans_of(window)]
    if not any(begin <= moment < end for begin, end, _ in spans):
        return False
    begin, end = moment, moment
    while reached := [span for span in spans if span[0] <= end < span[1]]:
        end = max(span[1] for span in reached)
    while reached := [span for span in spans if span[0] < begin <= span[1]]:
        begin = min(span[0] for span in reached)
    return not cutoff or any(moment < until for b, e, until in spans if begin <= b and e <= end)


def spans_of(window: HostWindow) -> list[tuple[datetime, datetime, datetime]]:
    stated = window.window
    if stated.starts_at is not None:
        starts = [stated.starts_at]
    else:
        assert stated.start_time is not None
        starts = [datetime.combine(DAY, stated.start_time, UTC) + timedelta(days=n) for n in range(-3, 20)]
    return [(s, s + stated.duration, s + stated.duration - stated.cutoff) for s in starts]


@settings(deadline=None)
@given(WINDOWS, FREEZES, st.integers(0, 72 * 60))
def test_the_last_check_agrees_with_a_naive_account(
    windows: list[HostWindow], frozen: list[Freeze], minute: int
) -> None:
    moment = DAY + timedelta(minutes=minute)
    stopped = any(each.covers(moment) for each in frozen)
    may_start = naively_open(windows, moment, True) and not stopped
    may_go_on = naively_open(windows, moment, False) and not stopped
    assert (closed_to_start(windows, frozen, moment, When.WINDOW) is None) is may_start
    assert (closed_to_go_on(windows, frozen, moment, When.WINDOW) is None) is may_go_on
    assert (closed_to_start([], frozen, moment, When.NOW) is None) is not stopped


@settings(deadline=None)
@given(WINDOWS, FREEZES, st.integers(0, 72 * 60), st.sampled_from(When))
def test_what_is_planned_may_start_then_and_not_before(
    windows: list[HostWindow], frozen: list[Freeze], minute: int, when: When
) -> None:
    moment = DAY + timedelta(minutes=minute)
    planned = plan(windows, frozen, moment, when)
    if planned.not_before is None:
        horizon = moment + timedelta(days=4)
    else:
        assert planned.not_before >= moment
        assert planned.starts_now is (planned.not_before == moment)
        assert closed_to_start(windows, frozen, planned.not_before, when) is None
        horizon = planned.not_before
    while moment < horizon:  # every quarter, as all that is drawn lies on quarters or before their end
        assert closed_to_start(windows, frozen, moment, when) is not None
        moment += timedelta(minutes=15)
