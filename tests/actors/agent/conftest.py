"""One CA for all tests of the agent client."""

from __future__ import annotations

import pytest

from tests.actors.agent.certificates import Pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates good and bad, made once."""
    return Pki(tmp_path_factory.mktemp("pki"))
