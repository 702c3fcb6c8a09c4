"""Durable, private files: atomic replacement, exclusive creation, and a lock between processes."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644
PRIVATE_DIRECTORY = 0o700


class FileModeError(Exception):
    """A file or directory that must be private can be read or written by others."""


def private_directory(path: Path) -> None:
    """Make *path* (and its parents), itself readable only by us."""
    path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)


def _write_temporary(path: Path, content: bytes, mode: int) -> Path:
    """A complete, synchronised file beside *path*; the mode holds from the first moment on, whatever the umask."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Put *content* at *path* so that a reader, or a crash, sees the old file or the new one and nothing between."""
    temporary = _write_temporary(path, content, mode)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def create(path: Path, content: bytes, *, mode: int = PRIVATE) -> bool:
    """Put *content* at *path* only if nothing is there; False if somebody was first.

    A hard link fails when the name exists, as ``O_EXCL`` does, but the name never shows a half-written file.
    """
    temporary = _write_temporary(path, content, mode)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)
    return True


def require_private(path: Path) -> None:
    """Raise `FileModeError` unless only the owner (we, or root) can touch the regular file at *path*."""
    status = path.lstat()
    if not path.is_file() or path.is_symlink():
        raise FileModeError(f"{path} is not a regular file")
    if status.st_mode & 0o077:
        raise FileModeError(
            f"{path} has mode {status.st_mode & 0o777:04o}: others could read the key; run chmod 600 on it"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise FileModeError(f"{path} belongs to another user (uid {status.st_uid})")


@contextmanager
def process_lock(directory: Path) -> Iterator[None]:
    """Hold the directory's lock against other processes and threads; released by the kernel if we die."""
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
