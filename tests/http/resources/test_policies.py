"""Standing policies over the API: whose they are, what they would do, how they are changed."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from patch_manager.http.services import Services
from patch_manager.storage.connecting import Connection
from tests.http.resources.world import World


async def make(world: World, who: str, **more: Any) -> tuple[int, Any]:
    return await world.ask(who, "POST", "/policies", body={"name": "nights", **more})


async def give_window(world: World, services: Services, *names: str) -> None:
    body = {"kind": "daily", "start_time": "22:00", "duration_minutes": 120, "timezone": "UTC", "name": "night"}
    for name in names:
        status, made = await world.ask("admin", "POST", f"/hosts/{world.hosts[name]}/windows", body=body)
        assert status == 201, made
    await services.calendar.keep_fresh()


async def test_operators_make_policies_of_what_they_see_and_admins_of_all_hosts(world: World) -> None:
    a, b = str(world.group_a), str(world.group_b)
    status, made = await make(world, "op_a", group_ids=[a], host_ids=[str(world.hosts["free"])])
    assert (status, made["editable"], made["compliance"]["hosts"]) == (201, True, 3)
    for foreign in ({"group_ids": [a, b]}, {"host_ids": [str(world.hosts["b1"])]}, {"group_ids": [str(uuid4())]}):
        assert (await make(world, "op_a", **foreign))[0] == 404
    assert (await make(world, "op_a", all_hosts=True))[0] == 403
    _, for_all = await make(world, "admin", all_hosts=True, name="everything")
    _, mixed = await make(world, "admin", group_ids=[a, b], name="both")
    listed = {who: await world.get(who, "/policies") for who in ("admin", "op_a", "op_b")}
    names = {who: {item["name"] for item in page["items"]} for who, page in listed.items()}
    assert names == {
        "admin": {"nights", "everything", "both"},
        "op_a": {"nights", "everything"},
        "op_b": {"everything"},
    }
    for who, policy_id in (("op_b", made["id"]), ("op_a", mixed["id"])):
        for method, given in (("GET", None), ("PATCH", {"enabled": False}), ("DELETE", None)):
            assert (await world.ask(who, method, f"/policies/{policy_id}", body=given))[0] == 404
    shown = await world.get("op_b", f"/policies/{for_all['id']}")
    assert (shown["editable"], shown["compliance"]["hosts"]) == (False, 3)
    assert (await world.ask("op_b", "PATCH", f"/policies/{for_all['id']}", body={"enabled": False}))[0] == 403
    move = await world.ask("op_a", "PATCH", f"/policies/{made['id']}", body={"group_ids": [b]})
    assert move[0] == 404


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 422),
        ({"what": "some"}, 400),
        ({"name": ""}, 400),
        ({"hosts": []}, 400),
        ({"exclude": ["*"]}, 422),
        ({"rollout": {"rings": [{"count": 1, "percent": 5}]}}, 422),
        ({"rollout": {"rings": [{"host_ids": [str(uuid4())]}]}}, 422),
    ],
)
async def test_what_no_policy_can_be_is_refused(world: World, body: dict[str, Any], expected: int) -> None:
    place = {"group_ids": [str(world.group_a)]} if body else {}
    assert (await make(world, "admin", **{**place, **body}))[0] == expected
    assert (await world.get("admin", "/policies"))["total"] == 0


async def test_a_preview_says_when_what_and_where_not(world: World, services: Services) -> None:
    await give_window(world, services, "a1")
    await world.db.transaction(_list_patches, world.hosts["a1"])
    _, other = await make(world, "op_a", host_ids=[str(world.hosts["ab"])], what="all", name="other")
    body = {
        "group_ids": [str(world.group_a)],
        "exclude": ["bash"],
        "rollout": {"rings": [{"host_ids": [str(world.hosts["a1"])]}]},
    }
    status, preview = await world.ask("op_a", "POST", "/policies/preview", body=body)
    assert status == 200
    assert preview["compliance"] == {"hosts": 2, "covered": 1, "without_window": 1, "paused": 0, "open_now": 0}
    assert [opening["hosts"] for opening in preview["next_openings"]] == [1] * 5
    assert preview["next_openings"][0]["opens_at"] == "2030-05-17T22:00:00Z"
    by_name = {host["display_name"]: host for host in preview["hosts"]}
    assert (by_name["a1"]["ring"], by_name["ab"]["ring"]) == ("canary", "rest")
    assert (by_name["a1"]["package_count"], by_name["a1"]["excluded_count"]) == (1, 1)
    assert len(by_name["a1"]["next_openings"]) == 5
    assert [host["display_name"] for host in preview["hosts_without_window"]] == ["ab"]
    assert preview["conflicts"] == [
        {
            "policy_id": other["id"],
            "name": "other",
            "hosts": 1,
            "differences": [
                "it applies all patches",
                "it does not leave out bash",
                "it does not wait for these rings",
            ],
        }
    ]
    assert (await world.ask("op_b", "POST", "/policies/preview", body=body))[0] == 404
    assert (await world.get("admin", "/policies"))["total"] == 1


async def test_a_policy_is_changed_by_fields_shown_with_its_status_and_deleted(
    world: World, services: Services
) -> None:
    await give_window(world, services, "a1")
    await world.db.transaction(_list_patches, world.hosts["a1"])
    _, made = await make(world, "op_a", group_ids=[str(world.group_a)])
    path = f"/policies/{made['id']}"
    change = {"exclude": [{"package": "linux-*", "reason": "pin"}], "what": "all", "version": 1}
    status, after = await world.ask("op_a", "PATCH", path, body=change)
    assert (status, after["version"], after["what"], after["name"]) == (200, 2, "all", "nights")
    assert after["exclude"] == [{"package": "linux-*", "reason": "pin"}]
    assert (await world.ask("op_a", "PATCH", path, body={"name": "late", "version": 1}))[0] == 409
    assert (await world.ask("op_a", "PATCH", path, body={"what": None}))[0] == 400
    status, off = await world.ask("op_a", "PATCH", path, body={"enabled": False, "rollout": {"rings": [{"count": 1}]}})
    assert (status, off["enabled"], off["compliance"]["paused"]) == (200, False, 2)
    shown = await world.get("op_a", path)
    assert (shown["pending_hosts"], shown["up_to_date_hosts"]) == (2, 0)
    assert [(ring["name"], ring["hosts"]) for ring in shown["rings"]] == [("canary", 1), ("rest", 1)]
    assert "had no opening yet" in shown["rings"][1]["held"]
    assert (shown["last_runs"], shown["held_hosts"]) == ([], [])
    assert (await world.ask("op_a", "DELETE", path))[0] == 204
    assert (await world.ask("op_a", "GET", path))[0] == 404
    actions = [event["action"] for event in (await world.get("admin", "/audit", limit=50))["items"]]
    assert [action for action in actions if action.startswith("policy.")] == [
        "policy.deleted",
        "policy.changed",
        "policy.changed",
        "policy.created",
    ]


async def _list_patches(connection: Connection, host_id: object) -> None:
    await connection.execute("UPDATE hosts SET patches_read_at = now() WHERE id = $1", host_id)
    await connection.execute(
        "INSERT INTO host_patches (host_id, name, severity, first_seen_at) "
        "SELECT $1, name, 'high', now() FROM unnest(ARRAY['openssl', 'bash']) AS name",
        host_id,
    )
