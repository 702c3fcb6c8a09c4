"""The real ``patch-manager demo`` as a subprocess, with people who can sign in and agents that tests direct."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyotp

from tests.system.agents import Agent
from tests.system.host import Host
from tests.system.manager import COMMAND, PASSWORD, Api, eventually, free_port

STATIC = Path(__file__).resolve().parents[2] / "patch_manager" / "http" / "static"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ADMIN = "maria"
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0

# In one process: importing the program takes longer than what each of these does.
_SEVERAL = (
    "import json, sys; from patch_manager.cli import main\n"
    "for line in json.loads(sys.argv[1]):\n"
    "    status = main(line)\n"
    "    if status: sys.exit(status)"
)


def code() -> str:
    """The authenticator's code right now; it works once for each user."""
    return pyotp.TOTP(SECRET).now()


def wrong_code() -> str:
    """A code that no clock agrees with."""
    clock = pyotp.TOTP(SECRET)
    near = {clock.at(time.time() + step * 30) for step in range(-5, 6)}
    return next(text for text in map("{:06}".format, range(100)) if text not in near)


@dataclass
class Demo:
    """One demo: its directory, its ports, and the process while it runs."""

    directory: Path
    hosts: int
    port: int = field(default_factory=free_port)
    agent_port: int = field(default_factory=lambda: free_port("127.16.0.1"))
    process: subprocess.Popen[bytes] | None = None
    _agents: ExitStack = field(default_factory=ExitStack)
    _used: int = 0
    _api: Api | None = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # For the commands beside the demo, which makes its own settings.
        self.config.write_text(
            f'[server]\nbind = "127.0.0.1:{self.port}"\ndata_dir = "{self.directory / "data"}"\n'
            f"[agent]\nport = {self.agent_port}\nallow_loopback = true\n"
        )

    @property
    def config(self) -> Path:
        """The settings of the demo's data directory."""
        return self.directory / "settings.toml"

    @property
    def url(self) -> str:
        """The origin that browsers open."""
        return f"https://localhost:{self.port}"

    @property
    def log(self) -> Path:
        """What the demo printed."""
        return self.directory / "demo.log"

    # Its life

    def start(self) -> None:
        """Start it and wait until it is ready."""
        line = [COMMAND, "demo", "--hosts", self.hosts, "--data-dir", self.directory]
        line += ["--bind", f"127.0.0.1:{self.port}", "--agent-port", self.agent_port]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in line], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        eventually("the demo is ready", self._ready, _READY_SECONDS)

    def _ready(self) -> bool:
        assert self.process is not None
        status = self.process.poll()
        assert status is None, f"the demo ended with {status}: {self.log.read_text(errors='replace')[-3000:]}"
        try:
            with self._client() as http:
                return http.get("/readyz").status_code == 200
        except (OSError, httpx.TransportError):
            return False

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def close(self) -> None:
        """Leave nothing running."""
        if self._api is not None:
            self._api.http.close()
        self._agents.close()
        self.stop()

    # Around it

    def commands(self, *lines: tuple[str | Path, ...]) -> None:
        """Several command lines over the demo's data, in one process; each must succeed."""
        words = [[*map(str, line), "--config", str(self.config)] for line in lines]
        done = subprocess.run(
            [sys.executable, "-c", _SEVERAL, json.dumps(words)],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def prepare(self, people: Mapping[str, str], bundles: int) -> None:
        """Users by name and role with ``PASSWORD`` and ``SECRET``, and certificates for that many agents to come."""
        password = self.directory / "password"
        password.touch(mode=0o600)
        password.write_text(PASSWORD)
        create = ("admin", "create", "--password-file", password, "--totp-secret", SECRET)
        issue = ("pki", "issue")
        addresses = [_address(number) for number in range(1, bundles + 1)]
        self.commands(
            *((*create, "--username", name, "--role", role) for name, role in people.items()),
            *((*issue, "--host", address, "--out", self._bundle(address)) for address in addresses),
        )

    def _client(self) -> httpx.Client:
        root = self.directory / "data" / "pki" / "root.pem"
        trusted = ssl.create_default_context(cafile=root)
        return httpx.Client(verify=trusted, base_url=self.url, timeout=30)

    @property
    def api(self) -> Api:
        """REST as the demo's own admin; signs in once."""
        if self._api is None:
            kept = json.loads((self.directory / "sign-in.json").read_text())
            http = self._client()
            http.base_url = httpx.URL(f"{self.url}/api/v1")
            login = http.post("/auth/login", json={"username": kept["username"], "password": kept["password"]})
            answer = {"mfa_token": login.json()["mfa_token"], "code": pyotp.TOTP(kept["totp_secret"]).now()}
            tokens = http.post("/auth/mfa/totp", json=answer).json()
            http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            self._api = Api(http)
        return self._api

    def _bundle(self, address: str) -> Path:
        return self.directory / "bundles" / address

    def next_address(self) -> str:
        """The address of the next agent."""
        return _address(self._used + 1)

    def agent(self, host: Host) -> Agent:
        """A running agent over ``host``; nobody manages it yet."""
        address = self.next_address()
        self._used += 1
        agent = Agent(address, self.agent_port, self._bundle(address), host=host)
        return self._agents.enter_context(agent)

    def managed(self, host: Host, **body: Any) -> str:
        """A running agent whose host is managed, healthy and read; the host's id."""
        agent = self.agent(host)
        given = {"address": agent.address, "display_name": host.hostname, **body}
        host_id: str = self.api.post("/hosts", given, 201)["id"]
        self.api.wait_health(host_id)
        return host_id


def _address(number: int) -> str:
    return f"127.16.200.{number}"


@contextmanager
def running_demo(
    directory: Path, hosts: int, *, people: Mapping[str, str] | None = None, bundles: int = 0
) -> Iterator[Demo]:
    """A demo that is ready, with an admin and ``people`` (name and role) beside its own user."""
    demo = Demo(directory, hosts)
    try:
        demo.start()
        demo.prepare({ADMIN: "admin", **(people or {})}, bundles)
        yield demo
    finally:
        demo.close()
