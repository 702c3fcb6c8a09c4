"""A host is never touched outside its own window: the room on a real database, with a wall clock that tests set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import trio

from patch_manager.domain.deployments import DeploymentState, DeploymentView, JobFilter, JobView, OnlyAdmins
from patch_manager.domain.job_record import JobRecord, Moment
from patch_manager.domain.jobs import JobState, PackageResult, RebootPolicy, When
from patch_manager.domain.principal import Principal, Role
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from patch_manager.storage.freezes import delete_freeze
from patch_manager.storage.job_plans import WaitingJob
from patch_manager.storage.job_records import load_records
from patch_manager.storage.windows import delete_window
from patch_manager.supervisor.jobs.calendar import CalendarGate
from patch_manager.supervisor.jobs.planning import replan
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, everything, make_group, make_user


async def job_on(fleet: ScriptedFleet, admin: Principal, host_id: UUID) -> JobView:
    """The only job of a host."""
    (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=host_id))).items
    view = await fleet.service.get_job(admin, job.id)
    assert isinstance(view, JobView)
    return view


async def waits(fleet: ScriptedFleet, admin: Principal, host_id: UUID, held: Callable[[JobView], bool]) -> JobView:
    """The job once ``held`` is true of it."""
    while not held(job := await job_on(fleet, admin, host_id)):  # noqa: ASYNC110 - only the database knows
        await trio.sleep(0.05)
    return job


def sent(fleet: ScriptedFleet, host_id: UUID) -> list[tuple[str, ...]]:
    """What the host's agent was asked to apply."""
    return fleet.links[host_id].agent.applies


def note_sends(fleet: ScriptedFleet, host_id: UUID) -> list[datetime]:
    """When applies reached the last check, from now on."""
    moments: list[datetime] = []
    fleet.links[host_id].agent.before_apply = lambda: moments.append(fleet.now())
    return moments


async def test_each_host_of_a_deployment_is_touched_within_two_seconds_of_its_own_opening(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    is_open, opens = await fleet.add(), await fleet.add()
    async with fleet.running():
        await fleet.add_window(is_open, -60)
        window = await fleet.add_window(opens, 3)
        moments = note_sends(fleet, opens)
        made = await fleet.service.create(admin, everything(is_open, opens, when=When.WINDOW))
        with trio.fail_after(2.5):
            await waits(fleet, admin, is_open, lambda job: job.state is JobState.SUCCEEDED)
        assert (len(sent(fleet, is_open)), sent(fleet, opens)) == (1, [])
        waiting = await job_on(fleet, admin, opens)
        assert (waiting.state, waiting.not_before) == (JobState.QUEUED, window.window.starts_at)
        assert "“nightly”" in waiting.message
        with trio.fail_after(10):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    assert [len(sent(fleet, host_id)) for host_id in (is_open, opens)] == [1, 1]
    assert window.window.starts_at is not None
    assert timedelta(0) <= moments[0] - window.window.starts_at < timedelta(seconds=2)


async def test_a_retry_due_after_the_window_closed_is_not_sent(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=2.0, fail_first=1))
    fleet.links[host_id].agent.budget = FreeBudget()
    async with fleet.running():
        await fleet.add_window(host_id, -58.5, 1)
        made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.FAILED
    assert len(sent(fleet, host_id)) == 1
    job = await job_on(fleet, admin, host_id)
    assert "not retried: outside the host's maintenance windows" in job.message
    (attempt,) = job.attempts
    assert (attempt.error_code, attempt.exit_code) == ("PKG_MANAGER_ERROR", 100)
    assert {package.result for package in job.packages} == {PackageResult.FAILED}


async def test_a_failure_inside_the_window_is_retried_in_it(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=0.1, fail_first=1))
    fleet.links[host_id].agent.budget = FreeBudget()
    async with fleet.running():
        await fleet.add_window(host_id, -60)
        made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    assert len(sent(fleet, host_id)) == 2


async def test_a_window_that_closes_between_intent_and_first_byte_keeps_the_call_back(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()

    def jump_once() -> None:
        fleet.jumped = max(fleet.jumped, timedelta(hours=2))

    fleet.links[host_id].agent.before_apply = jump_once
    async with fleet.running():
        await fleet.add_window(host_id, -60)
        later = await fleet.add_window(host_id, 24 * 3600)
        await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        with trio.fail_after(10):
            job = await waits(fleet, admin, host_id, lambda job: job.not_before == later.window.starts_at)
        assert (job.state, sent(fleet, host_id)) == (JobState.QUEUED, [])
        assert "“nightly”" in job.message
        fleet.jumped = timedelta(hours=24, seconds=2)  # the next window: the same job goes out, once
        with trio.fail_after(10):
            await waits(fleet, admin, host_id, lambda job: job.state is JobState.SUCCEEDED)
    assert len(sent(fleet, host_id)) == 1


async def test_a_wall_clock_set_forward_opens_the_window_that_it_passed_into(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        await fleet.add_window(host_id, 3600)
        made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        await trio.sleep(0.5)
        assert sent(fleet, host_id) == []
        fleet.jumped = timedelta(hours=1, minutes=1)
        with trio.fail_after(5):
            await fleet.ended(admin, made)
    assert len(sent(fleet, host_id)) == 1


async def test_a_window_missed_while_the_manager_was_stopped_is_not_made_up_for(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()
    await fleet.add_window(host_id, 60, 5)
    later = await fleet.add_window(host_id, 24 * 3600)
    await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
    fleet.jumped = timedelta(minutes=30)
    async with fleet.running():
        with trio.fail_after(5):
            job = await waits(fleet, admin, host_id, lambda job: job.not_before == later.window.starts_at)
    assert (job.state, sent(fleet, host_id)) == (JobState.QUEUED, [])


async def test_a_window_taken_away_stops_what_waits_for_it(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        window = await fleet.add_window(host_id, 1.0)
        await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        replanned = await fleet.db.transaction(_delete, window.id, host_id, fleet.now())
        await fleet.room.calendar.changed([host_id], replanned)
        await trio.sleep(2.0)
        job = await job_on(fleet, admin, host_id)
    assert (job.state, job.not_before, sent(fleet, host_id)) == (JobState.QUEUED, None, [])
    assert "no maintenance window" in job.message


async def test_a_window_taken_away_behind_the_managers_back_is_noticed(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        window = await fleet.add_window(host_id, 2.5)
        await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        await fleet.db.transaction(delete_window, window.id)
        with trio.fail_after(2):
            await waits(fleet, admin, host_id, lambda job: job.not_before is None)
        await trio.sleep(1.0)
    assert sent(fleet, host_id) == []


async def test_nothing_starts_within_the_cutoff(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        await fleet.add_window(host_id, -50 * 60, cutoff_minutes=15)
        await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        await trio.sleep(1.5)
        job = await job_on(fleet, admin, host_id)
    assert (job.state, sent(fleet, host_id)) == (JobState.QUEUED, [])
    assert "no maintenance window of this host opens again" in job.message


async def test_a_reboot_is_not_requested_after_the_window_closed(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=2.5))
    host = fleet.links[host_id].agent.host
    host.reboot_names = frozenset({"openssl"})
    async with fleet.running():
        await fleet.add_window(host_id, -58.5, 1)
        request = everything(host_id, when=When.WINDOW, reboot=RebootPolicy.IF_REQUIRED)
        made = await fleet.service.create(admin, request)
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.FAILED
    job = await job_on(fleet, admin, host_id)
    assert job.message == "the reboot was not requested: outside the host's maintenance windows"
    assert {package.result for package in job.packages} == {PackageResult.UPDATED}
    assert not [each for each in host.jobs.values() if each.operation == "reboot"]


async def test_a_freeze_stops_every_start_until_it_ends(fleet: ScriptedFleet, admin: Principal) -> None:
    now, in_window = await fleet.add(), await fleet.add()
    async with fleet.running():
        await fleet.add_window(in_window, -60)
        freeze = await fleet.add_freeze(0, 3)
        moments = note_sends(fleet, now), note_sends(fleet, in_window)
        first = await fleet.service.create(admin, everything(now))
        second = await fleet.service.create(admin, everything(in_window, when=When.WINDOW))
        for host_id in (now, in_window):
            job = await job_on(fleet, admin, host_id)
            assert (job.state, job.not_before) == (JobState.QUEUED, freeze.ends_at)
            assert "(year end)" in job.message
        with trio.fail_after(10):
            for made in (first, second):
                assert (await fleet.ended(admin, made)).state is DeploymentState.SUCCEEDED
    assert all(moment >= freeze.ends_at for (moment,) in moments)
    assert [len(sent(fleet, host_id)) for host_id in (now, in_window)] == [1, 1]


async def test_a_freeze_lifted_early_lets_jobs_go_at_once(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        freeze = await fleet.add_freeze(-5, 3600)
        made = await fleet.service.create(admin, everything(host_id))
        await fleet.db.transaction(delete_freeze, freeze.id)  # nobody tells: the revision does
        with trio.fail_after(5):
            assert (await fleet.ended(admin, made)).state is DeploymentState.SUCCEEDED


async def test_a_freeze_of_a_group_holds_a_host_that_joins_it(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    group = await make_group(db, "frozen")
    host_id = await fleet.add()
    async with fleet.running():
        await fleet.add_window(host_id, 2.5)
        freeze = await fleet.add_freeze(-5, 600, group)
        await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        await db.transaction(_join, group, host_id)
        with trio.fail_after(2):
            await waits(fleet, admin, host_id, lambda job: job.not_before == freeze.ends_at)


async def test_a_freeze_that_begins_between_intent_and_first_byte_keeps_the_call_back(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()

    def jump() -> None:
        fleet.jumped = timedelta(minutes=2)

    fleet.links[host_id].agent.before_apply = jump
    async with fleet.running():
        freeze = await fleet.add_freeze(60, 3600)
        await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(5):
            job = await waits(fleet, admin, host_id, lambda job: job.not_before == freeze.ends_at)
    assert (job.state, sent(fleet, host_id)) == (JobState.QUEUED, [])


async def test_an_admins_word_overrides_a_freeze_and_an_operators_does_not(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add()
    operator = await make_user(db, Role.OPERATOR)
    async with fleet.running():
        await fleet.add_freeze(-5, 3600)
        request = replace(everything(host_id), override_freeze=True)
        assert await fleet.service.create(operator, request) == OnlyAdmins()
        assert await fleet.service.preview(operator, request) == OnlyAdmins()
        made = await fleet.service.create(admin, request)
        assert isinstance(made, DeploymentView)
        with trio.fail_after(5):
            assert (await fleet.ended(admin, made)).state is DeploymentState.SUCCEEDED


async def test_an_operators_retry_does_not_inherit_an_admins_word(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    host_id = await fleet.add(Temper(duration=0.1, fail_first=9, error_code="GPG_ERROR"))
    operator = await make_user(db, Role.OPERATOR)
    async with fleet.running():
        await fleet.add_freeze(-5, 3600)
        made = await fleet.service.create(admin, replace(everything(host_id), override_freeze=True))
        with trio.fail_after(10):
            await fleet.ended(admin, made)
        await fleet.service.retry_failed(operator, made.id)
        await trio.sleep(1.2)
    assert len(sent(fleet, host_id)) == 1


async def test_a_calendar_that_could_not_read_a_change_lets_nothing_out(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    calendar = fleet.room.calendar
    await calendar.keep_fresh()
    with trio.move_on_after(0):
        await calendar.changed([host_id], ())
    assert not calendar.sound
    record, now = await _record(fleet, admin, host_id), fleet.room.calendar.now()
    closed = CalendarGate(calendar).refuses(record, record.operation, Moment(now, "boot", 0.0))
    assert closed is not None
    assert closed.until == now + timedelta(seconds=1)
    assert await calendar.keep_fresh()
    assert CalendarGate(calendar).refuses(record, record.operation, Moment(now, "boot", 0.0)) is None
    assert not await calendar.keep_fresh()


async def test_a_hundred_windows_may_open_at_the_same_moment(fleet: ScriptedFleet, admin: Principal) -> None:
    hosts = [await fleet.add(Temper(duration=0.5)) for _ in range(100)]
    async with fleet.running():
        for host_id in hosts:
            await fleet.add_window(host_id, 60)
        made = await fleet.service.create(admin, everything(*hosts, when=When.WINDOW))
        fleet.jumped = timedelta(seconds=61)
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert done.totals.succeeded == 100
    assert {len(sent(fleet, host_id)) for host_id in hosts} == {1}


async def _record(fleet: ScriptedFleet, admin: Principal, host_id: UUID) -> JobRecord:
    await fleet.service.create(admin, everything(host_id))
    job = await job_on(fleet, admin, host_id)
    return (await fleet.db.read(load_records, [job.id]))[job.id]


async def _delete(connection: Connection, window_id: UUID, host_id: UUID, now: datetime) -> tuple[WaitingJob, ...]:
    await delete_window(connection, window_id)
    return await replan(connection, [host_id], now)


async def _join(connection: Connection, group: UUID, host_id: UUID) -> None:
    await connection.execute("INSERT INTO group_hosts (group_id, host_id) VALUES ($1, $2)", group, host_id)
