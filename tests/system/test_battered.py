"""A batch over sixty hosts whose manager is killed again and again, and what else must hold on such a manager.

Evidence is looked for 45 s after an intent: the batch begins before the first test, and the last one waits for its end.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.agents import Agent
from tests.system.dialects import CodeDialect, DocumentationDialect, OldDialect
from tests.system.host import Failure, Host, Patch
from tests.system.manager import JOB_ENDED, Fleet, eventually, running_fleet

HOSTS = 60
KILLS = 3
SEED = 20_261_125
CALM = {"PATCH_MANAGER_POLLING__HEALTH_SECONDS": "20", "PATCH_MANAGER_POLLING__PATCHES_SECONDS": "60"}


@dataclass
class Battered:
    """A manager that was killed in the middle of a deployment over these agents, and runs again."""

    fleet: Fleet
    agents: list[Agent]
    lost_before: set[str]
    deployment: str


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Battered]:
    """The kills fall where chance has them: after so many requests have arrived, while others are on their way."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    home = tmp_path_factory.mktemp("battered") / "patch manager"
    with running_fleet(home, 77, environment=CALM) as fleet:
        scripts = ["cut_before"] * 6 + ["cut_after"] * 6 + ["no_answer"] * 2 + [""] * (HOSTS - 14)
        chance.shuffle(scripts)
        dialects = [CodeDialect(), CodeDialect((2, 4, 0)), OldDialect(), DocumentationDialect()]
        agents = [
            fleet.forged_agent(
                chance.choice(dialects),
                Host(pending(), job_seconds=chance.uniform(0.5, 5.0), cache_seconds=1.0),
                on_apply=[script] if script else [],
            )
            for script in scripts
        ]
        hosts = ready(fleet, *agents)
        deployment = fleet.api.deploy(*hosts)
        for arrived in sorted(chance.sample(range(1, HOSTS), KILLS)):
            wait_for(agents, arrived)
            fleet.manager.kill()
            fleet.manager.start(60.0)
        kill_the_database(fleet)
        fleet.api.refresh_session()
        lost = {agent.address for agent, script in zip(agents, scripts, strict=True) if script == "cut_before"}
        yield Battered(fleet, agents, lost, deployment)


def kill_the_database(fleet: Fleet) -> None:
    """SIGKILL for the embedded PostgreSQL; the manager starts it again and leads anew."""
    note = fleet.manager.home / "data dir" / "postgres" / "cluster" / "postmaster.pid"
    postmaster = int(note.read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    eventually("it is missed", lambda: not fleet.manager.ready(), 30.0, 0.01)
    eventually("the manager leads again", fleet.manager.ready, 60.0)
    assert "embedded_server_restarted" in fleet.manager.log


def pending() -> list[Patch]:
    return [Patch("openssl", "critical"), Patch("vim")]


def wait_for(agents: list[Agent], arrived: int) -> None:
    """Until that many requests have arrived, or no more are to be expected: a kill may leave the rest to evidence."""
    until = time.monotonic() + 5.0
    while sum(len(agent.applies) for agent in agents) < arrived and time.monotonic() < until:
        time.sleep(0.01)


def ready(fleet: Fleet, *agents: Agent) -> list[str]:
    """Add agents; their hosts' ids once all were read."""
    ids = [fleet.api.add(agent) for agent in agents]

    def read() -> bool:
        rows = {row["id"]: row for row in fleet.api.get("/hosts", limit=200)["items"]}
        return all(rows[host_id]["health"] == "healthy" and rows[host_id]["patches_read_at"] for host_id in ids)

    eventually("all are healthy", read, 60.0)
    return ids


def only_job(fleet: Fleet, deployment: str) -> dict[str, Any]:
    (job,) = fleet.api.jobs(deployment).values()
    return job


def give_window(fleet: Fleet, host_id: str, opens_at: datetime, minutes: int) -> None:
    rule = {"kind": "once", "starts_at": opens_at.isoformat(), "duration_minutes": minutes, "timezone": "UTC"}
    fleet.api.post(f"/hosts/{host_id}/windows", rule, 201)


def test_each_host_is_patched_in_its_own_window_and_a_retry_waits_for_none(battered: Battered) -> None:
    fleet = battered.fleet
    broken = Failure("PKG_MANAGER_ERROR", "dpkg was interrupted")
    first, second = fleet.forged_agent(host=Host(pending())), fleet.forged_agent(host=Host(pending()))
    closing = fleet.forged_agent(host=Host(pending(), job_seconds=23.0, failures=[broken]))
    hosts = ready(fleet, first, second, closing)
    now = datetime.now(UTC)
    opening, close = now + timedelta(seconds=12), now + timedelta(seconds=20)
    give_window(fleet, hosts[0], now - timedelta(minutes=5), 60)
    give_window(fleet, hosts[1], opening, 60)
    give_window(fleet, hosts[2], close - timedelta(minutes=1), 1)
    began = time.time()
    deployment = fleet.api.deploy(*hosts, when="window")
    eventually("the open window's host is sent to", lambda: first.applies)
    usual = first.applies[0].wall - began  # what a send takes on this machine, at its present load
    waiting = fleet.api.jobs(deployment)[hosts[1]]
    assert (waiting["state"], datetime.fromisoformat(waiting["not_before"])) == ("queued", opening)
    assert second.mutations == []
    eventually("its own window opens", lambda: second.applies, 60.0)
    late = second.applies[0].wall - opening.timestamp()
    assert 0 <= late < 2.0 + 2 * usual
    jobs = fleet.api.jobs(deployment)
    failed = fleet.api.wait_job(jobs[hosts[2]]["id"], JOB_ENDED, 90.0)
    assert closing.applies[0].wall < close.timestamp()
    assert datetime.fromisoformat(failed["finished_at"]) > close
    assert (failed["state"], len(failed["attempts"]), len(closing.applies)) == ("failed", 1, 1)
    assert failed["attempts"][0]["error_code"] == "PKG_MANAGER_ERROR"
    assert "not retried" in failed["message"]
    for host_id in hosts[:2]:
        assert fleet.api.wait_job(jobs[host_id]["id"])["state"] == "succeeded"
    assert [len(agent.applies) for agent in (first, second)] == [1, 1]


def test_agents_that_all_ask_to_wait_cost_no_attempt(battered: Battered) -> None:
    fleet = battered.fleet
    agents = [fleet.forged_agent(host=Host(pending()), on_apply=["429"]) for _ in range(6)]
    hosts = ready(fleet, *agents)
    until = time.monotonic() + 6.0
    for agent in agents:
        agent.limited_until = until
    deployment = fleet.api.deploy(*hosts)
    assert fleet.api.wait_deployment(deployment, 90.0)["state"] == "succeeded"
    jobs = fleet.api.jobs(deployment).values()
    assert [len(job["attempts"]) for job in jobs] == [1] * 6
    assert not any(step["state"] == "failed" for job in jobs for step in job["transitions"])
    for agent in agents:
        refused, accepted = agent.applies
        assert refused.at >= until
        assert accepted.at - refused.at >= 3.0
        assert len(agent.host.applied) == 1
        assert 1 <= len(agent.limited) <= 4, "asked to wait, and asked again and again"


def test_a_kernel_whose_update_restarts_the_host_in_mid_job_succeeds_by_evidence(battered: Battered) -> None:
    fleet = battered.fleet
    kernel = [Patch("linux-image-amd64", "high", reboot=True), Patch("vim")]
    agent = fleet.forged_agent(host=Host(kernel, kernel="6.1.0", job_seconds=2.0, reboots_after_work=True))
    (host_id,) = ready(fleet, agent)
    deployment = fleet.api.deploy(host_id, reboot="if_required")
    assert fleet.api.wait_deployment(deployment, 90.0)["state"] == "succeeded", only_job(fleet, deployment)
    job = only_job(fleet, deployment)
    assert any("by evidence" in step["reason"] for step in job["transitions"])
    assert {package["result"] for package in job["packages"]} == {"updated"}
    assert [request.path for request in agent.mutations] == ["/api/v1/patches/apply"], "it has had its reboot"
    eventually("the new kernel is shown", lambda: fleet.api.host(host_id)["kernel"] == "6.1.0.1")


def test_after_all_kills_every_job_succeeds_and_every_agent_took_exactly_one(battered: Battered) -> None:
    fleet, agents = battered.fleet, battered.agents
    ended = fleet.api.wait_deployment(battered.deployment, 180.0)
    jobs = fleet.api.jobs(battered.deployment).values()
    assert ended["state"] == "succeeded", [(job["state"], job["message"]) for job in jobs]
    assert ended["totals"]["succeeded"] == ended["totals"]["total"] == HOSTS
    for agent in agents:
        sent = 2 if agent.address in battered.lost_before else 1
        assert (len(agent.applies), len(agent.host.applied)) == (sent, 1), agent.address
        assert agent.host.patches == []
        assert agent.limited == []
    assert {len(job["attempts"]) for job in jobs} == {1}
    assert fleet.manager.run("audit", "verify").returncode == 0
