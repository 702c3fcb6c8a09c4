"""The embedded server: shared by processes, adopted after kill -9, private, and clear about what it cannot do."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import trio

from patch_manager.storage import Connection, DatabaseUnavailable, EmbeddedServerError, embedded_postgres, open_database
from patch_manager.storage.database import run_once
from patch_manager.storage.embedded_binaries import Binaries, choose_launcher, embedded_binaries
from patch_manager.storage.embedded_layout import Layout
from tests.postgres import PostgresServer

USER = """
import sys, trio
from pathlib import Path
from patch_manager.storage import embedded_postgres
from patch_manager.storage.database import run_once

async def pid(connection):
    return await connection.fetchval("SELECT pg_backend_pid()")

async def main():
    async with embedded_postgres(Path(sys.argv[1]), progress=lambda words: None) as server:
        await run_once(server.app, pid)
        print("ready", flush=True)
        if sys.argv[2] == "stay":
            await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)

trio.run(main)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """With a space, as a user's path may have."""
    return tmp_path / "data dir"


@pytest.fixture
def postgres(embedded_server: PostgresServer) -> PostgresServer:
    """These tests are about the embedded one only."""
    return embedded_server


@contextmanager
def user(data_dir: Path, mode: str = "stay") -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the same server."""
    command = [sys.executable, "-c", USER, str(data_dir), mode]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def postmaster(data_dir: Path) -> int | None:
    """Pid of the running server, None when it was stopped."""
    try:
        pid = int((data_dir / "postgres/cluster/postmaster.pid").read_text().split("\n")[0])
    except FileNotFoundError:
        return None
    return pid if Path(f"/proc/{pid}").exists() else None


def mode_of(path: Path) -> int:
    """Permission bits of the file itself."""
    return stat.S_IMODE(path.lstat().st_mode)


async def scalar(connection: Connection, sql: str) -> object:
    return await connection.fetchval(sql)


async def test_it_starts_stops_and_keeps_what_was_written(data_dir: Path) -> None:
    said: list[str] = []
    async with embedded_postgres(data_dir, progress=said.append) as server:
        assert "creating the embedded database" in said
        await run_once(server.owner, scalar, "CREATE TABLE kept AS SELECT 1 AS one")
        assert postmaster(data_dir) is not None
    assert postmaster(data_dir) is None
    async with embedded_postgres(data_dir) as server:
        assert await run_once(server.owner, scalar, "SELECT one FROM kept") == 1


async def test_nobody_enters_without_a_password_and_nothing_listens_on_tcp(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as server:
        for address in (server.app, server.owner, server.superuser):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await run_once(replace(address, password="guess"), scalar, "SELECT 1")
        assert await run_once(server.app, scalar, "SHOW listen_addresses") == ""
        assert await run_once(server.app, scalar, "SHOW fsync") == "on"
        verifier = "SELECT bool_and(rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolcanlogin"
        assert await run_once(server.superuser, scalar, verifier) is True
        for address in (server.app, server.owner):
            assert (
                await run_once(address, scalar, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
            )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run_once(server.app, scalar, "CREATE TABLE mine ()")
        assert mode_of(Path(server.app.host)) == 0o700
    for path in (data_dir / "postgres").iterdir():
        assert mode_of(path) & 0o077 == 0, path


async def test_a_path_too_long_for_a_socket_gets_a_private_directory_that_is_kept(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long " * 30)
    async with embedded_postgres(data_dir) as server:
        first = Path(server.app.host)
        assert await run_once(server.app, scalar, "SELECT 1") == 1
    assert mode_of(first) == 0o700
    async with embedded_postgres(data_dir) as server:
        assert Path(server.app.host) == first
    os.rmdir(first)
    os.symlink(tmp_path, first)  # somebody took the name while the machine was off
    try:
        async with embedded_postgres(data_dir) as server:
            second = Path(server.app.host)
            assert second != first
            assert await run_once(server.app, scalar, "SELECT 1") == 1
        os.rmdir(second)
    finally:
        os.unlink(first)


async def test_the_last_user_stops_the_server(data_dir: Path) -> None:
    with trio.fail_after(60):
        async with embedded_postgres(data_dir):
            running = postmaster(data_dir)
            with user(data_dir) as other:
                await trio.to_thread.run_sync(wait_ready, other)
                with user(data_dir, "leave") as third:
                    await trio.to_thread.run_sync(third.wait)
                    assert third.returncode == 0
                assert postmaster(data_dir) == running
                assert other.stdin is not None
                other.stdin.close()
                await trio.to_thread.run_sync(other.wait)
                assert other.returncode == 0
            assert postmaster(data_dir) == running
        assert postmaster(data_dir) is None


async def test_a_server_left_by_kill_9_is_adopted_and_later_stopped(data_dir: Path) -> None:
    with trio.fail_after(60):
        with user(data_dir) as killed:
            await trio.to_thread.run_sync(wait_ready, killed)
            killed.send_signal(signal.SIGKILL)
            await trio.to_thread.run_sync(killed.wait)
        left = postmaster(data_dir)
        assert left is not None
        async with embedded_postgres(data_dir) as server:
            assert postmaster(data_dir) == left
            assert await run_once(server.app, scalar, "SELECT 1") == 1
        assert postmaster(data_dir) is None


async def test_many_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    """The first start included: one of them creates the cluster, the others wait for it."""
    with trio.fail_after(120):
        done: list[int] = []

        async def one() -> None:
            command = [sys.executable, "-c", USER, str(data_dir), "leave"]
            done.append((await trio.run_process(command, capture_stdout=True)).returncode)

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(one)
        assert done == [0] * 6
        assert postmaster(data_dir) is None


async def test_a_postmaster_killed_under_us_is_started_again(data_dir: Path) -> None:
    with trio.fail_after(60):
        async with embedded_postgres(data_dir) as server, open_database(server.app) as db:
            assert await db.read(scalar, "SELECT 1") == 1
            killed = postmaster(data_dir)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            answer: object = None
            while answer != 1:
                try:
                    answer = await db.read(scalar, "SELECT 1")
                except DatabaseUnavailable:
                    await trio.sleep(0.1)
                if postmaster(data_dir) in (None, killed):
                    answer = None
            assert postmaster(data_dir) not in (None, killed)


async def test_a_pid_file_of_somebody_else_is_not_believed(data_dir: Path) -> None:
    """After a power cut the pid in it may have been given to another process."""
    with trio.fail_after(60):
        async with embedded_postgres(data_dir):
            kept = (data_dir / "postgres/cluster/postmaster.pid").read_text()
        stale = kept.replace(kept.split("\n")[0], str(os.getpid()), 1)
        (data_dir / "postgres/cluster/postmaster.pid").write_text(stale)
        async with embedded_postgres(data_dir) as server:
            assert await run_once(server.app, scalar, "SELECT 1") == 1


async def test_an_interrupted_creation_begins_anew(data_dir: Path) -> None:
    torn = data_dir / "postgres/cluster.new"
    torn.mkdir(parents=True)
    (torn / "PG_VERSION").write_text("18\n")
    async with embedded_postgres(data_dir) as server:
        assert await run_once(server.app, scalar, "SELECT 1") == 1
    assert not torn.exists()


async def test_a_cluster_of_another_version_is_named(data_dir: Path) -> None:
    cluster = data_dir / "postgres/cluster"
    cluster.mkdir(parents=True, mode=0o700)
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 16, this program brings 18"):
        async with embedded_postgres(data_dir):
            pass


async def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="must not contain"):
        async with embedded_postgres(tmp_path / "a$b"):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match="cannot create"):
        async with embedded_postgres(tmp_path / "file"):
            pass
    with pytest.raises(EmbeddedServerError, match=r"database\.url"):
        async with embedded_postgres(tmp_path / "x", binaries=Binaries(tmp_path, 18)):
            pass


async def test_errors_of_the_block_leave_bare_and_stop_the_server(data_dir: Path) -> None:
    with pytest.raises(KeyError):
        async with embedded_postgres(data_dir):
            raise KeyError("mine")
    assert postmaster(data_dir) is None
    with trio.move_on_after(0.2) as scope:
        async with embedded_postgres(data_dir):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert postmaster(data_dir) is None


async def test_root_falls_back_to_an_account_where_namespaces_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        return  # only root has to give up being root
    refusing = tmp_path / "bin"
    refusing.mkdir()
    (refusing / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (refusing / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing}:{os.environ['PATH']}")
    async with embedded_postgres(tmp_path / "data dir") as server:
        assert await run_once(server.app, scalar, "SELECT 1") == 1
    cluster = tmp_path / "data dir/postgres/cluster"
    assert cluster.stat().st_uid != 0
    monkeypatch.undo()
    launcher = await choose_launcher(embedded_binaries(), cluster.parent, cluster)
    assert launcher.account is not None, "the way chosen first is kept although namespaces are allowed again"
    async with embedded_postgres(tmp_path / "data dir") as server:
        assert await run_once(server.app, scalar, "SELECT 1") == 1


def test_passwords_are_made_once_and_private(tmp_path: Path) -> None:
    layout = Layout.prepare(tmp_path)
    first = layout.password("someone")
    assert len(first) >= 32
    assert layout.password("someone") == first
    assert stat.S_IMODE((tmp_path / "postgres/someone.password").stat().st_mode) == 0o600
