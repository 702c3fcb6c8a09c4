"""A host's packages are asked of its agent at the moment somebody looks."""

from __future__ import annotations

import pytest

from patch_manager.actors.agent.models import AgentPackage, PackageList
from patch_manager.supervisor.answers import Busy, PackagesResult, PackagesUnread, Quarantined
from tests.http.resources.world import World

INSTALLED = PackageList(
    (
        AgentPackage("zlib", "1.3", "installed", False, None),
        AgentPackage("openssl", "3.0.11", "installed", True, "3.0.15", "toolkit"),
        AgentPackage("openssh", "9.2", "installed", True, "9.6"),
    ),
    3,
)


async def test_packages_come_by_name_and_in_pages(world: World) -> None:
    world.fleet.installed = INSTALLED
    host_id = world.hosts["a1"]
    status, first = await world.ask("op_a", "GET", f"/hosts/{host_id}/packages", query={"limit": 2})
    assert status == 200
    assert [row["name"] for row in first["items"]] == ["openssh", "openssl"]
    assert first["total"] == 3
    _, second = await world.ask(
        "op_a", "GET", f"/hosts/{host_id}/packages", query={"limit": 2, "cursor": first["next_cursor"]}
    )
    assert [row["name"] for row in second["items"]] == ["zlib"]


async def test_packages_can_be_searched_and_narrowed_to_upgradable(world: World) -> None:
    world.fleet.installed = INSTALLED
    path = f"/hosts/{world.hosts['a1']}/packages"
    _, found = await world.ask("op_a", "GET", path, query={"upgradable": "true", "search": "SSL"})
    assert [(row["name"], row["latest_version"]) for row in found["items"]] == [("openssl", "3.0.15")]


async def test_anothers_host_has_no_packages(world: World) -> None:
    world.fleet.installed = INSTALLED
    assert (await world.ask("op_b", "GET", f"/hosts/{world.hosts['a1']}/packages"))[0] == 404


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (PackagesUnread("timed out"), 503, "timed out"),
        (Busy(), 503, "busy"),
        (Quarantined("crashed"), 409, "crashed"),
    ],
)
async def test_what_cannot_be_read_says_why(world: World, answer: PackagesResult, status: int, words: str) -> None:
    world.fleet.installed = answer
    found, problem = await world.ask("op_a", "GET", f"/hosts/{world.hosts['a1']}/packages")
    assert found == status
    assert words in problem["detail"]
