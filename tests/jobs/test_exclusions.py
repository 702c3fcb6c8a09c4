"""What must not be patched is left out of the lists that jobs keep, at the moment these are made."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import trio

from patch_manager.domain.deployments import DeploymentState, DeploymentView, JobFilter, JobView
from patch_manager.domain.exclusions import Excluded
from patch_manager.domain.jobs import JobState, PackageResult, When
from patch_manager.domain.principal import Principal
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from patch_manager.storage.exclusions import ExclusionRow, insert_exclusion
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, everything, make_group


async def exclude(
    fleet: ScriptedFleet, package: str, lasts: float = 3600, *, host: UUID | None = None, group: UUID | None = None
) -> ExclusionRow:
    """A standing exclusion, for so many seconds."""
    now = fleet.now()
    ends = now + timedelta(seconds=lasts)
    row = ExclusionRow(uuid4(), package, host, None, group, None, "dba", "vendor pin", ends, "somebody", now, now)
    await fleet.db.transaction(insert_exclusion, row, None)
    return row


async def deploy(
    fleet: ScriptedFleet, admin: Principal, host_id: UUID, **other: object
) -> tuple[DeploymentView, JobView]:
    """A deployment that has ended, and its job."""
    made = await fleet.service.create(admin, everything(host_id, **other))
    with trio.fail_after(30):
        done = await fleet.ended(admin, made)
    return done, await job_of(fleet, admin, made.id)


async def job_of(fleet: ScriptedFleet, admin: Principal, deployment_id: UUID) -> JobView:
    (job,) = (await fleet.service.list_jobs(admin, JobFilter(deployment_id=deployment_id))).items
    view = await fleet.service.get_job(admin, job.id)
    assert isinstance(view, JobView)
    return view


def results(job: JobView) -> dict[str, PackageResult]:
    return {package.name: package.result for package in job.packages}


async def test_all_means_all_but_what_is_excluded_on_the_host_its_group_or_everywhere(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    group = await make_group(db, "databases")
    names = ("openssl", "bash", "linux-image-6.1", "postgresql-15")
    held, other = await fleet.add(names=names, group=group), await fleet.add(names=names)
    await exclude(fleet, "linux-image-*")
    await exclude(fleet, "postgresql-*", group=group)
    await exclude(fleet, "openssl", host=held)
    await exclude(fleet, "bash", -1)
    async with fleet.running():
        done, job = await deploy(fleet, admin, held)
        _, elsewhere = await deploy(fleet, admin, other, exclude=(Excluded("bash", "tested later"),))
    assert done.state is DeploymentState.SUCCEEDED
    assert fleet.links[held].agent.applies == [("bash",)]
    assert fleet.links[other].agent.applies == [("openssl", "postgresql-15")]
    assert results(job) == {
        "bash": PackageResult.UPDATED,
        "linux-image-6.1": PackageResult.EXCLUDED,
        "openssl": PackageResult.EXCLUDED,
        "postgresql-15": PackageResult.EXCLUDED,
    }
    assert "1 package updated; left out by exclusions: " in job.message
    reasons = {package.name: package.reason for package in elsewhere.packages}
    assert reasons["bash"] == f"excluded from this deployment by {admin.username}: tested later"
    assert reasons["openssl"] is None
    assert (reasons["linux-image-6.1"] or "").endswith("UTC by dba: vendor pin")


async def test_a_name_that_agents_refuse_fails_no_job_once_it_is_excluded(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    some, only = await fleet.add(names=("openssl", "libc6:i386")), await fleet.add(names=("libc6:i386",))
    await exclude(fleet, "libc6*")
    async with fleet.running():
        done, job = await deploy(fleet, admin, some)
        assert done.state is DeploymentState.SUCCEEDED
        assert results(job) == {"openssl": PackageResult.UPDATED, "libc6:i386": PackageResult.EXCLUDED}
        done, job = await deploy(fleet, admin, only)
    assert done.state is DeploymentState.SUCCEEDED
    assert fleet.links[only].agent.applies == []


async def test_a_package_chosen_by_name_is_left_out_too_and_told_so(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add()
    await exclude(fleet, "openssl", host=host_id)
    async with fleet.running():
        done, job = await deploy(fleet, admin, host_id, packages=("openssl", "vim"))
    assert (done.state, fleet.links[host_id].agent.applies) == (DeploymentState.SUCCEEDED, [])
    assert results(job) == {"openssl": PackageResult.EXCLUDED, "vim": PackageResult.NOT_NEEDED}
    assert job.message == "nothing was sent; left out by exclusions: openssl"


async def test_an_exclusion_that_expires_before_the_window_opens_has_no_effect_in_it(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()
    async with fleet.running():
        await fleet.add_window(host_id, 3600)
        await exclude(fleet, "openssl", 1800, host=host_id)
        made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        fleet.jumped = timedelta(seconds=3601)
        with trio.fail_after(20):
            await fleet.ended(admin, made)
    assert fleet.links[host_id].agent.applies == [("openssl", "bash")]


async def test_an_exclusion_made_while_the_job_waits_with_an_unsent_list_is_respected(
    fleet: ScriptedFleet, admin: Principal
) -> None:
    host_id = await fleet.add()
    agent = fleet.links[host_id].agent
    passed: list[datetime] = []

    def jump_once() -> None:  # the list is kept and the intent written: the window closes before the first byte
        if not passed:
            passed.append(fleet.now())
            fleet.jumped = timedelta(hours=2)

    agent.before_apply = jump_once
    async with fleet.running():
        await fleet.add_window(host_id, -60)
        await fleet.add_window(host_id, 24 * 3600)
        made = await fleet.service.create(admin, everything(host_id, when=When.WINDOW))
        with trio.fail_after(20):
            while not passed or (await job_of(fleet, admin, made.id)).state is not JobState.QUEUED:  # noqa: ASYNC110
                await trio.sleep(0.05)
        await exclude(fleet, "openssl", 90_000, host=host_id)
        fleet.jumped = timedelta(hours=24, seconds=2)
        with trio.fail_after(20):
            await fleet.ended(admin, made)
    assert agent.applies == [("bash",)]


async def test_a_retry_keeps_the_list_of_its_attempt(fleet: ScriptedFleet, admin: Principal) -> None:
    host_id = await fleet.add(Temper(duration=0.1, fail_first=1))
    agent = fleet.links[host_id].agent
    agent.budget = FreeBudget()
    await exclude(fleet, "bash", host=host_id)
    excluded: list[ExclusionRow] = []

    async def when_listing() -> None:
        if agent.applies and not excluded:
            excluded.append(await exclude(fleet, "openssl", host=host_id))

    agent.before_patches = when_listing
    async with fleet.running():
        done, job = await deploy(fleet, admin, host_id)
    assert (done.state, agent.applies) == (DeploymentState.SUCCEEDED, [("openssl",), ("openssl",)])
    assert results(job) == {"bash": PackageResult.EXCLUDED, "openssl": PackageResult.UPDATED}


async def test_a_preview_shows_what_is_left_out_and_how_many_hosts_are_outside_their_windows(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    inside, outside = await fleet.add(), await fleet.add()
    for host_id in (inside, outside):
        await db.transaction(_list_patches, host_id)
    row = await exclude(fleet, "open*", host=outside)
    await fleet.add_window(inside, -60)
    preview = await fleet.service.preview(admin, everything(inside, outside, exclude=(Excluded("bash", "later"),)))
    assert (preview.outside_windows_count, preview.excluded_count, preview.package_count) == (1, 3, 1)
    by_host = {host.host_id: host for host in preview.hosts}
    assert [package.name for package in by_host[inside].packages] == ["openssl"]
    assert (by_host[inside].outside_windows, by_host[outside].outside_windows) == (False, True)
    left_out = {each.name: each for each in by_host[outside].excluded}
    assert (left_out["openssl"].owner, left_out["openssl"].expires_at) == ("dba", row.expires_at)
    assert (left_out["openssl"].standing, left_out["bash"].standing) == (True, False)
    waiting = await fleet.service.preview(admin, everything(inside, outside, when=When.WINDOW))
    assert waiting.outside_windows_count == 0


async def _list_patches(connection: Connection, host_id: UUID) -> None:
    await connection.execute(
        "INSERT INTO host_patches (host_id, name, severity, first_seen_at) "
        "SELECT $1, name, 'high', now() FROM unnest(ARRAY['openssl', 'bash']) AS name",
        host_id,
    )
