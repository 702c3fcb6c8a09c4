"""Hosts over the API: adding, changing, removing, lists."""

from __future__ import annotations

from uuid import uuid4

import pytest

from patch_manager.supervisor.answers import Busy, Quarantined, Refreshed, StillRefreshing
from tests.http.resources.world import World
from tests.people import actions


async def test_an_added_host_is_answered_as_its_row_and_seen_at_once(world: World) -> None:
    status, row = await world.ask(
        "op_a", "POST", "/hosts", body={"address": "127.1.0.9", "group_ids": [str(world.group_a)]}
    )
    assert status == 201
    assert (row["address"], row["port"], row["display_name"], row["health"]) == (
        "127.1.0.9",
        12443,
        "127.1.0.9",
        "unknown",
    )
    assert row["group_ids"] == [str(world.group_a)]
    assert await world.get("op_a", f"/hosts/{row['id']}") == row
    assert ("host.created", "op_a", "success") in await actions(world.db)


@pytest.mark.parametrize(
    ("given", "stored"), [("::ffff:127.1.0.9", "127.1.0.9"), ("FD00:0::1", "fd00::1"), (" 127.1.0.9 ", "127.1.0.9")]
)
async def test_an_address_has_one_form(world: World, given: str, stored: str) -> None:
    status, row = await world.ask("admin", "POST", "/hosts", body={"address": given})
    assert (status, row["address"]) == (201, stored)


@pytest.mark.parametrize("address", ["169.254.169.254", "web-1", "127.1.0.1/24", "fe80::1%eth0", "", "127.1"])
async def test_an_address_that_must_not_be_dialled_is_refused_with_the_reason(world: World, address: str) -> None:
    status, problem = await world.ask("admin", "POST", "/hosts", body={"address": address})
    assert status in (400, 422)
    assert problem["errors"][0]["pointer"] == "/address"
    assert (await world.get("admin", "/hosts"))["total"] == 4


async def test_a_clash_in_sight_names_the_host_and_one_out_of_sight_says_nothing(world: World) -> None:
    status, seen = await world.ask("op_a", "POST", "/hosts", body={"address": "127.1.0.1"})
    assert status == 409
    assert "a1" in seen["detail"]
    status, hidden = await world.ask("op_a", "POST", "/hosts", body={"address": "127.66.77.88"})
    assert status == 409
    assert hidden["detail"] == "this address is not available, ask an admin"


@pytest.mark.parametrize(
    "body", [{"address": "127.1.0.9", "adress": "x"}, {"address": 2130771977}, {"address": "127.1.0.9", "port": 0}]
)
async def test_a_body_that_is_not_understood_is_refused(world: World, body: object) -> None:
    status, problem = await world.ask("admin", "POST", "/hosts", body=body)
    assert (status, problem["status"]) == (400, 400)


async def test_operators_add_hosts_to_their_own_groups_or_to_none(world: World) -> None:
    for groups, expected in (
        ([], 201),
        ([world.group_b], 403),
        ([uuid4()], 403),
        ([world.group_a, world.group_b], 403),
    ):
        body = {"address": "127.1.0.9", "group_ids": [str(group) for group in groups]}
        status, _ = await world.ask("op_a", "POST", "/hosts", body=body)
        assert status == expected
    status, _ = await world.ask("admin", "POST", "/hosts", body={"address": "127.1.0.8", "group_ids": [str(uuid4())]})
    assert status == 400


async def test_operators_move_hosts_between_their_own_groups_only(world: World) -> None:
    async def move(who: str, host: str, *groups: object) -> int:
        body = {"group_ids": [str(group) for group in groups]}
        return (await world.ask(who, "PATCH", f"/hosts/{world.hosts[host]}", body=body))[0]

    assert await move("op_a", "a1", world.group_a, world.group_b) == 403  # into a foreign group
    assert await move("op_a", "ab", world.group_a) == 403  # out of a foreign group
    assert await move("op_a", "a1") == 403  # out of the last group: every operator would see it
    assert await move("op_a", "b1", world.group_a) == 404
    assert await move("op_a", "ab", world.group_b) == 200  # gives it away
    assert (await world.ask("op_a", "GET", f"/hosts/{world.hosts['ab']}"))[0] == 404
    assert await move("op_a", "free", world.group_a) == 200
    assert await move("admin", "a1") == 200
    assert (await world.get("op_b", f"/hosts/{world.hosts['a1']}"))["group_ids"] == []


async def test_only_given_fields_change_and_nothing_changed_is_not_audited(world: World) -> None:
    path = f"/hosts/{world.hosts['a1']}"
    status, row = await world.ask("op_a", "PATCH", path, body={"display_name": "web", "fqdn": "Web-1.Example.com"})
    assert (status, row["display_name"], row["fqdn"], row["group_ids"]) == (
        200,
        "web",
        "web-1.example.com",
        [str(world.group_a)],
    )
    before = await actions(world.db)
    status, again = await world.ask("op_a", "PATCH", path, body={"display_name": "web"})
    assert (status, again) == (200, row)
    assert await actions(world.db) == before
    status, row = await world.ask("op_a", "PATCH", path, body={"display_name": None, "fqdn": None})
    assert (row["display_name"], row["fqdn"]) == ("127.1.0.1", None)
    for body in ({"address": "127.9.9.9"}, {"health": "healthy"}, {"group_ids": None}, {"display_name": "a\r\nb"}):
        assert (await world.ask("admin", "PATCH", path, body=body))[0] == 400


async def test_a_removed_host_is_gone_everywhere(world: World) -> None:
    path = f"/hosts/{world.hosts['a1']}"
    assert (await world.ask("op_a", "DELETE", path))[0] == 204
    assert (await world.ask("admin", "GET", path))[0] == 404
    assert (await world.get("admin", "/fleet"))["totals"]["hosts"] == 3
    assert ("host.deleted", "op_a", "success") in await actions(world.db)


async def test_a_host_with_unfinished_jobs_stays(world: World) -> None:
    host_id = str(world.hosts["a1"])
    status, made = await world.ask("op_a", "POST", "/deployments", body={"host_ids": [host_id]})
    assert status == 202
    assert (await world.ask("op_a", "DELETE", f"/hosts/{host_id}"))[0] == 409
    assert (await world.ask("op_a", "POST", f"/deployments/{made['id']}/cancel"))[0] == 200
    assert (await world.ask("op_a", "DELETE", f"/hosts/{host_id}"))[0] == 204


async def test_lists_filter_by_all_filters_and_by_any_word_of_one(world: World) -> None:
    async def names(who: str = "admin", **query: str) -> list[str]:
        return [row["display_name"] for row in (await world.get(who, "/hosts", **query))["items"]]

    assert await names() == ["a1", "ab", "b1", "free"]
    assert await names("op_a") == ["a1", "ab", "free"]
    assert await names(sort="-address") == ["b1", "free", "ab", "a1"]
    assert await names(group_id=str(world.group_b)) == ["ab", "b1"]
    assert await names(ungrouped="true") == ["free"]
    assert await names(search="127.66") == ["b1"]
    assert await names("op_a", search="127.66") == []
    assert await names(health="unknown,healthy", search="A") == ["a1", "ab"]
    assert await names(health="unreachable") == []
    assert await names(reboot_required="true") == []
    for bad in ({"health": "fine"}, {"sort": "password"}, {"limit": "1001"}, {"cursor": "x"}, {"helth": "healthy"}):
        assert (await world.ask("admin", "GET", "/hosts", query=bad))[0] == 400


async def test_pages_of_hosts_go_on_where_the_last_one_ended(world: World) -> None:
    first = await world.get("admin", "/hosts", limit=3)
    assert (len(first["items"]), first["total"]) == (3, 4)
    second = await world.get("admin", "/hosts", limit=3, cursor=first["next_cursor"])
    assert [row["display_name"] for row in second["items"]] == ["free"]
    assert second["next_cursor"] is None
    status, _ = await world.ask("admin", "GET", "/hosts", query={"cursor": first["next_cursor"], "sort": "-address"})
    assert status == 400


async def test_a_refresh_says_how_it_went(world: World) -> None:
    host_id = world.hosts["a1"]
    shown = world.fleet.picture.get(host_id)
    assert shown is not None
    for result, expected in (
        (Refreshed(shown), 200),
        (StillRefreshing(shown), 202),
        (Busy(), 503),
        (Quarantined("x"), 409),
    ):
        world.fleet.refreshed = result
        assert (await world.ask("op_a", "POST", f"/hosts/{host_id}/refresh"))[0] == expected
    assert (await world.ask("op_b", "POST", f"/hosts/{host_id}/refresh"))[0] == 404


async def test_only_administrators_restart_actors_and_it_is_audited(world: World) -> None:
    path = f"/hosts/{world.hosts['a1']}/restart"
    assert (await world.ask("op_a", "POST", path))[0] == 403
    assert (await world.ask("admin", "POST", path))[0] == 200
    assert world.fleet.restarted == [world.hosts["a1"]]
    assert ("host.actor_restarted", "admin", "success") in await actions(world.db)
