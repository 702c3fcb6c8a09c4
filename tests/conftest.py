"""Fixtures that rooms share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from patch_manager.storage import Database, open_database
from tests.postgres import PostgresServer, TestDatabase, running_server


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The embedded server with a migrated template, in a directory with a space in its name."""
    with running_server(tmp_path_factory.mktemp("data dir") / "with space", None) as server:
        yield server


@pytest.fixture
def postgres(embedded_server: PostgresServer) -> PostgresServer:
    """The server that ``database`` is made on; the storage room runs on the system's as well."""
    return embedded_server


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    """A migrated database of this test alone."""
    made = await postgres.clone()
    yield made
    await postgres.drop(made)


@pytest.fixture
async def db(database: TestDatabase) -> AsyncIterator[Database]:
    """The program's way in: a pool as the application's role."""
    async with open_database(database.app) as opened:
        yield opened


@pytest.fixture
async def owner_db(database: TestDatabase) -> AsyncIterator[Database]:
    """A pool as the role that owns the schema."""
    async with open_database(database.owner) as opened:
        yield opened
