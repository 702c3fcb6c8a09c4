"""Rollouts over the API; what becomes of them is held by the jobs room's own tests."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from patch_manager.http.schemas.jobs import DeploymentPreview
from tests.http.resources.world import World


def named(world: World, *hosts: str) -> list[str]:
    return [str(world.hosts[host]) for host in hosts]


async def test_a_rollout_is_shown_as_it_was_asked_for_ring_by_ring(world: World) -> None:
    rollout = {"rings": [{"host_ids": named(world, "free")}], "soak_minutes": 30, "stop_after_failed_percent": 20}
    body = {"host_ids": named(world, "a1", "ab", "free"), "rollout": rollout}
    status, preview = await world.ask("op_a", "POST", "/deployments/preview", body=body)
    assert (status, [(ring["name"], ring["host_count"]) for ring in preview["rings"]]) == (
        200,
        [("canary", 1), ("rest", 2)],
    )
    assert DeploymentPreview.model_validate(preview).model_dump(mode="json") == preview  # it is written by hand
    by_name = {host["display_name"]: host for host in preview["hosts"]}
    assert {name: host["ring"] for name, host in by_name.items()} == {"free": 0, "a1": 1, "ab": 1}
    assert by_name["a1"]["runs"] == "after ring 1 (canary) has ended and soaked for 30 min: at once"
    assert (by_name["a1"]["runs_at"], by_name["free"]["runs"]) == (None, "at once")
    status, made = await world.ask("op_a", "POST", "/deployments", body=body)
    assert status == 202
    assert made["rollout"] == {
        "rings": [{"name": "", "count": None, "percent": None, "host_ids": named(world, "free"), "group_ids": []}],
        "soak_minutes": 30,
        "stop_after_failures": None,
        "stop_after_failed_percent": 20.0,
        "max_unavailable": None,
    }
    assert (made["stopped_at"], made["stop_reason"]) == (None, None)
    assert [(ring["name"], ring["hosts"], ring["state"], ring["soak_until"]) for ring in made["rings"]] == [
        ("canary", 1, "running", None),
        ("rest", 2, "waiting", None),
    ]
    for ring in made["rings"]:
        assert ring["totals"]["total"] == ring["totals"]["queued"] == ring["hosts"]
    jobs = await world.get("op_a", "/jobs", deployment_id=made["id"], ring=1)
    assert {job["host_name"]: (job["ring"], job["message"]) for job in jobs["items"]} == dict.fromkeys(
        ("a1", "ab"), (1, "waiting for ring 1 (canary): 0 of 1 ended; then 30 min soak")
    )
    assert await world.get("op_a", f"/deployments/{made['id']}") == made
    # Nothing is soaking, nothing is stopped.
    path = f"/deployments/{made['id']}"
    assert (await world.ask("op_a", "POST", f"{path}/release"))[0] == 409
    assert (await world.ask("op_a", "POST", f"{path}/resume", body={"stop_after_failures": 4}))[0] == 409
    assert (await world.ask("op_a", "POST", f"{path}/resume", body={"stop_after_failures": -4}))[0] == 422
    headers = {"Authorization": f"Bearer {world.tokens['op_a']}"}
    bare = await world.client.open(f"/api/v1{path}/resume", method="POST", headers=headers)  # type: ignore[call-arg]  # no body
    assert bare.status_code == 409
    assert (await world.ask("op_b", "POST", f"/deployments/{made['id']}/release"))[0] == 403
    seen = await world.get("op_b", f"/deployments/{made['id']}")
    assert (seen["rollout"]["rings"][0]["host_ids"], [ring["hosts"] for ring in seen["rings"]]) == ([], [1, 1])


async def test_without_a_rollout_there_are_no_rings(world: World) -> None:
    body = {"host_ids": named(world, "free")}
    _, preview = await world.ask("op_a", "POST", "/deployments/preview", body=body)
    assert (preview["rings"], preview["hosts"][0]["ring"]) == ([], 0)
    _, made = await world.ask("op_a", "POST", "/deployments", body=body)
    assert (made["rollout"], made["rings"]) == (None, [])
    assert (await world.ask("op_a", "POST", f"/deployments/{made['id']}/release"))[0] == 409


REFUSED: list[tuple[dict[str, Any], int, list[str]]] = [
    ({}, 422, ["/rollout"]),
    ({"rings": [{}]}, 422, ["/rollout/rings/0"]),
    ({"rings": [{"count": 1, "percent": 5}]}, 422, ["/rollout/rings/0"]),
    ({"rings": [{"percent": 0}, {"percent": 101}]}, 422, ["/rollout/rings/0/percent", "/rollout/rings/1/percent"]),
    ({"rings": [{"count": 2}, {"count": 1}]}, 422, ["/rollout/rings/1"]),
    ({"rings": [{"host_ids": [str(uuid4())]}]}, 422, ["/rollout/rings/0/host_ids/0"]),
    ({"rings": [{"group_ids": [str(uuid4())]}]}, 422, ["/rollout/rings/0"]),
    ({"soak_minutes": 5}, 422, ["/rollout/soak_minutes"]),
    ({"stop_after_failures": -1}, 422, ["/rollout/stop_after_failures"]),
    ({"stop_after_failed_percent": 100}, 422, ["/rollout/stop_after_failed_percent"]),
    ({"max_unavailable": 0}, 422, ["/rollout/max_unavailable"]),
    ({"rings": [{"count": "many"}]}, 400, ["/rollout/rings/0/count"]),
    ({"rings": [{"hosts": 1}]}, 400, ["/rollout/rings/0/hosts"]),
]


async def test_a_rollout_that_cannot_be_is_refused_by_field(world: World) -> None:
    for rollout, expected, pointers in REFUSED:
        body = {"host_ids": named(world, "a1", "free"), "rollout": rollout}
        for path in ("/deployments", "/deployments/preview"):
            status, problem = await world.ask("op_a", "POST", path, body=body)
            assert (status, [error["pointer"] for error in problem["errors"]]) == (expected, pointers)
    assert (await world.get("admin", "/jobs"))["total"] == 0


async def test_another_rollout_is_another_request(world: World) -> None:
    headers = {"Idempotency-Key": "monday"}
    hosts = named(world, "a1", "ab", "free")
    for rollout, expected in (
        ({"rings": [{"host_ids": hosts[:2]}]}, 202),
        ({"rings": [{"host_ids": hosts[1::-1]}]}, 202),
        ({"rings": [{"host_ids": hosts[:1]}]}, 409),
        (None, 409),
    ):
        body = {"host_ids": hosts, "rollout": rollout}
        assert (await world.ask("op_a", "POST", "/deployments", body=body, headers=headers))[0] == expected
    assert (await world.get("op_a", "/deployments"))["total"] == 1


async def test_a_group_limits_how_many_of_its_hosts_reboot_at_once(world: World) -> None:
    path = f"/groups/{world.group_a}"
    assert (await world.get("op_a", path))["max_unavailable"] is None
    assert (await world.ask("op_a", "PATCH", path, body={"max_unavailable": 2}))[0] == 403
    for change, expected in (({"max_unavailable": 2}, 2), ({"description": "x"}, 2), ({"max_unavailable": None}, None)):
        status, changed = await world.ask("admin", "PATCH", path, body=change)
        assert (status, changed["max_unavailable"]) == (200, expected)
    assert (await world.ask("admin", "PATCH", path, body={"max_unavailable": 0}))[0] == 400
