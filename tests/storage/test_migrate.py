"""Migrations: in order, once, by one process at a time, and never on a database that belongs elsewhere."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest
import trio

from patch_manager.storage import Connection, DatabaseAddress, MigrationError, MigrationReport, migrate
from patch_manager.storage.database import run_once
from patch_manager.storage.migrate import Migration, ordered, shipped_migrations
from tests.postgres import PostgresServer, TestDatabase

ONE = Migration(1, "one", "CREATE TABLE one (id serial PRIMARY KEY)")
TWO = Migration(2, "two", "CREATE TABLE two (id integer); INSERT INTO two VALUES (2)")
APP = "patch_manager_app"


@pytest.fixture
async def empty(postgres: PostgresServer, database: TestDatabase) -> DatabaseAddress:
    """A database of the owner without any schema."""
    await run_once(database.owner, _run, "DROP OWNED BY CURRENT_USER CASCADE; CREATE SCHEMA IF NOT EXISTS public")
    return database.owner


async def _run(connection: Connection, sql: str) -> None:
    await connection.execute(sql)


async def _value(connection: Connection, sql: str) -> object:
    return await connection.fetchval(sql)


def test_shipped_migrations_have_no_gaps_and_names_say_what_they_do() -> None:
    shipped = shipped_migrations()
    assert [migration.version for migration in shipped] == list(range(1, len(shipped) + 1))
    assert len({migration.name for migration in shipped}) == len(shipped)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.sql", "0003_b.sql"], "leaves a gap: number 0002"),
        (["0002_a.sql"], "leaves a gap: number 0001"),
        (["0001_a.sql", "0001_b.sql"], "is there twice"),
        (["1_a.sql"], "the name must be like"),
        (["0001_A.sql"], "the name must be like"),
    ],
)
def test_gaps_duplicates_and_odd_names_are_refused(names: list[str], complaint: str) -> None:
    with pytest.raises(MigrationError, match=complaint):
        ordered(dict.fromkeys(names, "SELECT 1"))


async def test_a_second_run_does_nothing_and_new_ones_are_added(empty: DatabaseAddress) -> None:
    assert await migrate(empty, APP, migrations=[ONE]) == MigrationReport(0, 1)
    assert await migrate(empty, APP, migrations=[ONE]) == MigrationReport(1, 1)
    assert await migrate(empty, APP, migrations=[ONE, TWO]) == MigrationReport(1, 2)
    assert await run_once(empty, _value, "SELECT count(*) FROM two") == 1


async def test_two_migrators_at_once_apply_each_once(empty: DatabaseAddress) -> None:
    reports: list[MigrationReport] = []

    async def one() -> None:
        reports.append(await migrate(empty, APP, migrations=[ONE, TWO]))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(one)
    assert sorted(report.before for report in reports) == [0, 2, 2, 2]
    assert await run_once(empty, _value, "SELECT count(*) FROM two") == 1


async def test_a_failing_migration_leaves_nothing_of_itself(empty: DatabaseAddress) -> None:
    broken = Migration(2, "broken", "CREATE TABLE half (id integer); SELECT * FROM nothing")
    with pytest.raises(MigrationError, match="0002_broken failed and was rolled back"):
        await migrate(empty, APP, migrations=[ONE, broken])
    assert await run_once(empty, _value, "SELECT to_regclass('half') IS NULL AND to_regclass('one') IS NOT NULL")
    assert await migrate(empty, APP, migrations=[ONE, TWO]) == MigrationReport(1, 2)


async def test_a_changed_file_and_a_newer_database_are_refused(empty: DatabaseAddress) -> None:
    await migrate(empty, APP, migrations=[ONE, TWO])
    with pytest.raises(MigrationError, match="with other content"):
        await migrate(empty, APP, migrations=[replace(ONE, sql="SELECT 1"), TWO])
    with pytest.raises(MigrationError, match="schema version 2, this program knows 1: use a newer program"):
        await migrate(empty, APP, migrations=[ONE])
    await run_once(empty, _run, "DELETE FROM schema_migrations WHERE version = 1")
    with pytest.raises(MigrationError, match="gaps"):
        await migrate(empty, APP, migrations=[ONE, TWO])


async def test_one_role_may_do_all_where_there_is_one_role(empty: DatabaseAddress) -> None:
    await migrate(empty, None)
    assert await migrate(empty, None) == MigrationReport(len(shipped_migrations()), len(shipped_migrations()))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET body = body",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head (seq, hash, note) VALUES (0, '', '')",
        "DELETE FROM schema_migrations",
        "UPDATE schema_migrations SET sha256 = ''",
        "CREATE TABLE mine ()",
        "DROP TABLE audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    ],
)
async def test_the_applications_role_cannot_touch_what_proves(database: TestDatabase, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run_once(database.app, _run, statement)
