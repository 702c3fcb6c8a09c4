"""What operators may ask of deployments and jobs, and what they see of them."""

from __future__ import annotations

from uuid import uuid4

import trio

from patch_manager.domain.deployments import (
    DeploymentState,
    HostsNotAvailable,
    IdempotencyConflict,
    InvalidPackages,
    JobFilter,
    NoHosts,
    NotFound,
    NotPossible,
    Resolution,
)
from patch_manager.domain.jobs import JobState, RebootPolicy, When
from patch_manager.domain.principal import Principal, Role
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, everything, make_group, make_user


async def test_one_foreign_host_queues_nothing(fleet: ScriptedFleet, db: Database) -> None:
    ours, theirs = await make_group(db, "ours"), await make_group(db, "theirs")
    mine, foreign, open_to_all = await fleet.add(group=ours), await fleet.add(group=theirs), await fleet.add()
    operator = await make_user(db, Role.OPERATOR, frozenset({ours}))
    assert await fleet.service.create(operator, everything(mine, foreign)) == HostsNotAvailable()
    assert await fleet.service.create(operator, everything(mine, uuid4())) == HostsNotAvailable()
    assert await fleet.service.create(operator, everything(group_ids=(theirs,))) == HostsNotAvailable()
    assert await fleet.service.preview(operator, everything(foreign)) == HostsNotAvailable()
    assert await db.read(_count_jobs) == 0
    made = await fleet.service.create(operator, everything(open_to_all, group_ids=(ours,)))
    assert made.totals.queued == 2


async def test_hosts_out_of_sight_leak_into_no_list_and_no_total(
    fleet: ScriptedFleet, db: Database, admin: Principal
) -> None:
    ours, theirs = await make_group(db, "ours"), await make_group(db, "theirs")
    mine, foreign = await fleet.add(group=ours), await fleet.add(group=theirs)
    both = await fleet.service.create(admin, everything(mine, foreign))
    other = await fleet.service.create(admin, everything(foreign))
    operator = await make_user(db, Role.OPERATOR, frozenset({ours}))
    seen = await fleet.service.get(operator, both.id)
    assert seen.totals.total == 1
    assert await fleet.service.get(operator, other.id) == NotFound()
    assert [item.id for item in (await fleet.service.list(operator)).items] == [both.id]
    page = await fleet.service.list_jobs(operator, JobFilter())
    assert (page.total, [job.host_id for job in page.items]) == (1, [mine])
    (hidden,) = (await fleet.service.list_jobs(admin, JobFilter(deployment_id=other.id))).items
    for refused in (
        await fleet.service.get_job(operator, hidden.id),
        await fleet.service.cancel_job(operator, hidden.id),
        await fleet.service.resolve_job(operator, hidden.id, Resolution.FAILED),
        await fleet.service.cancel(operator, other.id),
        await fleet.service.retry_failed(operator, other.id),
    ):
        assert refused == NotFound()


async def test_the_same_key_makes_one_deployment(fleet: ScriptedFleet, admin: Principal, db: Database) -> None:
    first, second = await fleet.add(), await fleet.add()
    made = await fleet.service.create(admin, everything(first, second), "key")
    again = await fleet.service.create(admin, everything(second, first), "key")
    assert again.id == made.id
    assert await fleet.service.create(admin, everything(first), "key") == IdempotencyConflict()
    other = await make_user(db)
    assert (await fleet.service.create(other, everything(first), "key")).id != made.id
    assert await db.read(_count_jobs) == 3


async def test_the_same_key_twice_at_the_same_moment_makes_one_deployment(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add()
    ids = set()

    async def create() -> None:
        ids.add((await fleet.service.create(admin, everything(host_id), "key")).id)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(create)
    assert len(ids) == 1
    assert await db.read(_count_jobs) == 1


async def test_impossible_requests_are_refused(fleet: ScriptedFleet, admin: Principal, db: Database) -> None:
    host_id = await fleet.add()
    assert await fleet.service.create(admin, everything()) == NoHosts()
    empty = await make_group(db, "empty")
    assert await fleet.service.create(admin, everything(group_ids=(empty,))) == NoHosts()
    wrong = await fleet.service.create(admin, everything(host_id, packages=("ok", "a b", "-x")))
    assert wrong == InvalidPackages(("a b", "-x"))
    assert await fleet.service.create(admin, everything(host_id, packages=())) == InvalidPackages(())


async def test_a_deployment_and_its_audit_event_are_one(fleet: ScriptedFleet, admin: Principal, db: Database) -> None:
    host_id = await fleet.add()
    await fleet.service.create(admin, everything(host_id))
    assert await db.read(_actions) == ["deployment.created"]


async def test_a_window_job_waits_and_says_that_there_is_none(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
    async with fleet.running():
        await trio.sleep(1.3)
    (job,) = (await fleet.service.list_jobs(admin, JobFilter(deployment_id=made.id))).items
    assert job.state is JobState.QUEUED
    assert "no maintenance window" in job.message


async def test_cancelling_stops_what_has_not_started(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    made = await fleet.service.create(admin, everything(host_id))
    cancelled = await fleet.service.cancel(admin, made.id)
    assert cancelled.state is DeploymentState.CANCELLED
    async with fleet.running():
        await trio.sleep(1.3)
    assert fleet.links[host_id].agent.applies == []
    (job,) = (await fleet.service.list_jobs(admin, JobFilter())).items
    assert isinstance(await fleet.service.cancel_job(admin, job.id), NotPossible)


async def test_a_job_cancelled_between_its_reads_and_its_intent_is_not_sent(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()
    agent = fleet.links[host_id].agent
    held, go = trio.Event(), trio.Event()
    read = agent.jobs

    async def slow_jobs(limit: int = 1000) -> object:
        held.set()
        await go.wait()
        return await read(limit)

    agent.jobs = slow_jobs  # type: ignore[method-assign,assignment]  # one slow read
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(10):
            await held.wait()
        cancelled = await fleet.service.cancel(admin, made.id)
        assert cancelled.totals.cancelled == 1
        go.set()
        await trio.sleep(1.2)
    assert agent.applies == []


async def test_an_unknown_outcome_blocks_its_host_until_an_operator_resolves_it(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add()
    made = await fleet.service.create(admin, everything(host_id))
    (job,) = (await fleet.service.list_jobs(admin, JobFilter())).items
    assert isinstance(await fleet.service.resolve_job(admin, job.id, Resolution.FAILED), NotPossible)
    await db.transaction(_make_unknown, job.id)
    next_one = await fleet.service.create(admin, everything(host_id))
    async with fleet.running():
        await trio.sleep(1.3)
        assert (await fleet.service.get(admin, next_one.id)).totals.queued == 1
        resolved = await fleet.service.resolve_job(admin, job.id, Resolution.SUCCEEDED)
        assert resolved.state is JobState.SUCCEEDED
        with trio.fail_after(15):
            await fleet.ended(admin, next_one)
    assert (await fleet.service.get(admin, made.id)).state is DeploymentState.SUCCEEDED


async def test_failed_jobs_are_retried_in_their_place(fleet: ScriptedFleet, admin: Principal) -> None:
    good = await fleet.add()
    bad = await fleet.add(Temper(duration=0.1, fail_first=1, error_code="GPG_ERROR"))
    fleet.links[bad].agent.budget = FreeBudget()
    async with fleet.running():
        made = await fleet.service.create(admin, everything(good, bad, reboot=RebootPolicy.NEVER))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
        assert (done.state, done.totals.failed, done.totals.total) == (DeploymentState.FAILED, 1, 2)
        again = await fleet.service.retry_failed(admin, made.id)
        assert (again.totals.total, again.totals.failed) == (2, 0)
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert (done.state, done.totals.succeeded, done.totals.total) == (DeploymentState.SUCCEEDED, 2, 2)
    assert (await fleet.service.list_jobs(admin, JobFilter(deployment_id=made.id))).total == 2
    assert (await fleet.service.list_jobs(admin, JobFilter(host_id=bad))).total == 2


async def test_jobs_of_a_deleted_host_end_and_stay_readable(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add()
    made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
    await db.transaction(_delete_host, host_id)
    async with fleet.running():
        with trio.fail_after(10):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.CANCELLED
    (job,) = (await fleet.service.list_jobs(admin, JobFilter())).items
    assert job.host_name.startswith("host 127.")
    operator = await make_user(db, Role.OPERATOR)
    assert (await fleet.service.list_jobs(operator, JobFilter())).total == 0


async def test_lists_are_paged_without_gaps(fleet: ScriptedFleet, admin: Principal) -> None:
    hosts = [await fleet.add() for _ in range(7)]
    await fleet.service.create(admin, everything(*hosts))
    seen: list[object] = []
    cursor = None
    while True:
        page = await fleet.service.list_jobs(admin, JobFilter(limit=3, cursor=cursor))
        seen += [job.host_id for job in page.items]
        assert page.total == 7
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(map(str, seen)) == sorted(map(str, hosts))
    assert isinstance(await fleet.service.list_jobs(admin, JobFilter(cursor="nonsense")), NotPossible)


async def test_a_job_behind_one_that_nobody_knows_the_end_of_says_so(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add()
    await fleet.service.create(admin, everything(host_id))
    (first,) = (await fleet.service.list_jobs(admin, JobFilter())).items
    await db.transaction(_make_unknown, first.id)
    await fleet.service.create(admin, everything(host_id))
    (behind,) = (await fleet.service.list_jobs(admin, JobFilter(states=(JobState.QUEUED,)))).items
    assert behind.message == "waiting: the outcome of another job of this host is unknown, and must be resolved first"


async def _count_jobs(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM jobs"))


async def _actions(connection: Connection) -> list[str]:
    return [row["action"] for row in await connection.fetch("SELECT action FROM audit_log ORDER BY seq")]


async def _make_unknown(connection: Connection, job_id: object) -> None:
    await connection.execute("UPDATE jobs SET state = 'outcome_unknown', version = version + 1 WHERE id = $1", job_id)
    await connection.execute("DELETE FROM job_transitions WHERE job_id = $1", job_id)


async def _delete_host(connection: Connection, host_id: object) -> None:
    await connection.execute("DELETE FROM hosts WHERE id = $1", host_id)
