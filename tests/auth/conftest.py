"""The auth room over a real database."""

from __future__ import annotations

import pytest

from patch_manager.auth import Auth, Client
from patch_manager.storage import Database
from tests.people import People, WallClock, make_people

HERE = Client("127.0.0.1", "a browser", "r1")
ELSEWHERE = Client("127.0.0.2", "a browser", "r2")


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
async def people(db: Database, clock: WallClock) -> People:
    return await make_people(db, clock)


@pytest.fixture
def auth(people: People) -> Auth:
    return people.auth
