"""The real ``patch-manager`` as a subprocess, seen from outside: its command line, its REST API, its signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pyotp

from tests.system.agents import Agent
from tests.system.dialects import CodeDialect
from tests.system.forging import forge, own_root
from tests.system.host import Host

COMMAND = Path(sys.executable).with_name("patch-manager")
PASSWORD = "correct horse battery staple"
ENDED = frozenset({"succeeded", "failed", "cancelled"})
JOB_ENDED = ENDED | {"outcome_unknown"}

T = TypeVar("T")


def eventually(what: str, check: Callable[[], T | None], seconds: float = 20.0, pause: float = 0.1) -> T:
    """The first true value of ``check``; fails with ``what`` and the last value after ``seconds``."""
    until = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds:g} s: {what}; last: {value!r}")
        time.sleep(pause)


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on right now."""
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Manager:
    """One installation: a directory (with a space in its name), settings, and perhaps a running server."""

    home: Path
    agent_port: int
    environment: dict[str, str] = field(default_factory=dict)
    database_url: str | None = None
    name: str = "patch manager"
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    _codes: dict[str, int] = field(default_factory=dict)
    secret: str = ""

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        self.config.write_text(
            f'[server]\nbind = "127.0.0.1:{self.port}"\ndata_dir = "{self.home / "data dir"}"\n'
            + ("" if self.database_url is None else f'[database]\nurl = "{self.database_url}"\n')
            + f"[agent]\nport = {self.agent_port}\nallow_loopback = true\n"
        )

    @property
    def config(self) -> Path:
        return self.home / f"{self.name}.toml"

    @property
    def log_file(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def log(self) -> str:
        """What the server wrote so far."""
        return self.log_file.read_text(errors="replace")

    def _environment(self) -> dict[str, str]:
        polling = {"PATCH_MANAGER_POLLING__HEALTH_SECONDS": "2", "PATCH_MANAGER_POLLING__PATCHES_SECONDS": "4"}
        return {**os.environ, **polling, **self.environment}

    def run(self, *arguments: str | Path, config: bool = True) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        line = [COMMAND, *arguments, *(("--config", self.config) if config else ())]
        return subprocess.run(
            line,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def cli(self, *arguments: str | Path) -> str:
        """One command that must succeed; its standard output."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def issue(self, address: str) -> Path:
        """A bundle of certificates for an agent."""
        directory = self.home / "bundles" / address
        if not directory.exists():
            self.cli("pki", "issue", "--host", address, "--out", directory)
        return directory

    def prepare(self, addresses: list[str], username: str = "") -> None:
        """Issue bundles, and make an admin, in one process: importing the program takes longer than the work."""
        lines = [["pki", "issue", "--host", each, "--out", str(self.home / "bundles" / each)] for each in addresses]
        if username:
            lines.append(self._admin(username))
        script = (
            "import json, sys; from patch_manager.cli import main\n"
            "for line in json.loads(sys.argv[1]):\n"
            "    status = main([*line, '--config', sys.argv[2]])\n"
            "    if status: sys.exit(status)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, json.dumps(lines), self.config],
            env=self._environment(), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if username:
            self._learn(done.stdout.splitlines()[-1])

    def create_admin(self, username: str = "alice") -> None:
        """The first admin."""
        self._learn(self.cli(*self._admin(username)))

    def _admin(self, username: str) -> list[str]:
        password = self.home / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        return ["admin", "create", "--username", username, "--password-file", str(password)]

    def _learn(self, told: str) -> None:
        self.secret = pyotp.parse_uri(json.loads(told)["otpauth_uri"]).secret

    # The server's life

    def launch(self) -> None:
        """Start the server; does not wait for it."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--config", self.config], env=self._environment(), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def start(self, within: float = 30.0) -> float:
        """Start the server; the seconds of processor time it took to be ready, which other load does not change."""
        self.launch()
        self.wait_ready(within)
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def wait_ready(self, within: float = 30.0) -> None:
        """Until ``/readyz`` answers 200."""
        assert self.process is not None
        running = self.process

        def ready() -> bool:
            assert running.poll() is None, f"serve ended with {running.returncode}: {self.log[-3000:]}"
            return self.ready()

        eventually("the manager is ready", ready, within, 0.05)

    def ready(self) -> bool:
        """Whether ``/readyz`` says so right now."""
        try:
            with httpx.Client(verify=self.tls(), base_url=self.url, timeout=5) as http:
                return http.get("/readyz").status_code == 200
        except (httpx.TransportError, OSError):
            return False

    def kill(self) -> None:
        """SIGKILL, and nothing after it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self, within: float = 10.0) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def end(self) -> None:
        """Leave nothing running."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.terminate(15)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def rss(self) -> int:
        """Resident bytes of the manager's own process."""
        assert self.process is not None
        resident: int = psutil.Process(self.process.pid).memory_info().rss
        return resident

    # Its API

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def tls(self) -> ssl.SSLContext:
        """Trusts this manager's root alone."""
        roots = next(iter((self.home / "bundles").glob("*/ca.pem")))
        context = ssl.create_default_context(cafile=str(roots))
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default of newer Pythons
        return context

    def client(self) -> httpx.Client:
        """Not signed in."""
        return httpx.Client(verify=self.tls(), base_url=f"{self.url}/api/v1", timeout=30)

    def sign_in(self, username: str = "alice") -> Api:
        """A session of a user made by ``create_admin``. A TOTP code works once: waits for the next when need be."""
        http = self.client()
        clock = pyotp.TOTP(self.secret)
        while (step := int(time.time() // 30)) <= self._codes.get(username, 0):
            time.sleep(0.2)
        self._codes[username] = step
        login = http.post("/auth/login", json={"username": username, "password": PASSWORD})
        assert login.status_code == 200, login.text
        ticket = login.json()["mfa_token"]
        answer = http.post("/auth/mfa/totp", json={"mfa_token": ticket, "code": clock.at(step * 30)})
        assert answer.status_code == 200, answer.text
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return Api(http)


@dataclass
class Api:
    """REST calls of a signed-in user."""

    http: httpx.Client

    def get(self, path: str, **query: Any) -> Any:
        """A GET that must succeed."""
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """A POST that must be answered with ``status``."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        return answer.json()

    def refresh_session(self) -> None:
        """A new access token for the cookie that sign-in left."""
        token = self.post("/auth/refresh")["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def add(self, agent: Agent) -> str:
        """Manage an agent's host; its id."""
        host_id: str = self.post("/hosts", {"address": agent.address}, 201)["id"]
        return host_id

    def host(self, host_id: str) -> dict[str, Any]:
        """A host's row."""
        row: dict[str, Any] = self.get(f"/hosts/{host_id}")
        return row

    def wait_health(self, host_id: str, health: str = "healthy", seconds: float = 20.0) -> dict[str, Any]:
        """The host's row once it has that health and its patches were read."""

        def there() -> dict[str, Any] | None:
            row = self.host(host_id)
            return row if row["health"] == health and (row["patches_read_at"] or health != "healthy") else None

        try:
            return eventually(f"{health}", there, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.host(host_id)}") from None

    def deploy(self, *host_ids: str, **options: Any) -> str:
        """A deployment now; its id."""
        made = self.post("/deployments", {"host_ids": list(host_ids), "packages": None, "when": "now", **options}, 202)
        deployment_id: str = made["id"]
        return deployment_id

    def jobs(self, deployment_id: str) -> dict[str, dict[str, Any]]:
        """The deployment's jobs with their history, by host."""
        items = self.get("/jobs", deployment_id=deployment_id, limit=200)["items"]
        return {item["host_id"]: self.get(f"/jobs/{item['id']}") for item in items}

    def wait_deployment(self, deployment_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """The deployment once it has ended."""

        def ended() -> dict[str, Any] | None:
            row: dict[str, Any] = self.get(f"/deployments/{deployment_id}")
            return row if row["state"] in ENDED else None

        try:
            return eventually("the deployment ends", ended, seconds)
        except AssertionError as error:
            states = [(j["state"], j["message"]) for j in self.jobs(deployment_id).values()]
            raise AssertionError(f"{error}: {states}") from None

    def wait_job(self, job_id: str, states: frozenset[str] = JOB_ENDED, seconds: float = 60.0) -> dict[str, Any]:
        """The job once it is in one of ``states``."""

        def there() -> dict[str, Any] | None:
            job: dict[str, Any] = self.get(f"/jobs/{job_id}")
            return job if job["state"] in states else None

        return eventually(f"the job is {'/'.join(sorted(states))}", there, seconds)


@dataclass
class Fleet:
    """A manager with agents around it; addresses are never used twice."""

    manager: Manager
    network: int
    agents: list[Agent] = field(default_factory=list)
    _api: Api | None = None
    _used: int = 0

    @property
    def api(self) -> Api:
        """One session for the whole run: the first access is the sign-in."""
        if self._api is None:
            self._api = self.manager.sign_in()
        return self._api

    def address(self) -> str:
        """The next loopback address of this fleet's network."""
        self._used += 1
        return f"127.{self.network}.0.{self._used}"

    def upcoming(self) -> str:
        """The address of the next agent."""
        return f"127.{self.network}.0.{self._used + 1}"

    def agent(self, dialect: CodeDialect | None = None, host: Host | None = None, **options: Any) -> Agent:
        """A running agent with a certificate of the manager's authority."""
        address = self.address()
        agent = Agent(
            address,
            self.manager.agent_port,
            self.manager.issue(address),
            dialect or CodeDialect(),
            host or Host(),
            **options,
        )
        self.agents.append(agent)
        return agent.__enter__()

    def forged_agent(self, dialect: CodeDialect | None = None, host: Host | None = None, **options: Any) -> Agent:
        """Like ``agent``, its certificate signed here with the manager's key: a command for each of many takes long."""
        root = own_root(self.manager.home / "data dir")
        address = self.address()
        bundle = next((self.manager.home / "bundles").iterdir())
        certificate = forge(self.manager.home / "forged" / address, address, root)
        agent = Agent(
            address, self.manager.agent_port, bundle, dialect or CodeDialect(), host or Host(),
            certificate=certificate, **options,
        )  # fmt: skip
        self.agents.append(agent)
        return agent.__enter__()

    def take(self, manager: Manager, api: Api) -> None:
        """Go on with another manager of the same installation."""
        if self._api is not None:
            self._api.http.close()
        self.manager, self._api = manager, api

    def close(self) -> None:
        """End all agents and the manager."""
        if self._api is not None:
            self._api.http.close()
        self.manager.end()
        for agent in self.agents:
            agent.stopped.set()
        for agent in self.agents:
            agent.__exit__()


@contextmanager
def running_fleet(home: Path, network: int, bundles: int = 1, **options: Any) -> Iterator[Fleet]:
    """A manager that serves, with its first admin, and no host yet; that many ``bundles`` are issued at once."""
    fleet = Fleet(Manager(home, free_port(), **options), network)
    try:
        fleet.manager.prepare([f"127.{network}.0.{number}" for number in range(1, bundles + 1)], "alice")
        fleet.manager.start()
        yield fleet
    finally:
        fleet.close()
