"""Standing policies on a real database, with a wall clock that tests set: each opening once, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import trio

from patch_manager.domain.deployments import JobFilter, JobView
from patch_manager.domain.exclusions import Excluded
from patch_manager.domain.jobs import JobState, RebootPolicy
from patch_manager.domain.policies import Policy, What
from patch_manager.domain.principal import Principal
from patch_manager.domain.rollouts import RingSpec, Rollout
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from patch_manager.storage.policies import delete_policy, insert_policy, update_policy
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, make_group


async def add_policy(fleet: ScriptedFleet, *host_ids: UUID, **other: Any) -> Policy:
    """An enabled policy that applies everything on these hosts."""
    now = fleet.now()
    policy = Policy(
        id=uuid4(),
        name="nights",
        enabled=True,
        all_hosts=False,
        group_ids=(),
        host_ids=host_ids,
        what=What.ALL,
        exclude=(),
        reboot=RebootPolicy.NEVER,
        rollout=None,
        created_by="somebody",
        created_at=now,
        updated_at=now,
    )
    policy = replace(policy, **other)
    await fleet.db.transaction(insert_policy, policy, None)
    return policy


async def jobs_of(fleet: ScriptedFleet, admin: Principal, host_id: UUID) -> tuple[JobView, ...]:
    """A host's jobs, newest first."""
    items: tuple[JobView, ...] = (await fleet.service.list_jobs(admin, JobFilter(host_id=host_id))).items
    return items


async def until(held: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until it is true; only the database knows."""
    with trio.fail_after(seconds):
        while not await held():  # noqa: ASYNC110
            await trio.sleep(0.05)


async def ended(fleet: ScriptedFleet, admin: Principal, host_id: UUID, count: int = 1) -> JobView:
    """The newest job of a host, once it has ended and there are so many."""

    async def all_over() -> bool:
        jobs = await jobs_of(fleet, admin, host_id)
        return len(jobs) >= count and all(job.state.terminal for job in jobs)

    await until(all_over)
    jobs = await jobs_of(fleet, admin, host_id)
    assert len(jobs) == count
    return jobs[0]


def sent(fleet: ScriptedFleet, host_id: UUID) -> list[tuple[str, ...]]:
    return fleet.links[host_id].agent.applies


async def runs(fleet: ScriptedFleet) -> dict[UUID, tuple[str, str]]:
    """What was noted of each host, in its latest opening."""
    rows = await fleet.db.read(_runs)
    return {row["host_id"]: (row["result"], row["reason"]) for row in rows}


async def _runs(connection: Connection) -> list[Any]:
    return await connection.fetch("SELECT host_id, result, reason FROM policy_runs ORDER BY opens_at")


async def noted(fleet: ScriptedFleet, host_id: UUID, result: str) -> str:
    """The reason, once the host's latest run has that result."""

    async def is_noted() -> bool:
        return (await runs(fleet)).get(host_id, ("", ""))[0] == result

    await until(is_noted)
    return (await runs(fleet))[host_id][1]


async def test_each_host_is_patched_once_within_two_seconds_of_its_own_opening(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    is_open, opens, without = await fleet.add(), await fleet.add(), await fleet.add()
    moments: list[datetime] = []
    fleet.links[opens].agent.before_apply = lambda: moments.append(fleet.now())
    await fleet.add_window(is_open, -60)
    async with fleet.running():
        window = await fleet.add_window(opens, 2.5)
        policy = await add_policy(fleet, is_open, opens, without, exclude=(Excluded("bash", "later"),))
        job = await ended(fleet, admin, is_open)
        assert (job.state, sent(fleet, is_open)) == (JobState.SUCCEEDED, [("openssl",)])
        await ended(fleet, admin, opens)
        await trio.sleep(1.5)  # the scan has looked again meanwhile
    assert [len(await jobs_of(fleet, admin, each)) for each in (is_open, opens, without)] == [1, 1, 0]
    assert window.window.starts_at is not None
    assert timedelta(0) <= moments[0] - window.window.starts_at < timedelta(seconds=2)
    (made, _) = (await fleet.service.list(admin)).items
    assert (made.created_by, made.policy_id, made.when.value) == ("policy “nights”", policy.id, "window")
    assert made.exclude == (Excluded("bash", "later"),)
    assert {result for result, _ in (await runs(fleet)).values()} == {"started"}


async def test_a_restart_in_the_middle_of_an_opening_starts_nothing_twice(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    hosts = [await fleet.add(Temper(duration=1.0)) for _ in range(5)]
    for host_id in hosts:
        await fleet.add_window(host_id, -60)
    await add_policy(fleet, *hosts)
    for delay in (0.02, 0.05, 0.3):
        async with fleet.running():
            await trio.sleep(delay)
        fleet.new_room()
        await fleet.lead()
    async with fleet.running():
        for host_id in hosts:
            await ended(fleet, admin, host_id)
        await trio.sleep(1.2)
    assert {len(await jobs_of(fleet, admin, host_id)) for host_id in hosts} == {1}
    assert {len(sent(fleet, host_id)) for host_id in hosts} == {1}


async def test_a_failed_host_is_tried_again_in_its_next_opening_and_not_before(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add(Temper(duration=0.1, fail_first=2))
    fleet.links[host_id].agent.budget = FreeBudget()
    await fleet.add_window(host_id, -60)
    await fleet.add_window(host_id, 24 * 3600)
    await add_policy(fleet, host_id)
    async with fleet.running():
        assert (await ended(fleet, admin, host_id)).state is JobState.FAILED
        await trio.sleep(1.2)
        assert len(await jobs_of(fleet, admin, host_id)) == 1
        fleet.jumped = timedelta(hours=24, seconds=1)
        assert (await ended(fleet, admin, host_id, 2)).state is JobState.SUCCEEDED
    assert len(sent(fleet, host_id)) == 3


async def test_a_host_with_nothing_to_do_gets_no_job_until_something_is_pending(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add()
    await db.transaction(_read_patches, host_id, [])
    await fleet.add_window(host_id, -60)
    await add_policy(fleet, host_id, what=What.SECURITY, exclude=(Excluded("linux-*"),))
    async with fleet.running():
        await noted(fleet, host_id, "nothing_to_do")
        await db.transaction(_read_patches, host_id, ["linux-image"])
        fleet.jumped = timedelta(seconds=31)
        await trio.sleep(1.5)
        assert await jobs_of(fleet, admin, host_id) == ()
        await db.transaction(_read_patches, host_id, ["openssl"])
        fleet.jumped = timedelta(seconds=62)
        await ended(fleet, admin, host_id)
    assert (await runs(fleet))[host_id][0] == "started"


async def test_what_has_not_begun_stops_with_the_policy_and_when_its_host_leaves(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    group = await make_group(db, "moving")
    hosts = [await fleet.add(group=group if index == 2 else None) for index in range(3)]
    for host_id in hosts:
        await fleet.add_window(host_id, -60)
        fleet.links[host_id].agent.host.away_until = 1e9  # it gives no answer: its job goes back into the queue
    disabled, deleted = await add_policy(fleet, hosts[0]), await add_policy(fleet, hosts[1])
    await add_policy(fleet, group_ids=(group,))
    async with fleet.running():
        for host_id in hosts:
            await noted(fleet, host_id, "started")
        await db.transaction(update_policy, replace(disabled, enabled=False))
        await db.transaction(delete_policy, deleted.id)
        await db.transaction(_leave, group, hosts[2])
        told = [(await ended(fleet, admin, host_id)).message for host_id in hosts]
    assert told == ["the policy was disabled", "the policy was deleted", "the host left the policy"]
    assert [sent(fleet, host_id) for host_id in hosts] == [[], [], []]


async def test_a_ring_waits_for_those_before_it_and_says_why(fleet: ScriptedFleet, admin: Principal) -> None:
    canary, rest = await fleet.add(Temper(duration=0.1, fail_first=9, error_code="GPG_ERROR")), await fleet.add()
    for host_id in (canary, rest):
        await fleet.add_window(host_id, -60)
        await fleet.add_window(host_id, 24 * 3600)
    rollout = Rollout(rings=(RingSpec(host_ids=(canary,)),), soak_minutes=10, stop_after_failures=0)
    await add_policy(fleet, canary, rest, rollout=rollout)
    async with fleet.running():
        assert (await ended(fleet, admin, canary)).state is JobState.FAILED
        fleet.jumped = timedelta(minutes=1)
        reason = await noted(fleet, rest, "held")
        assert reason in {
            "ring “canary” goes first and had no opening yet",
            "ring “canary” has 1 job that has not ended",
        }
        await until(lambda: _reason_is(fleet, rest, "1 job failed up to ring “canary”, more than 0"))
        assert await jobs_of(fleet, admin, rest) == ()
        fleet.links[canary].agent.host.temper.fail_first = 0
        fleet.jumped = timedelta(hours=24, seconds=1)
        assert (await ended(fleet, admin, canary, 2)).state is JobState.SUCCEEDED
        fleet.jumped = timedelta(hours=24, minutes=5)
        await until(lambda: _reason_begins(fleet, rest, "ring “canary” soaks until"))
        fleet.jumped = timedelta(hours=24, minutes=12)
        assert (await ended(fleet, admin, rest)).state is JobState.SUCCEEDED


async def test_nothing_starts_within_a_freeze_and_all_hosts_means_those_that_come_later(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    await fleet.add_freeze(-5, 600)
    await add_policy(fleet, all_hosts=True)
    async with fleet.running():
        host_id = await fleet.add()
        await fleet.add_window(host_id, -60)
        await trio.sleep(1.5)
        assert await runs(fleet) == {}
        fleet.jumped = timedelta(seconds=601)
        await ended(fleet, admin, host_id)


async def _reason_is(fleet: ScriptedFleet, host_id: UUID, reason: str) -> bool:
    return (await runs(fleet)).get(host_id) == ("held", reason)


async def _reason_begins(fleet: ScriptedFleet, host_id: UUID, begin: str) -> bool:
    result, reason = (await runs(fleet)).get(host_id, ("", ""))
    return result == "held" and reason.startswith(begin)


async def _read_patches(connection: Connection, host_id: UUID, names: list[str]) -> None:
    await connection.execute("UPDATE hosts SET patches_read_at = now() WHERE id = $1", host_id)
    await connection.execute("DELETE FROM host_patches WHERE host_id = $1", host_id)
    await connection.execute(
        "INSERT INTO host_patches (host_id, name, severity, first_seen_at) "
        "SELECT $1, name, 'high', now() FROM unnest($2::text[]) AS name",
        host_id,
        names,
    )


async def _leave(connection: Connection, group: UUID, host_id: UUID) -> None:
    await connection.execute("DELETE FROM group_hosts WHERE group_id = $1 AND host_id = $2", group, host_id)
