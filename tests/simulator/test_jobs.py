"""The life of jobs: progress, ends, reboots, rollbacks, queue, loss."""

import uuid
from collections.abc import Callable

import pytest
import trio
import trio.testing

from patch_manager.simulator.catalogue import kernel_package
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.specs import Dialect, Release
from patch_manager.simulator.temper import EVERYTHING, Temper
from tests.simulator.client import Client
from tests.simulator.conftest import Start

ALL_PATCHES = 31


async def apply(client: Client, host: SimulatedHost, **body: object) -> str:
    answer = await client.post(host, "/api/v1/patches/apply", {"packages": None, "reboot": False} | body)
    assert answer.status == 202
    assert answer.data["operation"] == "patch_apply"
    return str(answer.data["job_id"])


async def until(holds: Callable[[], object]) -> None:
    """Wait for a state that nobody announces; the fixture's deadline bounds it."""
    while not holds():  # noqa: ASYNC110 - hosts have no events for tests to wait on
        await trio.sleep(0.005)


async def until_rebooted(host: SimulatedHost) -> None:
    await until(lambda: host.reboots and host.reachable)


async def test_an_apply_of_named_packages_takes_only_those_off_the_list(start: Start) -> None:
    host, client = await start()
    wanted = [patch.name for patch in host.patches[:2]]
    job = await client.finished(host, await apply(client, host, packages=wanted))
    assert (job["status"], job["progress"], job["operation"]) == ("completed", 100, "patchapply")
    assert job["packages"] == wanted
    assert (job["exit_code"], job["error"]) == (0, None)
    assert job["logs"]
    assert job["command_stdout"]
    left = (await client.get(host, "/api/v1/patches")).data["patches"]
    assert len(left) == 4
    assert not {patch["name"] for patch in left} & set(wanted)
    assert host.applied == [tuple(sorted(wanted))]
    assert host.apply_jobs == 1


async def test_an_apply_of_null_takes_everything(start: Start) -> None:
    host, client = await start()
    await client.finished(host, await apply(client, host))
    assert host.patches == ()


async def test_the_documented_form_is_not_read_and_applies_everything(start: Start) -> None:
    host, client = await start(dialect=Dialect.DOCUMENTATION)
    answer = await client.post(host, "/api/v1/patches/apply", {"patches": ["nginx"], "options": {}})
    job = await client.finished(host, answer.data["job_id"])
    assert (job["operation"], job["progress_percent"]) == ("patch_apply", 100)
    assert host.patches == ()


async def test_progress_grows_over_time(start: Start) -> None:
    host, client = await start(job_seconds=1.0)
    job_id = await apply(client, host)
    seen = []
    while not (job := (await client.get(host, f"/api/v1/jobs/{job_id}")).data)["completed_at"]:
        seen.append(job["progress"])
        await trio.sleep(0.15)
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert job["status"] == "completed"


async def test_an_unknown_package_fails_the_job(start: Start) -> None:
    host, client = await start()
    job = await client.finished(host, await apply(client, host, packages=["no-such-package"]))
    assert (job["status"], job["error_code"], job["exit_code"]) == ("failed", "PKG_NOT_FOUND", 100)
    assert len(host.patches) == 6


async def test_kept_back_packages_stay_pending_although_the_job_completes(start: Start) -> None:
    host, client = await start()
    kept = host.patches[0].name
    host.temper = Temper(kept_back=(kept,))
    job = await client.finished(host, await apply(client, host))
    assert job["status"] == "completed"
    assert [patch.name for patch in host.patches] == [kept]
    host.temper = Temper(kept_back=(EVERYTHING,))
    await client.finished(host, await apply(client, host))
    assert [patch.name for patch in host.patches] == [kept]


async def test_jobs_fail_as_often_as_told_with_the_code_told(start: Start) -> None:
    host, client = await start(temper=Temper(fail_jobs=1, error_code="GPG_ERROR"))
    job = await client.finished(host, await apply(client, host))
    assert (job["status"], job["error_code"]) == ("failed", "GPG_ERROR")
    assert job["command_stderr"]
    assert (await client.finished(host, await apply(client, host)))["status"] == "completed"


@pytest.mark.parametrize(("dialect", "word"), [(Dialect.CODE, "timedout"), (Dialect.DOCUMENTATION, "timeout")])
async def test_a_job_past_its_limit_is_spelt_as_the_dialect_has_it(start: Start, dialect: Dialect, word: str) -> None:
    host, client = await start(dialect=dialect, temper=Temper(time_out_jobs=1))
    job = await client.finished(host, await apply(client, host))
    assert (job["status"], job["error_code"]) == (word, "TIMEOUT")


async def test_a_job_that_never_finishes_stays_running(start: Start) -> None:
    host, client = await start(temper=Temper(never_finish=1))
    job_id = await apply(client, host)
    await trio.sleep(0.2)
    assert (await client.get(host, f"/api/v1/jobs/{job_id}")).data["status"] == "running"


@pytest.mark.parametrize("done", [True, False])
async def test_a_lost_job_is_404_and_its_work_is_done_or_not(start: Start, done: bool) -> None:
    host, client = await start(temper=Temper(lose_jobs=1, work_is_done=done))
    job_id = await apply(client, host)
    answer = await client.get(host, f"/api/v1/jobs/{job_id}")
    assert (answer.status, answer.code) == (404, "JOB_NOT_FOUND")
    await until(lambda: not (done and host.patches))
    assert (await client.get(host, "/api/v1/jobs")).data == {"jobs": [], "total": 0}
    assert bool(host.patches) is not done


@pytest.mark.parametrize("release", [Release.ALIAS, Release.NEWEST])
async def test_an_agent_that_restarts_mid_job_forgets_it_but_finished_ones_may_persist(
    start: Start, release: Release
) -> None:
    host, client = await start(release=release)
    first = await apply(client, host, packages=[host.patches[0].name])
    await client.finished(host, first)
    host.temper = Temper(restart_mid_job=1, restart_seconds=0.1)
    second = await apply(client, host)
    await until(lambda: not host.reachable)
    with pytest.raises(OSError, match="connect"):
        await client.get(host, "/health")
    await until(lambda: host.reachable)
    assert (await client.get(host, f"/api/v1/jobs/{second}")).status == 404
    status = (await client.get(host, f"/api/v1/jobs/{first}")).status
    assert status == (200 if release is Release.NEWEST else 404)
    assert host.patches == ()


async def test_five_jobs_run_at_once_and_a_full_queue_says_so(start: Start) -> None:
    host, client = await start(job_seconds=30.0, queue_size=2)
    for _ in range(7):
        await apply(client, host)
        await trio.testing.wait_all_tasks_blocked(0.01)
    running = (await client.get(host, "/api/v1/jobs?status=running")).data["total"]
    pending = (await client.get(host, "/api/v1/jobs?status=pending")).data["total"]
    assert (running, pending) == (5, 2)
    full = await client.post(host, "/api/v1/patches/apply", {"packages": None})
    assert (full.status, full.code, full.headers["retry-after"]) == (429, "QUEUE_FULL", "60")
    assert full.json["error"]["retryable"] is True


async def test_jobs_are_listed_newest_first_and_50_by_default(start: Start) -> None:
    host, client = await start()
    ids = [await apply(client, host, packages=[host.patches[0].name]) for _ in range(3)]
    rows = (await client.get(host, "/api/v1/jobs?limit=2")).data
    assert [row["job_id"] for row in rows["jobs"]] == ids[:0:-1]
    assert rows["total"] == 3


@pytest.mark.parametrize(
    ("release", "patched", "reboots"),
    [
        (Release.BEFORE_ALIAS, ["tzdata"], 1),  # unconditionally
        (Release.ALIAS, ["tzdata"], 0),  # nothing needs it
        (Release.ALIAS, ["tzdata", "systemd"], 1),
    ],
)
async def test_a_reboot_asked_for_happens_as_the_release_has_it(
    start: Start, release: Release, patched: list[str], reboots: int
) -> None:
    host, client = await start(release=release, patch_count=ALL_PATCHES)
    job_id = await apply(client, host, packages=patched, reboot=True)
    with trio.move_on_after(0.6 if not reboots else 5):
        await until_rebooted(host)
    assert host.reboots == reboots
    status = (await client.get(host, f"/api/v1/jobs/{job_id}")).status
    assert status == (404 if reboots else 200)


async def test_after_a_reboot_uptime_is_small_and_the_patched_kernel_runs(start: Start) -> None:
    host, client = await start(patch_count=ALL_PATCHES)
    old = host.kernel
    await client.finished(host, await apply(client, host, packages=[kernel_package(host.spec.family)]))
    info = (await client.get(host, "/api/v1/system/info")).data
    assert (info["pending_reboot"], info["kernel"]) == (True, old)
    answer = await client.post(host, "/api/v1/system/reboot", {"delay_seconds": 0, "force": False})
    assert (answer.status, answer.data["operation"]) == (202, "reboot")
    await until_rebooted(host)
    info = (await client.get(host, "/api/v1/system/info")).data
    assert info["pending_reboot"] is False
    assert info["kernel"] != old
    assert (await client.get(host, "/api/v1/health")).data["uptime_seconds"] < 5
    assert (await client.get(host, f"/api/v1/jobs/{answer.data['job_id']}")).status == 404


async def test_a_reboot_is_blocked_while_jobs_run_unless_forced(start: Start) -> None:
    host, client = await start(job_seconds=30.0)
    await apply(client, host)
    blocked = await client.post(host, "/api/v1/system/reboot", {"force": False})
    assert (blocked.status, blocked.code) == (409, "REBOOT_BLOCKED")
    assert (await client.post(host, "/api/v1/system/reboot", {"force": True})).status == 202


async def test_a_rollback_makes_the_packages_pending_again(start: Start) -> None:
    host, client = await start()
    before = host.patches
    job_id = await apply(client, host)
    await client.finished(host, job_id)
    answer = await client.post(host, f"/api/v1/jobs/{job_id}/rollback")
    assert (answer.status, answer.data["operation"]) == (202, "rollback")
    assert answer.data["original_job_id"] == job_id
    await client.finished(host, answer.data["job_id"])
    assert host.patches == before
    original = (await client.get(host, f"/api/v1/jobs/{job_id}")).data
    assert original["rollback_job_id"] == answer.data["job_id"]


async def test_a_rollback_that_does_not_work_stays_pending(start: Start) -> None:
    host, client = await start(rollback_works=False)
    job_id = await apply(client, host)
    await client.finished(host, job_id)
    answer = await client.post(host, f"/api/v1/jobs/{job_id}/rollback")
    await trio.sleep(0.2)
    assert (await client.get(host, f"/api/v1/jobs/{answer.data['job_id']}")).data["status"] == "pending"


async def test_a_running_job_cannot_be_rolled_back(start: Start) -> None:
    host, client = await start(job_seconds=30.0)
    answer = await client.post(host, f"/api/v1/jobs/{await apply(client, host)}/rollback")
    assert (answer.status, answer.code) == (400, "ROLLBACK_NOT_ALLOWED")


async def test_deleting_a_running_job_cancels_it_in_the_documentation_only(start: Start) -> None:
    host, client = await start(job_seconds=30.0)
    job_id = await apply(client, host)
    refused = await client.call(host, "DELETE", f"/api/v1/jobs/{job_id}")
    assert (refused.status, refused.code) == (409, "DELETE_NOT_ALLOWED")


async def test_a_cancelled_job_changes_nothing(start: Start) -> None:
    host, client = await start(dialect=Dialect.DOCUMENTATION, job_seconds=30.0)
    job_id = await apply(client, host)
    assert (await client.call(host, "DELETE", f"/api/v1/jobs/{job_id}")).status == 200
    assert (await client.finished(host, job_id))["status"] == "cancelled"
    assert len(host.patches) == 6
    assert (await client.call(host, "DELETE", f"/api/v1/jobs/{job_id}")).data["deleted"] is True
    assert (await client.get(host, f"/api/v1/jobs/{job_id}")).status == 404


async def test_packages_are_installed_updated_and_removed(start: Start) -> None:
    host, client = await start()
    name = host.patches[0].name
    updated = await client.call(host, "PUT", f"/api/v1/packages/{name}", {"version": None})
    await client.finished(host, updated.data["job_id"])
    assert name not in {patch.name for patch in host.patches}
    removed = await client.call(host, "DELETE", f"/api/v1/packages/{name}?purge=true")
    await client.finished(host, removed.data["job_id"])
    assert (await client.get(host, f"/api/v1/packages/{name}")).status == 404
    body = {"packages": [{"name": name, "version": None}], "options": {"force": False}}
    installed = await client.post(host, "/api/v1/packages", body)
    assert installed.data["operation"] == "install"
    await client.finished(host, installed.data["job_id"])
    assert (await client.get(host, f"/api/v1/packages/{name}")).status == 200


async def test_an_agent_that_updates_itself_takes_no_work(start: Start) -> None:
    host, client = await start(temper=Temper(self_updating=True))
    answer = await client.post(host, "/api/v1/patches/apply", {"packages": ["nginx"]})
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (409, "SELF_UPDATE_IN_PROGRESS", "60")
    uuid.UUID(answer.json["request_id"])
