"""Operations on one host as HTTP tells them: holds, reboots, packages, rollbacks, services."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from patch_manager.actors.agent.models import AgentService
from patch_manager.storage.connecting import Connection
from patch_manager.supervisor.answers import NoSuchService, ServiceResult, Unanswered
from tests.http.resources.world import World

BASH = {"operation": "update", "packages": [{"name": "bash"}]}


async def hold(world: World, reason: str = "database primary") -> Any:
    body = {"reboot_hold": True, "reboot_hold_reason": reason}
    status, row = await world.ask("op_a", "PATCH", f"/hosts/{world.hosts['a1']}", body=body)
    assert status == 200, row
    return row


async def test_a_hold_says_who_set_it_and_why_and_refuses_reboots(world: World) -> None:
    path = f"/hosts/{world.hosts['a1']}"
    row = await hold(world)
    assert (row["reboot_hold"], row["reboot_hold_reason"]) == (True, "database primary")
    assert (row["reboot_hold_by"][:4], row["reboot_hold_at"] is not None) == ("op_a", True)
    assert [host["id"] for host in (await world.get("op_a", "/hosts", reboot_hold="true"))["items"]] == [row["id"]]
    status, problem = await world.ask("op_a", "POST", f"{path}/reboot", body={})
    assert status == 409
    assert "on hold: database primary" in problem["detail"]
    status, row = await world.ask("admin", "PATCH", path, body={"reboot_hold_reason": "storage node"})
    assert (row["reboot_hold_reason"], row["reboot_hold_by"][:4]) == ("storage node", "op_a")
    status, row = await world.ask("op_a", "PATCH", path, body={"reboot_hold": False})
    assert (row["reboot_hold"], row["reboot_hold_by"]) == (False, None)
    assert (await world.ask("op_a", "PATCH", path, body={"reboot_hold_reason": "no hold"}))[0] == 422
    assert (await world.ask("op_a", "POST", f"{path}/reboot", body={}))[0] == 202
    audit = [entry["action"] for entry in (await world.get("admin", "/audit"))["items"]]
    assert audit[:4] == ["job.requested", "host.reboot_hold_lifted", "host.reboot_hold_set", "host.reboot_hold_set"]


async def test_a_preview_says_that_a_host_on_hold_is_not_rebooted(world: World) -> None:
    host_id = world.hosts["a1"]
    await world.db.transaction(_needs_reboot, host_id)
    body = {"host_ids": [str(host_id)], "reboot": "if_required"}
    assert (await world.ask("op_a", "POST", "/deployments/preview", body=body))[1]["reboot_count"] == 1
    await hold(world)
    _, preview = await world.ask("op_a", "POST", "/deployments/preview", body=body)
    (row,) = preview["hosts"]
    assert (preview["reboot_count"], row["will_reboot"]) == (0, False)
    assert row["reboot_hold"] == "on hold: database primary"


async def _needs_reboot(connection: Connection, host_id: UUID) -> None:
    await connection.execute("UPDATE hosts SET reboot_required = true WHERE id = $1", host_id)
    await connection.execute(
        "INSERT INTO host_patches (host_id, name, severity, cve_ids, requires_reboot, first_seen_at)"
        " VALUES ($1, 'linux-image', 'high', '{}', true, now())",
        host_id,
    )


async def test_a_reboot_is_a_job_and_the_same_request_is_queued_once(world: World) -> None:
    path, key = f"/hosts/{world.hosts['a1']}/reboot", {"Idempotency-Key": "once"}
    body = {"when": "window", "reason": "new kernel"}
    status, job = await world.ask("op_a", "POST", path, body=body, headers=key)
    assert status == 202, job
    assert (job["operation"], job["state"], job["when"], job["reason"]) == ("reboot", "queued", "window", "new kernel")
    assert (job["deployment_id"], job["created_by"][:4]) == (None, "op_a")
    assert "no maintenance window" in job["message"]
    assert (await world.ask("op_a", "POST", path, body=body, headers=key))[1]["id"] == job["id"]
    assert (await world.ask("op_a", "POST", path, body={}, headers=key))[0] == 409
    assert (await world.get("op_a", f"/hosts/{world.hosts['a1']}/jobs"))["total"] == 1
    assert (await world.ask("op_a", "POST", path, body={"override_freeze": True}))[0] == 403
    assert (await world.ask("op_a", "POST", path, body={"force": True}))[0] == 400
    status, cancelled = await world.ask("op_a", "POST", f"/jobs/{job['id']}/cancel")
    assert (status, cancelled["state"]) == (200, "cancelled")


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"operation": "update", "packages": [{"name": "a"}, {"name": "b"}]}, "exactly one"),
    ({"operation": "remove", "packages": [{"name": "-rf"}]}, "no agent accepts"),
    ({"operation": "install", "packages": []}, "empty"),
    ({"operation": "install", "packages": [{"name": "a"}, {"name": "a"}]}, "twice"),
    ({"operation": "remove", "packages": [{"name": "a", "version": "1"}]}, "no version"),
    ({"operation": "update", "packages": [{"name": "a", "version": "1;reboot"}]}, "version"),
    ({"operation": "update", "packages": [{"name": "a"}], "purge": True}, "purges"),
]


async def test_what_no_agent_could_do_is_refused_in_words(world: World) -> None:
    for body, words in UNFIT:
        status, problem = await world.ask("op_a", "POST", f"/hosts/{world.hosts['a1']}/package-operations", body=body)
        assert (status, words in str(problem)) == (422, True), problem
    assert (await world.get("admin", "/jobs"))["total"] == 0


async def test_only_what_ended_and_reached_its_agent_is_rolled_back(world: World) -> None:
    _, job = await world.ask("op_a", "POST", f"/hosts/{world.hosts['a1']}/package-operations", body=BASH)
    path, job_id = f"/jobs/{job['id']}/rollback", UUID(job["id"])
    assert (await world.get("op_a", path))["why_not"].startswith("the job is queued")
    assert (await world.ask("op_a", "POST", path, body={}))[0] == 409
    await world.db.transaction(_finish, job_id)
    world.fleet.known_job = False
    preview = await world.get("op_a", path)
    assert (preview["possible"], preview["agent_knows_job"], preview["needs_confirmation"]) == (True, False, True)
    assert preview["packages"] == [{"name": "bash", "from_version": "5.2", "to_version": "5.1", "change": "downgrade"}]
    assert any("does not know this job" in warning for warning in preview["warnings"])
    status, problem = await world.ask("op_a", "POST", path, body={})
    assert (status, "confirm_adopted" in problem["detail"]) == (409, True)
    status, rollback = await world.ask("op_a", "POST", path, body={"confirm_adopted": True})
    assert (status, rollback["operation"], rollback["rollback_of"]) == (202, "rollback", job["id"])
    status, problem = await world.ask("op_a", "POST", path, body={"confirm_adopted": True})
    assert (status, rollback["id"] in problem["detail"]) == (409, True)


async def _finish(connection: Connection, job_id: UUID) -> None:
    await connection.execute("UPDATE jobs SET state = 'succeeded', finished_at = now() WHERE id = $1", job_id)
    await connection.execute(
        "INSERT INTO job_attempts (job_id, number, state, agent_job_id, adopted, started_at)"
        " VALUES ($1, 1, 'completed', 'agent-7', true, now())",
        job_id,
    )
    await connection.execute("INSERT INTO job_packages VALUES ($1, 'bash', '5.1', '5.2', false, 'updated')", job_id)


async def test_a_service_is_told_as_its_agent_tells_it(world: World) -> None:
    path = f"/hosts/{world.hosts['a1']}/services"
    world.fleet.told_service = AgentService("cron.service", active_state="active", healthy=True)
    told = await world.get("op_a", f"{path}/cron.service")
    assert (told["name"], told["active_state"], told["main_pid"]) == ("cron.service", "active", None)
    assert (await world.ask("op_a", "GET", f"{path}/..%2Fhealth"))[0] in (404, 422)
    assert (await world.ask("op_a", "GET", f"{path}/a%20b"))[0] == 422
    answers: list[tuple[ServiceResult, int, str]] = [
        (NoSuchService(), 404, "no service"),
        (Unanswered("connection refused"), 502, "refused"),
        (Unanswered("timed out", late=True), 504, "timed out"),
        (Unanswered("rate limit", retry_after=7.0), 503, "rate limit"),
    ]
    for answer, status, words in answers:
        world.fleet.told_service = answer
        found, problem = await world.ask("op_a", "GET", f"{path}/cron")
        assert (found, words in problem["detail"]) == (status, True), problem
