"""Files of the embedded server below ``data_dir/postgres``: names, passwords, the socket's directory, configuration."""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from patch_manager.storage.connecting import DatabaseAddress
from patch_manager.storage.errors import EmbeddedServerError

DATABASE = "patch_manager"
SUPERUSER = "postgres"
OWNER = "patch_manager_owner"
APP = "patch_manager_app"

_SOCKET_FILE = ".s.PGSQL.5432"
_SOCKET_LIMIT = 107  # bytes of sockaddr_un.sun_path without its terminating NUL (unix(7))
# pg_ctl hands the paths to a shell inside double quotes, and PostgreSQL splits socket directories at commas.
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\"$`\\]+")
_PLAIN_SOCKET = re.compile(r"[A-Za-z0-9/._ +@=-]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below the server's home directory."""

    home: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory; it exists only once ``initdb`` has ended well."""
        return self.home / "cluster"

    @property
    def unfinished(self) -> Path:
        """Where ``initdb`` works; thrown away when it was interrupted."""
        return self.home / "cluster.new"

    @property
    def ready_mark(self) -> Path:
        """Exists once the roles and the database have been made."""
        return self.home / "roles-created"

    @property
    def change_lock(self) -> Path:
        """Held exclusively while starting or stopping."""
        return self.home / "change.lock"

    @property
    def users_lock(self) -> Path:
        """Held in common by every process that uses the server."""
        return self.home / "users.lock"

    @property
    def log(self) -> Path:
        """What the server prints before its log collector runs."""
        return self.home / "start.log"

    @property
    def logs(self) -> Path:
        """The server's log, one file per weekday."""
        return self.home / "log"

    @property
    def pid_file(self) -> Path:
        """Written by the postmaster: pid, directory, start time, port, socket directory, address, memory, status."""
        return self.cluster / "postmaster.pid"

    @staticmethod
    def prepare(data_dir: Path) -> Layout:
        """Make the home directory (0700) and check that its path can be used.

        :raises EmbeddedServerError: the path has characters that PostgreSQL's tools cannot take, or cannot be made.
        """
        home = data_dir.absolute() / "postgres"
        if not _PLAIN.fullmatch(str(home)):
            raise EmbeddedServerError(
                f"data_dir {str(data_dir)!r} must not contain control characters, quotes, $, ` or backslashes"
            )
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(f"cannot create {home}: {error.strerror}") from error
        return Layout(home)

    def password(self, role: str) -> str:
        """The role's password, made at first use in a file of mode 0600."""
        path = self.home / f"{role}.password"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            write_private(path, secrets.token_urlsafe(32) + "\n")
            return path.read_text().strip()
        except PermissionError as error:
            raise EmbeddedServerError(f"cannot read {path}: run this as the user that owns data_dir") from error

    def address(self, role: str, socket: Path, database: str = DATABASE) -> DatabaseAddress:
        """Where to enter as ``role``."""
        return DatabaseAddress(str(socket), database, role, self.password(role))

    def socket_directory(self, accepted: Collection[int]) -> Path:
        """The directory (0700) of the server's socket: ``home/run``, or, where that path is too long for a socket,
        a private one with an unpredictable name, remembered in ``home/socket-directory`` and used again while it
        belongs to one of the ``accepted`` uids.
        """
        short = self.home / "run"
        if len(os.fsencode(short / _SOCKET_FILE)) <= _SOCKET_LIMIT and _PLAIN_SOCKET.fullmatch(str(short)):
            short.mkdir(mode=0o700, exist_ok=True)
            return short
        note = self.home / "socket-directory"
        try:
            remembered = Path(note.read_text().rstrip("\n"))
        except FileNotFoundError:
            remembered = None
        if remembered is not None and _is_private(remembered, accepted):
            return remembered
        made = Path(tempfile.mkdtemp(prefix="patch-manager-", dir=_short_temporary()))
        write_private(note, f"{made}\n")
        return made


def _short_temporary() -> str:
    candidates = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108  # mkdtemp is private
    for candidate in candidates:
        # 40 bytes are enough for mkdtemp's name and the socket's.
        if candidate and len(os.fsencode(candidate)) < _SOCKET_LIMIT - 40 and os.access(candidate, os.W_OK):
            return candidate
    raise EmbeddedServerError("no directory with a path short enough for a socket: use a shorter data_dir")


def _is_private(path: Path, accepted: Collection[int]) -> bool:
    """A directory, not a link, of mode 0700 and ours: after a reboot cleared /tmp anybody may have taken the name."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid in accepted


def write_private(path: Path, text: str) -> None:
    """Replace a file of mode 0600 as a whole and durably; a reader sees the old or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def server_settings(layout: Layout, socket: Path, major: int) -> str:
    """``postgresql.conf`` for a small server beside the program; ``local.conf`` in the home directory overrides it."""
    settings = {
        "listen_addresses": "''",
        "unix_socket_directories": _quoted(f'"{socket}"'),
        "unix_socket_permissions": "0700",
        "password_encryption": "'scram-sha-256'",
        "max_connections": "40",
        "shared_buffers": "'64MB'",
        "maintenance_work_mem": "'32MB'",
        "max_wal_size": "'512MB'",
        "checkpoint_timeout": "'15min'",
        "max_parallel_workers_per_gather": "0",
        "random_page_cost": "1.1",
        "jit": "off",
        "fsync": "on",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "logging_collector": "on",
        "log_directory": _quoted(str(layout.logs)),
        "log_filename": "'postgresql-%a.log'",  # seven files, each begun anew after a week
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "'1d'",
        "log_rotation_size": "0",
        "log_file_mode": "0600",
        "log_line_prefix": "'%m [%p] %q%u '",
    }
    if major >= 18:
        settings["io_method"] = "sync"  # no I/O workers: the data fit into memory
    lines = [f"{name} = {value}" for name, value in settings.items()]
    local = layout.home / "local.conf"
    if local.exists():
        lines.append(f"include_if_exists = {_quoted(str(local))}")
    return "# Written by patch-manager at every start; put changes into local.conf beside this directory.\n" + "".join(
        f"{line}\n" for line in lines
    )


HOST_BASED_ACCESS = """# Written by patch-manager at every start: passwords for everybody, the local socket only.
local all all scram-sha-256
"""


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
