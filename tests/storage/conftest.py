"""The storage room's tests run on the embedded PostgreSQL and on the system's, where the machine has one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer, running_server, system_binaries

_SYSTEM = system_binaries()


@pytest.fixture(scope="session")
def system_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A private cluster of the system's PostgreSQL."""
    with running_server(tmp_path_factory.mktemp("system") / "data dir", _SYSTEM) as server:
        yield server


@pytest.fixture(params=["embedded", *(["system"] if _SYSTEM else [])])
def postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """Each server in turn."""
    server = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(server, PostgresServer)
    return server
