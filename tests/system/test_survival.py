"""kill -9, standby, SIGTERM: nothing is lost, nothing is sent twice, and the end comes in time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trio

from patch_manager.storage import Connection, DatabaseAddress
from patch_manager.storage.database import run_once
from tests.postgres import running_server, system_binaries
from tests.system.agents import Agent
from tests.system.host import Host, Patch
from tests.system.manager import Api, Fleet, Manager, eventually, running_fleet


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Fleet]:
    """A manager that a test may kill."""
    with running_fleet(tmp_path / "patch manager", 73, bundles=4) as running:
        yield running


@dataclass
class Killed:
    """A manager that was killed in mid-work and started again; ``unheard``: its apply arrived, the answer never did."""

    fleet: Fleet
    seconds: float
    working: Agent
    unheard: Agent
    hosts: dict[str, str]
    jobs: dict[str, str]
    before: dict[str, Any]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """Killed once for all tests here: evidence is looked for 45 s after an intent, beside the other tests."""
    with running_fleet(tmp_path_factory.mktemp("killed") / "patch manager", 76, bundles=4) as fleet:
        working, idle, hanging = slow_agent(fleet, 6.0), fleet.agent(), fleet.agent(temper="hang")
        unheard = fleet.agent(host=Host([Patch("openssl")], job_seconds=1.0), on_apply=["no_answer"])
        hosts = {agent.address: fleet.api.add(agent) for agent in (idle, hanging, unheard)}
        for agent in (idle, unheard):
            fleet.api.wait_health(hosts[agent.address])
        hosts[working.address], first = in_mid_job(fleet, working)
        before = fleet.api.host(hosts[working.address])
        deployment = fleet.api.deploy(hosts[unheard.address])
        second = str(fleet.api.jobs(deployment)[hosts[unheard.address]]["id"])
        eventually("the apply arrived", lambda: unheard.host.applied)
        fleet.manager.kill()
        seconds = fleet.manager.start()
        fleet.api.refresh_session()
        yield Killed(fleet, seconds, working, unheard, hosts, {"working": first, "unheard": second}, before)


def slow_agent(fleet: Fleet, seconds: float) -> Agent:
    return fleet.agent(host=Host([Patch("openssl", "critical"), Patch("vim")], job_seconds=seconds))


def in_mid_job(fleet: Fleet, agent: Agent) -> tuple[str, str]:
    """Deploy on the agent; the host's and the job's ids once the agent is at work."""
    host_id = fleet.api.add(agent)
    fleet.api.wait_health(host_id)
    deployment = fleet.api.deploy(host_id)
    job_id = str(fleet.api.jobs(deployment)[host_id]["id"])
    fleet.api.wait_job(job_id, frozenset({"running"}))
    return host_id, job_id


def test_after_kill_9_every_host_job_and_session_is_there_and_the_job_is_adopted(killed: Killed) -> None:
    # Ready within 3 s on a machine of its own (`make bench`); here it shares two cores with other tests.
    assert killed.seconds < 20.0, killed.fleet.manager.log
    api, host_id = killed.fleet.api, killed.hosts[killed.working.address]
    rows = {row["id"]: row for row in api.get("/hosts")["items"]}
    assert rows.keys() == set(killed.hosts.values())
    for name in ("os_name", "kernel", "agent_version", "pending_patches", "cve_count", "health"):
        assert rows[host_id][name] == killed.before[name]
    job = api.wait_job(killed.jobs["working"])
    assert job["state"] == "succeeded", job
    assert (len(killed.working.applies), len(killed.working.host.applied), len(job["attempts"])) == (1, 1, 1)
    assert killed.fleet.manager.run("audit", "verify").returncode == 0


def test_a_second_manager_stands_by_and_takes_over_when_the_first_dies(own: Fleet) -> None:
    agent = own.agent()
    host_id = own.api.add(agent)
    own.api.wait_health(host_id)
    first = own.manager
    second = Manager(first.home, first.agent_port, name="second manager")
    second.launch()
    try:
        eventually("the second stands by", lambda: "standby" in second.log)
        count = len(agent.requests)
        time.sleep(3.0)
        assert not second.ready()
        assert len({request.connection for request in agent.requests[count:]}) <= 3, "both poll"
        first.kill()
        second.wait_ready(10.0)
        cookies = own.api.http.cookies
        own.take(second, Api(second.client()))
        own.api.http.cookies = cookies
        own.api.refresh_session()
        own.api.wait_health(host_id)
        agent.host.add(Patch("vim"))
        assert own.api.wait_deployment(own.api.deploy(host_id))["state"] == "succeeded"
        assert len(agent.applies) == 1
        assert second.terminate() == 0
    finally:
        second.end()


def test_sigterm_ends_in_time_with_a_stalled_browser_and_a_hanging_agent(own: Fleet) -> None:
    agents = [own.agent(temper="hang_in_http"), own.agent(temper="hang"), slow_agent(own, 60.0)]
    for agent in agents[:2]:
        own.api.add(agent)
    in_mid_job(own, agents[2])
    with stalled_browser(own.manager), stalled_browser(own.manager, b"GET /api/v1/fleet HTTP/1.1\r\nHost: lo"):
        own.api.http.close()
        began = time.monotonic()
        assert own.manager.terminate() == 0
        assert time.monotonic() - began < 10.0


@contextlib.contextmanager
def stalled_browser(manager: Manager, first: bytes | None = None) -> Iterator[None]:
    """A browser that asks for much and reads nothing, or stops in the middle of its request."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", manager.port))
        with manager.tls().wrap_socket(raw, server_hostname="localhost") as tls:
            ask = b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
            tls.settimeout(1.0)
            with contextlib.suppress(TimeoutError, ssl.SSLError):
                tls.sendall(first or ask)
            yield


def test_a_given_postgresql_serves_as_well_and_survives_kill_9(tmp_path: Path) -> None:
    # The machine's own where it has one; else the wheel's, run as somebody else's server.
    with running_server(tmp_path / "pg", system_binaries()) as server:
        role = replace(server.server.owner, database="one_role_does_all")
        trio.run(run_once, server.server.superuser, _create, role)
        url = f"postgresql://{role.user}:{role.password}@/{role.database}?host={role.host}"
        with running_fleet(tmp_path / "patch manager", 74, bundles=1, database_url=url) as fleet:
            agent = slow_agent(fleet, 4.0)
            _, job_id = in_mid_job(fleet, agent)
            fleet.manager.kill()
            fleet.manager.start()
            fleet.api.refresh_session()
            assert fleet.api.wait_job(job_id)["state"] == "succeeded"
            assert len(agent.applies) == 1
            assert fleet.manager.run("audit", "verify").returncode == 0
            assert fleet.manager.terminate() == 0


async def _create(connection: Connection, role: DatabaseAddress) -> None:
    await connection.execute(f"CREATE DATABASE {role.database} OWNER {role.user}")


def test_killed_between_the_send_and_its_answer_the_job_is_found_again(killed: Killed) -> None:
    """The apply arrived, its answer never did, and the manager died in the meantime: evidence, not a second apply."""
    job = killed.fleet.api.wait_job(killed.jobs["unheard"], seconds=90.0)
    assert job["state"] == "succeeded", job
    assert len(killed.unheard.applies) == 1
    assert job["attempts"][0]["adopted"]
