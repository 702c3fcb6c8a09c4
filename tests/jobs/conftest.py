"""A scripted fleet on a real database."""

from __future__ import annotations

import pytest

from patch_manager.domain.principal import Principal
from patch_manager.storage import Database
from tests.jobs.scripted import ScriptedFleet, make_fleet, make_user


@pytest.fixture
async def fleet(db: Database) -> ScriptedFleet:
    """A fleet without hosts, whose room is not running yet."""
    return await make_fleet(db)


@pytest.fixture
async def admin(db: Database) -> Principal:
    """An admin."""
    return await make_user(db)
