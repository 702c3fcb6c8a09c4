"""When what is told: alarms that flap, storms that become one message, thresholds, retries."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.domain.notification_rules import (
    GIVE_UP,
    HOLD,
    LASTING,
    LONGEST,
    LONGEST_RETRY,
    PAUSES,
    QUIET,
    RENEWED_THRESHOLDS,
    Alarm,
    Topic,
    digest_due,
    retry_delay,
    threshold,
    watch_host,
)
from patch_manager.domain.notifications import EventKind

NOW = datetime(2030, 5, 17, 9, 0, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 90)), max_size=60))
@settings(deadline=None)
def test_a_flapping_host_is_told_alternately_and_never_twice_within_the_hold(states: list[tuple[bool, int]]) -> None:
    alarm: Alarm | None = None
    at, since, was = NOW, NOW, False
    told: list[tuple[datetime, EventKind]] = []
    for red, minutes in states:
        if red != was:
            since, was = at, red
        for _ in range(minutes * 2):
            at += 30 * SECOND
            alarm, news = watch_host(alarm, red=red, since=since, now=at)
            if news is not None:
                told.append((at, news))
    kinds = [kind for _, kind in told]
    turns = itertools.cycle((EventKind.HOST_UNREACHABLE, EventKind.HOST_RECOVERED))
    assert kinds == [kind for kind, _ in zip(turns, kinds, strict=False)]
    red_at = [at for at, kind in told if kind is EventKind.HOST_UNREACHABLE]
    assert all(later - earlier >= HOLD for earlier, later in itertools.pairwise(red_at))
    if states and states[-1] == (True, 90):  # whoever is red for longer than the hold has been told so
        assert kinds[-1] is EventKind.HOST_UNREACHABLE


def test_a_host_that_was_red_only_for_a_moment_is_not_told() -> None:
    assert watch_host(None, red=True, since=NOW, now=NOW + LASTING - SECOND) == (None, None)
    assert watch_host(None, red=True, since=NOW, now=NOW + LASTING)[1] is EventKind.HOST_UNREACHABLE


def topic(
    kind: EventKind, first: timedelta, last: timedelta, told: timedelta | None = None, over: bool = False
) -> Topic:
    """A topic whose events and digest lie so long before now."""
    return Topic(kind, "d", NOW - first, NOW - last, 500, None if told is None else NOW - told, over)


PAUSE = PAUSES[EventKind.JOB_FAILED]


@pytest.mark.parametrize(
    ("waiting", "due"),
    [
        (topic(EventKind.JOB_FAILED, QUIET, QUIET), True),
        (topic(EventKind.JOB_FAILED, QUIET, SECOND), False),  # more are coming
        (topic(EventKind.JOB_FAILED, LONGEST, SECOND), True),  # and yet nobody waits for ever
        (topic(EventKind.JOB_FAILED, MINUTE, MINUTE, told=PAUSE - SECOND), False),  # told a moment ago
        (topic(EventKind.JOB_FAILED, PAUSE, MINUTE, told=PAUSE), True),
        (
            topic(EventKind.JOB_FAILED, MINUTE, QUIET, told=MINUTE, over=True),
            True,
        ),  # the rest of a deployment at its end
        (topic(EventKind.JOB_FAILED, MINUTE, SECOND, told=MINUTE, over=True), False),
        (topic(EventKind.WINDOW_OPENING, QUIET, QUIET, told=SECOND), True),  # no pause
    ],
)
def test_a_storm_becomes_one_message(waiting: Topic, due: bool) -> None:
    assert digest_due(waiting, NOW) is due


@given(st.integers(1, 500), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e9))
@settings(deadline=None)
def test_retries_wait_longer_each_time_and_never_beyond_an_hour(
    attempts: int, jitter: float, wish: float | None
) -> None:
    delay = retry_delay(attempts, jitter, wish)
    assert timedelta(seconds=48) <= delay <= LONGEST_RETRY
    assert delay >= min(timedelta(seconds=wish or 0), LONGEST_RETRY)


def test_a_day_of_retries_begins_after_a_minute_and_ends() -> None:
    delays = [retry_delay(attempts, 0.5) for attempts in range(1, 40)]
    assert delays[:7] == [MINUTE * 2**n for n in range(6)] + [LONGEST_RETRY]
    tries = next(n for n in range(40) if sum(delays[:n], timedelta()) > GIVE_UP)
    assert 25 <= tries <= 32


@pytest.mark.parametrize(
    ("left", "days", "renewed"),
    [
        (timedelta(days=31), None, None),
        (timedelta(days=30), 30, None),  # the manager is about to renew its own
        (timedelta(days=13), 14, 14),
        (timedelta(days=7), 7, 7),
        (timedelta(hours=5), 1, 1),
        (timedelta(hours=-5), 0, 0),
    ],
)
def test_the_nearest_threshold_counts(left: timedelta, days: int | None, renewed: int | None) -> None:
    assert threshold(NOW + left, NOW) == days
    assert threshold(NOW + left, NOW, RENEWED_THRESHOLDS) == renewed
