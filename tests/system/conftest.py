"""One manager for most of the system tests; those that kill or stop it have their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.manager import Fleet, running_fleet


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A running manager, in a directory with a space in its name."""
    with running_fleet(tmp_path_factory.mktemp("system") / "patch manager", 71, bundles=40) as running:
        yield running
