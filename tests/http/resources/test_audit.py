"""The audit log over the API, and that nothing changes without it (TRUST 19 and 20)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from patch_manager.http.routes import all_routes
from patch_manager.storage.audit import AuditLog
from tests.http.resources.world import World


async def test_events_are_listed_filtered_and_in_pages(world: World) -> None:
    for name in ("one", "two", "three"):
        assert (await world.ask("admin", "POST", "/groups", body={"name": name}))[0] == 201
    assert (await world.ask("op_a", "POST", "/hosts", body={"address": "127.1.0.9"}))[0] == 201
    newest = await world.get("admin", "/audit", limit=2)
    assert ([event["action"] for event in newest["items"]], newest["total"]) == (["host.created", "group.created"], 4)
    rest = await world.get("admin", "/audit", limit=2, cursor=newest["next_cursor"])
    assert [event["seq"] for event in newest["items"] + rest["items"]] == [4, 3, 2, 1]
    assert (await world.get("admin", "/audit", actor="op_a"))["total"] == 1
    event = (await world.get("admin", "/audit", action="host"))["items"][0]
    assert (event["target_type"], event["detail"]["address"], event["outcome"]) == ("host", "127.1.0.9", "success")
    assert event["request_id"]
    assert (await world.get("admin", "/audit", to="2001-01-01T00:00:00Z"))["total"] == 0
    assert (await world.get("admin", "/audit", **{"from": "2001-01-01T00:00:00Z"}))["total"] == 4
    assert (await world.ask("admin", "GET", "/audit", query={"from": "2001-01-01T00:00:00"}))[0] == 400
    assert (await world.ask("op_a", "GET", "/audit"))[0] == 403


async def test_the_log_is_verified_and_an_edit_is_found(world: World, owner_db: Any) -> None:
    for name in ("one", "two"):
        assert (await world.ask("admin", "POST", "/groups", body={"name": name}))[0] == 201
    status, good = await world.ask("admin", "POST", "/audit/verify")
    assert (status, good["result"], good["rows"]) == (200, "good", 2)

    async def edit(connection: Any) -> None:
        await connection.execute("UPDATE audit_log SET body = replace(body, 'one', 'eno') WHERE seq = 1")

    await owner_db.transaction(edit)
    _, broken = await world.ask("admin", "POST", "/audit/verify")
    assert (broken["result"], broken["first_bad_seq"]) == ("broken", 1)
    assert (await world.ask("op_a", "POST", "/audit/verify"))[0] == 403


MUTATIONS: list[tuple[str, str, Any]] = [
    ("POST", "/hosts", {"address": "127.1.0.9"}),
    ("PATCH", "/hosts/{a1}", {"display_name": "x"}),
    ("DELETE", "/hosts/{a1}", None),
    ("POST", "/hosts/{a1}/restart", None),
    ("POST", "/hosts/{a1}/certificates", None),
    ("POST", "/groups", {"name": "new"}),
    ("PATCH", "/groups/{group_a}", {"name": "x"}),
    ("DELETE", "/groups/{group_a}", None),
    ("PUT", "/groups/{group_a}/hosts/{free}", None),
    ("DELETE", "/groups/{group_a}/hosts/{a1}", None),
    ("PUT", "/groups/{group_a}/users/{op_b}", None),
    ("DELETE", "/groups/{group_a}/users/{op_a}", None),
    ("POST", "/users", {"username": "new", "password": "a long enough password"}),
    ("PATCH", "/users/{op_a}", {"disabled": True}),
    ("DELETE", "/users/{op_a}", None),
    ("POST", "/deployments", None),
]


async def test_what_cannot_be_audited_is_not_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {**world.hosts, **world.users, "group_a": world.group_a}

    async def everything() -> list[Any]:
        paths = ("/hosts", "/groups", "/users", "/certificates", "/jobs", "/deployments", "/audit")
        return [await world.get("admin", each) for each in paths]

    async def full_disk(*_: object) -> range:
        raise OSError("no space left on device")

    before = await everything()
    monkeypatch.setattr(AuditLog, "append", full_disk)
    for method, path, body in MUTATIONS:
        if path == "/deployments":
            body = {"host_ids": [str(ids["a1"])]}
        status, problem = await world.ask("admin", method, path.format_map(ids), body=body)
        assert (path, status in (500, 503), problem["status"]) == (path, True, status)
    assert world.fleet.restarted == []
    assert await everything() == before


def test_every_mutating_route_of_hosts_groups_and_users_is_among_them() -> None:
    tags = {"hosts", "groups", "users"}
    declared = {
        (operation.method, re.sub(r"<uuid:\w+>", "{}", operation.path.removeprefix("/api/v1")))
        for table in all_routes()
        if table.tag in tags
        for operation in table.operations
        if operation.method != "GET"
    }
    tried = {(method, re.sub(r"{\w+}", "{}", path)) for method, path, _ in MUTATIONS}
    # A refresh changes nothing that anybody decided: polls are not audited (TRUST "Audit log").
    assert declared - tried == {("POST", "/hosts/{}/refresh")}
