"""Reboots, rollbacks and package operations over real mTLS: from the request to what the host is like afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from patch_manager.actors.agent import rate_budget
from patch_manager.actors.jobs import rules
from patch_manager.domain.deployments import DeploymentView, JobFilter, JobView, NotPossible
from patch_manager.domain.holds import RebootHold
from patch_manager.domain.jobs import JobState, Operation, PackageResult, RebootPolicy
from patch_manager.domain.operations import NeedsConfirmation, PackageRequest, PackageWish, RollbackPreview
from patch_manager.domain.principal import Principal
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.vault import Vault
from patch_manager.simulator.jobs import Job, Status
from patch_manager.simulator.jobs import Operation as AgentOperation
from patch_manager.simulator.specs import Dialect, Release
from patch_manager.simulator.temper import LostAnswer, Temper
from patch_manager.storage import Database
from patch_manager.storage.holds import set_hold
from patch_manager.supervisor.jobs.operations import Asked
from tests.jobs.scripted import everything
from tests.jobs.test_with_agents import Manager, managing, spec

CODE: dict[str, Any] = {"dialect": Dialect.CODE, "release": Release.NEWEST}
DOCUMENTED: dict[str, Any] = {"dialect": Dialect.DOCUMENTATION, "release": Release.NEWEST}


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.load_or_create(tmp_path / "pki", Vault(b"v" * 32))


async def ended(manager: Manager, admin: Principal, job: object) -> JobView:
    """The job once it has ended."""
    assert isinstance(job, JobView), job
    with trio.fail_after(100):
        while True:
            view = await manager.service.get_job(admin, job.id)
            assert isinstance(view, JobView)
            if view.finished_at is not None:
                return view
            await trio.sleep(0.1)


def calls(manager: Manager, address: str, path: str) -> list[str]:
    """Methods of the mutating calls that a host saw on ``path`` and below, in order."""
    seen = manager.agents.host(address).requests
    return [call.method for call in seen if call.method != "GET" and path in call.path]


async def patched(manager: Manager, admin: Principal, *addresses: str) -> dict[str, JobView]:
    """The jobs that applied everything pending on these hosts."""
    made = await manager.service.create(admin, everything(*(manager.host_ids[address] for address in addresses)))
    assert isinstance(made, DeploymentView)
    with trio.fail_after(100):
        await manager.ended(admin, made)
    jobs = await manager.jobs(admin, JobFilter(deployment_id=made.id))
    return {job.host_address: job for job in jobs}


async def no_answer(host_id: object, agent_job_id: str) -> bool | None:
    return None


def change(operation: Operation, *names: str, **other: Any) -> PackageRequest:
    return PackageRequest(operation, tuple(PackageWish(name) for name in names), **other)


def results(job: JobView) -> set[PackageResult]:
    return {package.result for package in job.packages}


async def test_a_rollback_is_verified_bounded_and_told_as_it_is(
    db: Database, authority: CertificateAuthority, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ROLLBACK_START_LIMIT", 2.0)
    monkeypatch.setattr(rules, "ROLLBACK_LOOK", 0.5)
    monkeypatch.setattr(rules, "EVIDENCE_AFTER", 2.0)
    monkeypatch.setattr(rate_budget, "WRITES_PER_MINUTE", 30)  # the simulated agents allow 20 after a burst of 10
    monkeypatch.setattr(rules, "LOOKS_APART", 0.5)
    works, documented = spec(1, **CODE), spec(2, **DOCUMENTED)
    idle = spec(3, **CODE, temper=Temper(idle_rollbacks=True))
    stuck = spec(4, **CODE, rollback_works=False)
    adopted = spec(5, **CODE, temper=Temper(lost_answer=LostAnswer.AFTER_ACCEPTANCE, lost_answers=2))
    forgets = spec(6, **CODE)
    specs = [works, documented, idle, stuck, adopted, forgets]
    async with managing(db, authority, specs) as manager:
        jobs = await patched(manager, admin, *(each.address for each in specs))
        before = jobs[adopted.address]
        assert [attempt.adopted for attempt in before.attempts] == [True]
        preview = await manager.operations.preview_rollback(admin, before.id, no_answer)
        assert isinstance(preview, RollbackPreview)
        assert (preview.possible, preview.needs_confirmation, len(preview.packages)) == (True, True, 6)
        refused = await manager.operations.rollback(Asked(admin), before.id, confirm_adopted=False)
        assert isinstance(refused, NeedsConfirmation)

        manager.agents.host(forgets.address).jobs.clear()
        asked = [
            await manager.operations.rollback(Asked(admin), jobs[each.address].id, confirm_adopted=True)
            for each in specs
        ]
        again = await manager.operations.rollback(Asked(admin), before.id, confirm_adopted=True)
        assert isinstance(again, NotPossible)
        done = {job.host_address: job for job in [await ended(manager, admin, job) for job in asked]}

        for each in (works, documented, adopted):
            job = done[each.address]
            assert (job.state, results(job)) == (JobState.SUCCEEDED, {PackageResult.RESTORED}), job.message
            assert len(manager.agents.host(each.address).patches) == 6
        assert done[adopted.address].attempts[0].adopted
        assert results(done[idle.address]) == {PackageResult.NOT_RESTORED}
        assert done[idle.address].state is JobState.FAILED
        assert "not put back after the agent reported success" in done[idle.address].message
        assert [a.error_code for a in done[stuck.address].attempts] == ["ROLLBACK_NOT_STARTED"]
        assert [a.error_code for a in done[forgets.address].attempts] == ["JOB_NOT_FOUND"]
        assert done[forgets.address].state is JobState.FAILED
        for each in specs:
            assert calls(manager, each.address, "/rollback") == ["POST"], each.address
            assert len(manager.applies(each.address)) == 1
        told = await manager.operations.preview_rollback(admin, jobs[works.address].id, no_answer)
        assert isinstance(told, RollbackPreview)
        assert told.why_not is not None
        assert "rolled back already" in told.why_not


async def test_packages_are_changed_on_one_host_and_read_afterwards(
    db: Database, authority: CertificateAuthority, admin: Principal
) -> None:
    specs = [spec(1, **CODE), spec(2, **DOCUMENTED), spec(3, **CODE), spec(4, **CODE)]
    updated, removed, installed, nothing = (each.address for each in specs)
    async with managing(db, authority, specs) as manager:
        hosts = {address: manager.agents.host(address) for address in manager.host_ids}
        name = hosts[updated].patches[0].name
        gone = hosts[removed].installed()[0].name
        missing = hosts[installed].installed()[0].name
        hosts[installed].removed.add(missing)
        asked = {
            updated: change(Operation.UPDATE, name),
            removed: change(Operation.REMOVE, gone, purge=True),
            installed: change(Operation.INSTALL, missing, "no-such-package"),
            nothing: change(Operation.INSTALL, hosts[nothing].installed()[0].name),
        }
        queued = [
            await manager.operations.change_packages(Asked(admin), manager.host_ids[address], request)
            for address, request in asked.items()
        ]
        done = {job.host_address: job for job in [await ended(manager, admin, job) for job in queued]}
        assert done[updated].state is JobState.SUCCEEDED, done[updated].message
        assert [(p.name, p.result) for p in done[updated].packages] == [(name, PackageResult.UPDATED)]
        assert calls(manager, updated, "/packages") == ["PUT"]
        assert done[removed].state is JobState.SUCCEEDED, done[removed].message
        assert (results(done[removed]), calls(manager, removed, "/packages")) == ({PackageResult.REMOVED}, ["DELETE"])
        assert gone in hosts[removed].removed
        assert done[installed].state is JobState.FAILED
        assert [a.error_code for a in done[installed].attempts] == ["PKG_NOT_FOUND"]
        assert results(done[installed]) == {PackageResult.FAILED}
        assert calls(manager, installed, "/packages") == ["POST"]
        assert (done[nothing].state, calls(manager, nothing, "/packages")) == (JobState.SUCCEEDED, [])


async def test_reboots_are_proven_and_held_hosts_are_not_rebooted(
    db: Database, authority: CertificateAuthority, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_budget, "WRITES_PER_MINUTE", 30)
    blocked, held = spec(1, **CODE), spec(2, **CODE)
    async with managing(db, authority, [blocked, held]) as manager:
        host, host_id = manager.agents.host(held.address), manager.host_ids[held.address]
        host.reboot_required = True
        hold = RebootHold("database primary", "somebody", manager.clock.wall())
        await db.transaction(set_hold, host_id, hold)
        await manager.calendar.changed(None, ())
        refused = await manager.operations.reboot(Asked(admin), host_id)
        assert isinstance(refused, NotPossible)
        assert "database primary" in refused.reason
        made = await manager.service.create(admin, everything(host_id, reboot=RebootPolicy.IF_REQUIRED))

        busy = manager.agents.host(blocked.address)
        others = Job(AgentOperation.UPDATE, (busy.patches[0].name,), status=Status.RUNNING)
        busy.jobs.add(others)  # the agent answers 409 REBOOT_BLOCKED
        asked = await manager.operations.reboot(Asked(admin), manager.host_ids[blocked.address])
        assert isinstance(asked, JobView)
        blocked_now = JobFilter(states=(JobState.QUEUED,), search="REBOOT_BLOCKED")
        with trio.fail_after(60):
            while not await manager.jobs(admin, blocked_now):  # noqa: ASYNC110 - the agent answers
                await trio.sleep(0.05)
        others.finish(Status.COMPLETED, "done")
        manager.clock.forward += timedelta(seconds=120)
        rebooted = await ended(manager, admin, asked)
        assert (rebooted.state, busy.reboots) == (JobState.SUCCEEDED, 1), rebooted.message

        with trio.fail_after(60):
            await manager.ended(admin, made)
        (job,) = await manager.jobs(admin, JobFilter(host_id=host_id))
        assert (job.state, host.reboots) == (JobState.SUCCEEDED, 0)
        assert "reboot needed, the host is on hold: database primary" in job.message
