"""``patch-manager demo``: the real manager over a simulated fleet, with a sign-in made for it.

Its data stay in one directory, so that a second start shows the same fleet within seconds.
"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pyotp
import segno
import trio

from patch_manager.auth.accounts import create_user
from patch_manager.auth.passwords import Passwords
from patch_manager.auth.totp import otpauth_uri
from patch_manager.config import ConfigError, ServerSettings, Settings
from patch_manager.domain.audit import AuditEvent
from patch_manager.domain.hosts import HostRecord
from patch_manager.domain.principal import Role
from patch_manager.domain.settings import AgentSettings, PollingSettings
from patch_manager.foundation import SYSTEM, Foundation, open_foundation, pki_directory, vault_key
from patch_manager.logs import configure_logging
from patch_manager.pki.files import replace
from patch_manager.serve import serve
from patch_manager.simulator.specs import DEFAULT_PORT, HostSpec, demo_fleet
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.groups import create_group, list_groups
from patch_manager.storage.host_registry import add_host

USERNAME = "demo"
_STOP_SECONDS = 5.0
_GROUPS = {"web": "Web servers", "db": "Databases", "build": "Build machines", "edge": "Edge and branch offices"}


@dataclass(frozen=True, slots=True)
class SignIn:
    """How to sign in to the demo; kept beside its data, mode 0600."""

    username: str
    password: str
    totp_secret: str


def run_demo(*, hosts: int, directory: Path, bind: str, agent_port: int = DEFAULT_PORT) -> int:
    """Run the demo until Ctrl-C; the process's exit status.

    Raises:
        ConfigError: a port is taken, or the number of hosts makes no sense.
    """
    if not 0 <= hosts <= 25_000:
        raise ConfigError("--hosts must be between 0 and 25000")
    if not 1 <= agent_port <= 65_535:
        raise ConfigError("--agent-port must be between 1 and 65535")
    directory = directory.absolute()
    settings = Settings(
        server=ServerSettings(bind=bind, data_dir=directory / "data"),
        agent=AgentSettings(port=agent_port, allow_loopback=True),
        # Livelier than a real fleet's five and thirty minutes, so that there is something to see.
        polling=PollingSettings(
            health_seconds=30 if hosts <= 500 else 300, patches_seconds=300 if hosts <= 500 else 1800
        ),
    )
    configure_logging("error")
    _say(f"starting a demo with {hosts} simulated hosts; its data are in {directory}")
    _require_free(settings.server.bind, "--bind")
    if hosts:
        _require_free(f"127.16.0.1:{agent_port}", "another demo or agent")
    trio.run(_demo, settings, hosts, directory)
    return 0


async def _demo(settings: Settings, hosts: int, directory: Path) -> None:
    fleet = demo_fleet(hosts)
    # SIGHUP too: a terminal that is closed must not leave the database running.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:

            async def wait_for_signal() -> None:
                await anext(signals)
                _say("stopping …")
                stop.set()
                # A second Ctrl-C does not wait for anybody.
                await anext(signals)
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for_signal)
            async with open_foundation(settings, _say) as base:
                sign_in = await _seed(base, fleet, directory)
                async with _simulator(settings, hosts):
                    await serve(base, stop, lambda: _show(settings, sign_in, hosts))
            nursery.cancel_scope.cancel()
    _say("stopped")


async def _seed(base: Foundation, fleet: list[HostSpec], directory: Path) -> SignIn:
    """The user, groups and hosts; hosts of a smaller earlier demo are completed, never removed."""
    path = directory / "sign-in.json"
    if path.exists():
        sign_in = SignIn(**json.loads(path.read_text(encoding="utf-8")))
    else:
        sign_in = SignIn(USERNAME, secrets.token_urlsafe(12), pyotp.random_base32())
        await create_user(
            base.db,
            base.audit,
            base.keys.vault,
            Passwords(trio.CapacityLimiter(1)),
            username=sign_in.username,
            password=sign_in.password,
            role=Role.ADMIN,
            totp_secret=sign_in.totp_secret,
        )
        replace(path, json.dumps(asdict(sign_in)).encode())
    added = await base.db.transaction(_add_fleet, base.audit, fleet, base.settings.agent.port)
    if added:
        _say(f"added {added} hosts in {len(_GROUPS)} groups")
    return sign_in


async def _add_fleet(connection: Connection, audit: AuditLog, fleet: list[HostSpec], port: int) -> int:
    now = datetime.now(UTC)
    groups: dict[str, UUID] = {}
    for name, description in _GROUPS.items():
        await create_group(connection, uuid4(), name=name, description=description, created_at=now)
    rows, _ = await list_groups(connection, visible=None)
    groups = {row.name: row.id for row in rows}
    added = 0
    for spec in fleet:
        record = HostRecord(uuid4(), spec.address, port, spec.fqdn, spec.hostname, frozenset({groups[spec.group]}), now)
        added += await add_host(connection, record, created_by=None) is None
    if added:
        await audit.append(connection, [AuditEvent("demo.fleet_added", SYSTEM, detail={"hosts": added})])
    return added


@asynccontextmanager
async def _simulator(settings: Settings, hosts: int) -> AsyncIterator[None]:
    """The simulated hosts, as a process of their own; it dies with this one, whatever happens to it."""
    if not hosts:
        yield
        return
    _say(f"starting {hosts} simulated hosts")
    code = (
        "import sys; from pathlib import Path; from patch_manager.simulator.command import run_simulator; "
        "run_simulator(Path(sys.argv[1]), Path(sys.argv[2]), count=int(sys.argv[3]), port=int(sys.argv[4]))"
    )
    data_dir = settings.server.data_dir
    command = [sys.executable, "-c", code, str(pki_directory(data_dir)), str(vault_key(data_dir))]
    command += [str(hosts), str(settings.agent.port)]
    # From this thread: the kernel ties the signal to the life of the thread that made the process, and Trio's
    # own way of starting processes uses a thread that ends when it is idle.
    process = _start_dying_with_us(command)
    try:
        assert process.stdout is not None  # noqa: S101  # asked for above
        if b"ready" not in await trio.to_thread.run_sync(process.stdout.readline):
            raise ConfigError("the simulated hosts did not start")
        yield
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            await trio.to_thread.run_sync(_wait_or_kill, process)


def _start_dying_with_us(command: list[str]) -> subprocess.Popen[bytes]:
    setpriv = shutil.which("setpriv")
    if setpriv:
        command = [setpriv, "--pdeathsig", "TERM", *command]
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _show(settings: Settings, sign_in: SignIn, hosts: int) -> None:
    totp = pyotp.TOTP(sign_in.totp_secret)
    print(
        f"\n  Linux Patch Manager is showing {hosts} hosts at\n\n"
        f"      {settings.server.origin}\n\n"
        f"  user          {sign_in.username}\n"
        f"  password      {sign_in.password}\n"
        f"  TOTP secret   {sign_in.totp_secret}   (code right now: {totp.now()})\n\n"
        "  Scan this with an authenticator app:\n",
        flush=True,
    )
    segno.make(otpauth_uri(sign_in.totp_secret, sign_in.username), error="l").terminal(compact=True)
    print(
        "\n  The browser will warn: the manager is its own certificate authority. Ctrl-C stops the demo.\n", flush=True
    )


def _require_free(bind: str, what: str) -> None:
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            raise ConfigError(f"{bind} cannot be used ({error.strerror}): {what}?") from error


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(f"demo: {text}", flush=True)
