"""The database goes away, the manager is stopped and goes on, another one takes over: old knowledge sends nothing."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio

from patch_manager.storage import Connection, DatabaseAddress, EmbeddedServer
from patch_manager.storage.database import run_once
from patch_manager.storage.embedded_binaries import choose_launcher
from tests.postgres import running_server, system_binaries
from tests.system.agents import Agent
from tests.system.host import Host, Patch
from tests.system.manager import Api, Fleet, Manager, eventually, running_fleet

DOWN_SECONDS = 12.0
STOP_SECONDS = 12.0
SETTLED_SECONDS = 3.0
"""After these no call is under way any more whose intent was committed before the database went away."""
ENVIRONMENT = {
    "PATCH_MANAGER_LIMITS__DISPATCH": "4",
    "PATCH_MANAGER_POLLING__HEALTH_SECONDS": "20",
    "PATCH_MANAGER_POLLING__PATCHES_SECONDS": "60",
}


@dataclass
class Given:
    """A manager on a PostgreSQL that is not its own, and how an operator reaches that."""

    fleet: Fleet
    server: EmbeddedServer
    home: Path
    database: DatabaseAddress

    def pg_ctl(self, *arguments: str) -> None:
        """As an operator would."""

        async def run() -> tuple[int, str]:
            launcher = await choose_launcher(self.server.binaries, self.home, self.home / "cluster")
            command = [self.server.binaries.program("pg_ctl"), *arguments, "-D", str(self.home / "cluster"), "-w", "-s"]
            return await launcher.run(command, seconds=30, cwd=self.home)

        status, said = trio.run(run)
        assert status == 0, said


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    home = tmp_path_factory.mktemp("given")
    with pytest.MonkeyPatch.context() as patched, running_server(home / "pg", system_binaries()) as server:
        # The watch of the program's own server would bring it back at once.
        patched.setattr("patch_manager.storage.embedded_cluster.Cluster.alive", lambda _cluster: True)
        role = replace(server.server.owner, database="one_role_does_all")
        trio.run(run_once, server.server.superuser, _create, role)
        url = f"postgresql://{role.user}:{role.password}@/{role.database}?host={role.host}"
        with running_fleet(home / "patch manager", 78, database_url=url, environment=ENVIRONMENT) as fleet:
            database = replace(server.server.superuser, database=role.database)
            yield Given(fleet, server.server, home / "pg" / "postgres", database)


async def _create(connection: Connection, role: DatabaseAddress) -> None:
    await connection.execute(f"CREATE DATABASE {role.database} OWNER {role.user}")


class Session:
    """An operator's session with the database, in plain calls."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._loop = asyncio.new_event_loop()
        connect = asyncpg.connect(
            host=address.host, user=address.user, password=address.password, database=address.database
        )
        self._connection = self._loop.run_until_complete(connect)

    def _do(self, work: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        return self._loop.run_until_complete(work(*arguments))

    def execute(self, statement: str) -> None:
        self._do(self._connection.execute, statement)

    def value(self, query: str) -> Any:
        return self._do(self._connection.fetchval, query)

    def close(self) -> None:
        self._do(self._connection.close)
        self._loop.close()


_INTENT_WAITS = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'job_sends'::regclass"
_END_LEADER = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted"
_END_INTENT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted AND relation = 'job_sends'::regclass"
)


@contextmanager
def intents_held(given: Given) -> Iterator[Session]:
    """No intent can be committed until ROLLBACK: the moment between decision and call lasts as long as a test likes."""
    session = Session(given.database)
    try:
        session.execute("BEGIN; LOCK TABLE job_sends IN SHARE MODE")
        yield session
    finally:
        session.close()


def hosts_of(given: Given, *agents: Agent) -> list[str]:
    """Add agents; their hosts' ids once healthy."""
    ids = [given.fleet.api.add(agent) for agent in agents]
    for host_id in ids:
        given.fleet.api.wait_health(host_id, seconds=60.0)
    return ids


def agents_of(given: Given, count: int, job_seconds: float) -> list[Agent]:
    return [given.fleet.forged_agent(host=Host([Patch("vim")], job_seconds=job_seconds)) for _ in range(count)]


def sent(agents: list[Agent]) -> int:
    return sum(len(agent.applies) for agent in agents)


def steps_of(job: dict[str, Any]) -> list[tuple[float, str]]:
    """When what became of a job, in the manager's own words."""
    return [(datetime.fromisoformat(step["at"]).timestamp(), step["reason"]) for step in job["transitions"]]


def test_a_batch_pauses_while_postgresql_is_gone_and_all_totals_are_right_after_it(given: Given) -> None:
    agents = agents_of(given, 16, job_seconds=2.0)
    for agent in agents:
        agent.before_jobs = partial(time.sleep, 1.0)  # four at a time: four seconds for all
    deployment = given.fleet.api.deploy(*hosts_of(given, *agents))
    eventually("the batch is under way", lambda: sent(agents) >= 4, pause=0.01)
    given.pg_ctl("stop", "-m", "immediate")
    stopped = time.monotonic()
    time.sleep(SETTLED_SECONDS)
    before = sent(agents)
    assert before < len(agents)
    assert not given.fleet.manager.ready()
    time.sleep(DOWN_SECONDS - (time.monotonic() - stopped))
    assert sent(agents) == before
    given.pg_ctl("start", "-l", str(given.home / "start.log"))
    eventually("the manager leads again", given.fleet.manager.ready, 60.0)
    ended = given.fleet.api.wait_deployment(deployment, 120.0)
    assert ended["state"] == "succeeded", given.fleet.api.jobs(deployment)
    totals = ended["totals"]
    assert totals["succeeded"] == totals["total"] == sum(totals.values()) - totals["total"] == len(agents)
    assert [(len(agent.applies), len(agent.host.applied)) for agent in agents] == [(1, 1)] * len(agents)


def test_after_sigcont_no_call_is_made_on_an_old_intent_or_in_a_window_that_has_closed(given: Given) -> None:
    api, process = given.fleet.api, given.fleet.manager.process
    assert process is not None
    agents, closing = agents_of(given, 3, job_seconds=0.5), given.fleet.forged_agent(host=Host([Patch("vim")]))
    hosts, (late,) = hosts_of(given, *agents), hosts_of(given, closing)
    answered = threading.Event()
    for agent in (*agents, closing):
        agent.before_jobs = partial(answered.wait, 60.0)
    close = datetime.now(UTC) + timedelta(seconds=18)  # time to read four hosts before it
    rule = {"kind": "once", "duration_minutes": 1, "timezone": "UTC"}
    api.post(f"/hosts/{late}/windows", {**rule, "starts_at": (close - timedelta(minutes=1)).isoformat()}, 201)
    deployments = [api.deploy(*hosts), api.deploy(late, when="window")]
    eventually("all are about to be sent", lambda: api.get("/jobs", state="dispatching")["total"] == 4)
    with intents_held(given) as session:
        answered.set()
        eventually("an intent is being committed", lambda: session.value(_INTENT_WAITS))
        process.send_signal(signal.SIGSTOP)
        session.execute("ROLLBACK")
        until = max(datetime.now(UTC) + timedelta(seconds=STOP_SECONDS), close)
        eventually("the window has closed", lambda: datetime.now(UTC) > until, 60.0)
        resumed = time.time()
        process.send_signal(signal.SIGCONT)
    assert api.wait_deployment(deployments[0])["state"] == "succeeded"
    jobs = api.jobs(deployments[0])
    for agent, host_id in zip(agents, hosts, strict=True):
        (apply,) = agent.applies
        intents = [at for at, reason in steps_of(jobs[host_id]) if reason.startswith("sending")]
        assert resumed < intents[-1] <= apply.wall <= intents[-1] + 10.0
    held = [reason for job in jobs.values() for at, reason in steps_of(job) if reason.startswith("not sent")]
    assert held[:1] == ["not sent: the intent is older than 10 s"]
    (job,) = api.jobs(deployments[1]).values()
    waiting = api.wait_job(job["id"], frozenset({"queued"}))
    assert closing.mutations == []
    assert "window" in waiting["message"]


def test_a_stopped_manager_that_was_replaced_sends_nothing_and_ends(given: Given) -> None:
    agents = agents_of(given, 3, job_seconds=0.5)
    hosts = hosts_of(given, *agents)
    first = given.fleet.manager
    assert first.process is not None
    second = Manager(first.home, first.agent_port, ENVIRONMENT, database_url=first.database_url, name="second manager")
    second.launch()
    try:
        eventually("the second stands by", lambda: "standby" in second.log, 60.0)
        with intents_held(given) as session:
            deployment = given.fleet.api.deploy(*hosts)
            eventually("an intent is being committed", lambda: session.value(_INTENT_WAITS))
            first.process.send_signal(signal.SIGSTOP)
            assert session.value(_END_LEADER) == 1
            assert session.value(_END_INTENT) >= 1
            second.wait_ready(60.0)
            session.execute("ROLLBACK")
            cookies = given.fleet.api.http.cookies
            given.fleet.take(second, Api(second.client()))
            given.fleet.api.http.cookies = cookies
            given.fleet.api.refresh_session()
            assert given.fleet.api.wait_deployment(deployment)["state"] == "succeeded"
        first.process.send_signal(signal.SIGCONT)
        assert first.process.wait(60) != 0
        assert "another manager leads" in first.log
        assert [len(agent.applies) for agent in agents] == [1, 1, 1]
    finally:
        first.process.send_signal(signal.SIGCONT)
        first.end()
