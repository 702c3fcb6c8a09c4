"""Which opening a host is in, and when a ring may start."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from patch_manager.domain.jobs import JobState
from patch_manager.domain.openings import HostWindow, open_now
from patch_manager.domain.policies import History, LastJob, held_because, next_change, opening_at
from patch_manager.domain.rollouts import RingSpec, Rollout, assign
from patch_manager.domain.windows import Window, WindowKind

NOON = datetime(2031, 3, 3, 12, tzinfo=UTC)
HOSTS = [UUID(int=number) for number in range(1, 5)]
RINGS = (RingSpec(host_ids=(HOSTS[0], HOSTS[1])), RingSpec(host_ids=(HOSTS[2],)))


def window(number: int, start: time, minutes: int, cutoff: int = 0) -> HostWindow:
    return HostWindow(
        UUID(int=number), f"w{number}", Window(WindowKind.DAILY, "UTC", minutes, start, cutoff_minutes=cutoff)
    )


def test_windows_that_overlap_are_one_opening_also_when_the_first_has_closed() -> None:
    windows = (window(1, time(22), 60), window(2, time(22, 30), 90))
    early, late = (opening_at(windows, NOON.replace(hour=hour, minute=15)) for hour in (22, 23))
    assert early is not None
    assert late is not None
    assert early.opens_at == late.opens_at == NOON.replace(hour=22)
    assert opening_at(windows, NOON) is None
    assert next_change(windows, NOON) == NOON.replace(hour=22)


def test_a_host_that_is_always_open_has_an_opening_every_day() -> None:
    windows = (window(1, time(6), 1440),)
    days = [opening_at(windows, NOON + timedelta(days=day)) for day in range(3)]
    begins = [opening.opens_at for opening in days if opening is not None]
    assert begins == [NOON.replace(hour=6) + timedelta(days=day) for day in range(3)]


@given(
    st.lists(st.tuples(st.integers(0, 23), st.integers(1, 1440), st.integers(0, 200)), min_size=1, max_size=3),
    st.integers(0, 3 * 1440),
)
def test_an_opening_begins_once_and_answers_hold_until_they_are_said_to(
    drawn: list[tuple[int, int, int]], minute: int
) -> None:
    windows = tuple(
        window(number, time(hour), minutes, min(cutoff, minutes - 1))
        for number, (hour, minutes, cutoff) in enumerate(drawn)
    )
    now = NOON + timedelta(minutes=minute)
    opening, until = opening_at(windows, now), next_change(windows, now)
    if opening is not None:
        assert open_now(windows, now) is not None
        assert opening.opens_at <= now < opening.start_until
    assert until is not None
    assert until > now
    almost = opening_at(windows, until - timedelta(microseconds=1))
    assert (almost is None) == (opening is None)


def held(history: History, **rule: float) -> tuple[str | None, ...]:
    rollout = Rollout(rings=RINGS, **rule)  # type: ignore[arg-type]  # numbers as they are named
    return held_because(rollout, assign(rollout, dict.fromkeys(HOSTS, ())), history, NOON)


def ran(**states: JobState) -> History:
    """Jobs of hosts ``h0`` to ``h3``; all ended an hour ago."""
    jobs = {
        HOSTS[int(name[1:])]: LastJob(state, NOON - timedelta(hours=1) if state.terminal else None)
        for name, state in states.items()
    }
    return History(jobs, frozenset(jobs))


def test_a_ring_starts_when_those_before_it_have_ended_well_and_soaked() -> None:
    done, bad, busy = JobState.SUCCEEDED, JobState.FAILED, JobState.RUNNING
    assert held(History()) == (None, *["ring “canary” goes first and had no opening yet"] * 2)
    assert held(ran(h0=done)) == (None, None, "ring “ring 2” goes first and had no opening yet")
    assert held(ran(h0=done, h1=done, h2=done)) == (None, None, None)
    assert held(ran(h0=busy, h1=done, h2=done))[1:] == ("ring “canary” has 1 job that has not ended",) * 2
    assert held(ran(h0=done, h2=done), soak_minutes=90)[1] == "ring “canary” soaks until Mon 2031-03-03 12:30 UTC"
    assert held(ran(h0=done, h2=done), soak_minutes=60) == (None, None, None)
    assert held(ran(h0=bad, h1=done), stop_after_failures=1)[1] is None
    assert held(ran(h0=bad, h1=bad), stop_after_failures=1)[1] == "2 jobs failed up to ring “canary”, more than 1"
    assert held(ran(h0=bad, h1=done, h2=bad), stop_after_failures=1)[1:] == (
        None,
        "2 jobs failed up to ring “ring 2”, more than 1",
    )
    assert held(ran(h0=JobState.OUTCOME_UNKNOWN, h1=done), stop_after_failed_percent=40)[1] == (
        "1 of 2 jobs of ring “canary” failed, more than 40%"
    )
    assert held(ran(h0=bad, h1=done), stop_after_failed_percent=50)[1] is None
    assert held(ran(h0=bad, h1=JobState.CANCELLED), stop_after_failed_percent=99)[1] is not None


def test_a_ring_that_had_nothing_to_do_holds_nobody() -> None:
    assert held(History(met=frozenset(HOSTS))) == (None, None, None)


@given(st.lists(st.sampled_from(JobState), min_size=4, max_size=4), st.integers(0, 4), st.integers(0, 120))
def test_what_holds_a_ring_holds_those_behind_it(states: list[JobState], most: int, soak: int) -> None:
    history = ran(**{f"h{number}": state for number, state in enumerate(states)})
    reasons = held(history, stop_after_failures=most, soak_minutes=soak)
    assert reasons[0] is None
    assert reasons[1] is None or reasons[2] == reasons[1]
    if reasons[2] is None:
        before = [history.last_jobs[host] for host in HOSTS[:3]]
        assert all(job.state.terminal for job in before)
        assert sum(job.failed for job in before) <= most
