"""Exclusions over the API: whose they are, what is refused, where they show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from patch_manager.storage.connecting import Connection
from tests.http.resources.world import NOW, World


def until(**later: float) -> str:
    return (NOW + timedelta(**later)).isoformat()


def body(**more: Any) -> dict[str, Any]:
    return {
        "package": "linux-image-*",
        "owner": "DBA team",
        "reason": "vendor pin",
        "expires_at": until(days=30),
        **more,
    }


async def exclude(world: World, who: str, **more: Any) -> tuple[int, Any]:
    return await world.ask(who, "POST", "/exclusions", body=body(**more))


async def test_operators_exclude_on_their_hosts_and_groups_and_admins_everywhere(world: World) -> None:
    status, made = await exclude(world, "op_a", host_id=str(world.hosts["a1"]))
    assert (status, made["state"], made["host_name"], made["created_by"]) == (201, "active", "a1", "op_a")
    assert (await exclude(world, "op_a", group_id=str(world.group_a)))[0] == 201
    assert (await exclude(world, "op_a", host_id=str(world.hosts["free"])))[0] == 201
    for foreign in ({"host_id": str(world.hosts["b1"])}, {"group_id": str(world.group_b)}, {"host_id": str(uuid4())}):
        assert (await exclude(world, "op_a", **foreign))[0] == 404
    assert (await exclude(world, "op_a"))[0] == 403
    assert (await exclude(world, "admin"))[0] == 201
    totals = {who: (await world.get(who, "/exclusions"))["total"] for who in ("admin", "op_a", "op_b")}
    assert totals == {"admin": 4, "op_a": 4, "op_b": 2}
    of_host = await world.get("op_a", "/exclusions", host_id=str(world.hosts["a1"]))
    assert of_host["total"] == 3
    assert (await world.get("op_a", "/exclusions", host_id=str(world.hosts["b1"])))["total"] == 0
    events = (await world.get("admin", "/audit", action="exclusion.created"))["items"]
    assert len(events) == 4


async def test_a_foreign_exclusion_is_like_none_and_one_on_all_hosts_the_admins(world: World) -> None:
    _, made = await exclude(world, "op_b", host_id=str(world.hosts["b1"]))
    _, fleet_wide = await exclude(world, "admin")
    for method, given in (("GET", None), ("PATCH", {"reason": "mine"}), ("DELETE", None)):
        assert (await world.ask("op_a", method, f"/exclusions/{made['id']}", body=given))[0] == 404
    path = f"/exclusions/{fleet_wide['id']}"
    assert (await world.ask("op_a", "GET", path))[0] == 200
    assert (await world.ask("op_a", "DELETE", path))[0] == 403
    assert (await world.ask("op_a", "PATCH", path, body={"reason": "mine"}))[0] == 403


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"package": "*"}, "/package"),
        ({"package": "-rf"}, "/package"),
        ({"expires_at": until(days=400)}, "/expires_at"),
        ({"expires_at": until(days=-1)}, "/expires_at"),
        ({"expires_at": "2031-01-01T00:00:00"}, "/expires_at"),
        ({"owner": ""}, "/owner"),
        ({"reason": "two\nlines"}, "/reason"),
        ({"until": until(days=1)}, "/until"),
    ],
)
async def test_what_says_too_much_or_too_little_is_refused(world: World, wrong: dict[str, Any], pointer: str) -> None:
    status, problem = await exclude(world, "admin", **wrong)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (400, [pointer])


async def test_an_exclusion_is_renewed_shown_as_expired_and_lifted(world: World) -> None:
    _, made = await exclude(world, "op_a", host_id=str(world.hosts["a1"]), expires_at=until(minutes=1))
    path = f"/exclusions/{made['id']}"
    status, renewed = await world.ask("op_a", "PATCH", path, body={"expires_at": until(minutes=2), "version": 1})
    assert (status, renewed["version"], renewed["expires_at"]) == (200, 2, until(minutes=2).replace("+00:00", "Z"))
    assert (await world.ask("op_a", "PATCH", path, body={"reason": "late", "version": 1}))[0] == 409
    world.people.clock.forward(minutes=2)
    assert (await world.get("op_a", path))["state"] == "expired"
    assert (await world.get("op_a", "/exclusions", state="active"))["total"] == 0
    assert (await world.get("op_a", "/exclusions", state="expired"))["total"] == 1
    assert (await world.ask("op_a", "DELETE", path))[0] == 204
    assert (await world.ask("op_a", "DELETE", path))[0] == 404


async def test_a_hosts_patches_say_which_are_excluded_and_a_deployment_takes_both_ways_to_name_more(
    world: World,
) -> None:
    await world.db.transaction(_list_patches, world.hosts["a1"])
    _, made = await exclude(world, "admin", package="open*")
    rows = (await world.get("op_a", f"/hosts/{world.hosts['a1']}/patches"))["items"]
    by_name = {row["name"]: row["excluded"] for row in rows}
    assert by_name["bash"] is None
    assert (by_name["openssl"]["id"], by_name["openssl"]["owner"]) == (made["id"], "DBA team")
    detail = await world.get("op_a", f"/exclusions/{made['id']}")
    assert (detail["pending_patches"], detail["pending_hosts"]) == (1, 1)
    given = {"host_ids": [str(world.hosts["a1"])], "exclude": ["bash", {"package": "vim*", "reason": "later"}]}
    status, preview = await world.ask("op_a", "POST", "/deployments/preview", body=given)
    assert (status, preview["excluded_count"], preview["outside_windows_count"]) == (200, 2, 1)
    assert {each["name"]: each["standing"] for each in preview["hosts"][0]["excluded"]} == {
        "bash": False,
        "openssl": True,
    }
    status, deployment = await world.ask("op_a", "POST", "/deployments", body=given)
    assert (status, deployment["exclude"]) == (
        202,
        [{"package": "bash", "reason": ""}, {"package": "vim*", "reason": "later"}],
    )
    status, problem = await world.ask("op_a", "POST", "/deployments", body={**given, "exclude": ["bash", "*"]})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/exclude/1")


async def test_touching_hosts_outside_their_windows_is_audited_as_such(world: World) -> None:
    given = {"host_ids": [str(world.hosts["a1"]), str(world.hosts["free"])], "reboot": "if_required"}
    await world.db.transaction(_list_patches, world.hosts["a1"])
    assert (await world.ask("op_a", "POST", "/deployments", body=given))[0] == 202
    (event,) = (await world.get("admin", "/audit", action="deployment.created"))["items"]
    detail = event["detail"]
    assert (detail["window_override"], detail["outside_windows"], detail["outside_windows_reboots"]) == (True, 2, 1)


async def _list_patches(connection: Connection, host_id: UUID) -> None:
    await connection.execute(
        "INSERT INTO host_patches (host_id, name, severity, requires_reboot, first_seen_at) "
        "SELECT $1, name, 'high', true, now() FROM unnest(ARRAY['openssl', 'bash']) AS name",
        host_id,
    )
