"""User accounts: the administrators' business, and never without one."""

from __future__ import annotations

from tests.http.resources.world import World
from tests.people import PASSWORD, actions


async def test_a_made_user_is_told_without_secrets(world: World) -> None:
    body = {"username": "new", "password": "a long enough password", "group_ids": [str(world.group_a)]}
    status, made = await world.ask("admin", "POST", "/users", body=body)
    assert status == 201
    assert (made["role"], made["disabled"], made["mfa_enrolled"]) == ("operator", False, False)
    assert made["group_ids"] == [str(world.group_a)]
    assert "password" not in str(made)
    assert (await world.ask("admin", "POST", "/users", body={**body, "username": "NEW"}))[0] == 409
    status, answer = await world.ask(
        "admin", "POST", "/auth/login", body={"username": "new", "password": body["password"]}
    )
    assert (status, answer["methods"]) == (200, ["totp_enrolment"])
    events = await world.get("admin", "/audit", action="user")
    assert "a long enough password" not in str(events)


async def test_names_and_passwords_that_cannot_be_used_are_refused(world: World) -> None:
    for username, password, pointer in (("a b", PASSWORD, "/username"), ("fine", "short", "/password")):
        status, problem = await world.ask("admin", "POST", "/users", body={"username": username, "password": password})
        assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
        assert password not in str(problem)


async def test_a_disabled_user_is_out_at_once(world: World) -> None:
    path = f"/users/{world.users['op_a']}"
    status, changed = await world.ask("admin", "PATCH", path, body={"disabled": True})
    assert (status, changed["disabled"]) == (200, True)
    assert (await world.ask("op_a", "GET", "/hosts"))[0] == 401
    assert (await world.ask("admin", "PATCH", path, body={"disabled": False}))[0] == 200
    assert (await world.ask("op_a", "GET", "/hosts"))[0] == 401  # the session stays ended: sign in again


async def test_a_role_holds_at_the_next_request(world: World) -> None:
    path = f"/users/{world.users['op_a']}"
    assert (await world.ask("admin", "PATCH", path, body={"role": "admin"}))[0] == 200
    assert (await world.get("op_a", "/hosts"))["total"] == 4


async def test_the_last_administrator_stays(world: World) -> None:
    path = f"/users/{world.users['admin']}"
    for method, body in (("PATCH", {"disabled": True}), ("PATCH", {"role": "operator"}), ("DELETE", None)):
        assert (await world.ask("admin", method, path, body=body))[0] == 409
    assert (await world.ask("admin", "PATCH", f"/users/{world.users['op_b']}", body={"role": "admin"}))[0] == 200
    assert (await world.ask("admin", "DELETE", path))[0] == 204
    assert (await world.ask("admin", "GET", "/hosts"))[0] == 401
    assert (await world.ask("op_b", "DELETE", f"/users/{world.users['op_b']}"))[0] == 409


async def test_groups_of_a_user_are_replaced_whole(world: World) -> None:
    path = f"/users/{world.users['op_a']}"
    status, changed = await world.ask("admin", "PATCH", path, body={"group_ids": [str(world.group_b)]})
    assert (status, changed["group_ids"]) == (200, [str(world.group_b)])
    assert (await world.ask("op_a", "GET", f"/hosts/{world.hosts['a1']}"))[0] == 404
    assert ("user.changed", "admin", "success") in await actions(world.db)


async def test_operators_see_no_users(world: World) -> None:
    assert (await world.ask("op_a", "GET", "/users"))[0] == 403
    listed = await world.get("admin", "/users", search="OP_", limit=1)
    assert (listed["total"], [row["username"] for row in listed["items"]]) == (2, ["op_a"])
    rest = await world.get("admin", "/users", search="OP_", limit=1, cursor=listed["next_cursor"])
    assert ([row["username"] for row in rest["items"]], rest["next_cursor"]) == (["op_b"], None)
