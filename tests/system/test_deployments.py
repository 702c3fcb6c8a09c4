"""Deployments over agents of all dialects: one apply per host, packages named, verified, inside every rate limit."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.system.agents import Agent
from tests.system.dialects import CodeDialect, DocumentationDialect, OldDialect
from tests.system.host import Failure, Host, Patch
from tests.system.manager import Fleet, eventually

STRICT = (5.0, 5.0)


def pending() -> list[Patch]:
    return [
        Patch("openssl", "critical", ("CVE-2024-0001",)),
        Patch("curl", "high", ("CVE-2024-0002",)),
        Patch("vim", "low"),
    ]


def bodies(agent: Agent) -> list[Any]:
    return [request.json for request in agent.applies]


def ready(fleet: Fleet, *agents: Agent) -> list[str]:
    """Add agents; their hosts' ids once healthy."""
    ids = [fleet.api.add(agent) for agent in agents]
    for host_id in ids:
        fleet.api.wait_health(host_id)
    return ids


def only_job(fleet: Fleet, deployment_id: str) -> dict[str, Any]:
    (job,) = fleet.api.jobs(deployment_id).values()
    return job


def test_everything_over_all_dialects_succeeds_with_one_apply_each(fleet: Fleet) -> None:
    dialects = [CodeDialect((2, 5, 5)), CodeDialect((2, 4, 0)), OldDialect(), DocumentationDialect()]
    agents = [fleet.agent(dialect, Host(pending()), writes_per_minute=STRICT) for dialect in dialects]
    idle = fleet.agent(host=Host())
    hosts = ready(fleet, *agents, idle)
    deployment = fleet.api.deploy(*hosts)
    ended = fleet.api.wait_deployment(deployment)
    assert ended["state"] == "succeeded", fleet.api.jobs(deployment)
    assert ended["totals"]["succeeded"] == ended["totals"]["total"] == 5
    for agent in agents:
        (body,) = bodies(agent)
        assert sorted(body["packages"]) == ["curl", "openssl", "vim"]
        assert body["reboot"] is False
        assert "allow_reboot" not in body
        assert agent.host.patches == []
    jobs = fleet.api.jobs(deployment)
    for host_id in hosts[:4]:
        results = {package["name"]: package["result"] for package in jobs[host_id]["packages"]}
        assert results == dict.fromkeys(["openssl", "curl", "vim"], "updated")
    assert idle.mutations == []
    assert jobs[hosts[4]]["attempts"][0]["agent_job_id"] is None
    assert all(agent.limited == [] for agent in [*agents, idle])
    for host_id in hosts:
        eventually("nothing is pending", partial(up_to_date, fleet, host_id))


def test_security_only_and_named_packages_send_just_those(fleet: Fleet) -> None:
    security, named = fleet.agent(host=Host(pending())), fleet.agent(DocumentationDialect(), Host(pending()))
    first, second = ready(fleet, security, named)
    one = fleet.api.deploy(first, security_only=True)
    two = fleet.api.deploy(second, packages=["vim", "not-pending-here"])
    assert fleet.api.wait_deployment(one)["state"] == "succeeded"
    assert fleet.api.wait_deployment(two)["state"] == "succeeded"
    assert [sorted(body["packages"]) for body in bodies(security)] == [["curl", "openssl"]]
    assert [body["packages"] for body in bodies(named)] == [["vim"]]
    results = {package["name"]: package["result"] for package in only_job(fleet, two)["packages"]}
    assert results == {"vim": "updated", "not-pending-here": "not_needed"}


def test_a_required_reboot_is_a_step_of_its_own_and_proven(fleet: Fleet) -> None:
    kernel = [Patch("linux-image-amd64", "high", reboot=True)]
    agents = [fleet.agent(dialect, Host(kernel, kernel="6.1.0")) for dialect in (CodeDialect(), DocumentationDialect())]
    hosts = ready(fleet, *agents)
    deployment = fleet.api.deploy(*hosts, reboot="if_required")
    assert fleet.api.wait_deployment(deployment)["state"] == "succeeded", fleet.api.jobs(deployment)
    for agent, host_id in zip(agents, hosts, strict=True):
        assert [body["reboot"] for body in bodies(agent)] == [False]
        assert len(agent.sent("POST", "/api/v1/system/reboot")) == agent.host.reboots == 1
        states = [step["state"] for step in fleet.api.jobs(deployment)[host_id]["transitions"]]
        assert states.index("running") < states.index("rebooting") < states.index("succeeded")
    for host_id in hosts:
        eventually("the new kernel is shown", partial(rebooted, fleet, host_id))


def rebooted(fleet: Fleet, host_id: str) -> bool:
    row = fleet.api.host(host_id)
    return row["kernel"] == "6.1.0.1" and not row["reboot_required"] and row["health"] == "healthy"


def up_to_date(fleet: Fleet, host_id: str) -> bool:
    return bool(fleet.api.host(host_id)["pending_patches"] == 0)


def test_a_reboot_is_not_requested_when_nothing_needs_it(fleet: Fleet) -> None:
    agent = fleet.agent(host=Host(pending()))
    (host_id,) = ready(fleet, agent)
    assert fleet.api.wait_deployment(fleet.api.deploy(host_id, reboot="if_required"))["state"] == "succeeded"
    assert agent.host.reboots == 0


def test_two_deployments_at_once_patch_a_host_once(fleet: Fleet) -> None:
    agent = fleet.agent(host=Host(pending(), job_seconds=1.5))
    (host_id,) = ready(fleet, agent)
    both = [fleet.api.deploy(host_id), fleet.api.deploy(host_id)]
    assert [fleet.api.wait_deployment(deployment)["state"] for deployment in both] == ["succeeded", "succeeded"]
    assert len(agent.applies) == 1


def test_what_is_kept_back_fails_the_job_and_is_named(fleet: Fleet) -> None:
    agent = fleet.agent(CodeDialect((2, 4, 0)), Host([Patch("libc6", kept_back=True), Patch("vim")]))
    (host_id,) = ready(fleet, agent)
    deployment = fleet.api.deploy(host_id)
    assert fleet.api.wait_deployment(deployment)["state"] == "failed"
    job = only_job(fleet, deployment)
    assert {package["name"]: package["result"] for package in job["packages"]} == {
        "libc6": "kept_back",
        "vim": "updated",
    }
    assert "libc6" in job["message"]
    assert len(agent.applies) == 1


def test_a_failure_is_retried_once_and_told_with_what_the_agent_said(fleet: Fleet) -> None:
    broken = Failure("PKG_MANAGER_ERROR", "dpkg was interrupted", 100, "E: Could not get lock")
    twice = fleet.agent(host=Host(pending(), failures=[broken, broken]))
    once = fleet.agent(host=Host(pending(), failures=[broken]))
    never = fleet.agent(host=Host(pending(), failures=[Failure("DEPENDENCY_CONFLICT", "unmet dependencies")]))
    refused = fleet.agent(host=Host(pending()), on_apply=["400"])
    hosts = ready(fleet, twice, once, never, refused)
    deployment = fleet.api.deploy(*hosts)
    ended = fleet.api.wait_deployment(deployment)
    assert (ended["state"], ended["totals"]["failed"], ended["totals"]["succeeded"]) == ("failed", 3, 1)
    assert [len(agent.applies) for agent in (twice, once, never, refused)] == [2, 2, 1, 1]
    jobs = fleet.api.jobs(deployment)
    attempts = jobs[hosts[0]]["attempts"]
    assert [attempt["number"] for attempt in attempts] == [1, 2]
    for attempt in attempts:
        assert (attempt["error_code"], attempt["exit_code"]) == ("PKG_MANAGER_ERROR", 100)
        assert "dpkg was interrupted" in attempt["error"]
        assert attempt["stderr"] == "E: Could not get lock"
    assert [attempt["state"] for attempt in jobs[hosts[1]]["attempts"]] == ["failed", "completed"]
    assert jobs[hosts[2]]["attempts"][0]["error_code"] == "DEPENDENCY_CONFLICT"
    assert jobs[hosts[3]]["attempts"][0]["error_code"] == "VALIDATION_ERROR"
    assert all(sorted(body["packages"]) == ["curl", "openssl", "vim"] for body in bodies(twice))


def test_being_asked_to_wait_uses_no_attempt(fleet: Fleet) -> None:
    agent = fleet.agent(host=Host(pending()), on_apply=["429"])
    (host_id,) = ready(fleet, agent)
    deployment = fleet.api.deploy(host_id)
    assert fleet.api.wait_deployment(deployment)["state"] == "succeeded"
    first, second = agent.applies
    assert second.at - first.at >= 3.0
    assert [attempt["number"] for attempt in only_job(fleet, deployment)["attempts"]] == [1]
