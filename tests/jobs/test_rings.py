"""Rollouts on a real database: rings, soak, the rule that stops them, and what operators decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import trio

from patch_manager.actors.jobs import rules
from patch_manager.domain.deployments import (
    DeploymentState,
    DeploymentView,
    InvalidRollout,
    JobFilter,
    NotPossible,
    NotWholly,
)
from patch_manager.domain.jobs import JobState, When
from patch_manager.domain.principal import Principal, Role
from patch_manager.domain.rollouts import RingSpec, RingState, Rollout
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, everything, make_group, make_user

BROKEN = Temper(duration=0.1, fail_first=9, error_code="GPG_ERROR")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed job is told without the second read."""
    monkeypatch.setattr(rules, "SECOND_READ", 0.05)


def canaries(*host_ids: UUID, **rule: Any) -> Rollout:
    """These hosts first."""
    return Rollout((RingSpec(host_ids=host_ids),), **rule)


async def until(looks: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, which only the database knows."""
    with trio.fail_after(30):
        while not await looks():  # noqa: ASYNC110
            await trio.sleep(0.05)


def applied(fleet: ScriptedFleet, *host_ids: UUID) -> int:
    """Calls to apply that these hosts saw."""
    return sum(len(fleet.links[host_id].agent.applies) for host_id in host_ids)


async def test_rings_go_one_after_the_other(fleet: ScriptedFleet, admin: Principal, db: Database) -> None:
    first, second, third = [await fleet.add(), await fleet.add()], [await fleet.add()], [await fleet.add()]
    rings = (RingSpec(host_ids=tuple(first)), RingSpec(name="office", host_ids=tuple(second)))
    made = await fleet.service.create(admin, everything(*first, *second, *third, rollout=Rollout(rings)))
    assert [(ring.name, ring.hosts, ring.state) for ring in made.rings] == [
        ("canary", 2, RingState.RUNNING),
        ("office", 1, RingState.WAITING),
        ("rest", 1, RingState.WAITING),
    ]
    (waiting,) = (await fleet.service.list_jobs(admin, JobFilter(ring=1))).items
    assert (waiting.ring, waiting.message) == (1, "waiting for ring 1 (canary): 0 of 2 ended")
    assert waiting.not_before is None
    async with fleet.running():
        with trio.fail_after(40):
            done = await fleet.ended(admin, made)
    assert (done.state, done.totals.succeeded) == (DeploymentState.SUCCEEDED, 4)
    assert {ring.state for ring in done.rings} == {RingState.DONE}
    times = {job.host_id: job for job in (await fleet.service.list_jobs(admin, JobFilter())).items}
    for before, after in ((first, second), (second, third)):
        ended = max(times[host_id].finished_at for host_id in before)
        assert all(times[host_id].started_at >= ended for host_id in after)
    released = [detail for action, detail in await db.read(_audited) if action == "deployment.ring_released"]
    assert [(each["ring"], each["name"], each["jobs"]) for each in released] == [(1, "office", 1), (2, "rest", 1)]


async def test_a_failed_canary_stops_the_rest_until_an_operator_goes_on(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    canary = await fleet.add(BROKEN)
    others = [await fleet.add() for _ in range(4)]
    rollout = canaries(canary, stop_after_failures=0)
    made = await fleet.service.create(admin, everything(canary, *others, rollout=rollout))
    async with fleet.running():
        await until(lambda: _state(fleet, admin, made, DeploymentState.STOPPED))
        stopped = await fleet.service.get(admin, made.id)
        assert stopped.stop_reason == "1 job failed, and no more than 0 may"
        assert (stopped.totals.failed, stopped.totals.queued, stopped.totals.total) == (1, 4, 5)
        jobs = (await fleet.service.list_jobs(admin, JobFilter(states=(JobState.QUEUED,)))).items
        assert {job.message for job in jobs} == {f"the deployment was stopped: {stopped.stop_reason}"}
        await trio.sleep(1.3)  # a scan more
        assert applied(fleet, *others) == 0
        assert await fleet.service.release(admin, made.id) == NotPossible("the deployment is stopped: resume it first")
        resumed = await fleet.service.resume(admin, made.id, {"stop_after_failures": 3})
        assert (resumed.state, resumed.rollout.stop_after_failures) == (DeploymentState.RUNNING, 3)
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert (done.totals.succeeded, done.totals.failed, done.state) == (4, 1, DeploymentState.FAILED)
    actions = [action for action, _ in await db.read(_audited) if action.startswith("deployment.")]
    assert actions == [
        "deployment.created",
        "deployment.stopped",
        "deployment.resumed",
        "deployment.ring_released",
    ]
    assert isinstance(await fleet.service.resume(admin, made.id, {}), NotPossible)


async def test_the_soak_holds_the_next_ring_and_can_be_skipped(fleet: ScriptedFleet, admin: Principal) -> None:
    canary, other = await fleet.add(), await fleet.add()
    made = await fleet.service.create(admin, everything(canary, other, rollout=canaries(canary, soak_minutes=30)))
    assert await fleet.service.release(admin, made.id) == NotPossible(
        "ring 1 (canary) is at work: only its soak can be skipped"
    )
    async with fleet.running():
        await until(lambda: _ring(fleet, admin, made, 0, RingState.SOAKING))
        soaking = await fleet.service.get(admin, made.id)
        (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=canary))).items
        assert soaking.rings[0].soak_until == job.finished_at + timedelta(minutes=30)
        (waiting,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=other))).items
        assert waiting.message.startswith("waiting for ring 1 (canary): all ended, soaking until ")
        await trio.sleep(1.3)
        assert applied(fleet, other) == 0
        assert isinstance(await fleet.service.release(admin, made.id), DeploymentView)
        with trio.fail_after(30):
            assert (await fleet.ended(admin, made)).state is DeploymentState.SUCCEEDED


async def test_the_soak_is_over_in_time_and_outlives_the_manager(fleet: ScriptedFleet, admin: Principal) -> None:
    canary, other = await fleet.add(), await fleet.add()
    made = await fleet.service.create(admin, everything(canary, other, rollout=canaries(canary, soak_minutes=30)))
    async with fleet.running():
        await until(lambda: _ring(fleet, admin, made, 0, RingState.SOAKING))
    fleet.new_room()
    await fleet.lead()
    fleet.jumped += timedelta(minutes=31)
    async with fleet.running():
        with trio.fail_after(30):
            assert (await fleet.ended(admin, made)).totals.succeeded == 2


async def test_a_stop_reaches_what_is_about_to_be_sent(fleet: ScriptedFleet, admin: Principal) -> None:
    bad = await fleet.add(BROKEN)
    slow = await fleet.add()
    held, go = trio.Event(), trio.Event()

    async def slow_patches() -> None:
        held.set()
        await go.wait()

    fleet.links[slow].agent.before_patches = slow_patches
    made = await fleet.service.create(admin, everything(bad, slow, rollout=Rollout(stop_after_failures=0)))
    async with fleet.running():
        with trio.fail_after(20):
            await held.wait()
        await until(lambda: _state(fleet, admin, made, DeploymentState.STOPPED))
        go.set()
        await trio.sleep(1.3)
        (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=slow))).items
        assert (job.state, applied(fleet, slow)) == (JobState.QUEUED, 0)
        fleet.links[slow].agent.before_patches = trio.lowlevel.checkpoint
        await fleet.service.resume(admin, made.id, {})
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert (done.totals.succeeded, done.totals.failed, applied(fleet, slow)) == (1, 1, 1)


async def test_an_intent_that_the_stop_overtakes_is_not_sent(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    made = await fleet.service.create(admin, everything(host_id, rollout=Rollout(stop_after_failures=0)))
    agent, seen = fleet.links[host_id].agent, []

    def stopped_now() -> None:
        # What the keeper does before it writes the stop: the last check sees it, whatever the database says by then.
        seen.append(True)
        if len(seen) == 1:
            fleet.room.stops.add(made.id, fleet.now())

    agent.before_apply = stopped_now
    async with fleet.running():
        with trio.fail_after(30):
            await fleet.ended(admin, made)
    assert (len(seen), len(agent.applies)) == (2, 1)


async def test_retried_jobs_keep_their_ring_and_count_anew(fleet: ScriptedFleet, admin: Principal) -> None:
    canary = await fleet.add(Temper(duration=0.1, fail_first=1, error_code="GPG_ERROR"))
    fleet.links[canary].agent.budget = FreeBudget()
    other = await fleet.add()
    rollout = canaries(canary, stop_after_failed_percent=50)
    made = await fleet.service.create(admin, everything(canary, other, rollout=rollout))
    async with fleet.running():
        await until(lambda: _state(fleet, admin, made, DeploymentState.STOPPED))
        stopped = await fleet.service.get(admin, made.id)
        assert stopped.stop_reason == "1 of 1 job of ring 1 (canary) failed, and no more than 50 % may"
        retried = await fleet.service.retry_failed(admin, made.id)
        assert [ring.totals.total for ring in retried.rings] == [1, 1]
        await until(lambda: _succeeded(fleet, admin, canary))
        assert applied(fleet, other) == 0  # an operator has seen that it works; going on is theirs to decide
        assert (await fleet.service.get(admin, made.id)).state is DeploymentState.STOPPED
        await fleet.service.resume(admin, made.id, {})
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert (done.state, done.totals.succeeded, done.totals.total) == (DeploymentState.SUCCEEDED, 2, 2)


async def test_waiting_rings_can_be_cancelled_and_are_not_planned_anew(fleet: ScriptedFleet, admin: Principal) -> None:
    canary, other = await fleet.add(), await fleet.add()
    request = everything(canary, other, when=When.WINDOW, rollout=canaries(canary, soak_minutes=5))
    made = await fleet.service.create(admin, request)
    await fleet.add_window(other, -60)
    (waiting,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=other))).items
    assert (waiting.not_before, waiting.message) == (
        None,
        "waiting for ring 1 (canary): 0 of 1 ended; then 5 min soak",
    )
    cancelled = await fleet.service.cancel(admin, made.id)
    assert (cancelled.totals.cancelled, cancelled.state) == (2, DeploymentState.CANCELLED)


async def test_a_released_ring_waits_for_the_windows_of_its_hosts(fleet: ScriptedFleet, admin: Principal) -> None:
    canary, other = await fleet.add(), await fleet.add()
    await fleet.add_window(canary, -60)
    await fleet.add_window(other, 3600)
    made = await fleet.service.create(admin, everything(canary, other, when=When.WINDOW, rollout=canaries(canary)))
    async with fleet.running():
        await until(lambda: _ring(fleet, admin, made, 1, RingState.RUNNING))
        (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=other))).items
        assert job.state is JobState.QUEUED
        assert job.not_before is not None
        assert "which opens" in job.message
    assert applied(fleet, other) == 0


async def test_who_sees_a_part_reads_its_numbers_only_and_decides_nothing(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    ours, theirs = await make_group(db, "ours"), await make_group(db, "theirs")
    canary, mine = await fleet.add(BROKEN, group=theirs), await fleet.add(group=ours)
    rollout = canaries(canary, stop_after_failures=0)
    made = await fleet.service.create(admin, everything(canary, mine, rollout=rollout))
    operator = await make_user(db, Role.OPERATOR, frozenset({ours}))
    (job,) = (await fleet.service.list_jobs(operator, JobFilter())).items
    assert job.message == "waiting for ring 1 (canary)"
    async with fleet.running():
        await until(lambda: _state(fleet, admin, made, DeploymentState.STOPPED))
    seen = await fleet.service.get(operator, made.id)
    assert (seen.stop_reason, [ring.hosts for ring in seen.rings]) == ("too many jobs failed", [0, 1])
    assert await fleet.service.resume(operator, made.id, {}) == NotWholly()
    assert await fleet.service.release(operator, made.id) == NotWholly()
    foreign_group = Rollout((RingSpec(group_ids=(theirs,)),))
    assert isinstance(await fleet.service.create(operator, everything(mine, rollout=foreign_group)), InvalidRollout)


async def _state(fleet: ScriptedFleet, admin: Principal, made: DeploymentView, state: DeploymentState) -> bool:
    return bool((await fleet.service.get(admin, made.id)).state is state)


async def _ring(fleet: ScriptedFleet, admin: Principal, made: DeploymentView, ring: int, state: RingState) -> bool:
    return bool((await fleet.service.get(admin, made.id)).rings[ring].state is state)


async def _succeeded(fleet: ScriptedFleet, admin: Principal, host_id: UUID) -> bool:
    wanted = JobFilter(host_id=host_id, states=(JobState.SUCCEEDED,))
    return bool((await fleet.service.list_jobs(admin, wanted)).total)


async def _audited(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
    rows = await connection.fetch(
        "SELECT action, coalesce(body::json ->> 'detail', '{}') AS detail FROM audit_log ORDER BY seq"
    )
    return [(row["action"], orjson.loads(row["detail"])) for row in rows]
