"""The whole program as its users start it: ``patch-manager serve`` over simulated hosts, each in its own process."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyotp
import trio

from benchmarks.children import Child, child
from patch_manager.auth.accounts import create_user
from patch_manager.auth.passwords import Passwords
from patch_manager.config import ServerSettings, Settings
from patch_manager.domain.hosts import HostRecord
from patch_manager.domain.principal import Role
from patch_manager.foundation import Keys, open_foundation, pki_directory, vault_key
from patch_manager.simulator.specs import HostSpec, quiet_fleet
from patch_manager.storage.connecting import Connection
from patch_manager.storage.host_registry import add_host

_READY_SECONDS = 120.0
_USERS = 8  # a code of an authenticator works once in 30 s: each sign-in is somebody else's
_COMMAND = str(Path(sys.executable).with_name("patch-manager"))
_SIMULATOR = (
    "import sys; from pathlib import Path; from patch_manager.simulator.command import run_simulator; "
    "run_simulator(Path(sys.argv[1]), Path(sys.argv[2]), count=int(sys.argv[3]), port=int(sys.argv[4]), quiet=True, "
    "job_seconds=float(sys.argv[5]), base=sys.argv[6])"
)


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Installation:
    """A data directory with users and hosts, and how to run what belongs to it."""

    directory: Path
    hosts: int
    port: int
    agent_port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    secret: str = field(default_factory=pyotp.random_base32)
    signed_in: int = 0

    @property
    def data_dir(self) -> Path:
        """``server.data_dir``."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What the manager wrote to standard error."""
        return self.directory / "serve.log"

    def write_settings(self) -> Path:
        """The settings file: the required cadence, which is the default."""
        path = self.directory / "settings.toml"
        path.write_text(
            f'[server]\nbind = "127.0.0.1:{self.port}"\ndata_dir = "{self.data_dir}"\n'
            f"[agent]\nport = {self.agent_port}\nallow_loopback = true\n"
        )
        return path

    def fleet(self) -> list[HostSpec]:
        """The simulated hosts."""
        return quiet_fleet(self.hosts, base=_BASE)


_BASE = "127.32.0.1"
_LEFT = "patch_manager_hosts_never_polled "


def install(directory: Path, hosts: int) -> Installation:
    """Make the data directory, users who can sign in at once, and the hosts' rows."""
    made = Installation(directory, hosts, free_port(), free_port("127.32.0.1"))
    trio.run(_install, made)
    return made


async def _install(made: Installation) -> None:
    settings = Settings(server=ServerSettings(bind=f"127.0.0.1:{made.port}", data_dir=made.data_dir))
    async with open_foundation(settings) as base:
        passwords = Passwords(trio.CapacityLimiter(2))
        for number in range(_USERS):
            await create_user(
                base.db,
                base.audit,
                base.keys.vault,
                passwords,
                username=f"bench-{number}",
                password=made.password,
                role=Role.ADMIN,
                totp_secret=made.secret,
            )
        await base.db.transaction(_add_hosts, made)


async def _add_hosts(connection: Connection, made: Installation) -> None:
    now = datetime.now(UTC)
    await connection.execute("SET LOCAL statement_timeout = 0")
    for spec in made.fleet():
        record = HostRecord(uuid4(), spec.address, made.agent_port, spec.fqdn, spec.hostname, frozenset(), now)
        await add_host(connection, record, created_by=None)


@contextmanager
def simulated(made: Installation, job_seconds: float = 2.0) -> Iterator[Child]:
    """The hosts, until the end of the block."""
    Keys.open(made.data_dir)
    keys = (pki_directory(made.data_dir), vault_key(made.data_dir))
    arguments = [*keys, made.hosts, made.agent_port, job_seconds, _BASE]
    with child([sys.executable, "-c", _SIMULATOR, *map(str, arguments)]) as running:
        if "ready" not in running.line():
            raise RuntimeError("the simulated hosts did not start")
        yield running


class Manager:
    """A running manager."""

    def __init__(self, made: Installation) -> None:
        self.made = made
        self._log = made.log.open("ab")
        self._began = time.monotonic()
        command = [_COMMAND, "serve", "--config", str(made.write_settings())]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self._log)
        self.pid = self._process.pid
        self.ready_seconds = self._wait_ready()

    def _wait_ready(self) -> float:
        """Seconds from the start of the process until ``/readyz`` says yes."""
        while time.monotonic() - self._began < _READY_SECONDS:
            if self._process.poll() is not None:
                raise RuntimeError(f"the manager ended with status {self._process.returncode}: {self._last_words()}")
            try:
                with self.page(timeout=5.0) as page:
                    status, _ = page.get("/readyz")
            except (OSError, http.client.HTTPException):
                status = 0
            if status == 200:
                return time.monotonic() - self._began
            time.sleep(0.02)
        raise RuntimeError(f"the manager is not ready after {_READY_SECONDS:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        return self.made.log.read_text(encoding="utf-8", errors="replace")[-500:]

    def page(self, *, timeout: float = 30.0) -> Page:
        """A new connection of a client who has not signed in."""
        context = ssl.create_default_context(cafile=pki_directory(self.made.data_dir) / "root.pem")
        return Page(http.client.HTTPSConnection("localhost", self.made.port, timeout=timeout, context=context))

    def signed_in(self) -> Page:
        """A new connection of an admin, through password and authenticator."""
        page, made = self.page(), self.made
        made.signed_in += 1
        credentials = {"username": f"bench-{made.signed_in % _USERS}", "password": made.password}
        _, ticket = page.post("/api/v1/auth/login", credentials)
        answer = {"mfa_token": ticket["mfa_token"], "code": pyotp.TOTP(made.secret).now()}
        _, token = page.post("/api/v1/auth/mfa/totp", answer)
        page.headers["Authorization"] = f"Bearer {token['access_token']}"
        return page

    def kill(self) -> None:
        """``kill -9``."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def stop(self) -> None:
        """SIGTERM; raises ``subprocess.TimeoutExpired`` when it takes longer than it may."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        self._log.close()


@contextmanager
def serving(made: Installation) -> Iterator[Manager]:
    """The manager, until the end of the block."""
    manager = Manager(made)
    try:
        yield manager
    finally:
        manager.stop()


class Page:
    """A browser's kept connection."""

    def __init__(self, connection: http.client.HTTPSConnection) -> None:
        self._connection = connection
        self.headers: dict[str, str] = {"Accept-Encoding": "identity"}
        self.etag = ""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body."""
        self._connection.request("GET", path, headers={**self.headers, **(headers or {})})
        answer = self._connection.getresponse()
        self.etag = answer.getheader("ETag") or ""
        return answer.status, answer.read()

    def json(self, path: str) -> Any:
        """The decoded answer of a GET that must succeed."""
        status, body = self.get(path)
        if status != 200:
            raise RuntimeError(f"{path} answers {status}: {body[:200]!r}")
        return json.loads(body)

    def post(self, path: str, value: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Status and decoded answer of a POST that must succeed."""
        given = {**self.headers, "Content-Type": "application/json", **(headers or {})}
        self._connection.request("POST", path, json.dumps(value), given)
        answer = self._connection.getresponse()
        body = answer.read()
        if not 200 <= answer.status <= 299:
            raise RuntimeError(f"{path} answers {answer.status}: {body[:300]!r}")
        return answer.status, json.loads(body)

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def wait_for_contact(manager: Manager, seconds: float) -> float:
    """Wait until every host has been polled; the seconds that took. Raises RuntimeError after ``seconds``."""
    began = time.monotonic()
    left = -1.0
    while time.monotonic() - began < seconds:
        with manager.page() as page:
            _, metrics = page.get("/metrics")
        left = next(float(line.split()[1]) for line in metrics.decode().splitlines() if line.startswith(_LEFT))
        if left == 0:
            return time.monotonic() - began
        time.sleep(1.0)
    raise RuntimeError(f"after {seconds:.0f} s {left:.0f} hosts were never reached")


def contact_seconds(hosts: int) -> float:
    """How long the first contact may take before something is wrong."""
    return 60.0 + hosts * 0.06 * (2 / (os.cpu_count() or 2))
