"""Groups, and what joining and leaving them does to what is seen."""

from __future__ import annotations

from uuid import uuid4

from tests.http.resources.world import World
from tests.people import actions


async def test_groups_are_made_renamed_and_deleted(world: World) -> None:
    status, made = await world.ask("admin", "POST", "/groups", body={"name": "Web", "description": "front"})
    assert (status, made["name"], made["host_count"], made["user_count"]) == (201, "Web", 0, 0)
    assert (await world.ask("admin", "POST", "/groups", body={"name": "wEB"}))[0] == 409
    path = f"/groups/{made['id']}"
    status, changed = await world.ask("admin", "PATCH", path, body={"name": "WEB"})
    assert (status, changed["name"], changed["description"]) == (200, "WEB", "front")
    assert (await world.ask("admin", "PATCH", path, body={"name": "GROUP a"}))[0] == 409
    assert (await world.get("admin", path))["name"] == "WEB"
    assert (await world.ask("admin", "DELETE", path))[0] == 204
    assert (await world.ask("admin", "GET", path))[0] == 404
    kept = [action for action, _, _ in await actions(world.db)]
    assert kept == ["group.created", "group.changed", "group.deleted"]


async def test_operators_read_their_own_groups_only(world: World) -> None:
    assert [row["name"] for row in (await world.get("op_a", "/groups"))["items"]] == ["group a"]
    assert (await world.get("op_a", f"/groups/{world.group_a}"))["host_count"] == 2
    assert (await world.ask("op_a", "GET", f"/groups/{world.group_b}"))[0] == 404
    assert (await world.ask("op_a", "POST", "/groups", body={"name": "x"}))[0] == 403


async def test_membership_of_hosts_moves_what_operators_see(world: World) -> None:
    path = f"/groups/{world.group_a}/hosts/{world.hosts['b1']}"
    assert (await world.ask("op_a", "PUT", path))[0] == 403
    for _ in range(2):  # twice is as good as once
        assert (await world.ask("admin", "PUT", path))[0] == 204
    assert (await world.get("op_a", f"/hosts/{world.hosts['b1']}"))["display_name"] == "b1"
    for _ in range(2):
        assert (await world.ask("admin", "DELETE", path))[0] == 204
    assert (await world.ask("op_a", "GET", f"/hosts/{world.hosts['b1']}"))[0] == 404
    assert [action for action, _, _ in await actions(world.db)] == ["group.host_added", "group.host_removed"]
    for wrong in (f"/groups/{uuid4()}/hosts/{world.hosts['b1']}", f"/groups/{world.group_a}/hosts/{uuid4()}"):
        assert (await world.ask("admin", "PUT", wrong))[0] == 404


async def test_membership_of_users_holds_at_their_next_request(world: World) -> None:
    path = f"/groups/{world.group_b}/users/{world.users['op_a']}"
    assert (await world.ask("admin", "PUT", path))[0] == 204
    assert (await world.get("op_a", "/hosts"))["total"] == 4
    assert (await world.ask("admin", "DELETE", path))[0] == 204
    assert (await world.get("op_a", "/hosts"))["total"] == 3


async def test_hosts_of_a_deleted_group_are_open_to_every_operator(world: World) -> None:
    assert (await world.ask("admin", "DELETE", f"/groups/{world.group_b}"))[0] == 204
    assert (await world.get("op_a", "/hosts"))["total"] == 4
    events = (await world.get("admin", "/audit", action="group.deleted"))["items"]
    assert events[0]["detail"] == {"name": "group b", "hosts": 2, "users": 1, "hosts_now_ungrouped": 1}


async def test_groups_come_in_pages(world: World) -> None:
    for name in ("Ärzte", "zebra", "Alpha"):
        assert (await world.ask("admin", "POST", "/groups", body={"name": name}))[0] == 201
    names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await world.get("admin", "/groups", limit=2, **cursor)
        assert page["total"] == 5
        names += [row["name"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(names) == sorted(["Alpha", "group a", "group b", "zebra", "Ärzte"])
    assert len(names) == 5
