"""Jobs from their request to their end, on a real database and scripted agents, in real time."""

from __future__ import annotations

import pytest
import trio

from patch_manager.actors.jobs import rules
from patch_manager.domain.deployments import DeploymentState, JobFilter, JobView
from patch_manager.domain.jobs import JobState, PackageResult, RebootPolicy
from patch_manager.domain.principal import Principal
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, everything


async def only_job(fleet: ScriptedFleet, admin: Principal) -> JobView:
    page = await fleet.service.list_jobs(admin, JobFilter())
    (job,) = page.items
    view = await fleet.service.get_job(admin, job.id)
    assert isinstance(view, JobView)
    return view


async def test_everything_pending_is_applied_once_and_told_per_package(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        assert made.totals.queued == 1
        with trio.fail_after(15):
            done = await fleet.ended(admin, made)
        with trio.fail_after(5):
            await fleet.hub.told(made.id, "succeeded")
    assert done.state is DeploymentState.SUCCEEDED
    assert fleet.links[host_id].agent.applies == [("openssl", "bash")]
    job = await only_job(fleet, admin)
    assert [(p.name, p.result, p.to_version) for p in job.packages] == [
        ("bash", PackageResult.UPDATED, "1.1"),
        ("openssl", PackageResult.UPDATED, "1.1"),
    ]
    states = [step.state.value for step in job.transitions]
    assert states == ["queued", "dispatching", "dispatching", "running", "verifying", "succeeded"]
    assert job.attempts[0].agent_job_id == "job-1"
    assert fleet.hub.jobs[job.id]["state"] == "succeeded"
    assert fleet.links[host_id].reports[-1] is None


async def test_an_up_to_date_host_is_sent_nothing(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(names=())
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(10):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    assert fleet.links[host_id].agent.applies == []
    assert "already up to date" in (await only_job(fleet, admin)).message


async def test_only_pending_packages_of_those_named_are_sent(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id, packages=("bash", "vim")))
        with trio.fail_after(10):
            await fleet.ended(admin, made)
    assert fleet.links[host_id].agent.applies == [("bash",)]
    results = {p.name: p.result for p in (await only_job(fleet, admin)).packages}
    assert results == {"bash": PackageResult.UPDATED, "vim": PackageResult.NOT_NEEDED}


async def test_a_name_that_agents_refuse_is_told_and_holds_up_no_other_package(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    some, only = await fleet.add(names=("openssl", "libc6:i386")), await fleet.add(names=("libc6:i386",))
    async with fleet.running():
        made = await fleet.service.create(admin, everything(some, only))
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.FAILED
    assert fleet.links[some].agent.applies == [("openssl",)]
    assert fleet.links[only].agent.applies == []
    for job in (await fleet.service.list_jobs(admin, JobFilter())).items:
        results = {package.name: package.result for package in job.packages}
        assert results.pop("libc6:i386") is PackageResult.NOT_ACCEPTED
        assert results == ({"openssl": PackageResult.UPDATED} if job.host_id == some else {})
        assert (job.state, job.attempts[-1].number) == (JobState.FAILED, 1)
        assert job.attempts[-1].error_code == "NAME_NOT_ACCEPTED"
        assert "libc6:i386" in job.message


async def test_a_failure_is_retried_once_and_then_succeeds(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=0.1, fail_first=1))
    fleet.links[host_id].agent.budget = FreeBudget()
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    job = await only_job(fleet, admin)
    assert [attempt.state for attempt in job.attempts] == ["failed", "completed"]
    assert job.attempts[0].error_code == "PKG_MANAGER_ERROR"
    assert job.attempts[0].exit_code == 100
    assert job.attempts[0].stderr == "dpkg: error�"


async def test_a_code_that_time_does_not_change_is_not_retried(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=0.1, fail_first=9, error_code="GPG_ERROR"))
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.FAILED
    assert len(fleet.links[host_id].agent.applies) == 1
    job = await only_job(fleet, admin)
    assert {p.result for p in job.packages} == {PackageResult.FAILED}
    assert "GPG_ERROR" in job.message


async def test_a_kept_back_package_is_told_and_is_no_success(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=0.1, kept_back=frozenset({"bash"})))
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.FAILED
    job = await only_job(fleet, admin)
    assert {p.name: p.result for p in job.packages} == {
        "bash": PackageResult.KEPT_BACK,
        "openssl": PackageResult.UPDATED,
    }
    assert len(job.attempts) == 1


async def test_a_refusal_waits_as_asked_and_uses_no_attempt(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    agent = fleet.links[host_id].agent
    agent.budget = FreeBudget()
    agent.answers = ["refuse", "refuse"]
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    job = await only_job(fleet, admin)
    assert len(job.attempts) == 1
    assert job.attempts[0].sends == 1


async def test_a_needed_reboot_is_its_own_step_and_is_proven(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=0.1, reboot_takes=1.0))
    host = fleet.links[host_id].agent.host
    host.reboot_names = frozenset({"openssl"})
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id, reboot=RebootPolicy.IF_REQUIRED))
        with trio.fail_after(60):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    assert host.reboots_asked == 1
    states = [step.state.value for step in (await only_job(fleet, admin)).transitions]
    assert states.index("rebooting") > states.index("running")
    assert states[-1] == "succeeded"


async def test_a_job_goes_on_where_a_killed_manager_left_it(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=2.0))
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(10):
            await fleet.reaches(made, JobState.RUNNING)
    fleet.new_room()
    await fleet.lead()
    async with fleet.running():
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    assert len(fleet.links[host_id].agent.applies) == 1


async def test_an_intent_that_grew_old_is_not_sent(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    agent = fleet.links[host_id].agent
    agent.budget = FreeBudget()
    stops = [120.0]

    def stop_the_process() -> None:  # SIGSTOP and, two minutes later, SIGCONT
        fleet.stopped_for += stops.pop() if stops else 0.0

    agent.before_apply = stop_the_process
    async with fleet.running():
        made = await fleet.service.create(admin, everything(host_id))
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert done.state is DeploymentState.SUCCEEDED
    assert len(agent.applies) == 1
    reasons = [step.reason for step in (await only_job(fleet, admin)).transitions]
    assert "not sent: the intent is older than 10 s" in reasons


async def test_an_unreachable_host_fails_after_one_retry_and_holds_nobody_up(
    fleet: ScriptedFleet, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "CONNECT_PAUSES", (0.1, 0.1))
    monkeypatch.setattr(rules, "UNREACHABLE_RETRY", 0.5)
    away, good = await fleet.add(), await fleet.add()
    fleet.links[away].agent.host.away_until = float("inf")
    async with fleet.running():
        made = await fleet.service.create(admin, everything(away, good))
        with trio.fail_after(20):
            done = await fleet.ended(admin, made)
    assert (done.totals.succeeded, done.totals.failed) == (1, 1)
    (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=away))).items
    assert [attempt.error_code for attempt in job.attempts] == ["HOST_UNREACHABLE", "HOST_UNREACHABLE"]
    assert "nothing was sent" in job.message
    assert fleet.links[away].agent.applies == []


async def test_a_slow_list_of_patches_gives_its_place_to_others(
    fleet: ScriptedFleet, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patch_manager.actors.jobs.run.BEGINNING_SECONDS", 0.2)
    hosts = [await fleet.add(Temper(duration=0.1)) for _ in range(51)]  # one more than there are places
    go = trio.Event()
    for slow in hosts[:50]:
        fleet.links[slow].agent.before_patches = go.wait
    async with fleet.running():
        made = await fleet.service.create(admin, everything(*hosts))
        with trio.fail_after(20):
            while not fleet.links[hosts[50]].agent.applies:  # noqa: ASYNC110 - only the agent knows
                await trio.sleep(0.05)
            go.set()
            done = await fleet.ended(admin, made)
    assert done.totals.succeeded == 51


async def test_a_job_without_a_place_waits_in_its_queue_and_can_be_cancelled(
    fleet: ScriptedFleet, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patch_manager.actors.jobs.run.BEGINNING_SECONDS", 60.0)
    hosts = [await fleet.add(Temper(duration=0.1)) for _ in range(50)]  # as many as there are places
    go = trio.Event()
    for host_id in hosts:
        fleet.links[host_id].agent.before_patches = go.wait
    async with fleet.running():
        first = await fleet.service.create(admin, everything(*hosts))
        with trio.fail_after(20):
            await fleet.reaches(first, JobState.DISPATCHING)
            late = await fleet.add()
            await fleet.service.create(admin, everything(late))
            await trio.sleep(1.2)  # the scan has handed it out
            (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=late))).items
            assert job.state is JobState.QUEUED
            await fleet.service.cancel_job(admin, job.id)
            go.set()
            assert (await fleet.ended(admin, first)).totals.succeeded == 50
    assert fleet.links[late].agent.applies == []


async def test_a_manager_that_lost_its_leadership_sends_nothing(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    old = fleet.leader
    await fleet.lead()
    fleet.leader = old  # this manager does not know yet that another one won
    async with fleet.running():
        await fleet.service.create(admin, everything(host_id))
        await trio.sleep(1.5)
    assert fleet.links[host_id].agent.applies == []
    assert (await only_job(fleet, admin)).state is JobState.QUEUED


async def test_five_hundred_jobs_are_dispatched_within_ten_seconds(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    hosts = [await fleet.add(Temper(duration=1.0)) for _ in range(500)]
    async with fleet.running():
        made = await fleet.service.create(admin, everything(*hosts))
        with trio.fail_after(10):
            await fleet.reaches(made, *(state for state in JobState if state is not JobState.QUEUED))
        with trio.fail_after(60):
            done = await fleet.ended(admin, made)
    assert done.totals.succeeded == done.totals.total == 500
    assert all(len(link.agent.applies) == 1 for link in fleet.links.values())
    assert await db.read(_sends_per_job) == {1}


async def _sends_per_job(connection: Connection) -> set[int]:
    rows = await connection.fetch("SELECT count(*) AS sends FROM job_sends GROUP BY job_id")
    return {row["sends"] for row in rows}
