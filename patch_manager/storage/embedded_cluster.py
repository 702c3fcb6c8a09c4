"""One PostgreSQL cluster on disk: create it, start it, see whether it runs, stop it.

The caller holds the lock that lets one process at a time do this (:mod:`patch_manager.storage.embedded`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import asyncpg
import structlog
import trio

from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import run_once
from patch_manager.storage.embedded_binaries import Binaries, Launcher
from patch_manager.storage.embedded_layout import (
    APP,
    DATABASE,
    HOST_BASED_ACCESS,
    OWNER,
    SUPERUSER,
    Layout,
    server_settings,
)
from patch_manager.storage.errors import EmbeddedServerError

Progress = Callable[[str], None]
"""Told, in words for people, what takes long."""

_INITDB_SECONDS = 180.0
_START_SECONDS = 300.0  # replaying the log after a power cut can take minutes
_STOP_SECONDS = 8.0  # stays below the 10 s in which the whole program must be gone
_TRIES = 4


class Status(Enum):
    """What the pid file and the socket say."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster with all that is needed to run its programs."""

    layout: Layout
    binaries: Binaries
    launcher: Launcher
    socket: Path

    def check_version(self) -> None:
        """
        :raises EmbeddedServerError: another major version of PostgreSQL made these files.
        """
        try:
            made_by = int((self.layout.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise EmbeddedServerError(f"cannot read {self.layout.cluster / 'PG_VERSION'}: {error}") from error
        if made_by != self.binaries.major:
            raise EmbeddedServerError(
                f"{self.layout.cluster} was made by PostgreSQL {made_by}, this program brings {self.binaries.major}: "
                f"make a backup with the release that used PostgreSQL {made_by}, move the directory away and restore"
            )

    def status(self) -> Status:
        """Ready means that the server itself says so and its socket accepts."""
        lines = self._pid_lines()
        if len(lines) < 8 or not self._accepts():
            # Without a living postmaster the file is left over from a crash, whatever it says.
            return Status.STARTING if lines and self._is_ours(lines[0]) else Status.STOPPED
        said = lines[7].strip()
        return Status.READY if said == "ready" else Status.STOPPING if said == "stopping" else Status.STARTING

    def alive(self) -> bool:
        """Whether the postmaster lives, at no cost to it (asking by the socket makes it fork)."""
        lines = self._pid_lines()
        return bool(lines) and self._is_ours(lines[0])

    async def create(self, progress: Progress) -> None:
        """Run initdb unless that was done before; an interrupted one begins anew.

        :raises EmbeddedServerError: initdb failed.
        """
        if self.layout.cluster.exists():
            return
        progress("creating the embedded database")
        unfinished = self.layout.unfinished
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        self.launcher.own(unfinished)
        password = self.layout.home / ".initdb-password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        try:
            password.write_text(self.layout.password(SUPERUSER))
            self.launcher.own(password)
            locale = (
                ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
                if self.binaries.major >= 17
                else ["--locale=C.UTF-8"]
            )
            status, said = await self.launcher.run(
                [
                    self.binaries.program("initdb"),
                    f"--pgdata={unfinished}",
                    f"--username={SUPERUSER}",
                    "--auth=scram-sha-256",
                    f"--pwfile={password}",
                    "--encoding=UTF8",
                    "--data-checksums",
                    "--no-instructions",
                    *locale,
                ],
                seconds=_INITDB_SECONDS,
                cwd=self.layout.home,
            )
        finally:
            password.unlink(missing_ok=True)
        if status != 0:
            raise EmbeddedServerError(f"initdb failed: {_last_line(said)}")
        unfinished.rename(self.layout.cluster)
        _sync_directory(self.layout.home)

    async def start(self, progress: Progress) -> None:
        """Make the server ready, adopting one that already runs.

        :raises EmbeddedServerError: it cannot be started.
        """
        self._clear_foreign_pid_file()
        for tries in range(1, _TRIES + 1):
            status = self.status()
            if status is Status.STOPPING:
                await self._until(lambda: self.status() is Status.STOPPED, 60.0)
                status = self.status()
            if status is Status.STOPPED:
                self._configure()
                await self._launch()
            if await self._until(lambda: self.status() in (Status.READY, Status.STOPPED), 5.0) is False:
                progress("waiting for the embedded database: it replays its log after an unclean stop")
                await self._until(lambda: self.status() in (Status.READY, Status.STOPPED), _START_SECONDS)
            if self.status() is Status.READY:
                return
            if tries < _TRIES:
                # Backends of a postmaster that was killed hold its memory for a moment longer.
                await trio.sleep(0.5 * tries)
        raise EmbeddedServerError(
            f"the embedded PostgreSQL does not start: {_last_line(self._log_tail())} (see {self.layout.logs})"
        )

    async def create_roles(self) -> None:
        """Make the two roles and the database once; may be repeated after an interruption.

        :raises DatabaseUnavailable: the server went away meanwhile.
        """
        if self.layout.ready_mark.exists():
            return
        superuser = self.layout.address(SUPERUSER, self.socket, "postgres")
        await run_once(superuser, _create_roles, self.layout.password(OWNER), self.layout.password(APP))
        self.layout.ready_mark.touch(mode=0o600)

    async def stop(self) -> None:
        """Stop the server fast (open transactions are rolled back), and immediately if that takes too long."""
        for mode, seconds in (("fast", _STOP_SECONDS), ("immediate", 5.0)):
            if self.status() is Status.STOPPED:
                return
            command = [self.binaries.program("pg_ctl"), "stop", "-D", str(self.layout.cluster), "-m", mode, "-W", "-s"]
            status, said = await self.launcher.run(command, seconds=5.0, cwd=self.layout.home)
            if status != 0:
                structlog.get_logger(__name__).warning("embedded_server_stop_failed", mode=mode, reason=said)
            if await self._until(
                lambda: self.status() is Status.STOPPED and not self.layout.pid_file.exists(), seconds
            ):
                return

    def _configure(self) -> None:
        for directory in (self.socket, self.layout.logs):
            directory.mkdir(mode=0o700, exist_ok=True)
            self.launcher.own(directory)
        self.layout.log.touch(mode=0o600)
        self.launcher.own(self.layout.log)
        files = {
            "postgresql.conf": server_settings(self.layout, self.socket, self.binaries.major),
            "pg_hba.conf": HOST_BASED_ACCESS,
        }
        for name, text in files.items():
            path = self.layout.cluster / name
            path.write_text(text)
            path.chmod(0o600)
            self.launcher.own(path)

    async def _launch(self) -> None:
        os.truncate(self.layout.log, 0)
        command = [self.binaries.program("pg_ctl"), "start", "-D", str(self.layout.cluster)]
        status, said = await self.launcher.run(
            [*command, "-l", str(self.layout.log), "-W", "-s"], seconds=30.0, cwd=self.layout.home
        )
        if status != 0:
            raise EmbeddedServerError(f"the embedded PostgreSQL does not start: {_last_line(said)}")
        # pg_ctl -W returns before the postmaster has written its pid file.
        await self._until(lambda: self.layout.pid_file.exists() or bool(self._log_tail()), 10.0)

    def _pid_lines(self) -> list[str]:
        try:
            return self.layout.pid_file.read_text().splitlines()
        except FileNotFoundError:
            return []

    def _accepts(self) -> bool:
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)) as probe:
            return probe.connect_ex(str(self.socket / ".s.PGSQL.5432")) == 0

    def _is_ours(self, pid: str) -> bool:
        """Whether that process is one of this cluster's; every PostgreSQL process works inside its cluster."""
        process = Path("/proc") / pid.strip()
        try:
            if (process / "comm").read_text().strip() != "postgres":
                return False
            return Path(os.readlink(process / "cwd")) == self.layout.cluster.resolve()
        except PermissionError:
            # Another account's: ours only if it is the one that the server runs as.
            return process.stat().st_uid == self.layout.cluster.stat().st_uid
        except OSError:
            return False

    def _clear_foreign_pid_file(self) -> None:
        """After a power cut the pid in the file may belong to somebody else, and PostgreSQL would refuse to start.

        A dead pid is left to PostgreSQL, which also looks for backends that outlived their postmaster.
        """
        lines = self._pid_lines()
        if not lines or not Path(f"/proc/{lines[0].strip()}").exists():
            return
        if not any(self._is_ours(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            self.layout.pid_file.unlink(missing_ok=True)

    def _log_tail(self) -> str:
        try:
            return self.layout.log.read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Look every 10 ms, growing to 100 ms: neither pg_ctl nor the pid file can be waited for."""
        pause = 0.01
        with trio.move_on_after(seconds):
            while not condition():
                await trio.sleep(pause)
                pause = min(pause * 1.2, 0.1)
            return True
        return False


async def _create_roles(connection: Connection, owner_password: str, app_password: str) -> None:
    # The passwords are URL-safe base64 of our own making, so quoting cannot fail; DDL takes no parameters.
    for role, password in ((OWNER, owner_password), (APP, app_password)):
        exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
        verb = "ALTER" if exists else "CREATE"
        await connection.execute(f"{verb} ROLE {role} LOGIN NOSUPERUSER PASSWORD '{password}'")
    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    await connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "error:" in line]
    return (fatal or lines or ["no reason given"])[-1].strip()


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
