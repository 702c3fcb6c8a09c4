"""What an operator of one group may learn of another's hosts: nothing (TRUST 10 and 11)."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from quart_trio import QuartTrio

from patch_manager.domain.principal import Permission
from patch_manager.http.routes import all_routes
from patch_manager.http.routing import Operation
from tests.http.resources.test_notifications import WEBHOOK, delivery_of
from tests.http.resources.test_windows import NIGHTLY
from tests.http.resources.world import World

OPERATIONS = {
    f"{operation.method} {operation.path}": operation for table in all_routes() for operation in table.operations
}
GUARDED = {name: operation for name, operation in OPERATIONS.items() if operation.permission is not Permission.PUBLIC}
WITH_VARIABLES = sorted(name for name, operation in GUARDED.items() if operation.variables)
READS = sorted(name for name, operation in GUARDED.items() if operation.method == "GET" and not operation.variables)

BODIES: dict[str, Any] = {
    "PATCH /api/v1/hosts/<uuid:host_id>": {"display_name": "mine now"},
    "PATCH /api/v1/groups/<uuid:group_id>": {"name": "mine now"},
    "PATCH /api/v1/users/<uuid:user_id>": {"disabled": True},
    "POST /api/v1/jobs/<uuid:job_id>/resolve": {"outcome": "succeeded"},
    "POST /api/v1/hosts/<uuid:host_id>/reboot": {},
    "POST /api/v1/jobs/<uuid:job_id>/rollback": {},
    "POST /api/v1/hosts/<uuid:host_id>/package-operations": {"operation": "update", "packages": [{"name": "bash"}]},
    "POST /api/v1/deployments/<uuid:deployment_id>/resume": {},
    "POST /api/v1/hosts/<uuid:host_id>/windows": NIGHTLY,
    "PATCH /api/v1/windows/<uuid:window_id>": {"enabled": False},
    "POST /api/v1/windows/<uuid:window_id>/copy": {"host_ids": []},
    "PATCH /api/v1/notifications/rules/<uuid:rule_id>": {"enabled": False},
}


async def everything_of_b(world: World) -> dict[str, UUID]:
    """The ids that only operators of group b may use, by the name of the path's variable."""
    status, deployment = await world.ask(
        "op_b", "POST", "/deployments", body={"host_ids": [str(world.hosts["b1"])], "packages": ["openssl"]}
    )
    assert status == 202
    jobs = await world.get("op_b", "/jobs")
    sessions = await world.get("op_b", "/auth/sessions")
    _, window = await world.ask("op_b", "POST", f"/hosts/{world.hosts['b1']}/windows", body=NIGHTLY)
    freeze = {"group_id": str(world.group_b), "ends_at": "2031-01-01T00:00:00Z", "reason": "year end"}
    _, freeze = await world.ask("admin", "POST", "/freezes", body=freeze)
    return {
        "host_id": world.hosts["b1"],
        "group_id": world.group_b,
        "user_id": world.users["op_b"],
        "deployment_id": UUID(deployment["id"]),
        "job_id": UUID(jobs["items"][0]["id"]),
        "session_id": UUID(sessions["items"][0]["id"]),
        "window_id": UUID(window["id"]),
        "freeze_id": UUID(freeze["id"]),
        **await notifications_of_b(world),
    }


async def notifications_of_b(world: World) -> dict[str, UUID]:
    """A channel, a rule of op_b, and what it is about to send."""
    _, channel = await world.ask("admin", "POST", "/notifications/channels", body=WEBHOOK)
    rule = {"name": "mine", "channel_id": channel["id"], "events": ["host_unreachable"]}
    status, rule = await world.ask("op_b", "POST", "/notifications/rules", body=rule)
    assert status == 201, rule
    delivery = await delivery_of(world, UUID(rule["id"]))
    return {"channel_id": UUID(channel["id"]), "rule_id": UUID(rule["id"]), "delivery_id": delivery}


def filled(path: str, ids: dict[str, UUID]) -> str:
    return re.sub(r"<uuid:(\w+)>", lambda match: str(ids[match[1]]), path).replace("<string:name>", "cron")


def without_request(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name not in {"request_id", "instance"}}


async def test_what_is_out_of_scope_is_answered_like_what_does_not_exist(world: World) -> None:
    theirs = await everything_of_b(world)

    async def state() -> list[Any]:
        lists = ["/hosts", "/groups", "/users", "/jobs", "/deployments", "/windows", "/freezes"]
        lists += [f"/notifications/{what}" for what in ("channels", "rules", "deliveries")]
        return [await world.get("admin", path) for path in lists]

    before = await state()
    for name in WITH_VARIABLES:
        operation = GUARDED[name]
        foreign = await world.ask("op_a", operation.method, filled(operation.path, theirs), body=BODIES.get(name))
        nowhere = filled(operation.path, {key: uuid4() for key in theirs})
        nothing = await world.ask("op_a", operation.method, nowhere, body=BODIES.get(name))
        expected = 403 if operation.permission is Permission.ADMIN else 404
        assert (name, foreign[0], nothing[0]) == (name, expected, expected)
        assert without_request(foreign[1]) == without_request(nothing[1]), name
    assert await state() == before


async def test_no_list_or_total_tells_of_another_group(world: World) -> None:
    theirs = await everything_of_b(world)
    hidden = [str(theirs[key]) for key in ("host_id", "deployment_id", "job_id", "user_id", "window_id", "freeze_id")]
    hidden += [str(theirs[key]) for key in ("rule_id", "delivery_id")]
    for name in READS:
        operation = GUARDED[name]
        status, answer = await world.ask("op_a", "GET", operation.path)
        assert (name, status) == (name, 403 if operation.permission is Permission.ADMIN else 200)
        for secret in ("127.66.77.88", "'b1'", *hidden):
            assert secret not in str(answer), name
        if "total" in answer:
            assert answer["total"] == len(answer["items"]), name


async def test_totals_count_what_is_in_sight(world: World) -> None:
    assert (await world.get("op_a", "/fleet"))["totals"]["hosts"] == 3
    assert (await world.get("op_b", "/fleet"))["totals"]["hosts"] == 3
    assert (await world.get("admin", "/fleet"))["totals"]["hosts"] == 4


@pytest.mark.parametrize("how", ["hosts", "groups"])
@pytest.mark.parametrize("path", ["/deployments", "/deployments/preview"])
async def test_a_batch_with_one_foreign_host_queues_nothing(world: World, path: str, how: str) -> None:
    body: dict[str, Any] = {"host_ids": [str(world.hosts["a1"])]}
    if how == "hosts":
        body["host_ids"].append(str(world.hosts["b1"]))
    else:
        body["group_ids"] = [str(world.group_b)]
    status, _ = await world.ask("op_a", "POST", path, body=body)
    assert status == 404
    assert (await world.get("admin", "/jobs"))["total"] == 0
    assert (await world.get("admin", "/deployments"))["total"] == 0


async def test_a_deployment_over_both_groups_counts_only_what_is_in_sight(world: World) -> None:
    body = {"host_ids": [str(world.hosts["a1"]), str(world.hosts["b1"])]}
    status, made = await world.ask("admin", "POST", "/deployments", body=body)
    assert (status, made["totals"]["total"]) == (202, 2)
    seen = await world.get("op_a", f"/deployments/{made['id']}")
    assert seen["totals"]["total"] == 1
    assert [job["host_name"] for job in (await world.get("op_a", "/jobs"))["items"]] == ["a1"]


async def test_nothing_but_public_routes_answers_without_signing_in(world: World) -> None:
    for name, operation in GUARDED.items():
        path = filled(operation.path, {variable: uuid4() for variable in operation.variables})
        answer = await world.client.open(path, method=operation.method, json=None)
        assert (name, answer.status_code) == (name, 401)


async def test_every_rule_of_the_url_map_is_declared(services: Any, tables: Any) -> None:
    from patch_manager.http.app import create_app, declared_routes

    app: QuartTrio = create_app(services, tables)
    declared = declared_routes(app)
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == set(declared)
    for operation in declared.values():
        assert isinstance(operation.permission, Permission)
        if isinstance(operation, Operation) and operation.method != "GET":
            assert operation.permission is not Permission.FLEET_READ, operation.name
