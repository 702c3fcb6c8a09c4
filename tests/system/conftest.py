"""One manager for most of the system tests; those that kill or stop it have their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.system.agents import Agent
from tests.system.dialects import OldDialect
from tests.system.host import Host, Patch
from tests.system.manager import Fleet, running_fleet


@dataclass
class LostAnswers:
    """A deployment over agents that lose answers and jobs, by how they do."""

    deployment: str
    agents: dict[str, Agent]
    hosts: dict[str, str]


@pytest.fixture(scope="session")
def fleet_with_lost_answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, LostAnswers]]:
    """A running manager, in a directory with a space in its name, and a minute's work for it beside all tests."""
    with running_fleet(tmp_path_factory.mktemp("system") / "patch manager", 71, bundles=38) as fleet:
        yield fleet, _lose_answers(fleet)


@pytest.fixture
def fleet(fleet_with_lost_answers: tuple[Fleet, LostAnswers]) -> Fleet:
    """The running manager."""
    return fleet_with_lost_answers[0]


@pytest.fixture
def lost_answers(fleet_with_lost_answers: tuple[Fleet, LostAnswers]) -> LostAnswers:
    """The deployment that meets lost answers; begun before the first test."""
    return fleet_with_lost_answers[1]


def _lose_answers(fleet: Fleet) -> LostAnswers:
    def pending() -> list[Patch]:
        return [Patch("openssl", "critical"), Patch("vim")]

    agents = {
        "accepted, then cut": fleet.agent(host=Host(pending(), job_seconds=3.0), on_apply=["cut_after"]),
        "an old one's": fleet.agent(OldDialect(), Host(pending()), on_apply=["cut_after"]),
        "never arrived": fleet.agent(host=Host(pending()), on_apply=["cut_before"]),
        "job lost": fleet.agent(host=Host(pending(), job_seconds=3.0), on_apply=["lose"]),
    }
    agents["never arrived"].host.cache_read += 3600.0  # its package cache is newer than every request
    hosts = {name: fleet.api.add(agent) for name, agent in agents.items()}
    for host_id in hosts.values():
        fleet.api.wait_health(host_id)
    return LostAnswers(fleet.api.deploy(*hosts.values()), agents, hosts)
