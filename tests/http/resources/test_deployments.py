"""Deployments and jobs over the API; what becomes of jobs is held by the jobs room's own tests."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.http.resources.world import World


async def deploy(world: World, *hosts: str, **more: Any) -> tuple[int, Any]:
    headers = more.pop("headers", None)
    body = {"host_ids": [str(world.hosts[host]) for host in hosts], **more}
    return await world.ask("op_a", "POST", "/deployments", body=body, headers=headers)


async def test_a_deployment_has_one_job_per_host(world: World) -> None:
    status, made = await deploy(world, "a1", "free", packages=["openssl"], reboot="if_required")
    assert status == 202
    assert (made["state"], made["totals"]["total"], made["totals"]["queued"]) == ("queued", 2, 2)
    assert (made["packages"], made["when"], made["reboot"], made["created_by"]) == (
        ["openssl"],
        "now",
        "if_required",
        "op_a",
    )
    assert await world.get("op_a", f"/deployments/{made['id']}") == made
    jobs = await world.get("op_a", "/jobs", deployment_id=made["id"], state="queued,running")
    assert {job["host_name"] for job in jobs["items"]} == {"a1", "free"}
    detail = await world.get("op_a", f"/jobs/{jobs['items'][0]['id']}")
    assert detail["transitions"][0]["state"] == "queued"
    of_host = await world.get("op_a", f"/hosts/{world.hosts['a1']}/jobs")
    assert [job["host_name"] for job in of_host["items"]] == ["a1"]
    assert (await world.get("op_a", "/jobs", search="FREE"))["total"] == 1
    for query, total in (
        ({"operation": "patchapply"}, 2),
        ({"operation": "reboot,rollback"}, 0),
        ({"since": jobs["items"][0]["created_at"]}, 2),
        ({"until": jobs["items"][0]["created_at"]}, 0),
    ):
        assert (await world.get("op_a", "/jobs", **query))["total"] == total, query


async def test_the_same_key_gives_the_same_deployment(world: World) -> None:
    headers = {"Idempotency-Key": "monday"}
    first = await deploy(world, "a1", headers=headers)
    again = await deploy(world, "a1", headers=headers)
    assert (first[0], again[0], again[1]["id"]) == (202, 202, first[1]["id"])
    assert (await deploy(world, "free", headers=headers))[0] == 409
    assert (await world.get("op_a", "/jobs"))["total"] == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 422),
        ({"packages": []}, 422),
        ({"packages": ["-rf"]}, 422),
        ({"when": "later"}, 400),
        ({"patches": ["openssl"]}, 400),
        ({"host_ids": ["x"]}, 400),
        ({"host_ids": [str(uuid4())]}, 404),
    ],
)
async def test_what_cannot_be_deployed_is_refused(world: World, body: dict[str, Any], expected: int) -> None:
    named = {"host_ids": [str(world.hosts["a1"])]} if "packages" in body else {}
    assert (await world.ask("op_a", "POST", "/deployments", body={**named, **body}))[0] == expected
    assert (await world.get("admin", "/jobs"))["total"] == 0


async def test_a_preview_queues_nothing(world: World) -> None:
    body = {"group_ids": [str(world.group_a)]}
    status, preview = await world.ask("op_a", "POST", "/deployments/preview", body=body)
    assert (status, preview["host_count"]) == (200, 2)
    assert {host["display_name"] for host in preview["hosts"]} == {"a1", "ab"}
    assert (await world.get("admin", "/jobs"))["total"] == 0


async def test_what_has_not_started_can_be_cancelled(world: World) -> None:
    _, made = await deploy(world, "a1", "free")
    jobs = (await world.get("op_a", "/jobs"))["items"]
    status, job = await world.ask("op_a", "POST", f"/jobs/{jobs[0]['id']}/cancel")
    assert (status, job["state"]) == (200, "cancelled")
    assert (await world.ask("op_a", "POST", f"/jobs/{jobs[0]['id']}/cancel"))[0] == 409
    status, cancelled = await world.ask("op_a", "POST", f"/deployments/{made['id']}/cancel")
    assert (status, cancelled["state"], cancelled["totals"]["cancelled"]) == (200, "cancelled", 2)
    resolve = await world.ask("op_a", "POST", f"/jobs/{jobs[0]['id']}/resolve", body={"outcome": "failed"})
    assert resolve[0] == 409
    assert (await world.ask("op_a", "POST", f"/deployments/{made['id']}/retry-failed"))[0] == 202


async def test_jobs_come_in_pages_without_repeats(world: World) -> None:
    for _ in range(5):
        assert (await deploy(world, "free"))[0] == 202
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await world.get("op_a", "/jobs", limit=2, **cursor)
        seen += [job["id"] for job in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen)) == 5
    assert (await world.ask("op_a", "GET", "/jobs", query={"cursor": "x"}))[0] == 400
    assert (await world.ask("op_a", "GET", "/deployments", query={"cursor": "x"}))[0] == 400
