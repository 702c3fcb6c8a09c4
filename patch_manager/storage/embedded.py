"""The embedded PostgreSQL under ``data_dir/postgres``: shared by all processes that use the same ``data_dir``.

``serve`` may run while commands come and go. Two lock files keep them together: starting and stopping is exclusive,
and every user holds a shared lock on another for as long as it lives. The last one out stops the server. The kernel
releases the lock of a process that was killed, so counting survives ``kill -9``; a server left running that way is
adopted by the next start at once.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from patch_manager.storage.background import background_tasks
from patch_manager.storage.connecting import DatabaseAddress
from patch_manager.storage.embedded_binaries import Binaries, choose_launcher, embedded_binaries
from patch_manager.storage.embedded_cluster import Cluster, Progress, Status
from patch_manager.storage.embedded_layout import APP, OWNER, SUPERUSER, Layout
from patch_manager.storage.errors import EmbeddedServerError, StorageError

_LOCK_SECONDS = 360.0  # somebody else may be replaying the log
_STOP_SECONDS = 20.0
_WATCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server. ``app`` is for the program, ``owner`` for migrations; ``superuser`` for backup and tests."""

    app: DatabaseAddress
    owner: DatabaseAddress
    superuser: DatabaseAddress
    binaries: Binaries


@asynccontextmanager
async def embedded_postgres(
    data_dir: Path, *, binaries: Binaries | None = None, progress: Progress | None = None
) -> AsyncIterator[EmbeddedServer]:
    """Use the server of ``data_dir``: set it up at first, start it when it does not run, stop it after the last user.

    A server that dies meanwhile is started again. ``binaries`` replaces the embedded ones (tests run on the system's).

    :raises EmbeddedServerError: with what to do about it.
    """
    layout = Layout.prepare(data_dir)
    with _opened(layout.users_lock) as users:
        cluster = await _enter(layout, binaries or embedded_binaries(), users, progress or _log_progress)
        try:
            async with background_tasks() as tasks:
                tasks.start_soon(_keep_running, cluster)
                yield EmbeddedServer(
                    app=layout.address(APP, cluster.socket),
                    owner=layout.address(OWNER, cluster.socket),
                    superuser=layout.address(SUPERUSER, cluster.socket, "postgres"),
                    binaries=cluster.binaries,
                )
        finally:
            with trio.CancelScope(shield=True):
                await _leave(cluster, users)


async def _enter(layout: Layout, binaries: Binaries, users: int, progress: Progress) -> Cluster:
    async with _exclusive(layout.change_lock):
        # Only holders of the change lock take this one exclusively, so it cannot be taken now.
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        launcher = await choose_launcher(binaries, layout.home, layout.cluster)
        accepted = {os.geteuid(), *((launcher.account[0],) if launcher.account else ())}
        cluster = Cluster(layout, binaries, launcher, layout.socket_directory(accepted))
        cluster.check_version()
        if cluster.status() is not Status.READY:
            progress("starting the embedded database")
        try:
            await cluster.create(progress)
            await cluster.start(progress)
            await cluster.create_roles()
        except BaseException:
            with trio.CancelScope(shield=True):
                await _stop_unless_used(cluster, users)
            raise
    return cluster


async def _leave(cluster: Cluster, users: int) -> None:
    try:
        with trio.fail_after(_STOP_SECONDS):
            async with _exclusive(cluster.layout.change_lock):
                await _stop_unless_used(cluster, users)
    except (StorageError, OSError, trio.TooSlowError) as error:
        # Left running, it is adopted by the next start.
        structlog.get_logger(__name__).warning("embedded_server_left_running", reason=str(error))


async def _stop_unless_used(cluster: Cluster, users: int) -> None:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    await cluster.stop()


async def _keep_running(cluster: Cluster) -> None:
    """Start the server again when its postmaster is gone (killed by the kernel for memory, say)."""
    log = structlog.get_logger(__name__)
    while True:
        await trio.sleep(_WATCH_SECONDS)
        if cluster.alive():
            continue
        try:
            async with _exclusive(cluster.layout.change_lock):
                if cluster.status() is Status.STOPPED:
                    log.error("embedded_server_died")
                    await cluster.start(_log_progress)
                    log.info("embedded_server_restarted")
        except (StorageError, OSError) as error:
            log.error("embedded_server_restart_failed", reason=str(error))


def _log_progress(message: str) -> None:
    structlog.get_logger(__name__).info("embedded_server", progress=message)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file to lock; closing it releases the lock, and so does the kernel when the process ends."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedServerError(f"cannot open {path}: {error.strerror}") from error
    try:
        yield handle
    finally:
        os.close(handle)


@asynccontextmanager
async def _exclusive(path: Path) -> AsyncIterator[None]:
    """Hold an exclusive lock; waits by looking, because a blocking flock would hold up every task."""
    with _opened(path) as handle:
        deadline = trio.current_time() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if trio.current_time() > deadline:
                    raise EmbeddedServerError(f"another process holds {path} for too long") from None
                await trio.sleep(0.03)
        yield
