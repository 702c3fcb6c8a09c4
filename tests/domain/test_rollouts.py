"""Which host falls into which ring, and what is decided about a rollout under way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.domain.deployments import JobTotals
from patch_manager.domain.ring_rules import (
    Over,
    Progress,
    Release,
    RingCount,
    Stay,
    Stop,
    decide,
    ring_state,
    soak_until,
    waiting_words,
)
from patch_manager.domain.rollouts import RingSpec, RingState, Rollout, assign, problems_of

NOW = datetime(2031, 3, 4, 22, 0, tzinfo=UTC)
A, B = UUID(int=1001), UUID(int=1002)


def hosts(count: int, *groups: UUID) -> dict[UUID, tuple[UUID, ...]]:
    return {UUID(int=number + 1): groups for number in range(count)}


def ids(*numbers: int) -> tuple[UUID, ...]:
    return tuple(UUID(int=number) for number in numbers)


def sizes(rollout: Rollout, of: dict[UUID, tuple[UUID, ...]]) -> list[tuple[str, int]]:
    found = assign(rollout, of)
    assert not found.problems
    assert found.ring_of.keys() == of.keys()
    return [(name, list(found.ring_of.values()).count(ring)) for ring, name in enumerate(found.names)]


@pytest.mark.parametrize(
    ("rings", "expected"),
    [
        ((), [("all", 10)]),
        ((RingSpec(count=2),), [("canary", 2), ("rest", 8)]),
        ((RingSpec(percent=10),), [("canary", 1), ("rest", 9)]),
        ((RingSpec(percent=11),), [("canary", 2), ("rest", 8)]),
        ((RingSpec(percent=30), RingSpec(percent=50)), [("canary", 3), ("ring 2", 5), ("rest", 2)]),
        ((RingSpec("a", count=10),), [("a", 10)]),
        ((RingSpec("a", count=99),), [("a", 10)]),
        ((RingSpec(count=9), RingSpec(host_ids=ids(1, 2))), [("canary", 8), ("ring 2", 2)]),
        ((RingSpec(host_ids=ids(1, 2)), RingSpec(host_ids=ids(2, 3))), [("canary", 2), ("ring 2", 1), ("rest", 7)]),
    ],
)
def test_every_host_is_in_one_ring(rings: tuple[RingSpec, ...], expected: list[tuple[str, int]]) -> None:
    assert sizes(Rollout(rings), hosts(10)) == expected


def test_hosts_of_groups_go_with_the_first_ring_that_names_them() -> None:
    fleet = {**hosts(3, A), UUID(int=50): (A, B), UUID(int=51): (B,), UUID(int=52): ()}
    rollout = Rollout((RingSpec("b", group_ids=(B,)), RingSpec("a", group_ids=(A,))))
    assert sizes(rollout, fleet) == [("b", 2), ("a", 3), ("rest", 1)]


def test_the_same_hosts_give_the_same_rings_in_whatever_order_they_come() -> None:
    fleet = hosts(200)
    rollout = Rollout((RingSpec(count=5), RingSpec(percent=20)))
    assert assign(rollout, fleet) == assign(rollout, dict(reversed(fleet.items())))
    canaries = {host for host, ring in assign(rollout, fleet).ring_of.items() if ring == 0}
    assert canaries != set(ids(1, 2, 3, 4, 5)), "hosts that were added first are no sample"


@pytest.mark.parametrize(
    ("rings", "pointers"),
    [
        ((RingSpec(host_ids=ids(1, 77)),), ["/rings/0/host_ids/1"]),
        ((RingSpec(group_ids=(A,)),), ["/rings/0"]),
        ((RingSpec(count=10), RingSpec(count=1)), ["/rings/1"]),
        ((RingSpec(host_ids=ids(1)), RingSpec(host_ids=ids(1))), ["/rings/1"]),
    ],
)
def test_a_ring_without_hosts_is_told(rings: tuple[RingSpec, ...], pointers: list[str]) -> None:
    assert [problem.pointer for problem in assign(Rollout(rings), hosts(10)).problems] == pointers


@pytest.mark.parametrize(
    ("rollout", "pointers"),
    [
        (Rollout(), [""]),
        (Rollout((RingSpec(),)), ["/rings/0"]),
        (Rollout((RingSpec(count=1, percent=5),)), ["/rings/0"]),
        (Rollout((RingSpec(count=0), RingSpec(percent=0), RingSpec(percent=101))),
         ["/rings/0/count", "/rings/1/percent", "/rings/2/percent"]),
        (Rollout((RingSpec("n" * 61, count=1),)), ["/rings/0/name"]),
        (Rollout(soak_minutes=5), ["/soak_minutes"]),
        (Rollout((RingSpec(count=1),), soak_minutes=-1), ["/soak_minutes"]),
        (Rollout(stop_after_failures=-1), ["/stop_after_failures"]),
        (Rollout(stop_after_failed_percent=100), ["/stop_after_failed_percent"]),
        (Rollout(stop_after_failed_percent=float("nan")), ["/stop_after_failed_percent"]),
        (Rollout(max_unavailable=0), ["/max_unavailable"]),
        (Rollout((RingSpec(count=1),) * 21), ["/rings"]),
        (Rollout((RingSpec(percent=100),), 60, 0, 0, 1), []),
    ],
)  # fmt: skip
def test_impossible_rollouts_are_told_by_field(rollout: Rollout, pointers: list[str]) -> None:
    assert [problem.pointer for problem in problems_of(rollout)] == pointers


def ring(ended_ago: float | None = None, excused: int = 0, **totals: int) -> RingCount:
    """A ring; ``ended_ago`` minutes its last job ended."""
    last = None if ended_ago is None else NOW - timedelta(minutes=ended_ago)
    return RingCount("canary", JobTotals(**totals), excused, last)


def progress(*rings: RingCount, released: int = 1, **other: Any) -> Progress:
    own = {key: other.pop(key) for key in ("soak_skipped", "stopped") if key in other}
    return Progress(Rollout((RingSpec(count=1),), **other), rings, released, **own)


WAITS = ring(queued=20)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # The ring before must have ended, whatever its end was.
        (progress(ring(running=1), WAITS), Stay),
        (progress(ring(1, succeeded=4, queued=1), WAITS), Stay),
        (progress(ring(1, succeeded=5), WAITS), Release),
        (progress(ring(1, failed=5), WAITS), Release),
        (progress(ring(1, outcome_unknown=5), WAITS), Release),
        (progress(ring(1, cancelled=5), WAITS), Release),
        # Its soak begins with the end of its last job.
        (progress(ring(29, succeeded=5), WAITS, soak_minutes=30), Stay),
        (progress(ring(30, succeeded=5), WAITS, soak_minutes=30), Release),
        (progress(ring(1, succeeded=5), WAITS, soak_minutes=30, soak_skipped=True), Release),
        (progress(ring(1, running=5), WAITS, soak_minutes=30, soak_skipped=True), Stay),
        # More than so many: failed and unknown outcomes, over all rings.
        (progress(ring(1, succeeded=3, failed=2), WAITS, stop_after_failures=2), Release),
        (progress(ring(1, succeeded=2, failed=3), WAITS, stop_after_failures=2), Stop),
        (progress(ring(1, failed=1, outcome_unknown=2), WAITS, stop_after_failures=2), Stop),
        (progress(ring(1, failed=2), ring(1, failed=1, queued=3), released=2, stop_after_failures=2), Stop),
        (progress(ring(1, failed=1, cancelled=4), WAITS, stop_after_failures=1), Release),
        # More than so many percent of a ring's jobs, which cancelled ones are not.
        (progress(ring(1, succeeded=9, failed=1), WAITS, stop_after_failed_percent=10), Release),
        (progress(ring(1, succeeded=8, failed=2), WAITS, stop_after_failed_percent=10), Stop),
        (progress(ring(1, succeeded=8, failed=1, cancelled=1), WAITS, stop_after_failed_percent=10), Stop),
        (progress(ring(1, running=9, failed=1), WAITS, stop_after_failed_percent=10), Stay),
        (progress(ring(1, running=8, failed=2), WAITS, stop_after_failed_percent=10), Stop),
        (progress(ring(1, cancelled=9), WAITS, stop_after_failed_percent=0), Release),
        # What an operator went on despite of counts no more.
        (progress(ring(1, 3, failed=3), WAITS, stop_after_failures=0), Release),
        (progress(ring(1, 3, failed=4), WAITS, stop_after_failures=0), Stop),
        # There is nothing left to stop, or to decide.
        (progress(ring(1, failed=1, running=4), stop_after_failures=0), Stay),
        (progress(ring(1, failed=5), stop_after_failures=0), Over),
        (progress(ring(1, succeeded=5), ring(1, cancelled=20)), Over),
        (progress(ring(1, failed=1, queued=4), WAITS, stop_after_failures=0, stopped=True), Stay),
        (progress(ring(1, succeeded=5), WAITS, stopped=True), Stay),
    ],
)
def test_what_counts_and_clock_ask_for(now: Progress, expected: type) -> None:
    assert type(decide(now, NOW)) is expected


def test_the_reason_says_which_limit_and_how_far() -> None:
    assert decide(progress(ring(1, failed=3), WAITS, stop_after_failures=2), NOW) == Stop(
        "3 jobs failed, and no more than 2 may"
    )
    by_part = progress(ring(1, succeeded=2, failed=1), WAITS, stop_after_failed_percent=12.5)
    assert decide(by_part, NOW) == Stop("1 of 3 jobs of ring 1 (canary) failed, and no more than 12.5 % may")


def test_states_and_words_of_rings() -> None:
    soaking = progress(ring(10, succeeded=5), WAITS, WAITS, soak_minutes=30)
    assert [ring_state(soaking, i) for i in range(3)] == [RingState.SOAKING, RingState.WAITING, RingState.WAITING]
    assert soak_until(soaking) == NOW + timedelta(minutes=20)
    seen = soaking.rings[0].totals
    assert waiting_words(soaking, seen, 1) == (
        "waiting for ring 1 (canary): all ended, soaking until Tue 2031-03-04 22:20 UTC"
    )
    assert waiting_words(soaking, seen, 2) == "waiting for ring 2 (canary)"
    working = replace(soaking, rings=(ring(1, succeeded=2, running=3), WAITS, WAITS))
    assert ring_state(working, 0) is RingState.RUNNING
    assert waiting_words(working, working.rings[0].totals, 1) == (
        "waiting for ring 1 (canary): 2 of 5 ended; then 30 min soak"
    )


class Deployment:
    """A rollout played through: one job moves at a time, the keeper looks whenever it likes."""

    def __init__(self, rollout: Rollout, rings: list[int]) -> None:
        self.rollout = rollout
        self.jobs = [["queued"] * size for size in rings]
        self.excused = [[False] * size for size in rings]
        self.last: list[datetime | None] = [None] * len(rings)
        self.released, self.stopped, self.now = 1, False, NOW
        self.over = False

    def progress(self) -> Progress:
        rings = tuple(self._ring(i) for i in range(len(self.jobs)))
        return Progress(self.rollout, rings, self.released, False, self.stopped)

    def _ring(self, i: int) -> RingCount:
        totals = JobTotals.of({word: self.jobs[i].count(word) for word in set(self.jobs[i])})
        return RingCount(f"ring {i + 1}", totals, sum(self.excused[i]), self.last[i])

    def keep(self) -> None:
        match decide(self.progress(), self.now):
            case Release(number):
                before = self.progress().at_work
                assert number == self.released
                assert not self.stopped
                assert not any(each.totals.unended for each in before)
                soaked = timedelta(minutes=self.rollout.soak_minutes)
                assert all(last is None or self.now - last >= soaked for last in self.last[:number])
                assert self.failed() <= self.limit()
                self.released += 1
            case Stop():
                assert self.failed() > self.limit()
                self.stopped = True
            case Over():
                assert not any(word == "queued" for ring in self.jobs for word in ring)
                self.over = True
            case Stay():
                pass

    def limit(self) -> int:
        limit = self.rollout.stop_after_failures
        return 10**6 if limit is None else limit

    def failed(self) -> int:
        return sum(each.failed for each in self.progress().rings)

    def end_one(self, number: int, outcome: str) -> None:
        """A job of a released ring ends, as jobs of a stopped deployment do not: they do not start."""
        open_jobs = [(i, j) for i in range(self.released) for j, word in enumerate(self.jobs[i]) if word == "queued"]
        if self.stopped or not open_jobs:
            return
        i, j = open_jobs[number % len(open_jobs)]
        self.jobs[i][j] = outcome
        self.last[i] = self.now

    def resume(self) -> None:
        self.stopped = False
        bad = ("failed", "outcome_unknown")
        self.excused = [[word in bad for word in ring] for ring in self.jobs]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    soak=st.sampled_from([0, 30]),
    limit=st.sampled_from([None, 0, 1, 3]),
    moves=st.lists(
        st.tuples(
            st.sampled_from(["succeeded", "failed", "cancelled", "outcome_unknown", "keep", "wait"]), st.integers(0, 9)
        ),
        max_size=40,
    ),
)
def test_no_ring_starts_before_its_time_and_all_end(
    sizes: list[int], soak: int, limit: int | None, moves: list[tuple[str, int]]
) -> None:
    played = Deployment(Rollout((RingSpec(count=1),), soak, limit), sizes)
    for move, number in moves:
        if move == "keep":
            played.keep()
        elif move == "wait":
            played.now += timedelta(minutes=number * 5)
        else:
            played.end_one(number, move)
    for _ in range(4 * sum(sizes) + 20):  # then all goes well, and somebody goes on with what stopped
        played.keep()
        if played.over:
            break
        if played.stopped:
            played.resume()
        played.end_one(0, "succeeded")
        played.now += timedelta(minutes=soak)
    assert played.over
