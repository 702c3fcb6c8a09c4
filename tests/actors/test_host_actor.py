"""The actor's shell: one mailbox, one deadline, children that report; on a mock clock with scripted agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
import trio.lowlevel
import trio.testing

from patch_manager.actors.agent.models import PackageList
from patch_manager.actors.host_actor import HostActor
from patch_manager.actors.mailbox import CAPACITY, Mailbox
from patch_manager.actors.messages import (
    AskAgent,
    CertificatesChanged,
    JobEnded,
    PollFailure,
    RecordChanged,
    RefreshNow,
    Reply,
    Retire,
    RunJob,
)
from patch_manager.actors.polling import lend_forever
from patch_manager.actors.ports import HostLink
from patch_manager.domain.health import ActorState, FailureKind, Health
from patch_manager.domain.host_status import HostStatus
from patch_manager.domain.hosts import HostFacts, HostSnapshot, JobInHand
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.settings import LimitSettings
from patch_manager.supervisor.limits import Limits
from tests.actors.hosts import HEALTHY, NOW, Around, Fleet, clock_of, due_job, failure, listing, patch, record, stored

POLLED = HostStatus(
    facts=HostFacts(agent_version=HEALTHY.version),
    health=Health.HEALTHY,
    health_reason="",
    health_since=NOW,
    last_seen_at=NOW,
    patches_read_at=NOW,
)


def around(limits: LimitSettings | None = None) -> Around:
    return Around(Fleet(), clock_of(), limits=Limits.of(limits or LimitSettings()))


@asynccontextmanager
async def running(shared: Around, *actors: HostActor) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lend_forever, shared.limits.connecting)
        for actor in actors:
            nursery.start_soon(actor.run)
        yield nursery
        nursery.cancel_scope.cancel()


def actors_of(shared: Around, numbers: Iterable[int], status: HostStatus | None = None) -> list[HostActor]:
    return [HostActor(stored(number, status), shared) for number in numbers]


async def refresh(actor: HostActor) -> HostSnapshot | None:
    reply: Reply[HostSnapshot] = Reply()
    actor.mailbox.send_nowait(RefreshNow(reply))
    return await reply.wait()


async def test_a_new_host_turns_healthy_within_one_poll(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    shared.agents.at(1).listed = listing(patch())
    async with running(shared, HostActor(stored(), shared)):
        await trio.sleep(2)
    last = shared.snapshots[-1]
    assert (last.health, last.patches.critical, last.facts.kernel) == (Health.HEALTHY, 1, "6.1")
    assert shared.writes[-1].patches == (patch(),)
    assert [change.health for change in shared.writes[-1].changes] == [Health.HEALTHY]


async def test_operator_refresh_overtakes_a_stuck_scheduled_poll(autojump_clock: trio.testing.MockClock) -> None:
    shared = around(LimitSettings(polls_connecting=1, polls_in_flight=1, refresh=1))
    await shared.limits.polls_connecting.acquire_on_behalf_of("another host")
    actor = HostActor(stored(), shared)
    async with running(shared, actor):
        await trio.sleep(5)
        assert shared.snapshots[-1].actor_state is ActorState.WAITING
        with trio.fail_after(1):
            answered = await refresh(actor)
    assert answered is not None
    assert answered.health is Health.HEALTHY


async def test_operator_refresh_overtakes_a_slow_answer(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    agent = shared.agents.at(1)
    agent.answer_seconds = 300
    actor = HostActor(stored(), shared)
    async with running(shared, actor):
        await trio.sleep(5)
        agent.answer_seconds = 0
        with trio.fail_after(1):
            assert await refresh(actor) is not None
        await trio.sleep(1)
    assert len(shared.polls) == 1, "the poll that was overtaken is cancelled and counts for nothing"


async def test_packages_are_read_beside_a_slow_poll(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    shared.agents.at(1).answer_seconds = 300
    actor = HostActor(stored(), shared)
    async with running(shared, actor):
        await trio.sleep(5)
        reply: Reply[PackageList | PollFailure] = Reply()
        actor.mailbox.send_nowait(AskAgent(lambda agent: agent.packages(), reply))
        with trio.fail_after(1):
            answer = await reply.wait()
    assert isinstance(answer, PackageList)
    assert [package.name for package in answer.packages] == ["openssl"]


async def test_whoever_waits_for_packages_of_a_retired_host_is_told(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    actor = HostActor(stored(), shared)
    reply: Reply[PackageList | PollFailure] = Reply()
    async with running(shared, actor):
        await trio.sleep(5)
        actor.mailbox.send_nowait(AskAgent(lambda agent: agent.packages(), reply))
        actor.mailbox.flag(Retire())
        with trio.fail_after(1):
            await reply.wait()


async def test_slow_hosts_delay_no_others(autojump_clock: trio.testing.MockClock) -> None:
    shared = around(LimitSettings(polls_connecting=5, polls_in_flight=20))
    actors = actors_of(shared, range(1, 501), replace(POLLED, patches_digest=b""))
    for number in range(1, 501):
        agent = shared.agents.at(number)
        agent.connect_seconds = 0.01
        agent.answer_seconds = 300 if number % 50 == 0 else 0.01
    async with running(shared, *actors):
        await trio.sleep(1200)
    for number in range(1, 501):
        if number % 50:
            asked = shared.agents.at(number).called("asked")
            health = shared.agents.at(number).called("health")
            assert len(asked) == 4
            assert max(late - at for at, late in zip(asked, health, strict=True)) < 1


async def test_hosts_that_do_not_answer_the_connection_delay_no_healthy_ones(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shared = around(LimitSettings(polls_connecting=4))
    actors = actors_of(shared, range(1, 101), replace(POLLED, failures=4, health=Health.UNREACHABLE))
    for number in range(1, 101):
        shared.agents.at(number).connect_seconds = 10
        shared.agents.at(number).fail = failure(FailureKind.TIMED_OUT)
    healthy = actors_of(shared, range(101, 111), POLLED)
    async with running(shared, *actors, *healthy):
        waiting = 0
        for _ in range(4500):
            await trio.sleep(0.2)  # a wait for a place is shorter than half a second
            waiting = max(waiting, shared.limits.statistics()["polls_suspect"].waiting)
    assert waiting > 0
    for number in range(101, 111):
        agent = shared.agents.at(number)
        assert [a - b for a, b in zip(agent.called("health"), agent.called("asked"), strict=True)] == [0, 0, 0]


async def test_an_idle_host_costs_one_task(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    actors = actors_of(shared, range(1, 51), POLLED)
    async with running(shared, *actors):
        await trio.lowlevel.checkpoint()
        before = trio.lowlevel.current_statistics().tasks_living
        await trio.sleep(700)
        assert trio.lowlevel.current_statistics().tasks_living == before
    assert len(shared.polls) >= 100


async def test_a_full_mailbox_is_an_answer() -> None:
    mailbox = Mailbox()
    for _ in range(CAPACITY):
        mailbox.send_nowait(RefreshNow(Reply()))
    with pytest.raises(trio.WouldBlock):
        mailbox.send_nowait(RefreshNow(Reply()))
    mailbox.report(JobEnded())
    mailbox.flag(Retire())
    assert isinstance(await mailbox.next(0), JobEnded), "children report past a full mailbox"
    assert isinstance(await mailbox.next(0), Retire)


async def test_flags_keep_only_the_latest() -> None:
    mailbox = Mailbox()
    for name in ("a", "b", "c"):
        mailbox.flag(RecordChanged(replace(record(), display_name=name)))
        mailbox.flag(CertificatesChanged())
    left = mailbox.drain()
    assert len(left) == 2
    assert isinstance(left[0], RecordChanged)
    assert left[0].record.display_name == "c"


async def test_waiters_are_told_when_the_actor_ends(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    shared.agents.at(1).answer_seconds = 300
    actor = HostActor(stored(), shared)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await trio.sleep(1)
        reply: Reply[HostSnapshot] = Reply()
        actor.mailbox.send_nowait(RefreshNow(reply))
        await trio.sleep(1)
        actor.mailbox.flag(Retire())
        with trio.fail_after(1):
            assert await reply.wait() is None


async def test_an_exception_of_a_poll_crashes_the_actor(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    shared.agents.at(1).fail = ZeroDivisionError("a fault of ours")
    caught: list[BaseException] = []
    try:
        await HostActor(stored(), shared).run()
    except* ZeroDivisionError as group:
        caught.extend(group.exceptions)
    assert len(caught) == 1


async def test_a_job_runs_beside_polls_and_reports_through_its_link(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    asked = due_job(record().id)

    async def job(due: DueJob, link: HostLink) -> None:
        assert due is asked
        link.report_job(JobInHand(due.key.id, None, "running", 10))
        link.observed_health(replace(HEALTHY, version="3.0"))
        await trio.sleep(100)
        link.report_job(JobInHand(due.key.id, None, "verifying", 90))
        await trio.sleep(1)

    shared.jobs = job
    actor = HostActor(stored(1, POLLED), shared)
    async with running(shared, actor):
        await trio.lowlevel.checkpoint()
        first: Reply[bool] = Reply()
        second: Reply[bool] = Reply()
        actor.mailbox.send_nowait(RunJob(asked, first))
        actor.mailbox.send_nowait(RunJob(due_job(record().id), second))
        assert (await first.wait(), await second.wait()) == (True, False)
        await trio.sleep(50)
        working = shared.snapshots[-1]
        assert (working.actor_state, working.facts.agent_version) == (ActorState.WORKING, "3.0")
        with trio.fail_after(1):
            assert await refresh(actor) is not None
        await trio.sleep(55)
        after = shared.snapshots[-1]
        assert (after.actor_state, after.job) == (ActorState.IDLE, None)


async def test_a_host_that_moved_is_asked_at_its_new_address(autojump_clock: trio.testing.MockClock) -> None:
    shared = around()
    actor = HostActor(stored(1, POLLED), shared)
    async with running(shared, actor):
        await trio.lowlevel.checkpoint()
        actor.mailbox.flag(RecordChanged(replace(record(), address="127.9.9.9")))
        await trio.sleep(1)
    assert shared.agents.agents["127.9.9.9"].called("health")
