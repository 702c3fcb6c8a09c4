"""Settings and commands: the environment overrides the file, mistakes are one line, the audit log knows tampering."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trio

from patch_manager.storage import Connection, embedded_postgres
from patch_manager.storage.database import run_once
from tests.system.manager import Manager, free_port


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """An installation that has not been started."""
    made = Manager(tmp_path / "with space", free_port())
    yield made
    made.end()


@pytest.mark.parametrize(
    ("file", "environment", "words"),
    [
        (None, {}, "cannot read settings"),
        ("[server\n", {}, "not valid TOML"),
        ('[server]\nbnd = "127.0.0.1:1"', {}, "server.bnd"),
        ('[sever]\nbind = "127.0.0.1:1"', {}, "sever"),
        ('[polling]\nkeep_connections = "often"', {}, "polling.keep_connections"),
        ("", {"PATCH_MANAGER_POLLING__HEALTH_SECONDS": "-1"}, "polling.health_seconds"),
        ("", {"PATCH_MANAGER_SERVER__BIND": "nowhere"}, "server.bind"),
        ("", {"PATCH_MANAGER_SERVER__BNID": "127.0.0.1:1"}, "bnid"),
        ("", {"PATCH_MANAGER_SEVER__BIND": "127.0.0.1:1"}, "PATCH_MANAGER_SEVER__BIND"),
        ("", {"PATCH_MANAGER_SERVER": "not json"}, "server"),
        ('[database]\nurl = "postgresql://nobody@127.0.0.1:1/none"', {}, "database"),
        ('[database]\nurl = "mysql://nobody@127.0.0.1/none"', {}, "database"),
        ('[server]\ndata_dir = "/dev/null/data"', {}, "data_dir"),
        ("[agent]\nport = 70000", {}, "agent.port"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_settings_that_cannot_be_used_are_told_in_one_line(
    manager: Manager, file: str | None, environment: dict[str, str], words: str
) -> None:
    manager.config.unlink()
    if file is not None:
        manager.config.write_text(file)
    manager.environment = {"PATCH_MANAGER_SERVER__DATA_DIR": str(manager.home / "data"), **environment}
    if file is not None and "data_dir" in file:
        del manager.environment["PATCH_MANAGER_SERVER__DATA_DIR"]
    done = manager.run("serve")
    assert done.returncode != 0
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    assert line.startswith("patch-manager: ")
    assert words in line
    assert "Traceback" not in done.stderr + done.stdout


def test_an_address_in_use_is_told_in_one_line(manager: Manager) -> None:
    with socket.create_server(("127.0.0.1", manager.port)):
        done = manager.run("serve")
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert str(manager.port) in last
    assert "in use" in last
    assert "Traceback" not in done.stderr


def test_the_environment_overrides_the_file_and_tls_verifies_by_name_and_by_address(manager: Manager) -> None:
    port = free_port()
    manager.environment = {"PATCH_MANAGER_SERVER__BIND": f"127.0.0.1:{port}"}
    bundle = manager.issue("127.75.0.1")
    assert sorted(path.name for path in bundle.iterdir()) == ["ca.pem", "crl.pem", "server.key.pem", "server.pem"]
    manager.port = port
    manager.start()
    for name in ("localhost", "127.0.0.1"):
        with httpx.Client(verify=manager.tls()) as http:
            assert http.get(f"https://{name}:{port}/healthz").status_code == 200
    assert manager.terminate() == 0


def test_users_are_refused_in_one_line_when_they_exist_or_their_password_is_weak(manager: Manager) -> None:
    manager.create_admin()
    assert len(manager.secret) >= 32
    again = manager.run("admin", "create", "--username", "alice", "--password-file", manager.home / "password")
    (manager.home / "weak").write_text("123")
    weak = manager.run("admin", "create", "--username", "bob", "--password-file", manager.home / "weak")
    missing = manager.run("admin", "create", "--username", "bob", "--password-file", manager.home / "nothing")
    (manager.home / "binary").write_bytes(b"\xff\xfe a long enough one")
    binary = manager.run("admin", "create", "--username", "bob", "--password-file", manager.home / "binary")
    for done in (again, weak, missing, binary):
        assert done.returncode != 0
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("patch-manager: ")


def test_what_cannot_be_verified_is_not_called_tampered_with(manager: Manager) -> None:
    nowhere = {"PATCH_MANAGER_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none"}
    for environment in ({}, nowhere):  # a database without a log, and none at all
        manager.environment = environment
        done = manager.run("audit", "verify")
        assert done.returncode == 2
        (line,) = (done.stdout + done.stderr).splitlines()
        assert "cannot verify" in line


EDIT = "UPDATE audit_log SET body = replace(body, '{}', '{}') WHERE seq = 2"
CUT = "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)"


def test_a_log_that_was_tampered_with_fails_verification(manager: Manager) -> None:
    manager.prepare(["127.75.0.1", "127.75.0.2", "127.75.0.3"])

    def verified() -> int:
        return manager.run("audit", "verify").returncode

    async def tamper() -> None:
        async with embedded_postgres(manager.home / "data dir") as server:
            superuser = replace(server.superuser, database=server.app.database)
            assert await trio.to_thread.run_sync(verified) == 0
            await run_once(superuser, _change, EDIT.format("certificate.issued", "certificate.issuee"))
            assert await trio.to_thread.run_sync(verified) == 1
            await run_once(superuser, _change, EDIT.format("certificate.issuee", "certificate.issued"))
            assert await trio.to_thread.run_sync(verified) == 0
            await run_once(superuser, _change, CUT)
            assert await trio.to_thread.run_sync(verified) == 1

    trio.run(tamper)


async def _change(connection: Connection, statement: str) -> None:
    await connection.execute("SET session_replication_role = replica")
    assert (await connection.execute(statement)).endswith(" 1")
