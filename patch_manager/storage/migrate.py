"""Numbered SQL migrations: each applied once, in order, in a transaction of its own, by one process at a time.

``migrations/NNNN_name.sql`` are package data. ``schema_migrations`` keeps what was applied with the file's digest, so
that a file changed afterwards, a gap, or a database from a newer program is noticed before anything is touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from patch_manager.storage.connecting import Connection, DatabaseAddress
from patch_manager.storage.database import run_once
from patch_manager.storage.errors import MigrationError

OLDEST_SERVER = 15
LOCK = 0x6C706D01  # "lpm", 1: advisory locks share one number space per database

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK_SECONDS = 120.0

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_TABLE_EXISTS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_APPLIED = "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"
_RECORD = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"

# The application may add to the audit log and move its head, and never change or remove a row of it (TRUST).
_GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
REVOKE ALL ON audit_log, audit_head, schema_migrations FROM {role};
GRANT SELECT, INSERT ON audit_log TO {role};
GRANT SELECT, UPDATE ON audit_head TO {role};
GRANT SELECT ON schema_migrations TO {role};
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, name and text."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hex digest of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """Schema version before and after; equal when there was nothing to do."""

    before: int
    after: int


def shipped_migrations() -> tuple[Migration, ...]:
    """The program's migrations in order.

    :raises MigrationError: a file's name is wrong, or numbers have gaps or duplicates.
    """
    folder = files("patch_manager.storage") / "migrations"
    return ordered({entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")})


def ordered(texts: dict[str, str]) -> tuple[Migration, ...]:
    """Order migrations given as file name → SQL.

    :raises MigrationError: a name is wrong, or numbers do not run from 1 without gaps and duplicates.
    """
    found = []
    for name, sql in sorted(texts.items()):
        match = _NAME.fullmatch(name)
        if match is None:
            raise MigrationError(f"migration {name}: the name must be like 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), match[2], sql))
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            kind = "is there twice" if migration.version < expected else "leaves a gap"
            raise MigrationError(f"migration {migration} {kind}: number {expected:04d} was expected")
    return tuple(found)


async def migrate(
    owner: DatabaseAddress | str, app_role: str | None, *, migrations: Sequence[Migration] | None = None
) -> MigrationReport:
    """Bring the schema up to date as the owning role, and grant ``app_role`` (None: one role does all) its rights.

    :raises MigrationError: the server is older than PostgreSQL 15, the database is newer than the program, an applied
        file was changed, or a migration fails (its transaction is rolled back, earlier ones stay).
    :raises DatabaseUnavailable: no answer.
    """
    wanted = shipped_migrations() if migrations is None else tuple(migrations)
    return await run_once(owner, _migrate, wanted, app_role)


async def schema_version(connection: Connection) -> int:
    """The version of the newest applied migration; 0 for an empty database."""
    if not await connection.fetchval(_TABLE_EXISTS):
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_migrations"))


async def _migrate(connection: Connection, wanted: Sequence[Migration], app_role: str | None) -> MigrationReport:
    major = connection.get_server_version().major
    if major < OLDEST_SERVER:
        raise MigrationError(f"PostgreSQL {major} is too old: {OLDEST_SERVER} or newer is needed")
    await _lock(connection)  # until the connection is closed
    before = await schema_version(connection)
    applied = {row["version"]: row for row in await connection.fetch(_APPLIED)} if before else {}
    _compare(applied, wanted)
    if not applied:
        await connection.execute(_CREATE_TABLE)
    for migration in wanted[len(applied) :]:
        await _apply(connection, migration)
    if app_role is not None:
        await _grant(connection, app_role)
    return MigrationReport(before, max(before, len(wanted)))


async def _lock(connection: Connection) -> None:
    """Wait for another migrator by asking, so that the wait is bounded and holds no transaction open."""
    try:
        async with asyncio.timeout(_LOCK_SECONDS):
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110  # not ours
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise MigrationError("another process is migrating this database and does not finish") from None


def _compare(applied: dict[int, asyncpg.Record], wanted: Sequence[Migration]) -> None:
    if len(applied) > len(wanted):
        raise MigrationError(
            f"the database has schema version {max(applied)}, this program knows {len(wanted)}: use a newer program"
        )
    if applied and set(applied) != set(range(1, len(applied) + 1)):
        raise MigrationError("the database's list of migrations has gaps: restore a backup")
    for migration in wanted[: len(applied)]:
        row = applied[migration.version]
        if (row["name"], row["sha256"]) != (migration.name, migration.sha256):
            raise MigrationError(
                f"migration {migration} was applied as {row['version']:04d}_{row['name']} with other content: "
                "this program and this database do not belong together"
            )


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, migration.version, migration.name, migration.sha256)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration} failed and was rolled back: {error}") from error


async def _grant(connection: Connection, role: str) -> None:
    quoted = '"' + role.replace('"', '""') + '"'
    present = await connection.fetchval("SELECT to_regclass('audit_log') IS NOT NULL")
    # Migrations of tests need not contain the audit tables.
    grants = _GRANTS if present else "".join(line for line in _GRANTS.splitlines(True) if "audit" not in line)
    async with connection.transaction():
        await connection.execute(grants.format(role=quoted))
