"""Signing in over HTTP (TRUST 1 to 7 and 9)."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client

from patch_manager.auth.throttle import FREE_TRIES
from patch_manager.domain.principal import Role
from patch_manager.storage import Database
from tests.http.conftest import ORIGIN
from tests.people import PASSWORD, People, WallClock, actions, add_group

LOGIN = "/api/v1/auth/login"
TOTP = "/api/v1/auth/mfa/totp"
REFRESH = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/auth/logout"
OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(client: Client) -> Client:
    client.cookie_jar = None  # tests pass cookies by hand, to send old ones too
    return client


def cookie_of(answer: Any) -> Morsel[str]:
    return SimpleCookie(answer.headers["Set-Cookie"])["__Host-refresh"]


async def sign_in(client: Client, people: People, username: str = "ann") -> tuple[str, str]:
    """Access token and refresh token of a fresh session."""
    first = await client.post(LOGIN, json={"username": username, "password": PASSWORD})
    assert first.status_code == 200
    ticket = await first.get_json()
    assert ticket["methods"] == ["totp"]
    body = {"mfa_token": ticket["mfa_token"], "code": people.clock.code()}
    second = await client.post(TOTP, json=body)
    assert second.status_code == 200
    return (await second.get_json())["access_token"], cookie_of(second).value


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_signing_in_gives_an_access_token_and_a_cookie_that_scripts_cannot_read(
    client: Client, people: People, db: Database
) -> None:
    group_id = await db.transaction(add_group, "web")
    user_id = await people.add("Ann", groups=[group_id])
    first = await client.post(LOGIN, json={"username": " ann ", "password": PASSWORD})
    body = {"mfa_token": (await first.get_json())["mfa_token"], "code": people.clock.code()}
    answer = await client.post(TOTP, json=body)
    told = await answer.get_json()
    assert (told["expires_in"], told["token_type"]) == (900, "Bearer")
    cookie = cookie_of(answer)
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Strict")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert int(cookie["max-age"]) == 12 * 3600
    assert answer.headers["Cache-Control"] == "no-store"
    me = await (await client.get("/api/v1/me", headers=bearer(told["access_token"]))).get_json()
    assert (me["id"], me["username"], me["role"]) == (str(user_id), "Ann", "operator")
    assert me["groups"] == [{"id": str(group_id), "name": "web"}]
    assert set(me["permissions"]) == {"public", "signed_in", "fleet_read", "fleet_operate"}
    assert me["session_idle_at"] < me["session_expires_at"]


async def test_unknown_user_and_wrong_password_get_the_same_answer(client: Client, people: People) -> None:
    await people.add("ann")
    answers = []
    for username in ("ann", "nobody"):
        answer = await client.post(LOGIN, json={"username": username, "password": "wrong"})
        told = await answer.get_json()
        del told["request_id"]
        answers.append((answer.status_code, told))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_guessing_is_answered_429_with_a_time_to_wait(client: Client, people: People) -> None:
    await people.add("ann")
    for _ in range(FREE_TRIES):
        assert (await client.post(LOGIN, json={"username": "ann", "password": "wrong"})).status_code == 401
    answer = await client.post(LOGIN, json={"username": "ann", "password": "wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_user_without_a_second_factor_enrols_over_http(client: Client, people: People) -> None:
    await people.add("ann", secret=None)
    ticket = await (await client.post(LOGIN, json={"username": "ann", "password": PASSWORD})).get_json()
    assert ticket["methods"] == ["totp_enrolment"]
    body = {"mfa_token": ticket["mfa_token"]}
    offered = await (await client.post(f"{TOTP}/enrol", json=body)).get_json()
    code = people.clock.code(offered["secret"])
    answer = await client.post(f"{TOTP}/enrol/confirm", json={**body, "code": code})
    assert answer.status_code == 200
    assert cookie_of(answer).value


async def test_a_ticket_is_no_access_token(client: Client, people: People) -> None:
    await people.add("ann")
    ticket = await (await client.post(LOGIN, json={"username": "ann", "password": PASSWORD})).get_json()
    assert (await client.get("/api/v1/me", headers=bearer(ticket["mfa_token"]))).status_code == 401


async def test_a_refresh_rotates_the_cookie_and_an_old_one_ends_the_session(
    client: Client, people: People, db: Database
) -> None:
    await people.add("ann")
    access, first = await sign_in(client, people)
    answer = await client.post(REFRESH, headers={**OWN, "Cookie": f"__Host-refresh={first}"})
    assert answer.status_code == 200
    second = cookie_of(answer).value
    assert second != first
    again = await client.post(REFRESH, headers={**OWN, "Cookie": f"__Host-refresh={first}"})
    assert again.status_code == 401
    for headers in ({"Cookie": f"__Host-refresh={second}"}, {"Cookie": f"__Host-refresh={first}"}):
        assert (await client.post(REFRESH, headers={**OWN, **headers})).status_code == 401
    assert (await client.get("/api/v1/me", headers=bearer(access))).status_code == 401
    assert ("auth.refresh_reused", "ann", "failure") in await actions(db)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example:8443", "Host": "evil.example:8443"},
    ],
)
async def test_other_origins_refresh_and_end_nothing(client: Client, people: People, headers: dict[str, str]) -> None:
    await people.add("ann")
    access, refresh = await sign_in(client, people)
    cookie = {"Cookie": f"__Host-refresh={refresh}"}
    for path in (REFRESH, LOGOUT):
        assert (await client.post(path, headers={**headers, **cookie})).status_code == 403
    assert (await client.get("/api/v1/me", headers=bearer(access))).status_code == 200
    assert (await client.post(REFRESH, headers={**OWN, **cookie})).status_code == 200


@pytest.mark.parametrize("by", ["token", "cookie", "both"])
async def test_signing_out_ends_the_session_and_clears_the_cookie(client: Client, people: People, by: str) -> None:
    await people.add("ann")
    access, refresh = await sign_in(client, people)
    headers = dict(OWN)
    headers |= bearer(access) if by != "cookie" else {}
    headers |= {"Cookie": f"__Host-refresh={refresh}"} if by != "token" else {}
    answer = await client.post(LOGOUT, headers=headers)
    assert answer.status_code == 204
    assert cookie_of(answer).value == ""
    assert cookie_of(answer)["max-age"] == "0"
    assert (await client.get("/api/v1/me", headers=bearer(access))).status_code == 401
    refreshed = await client.post(REFRESH, headers={**OWN, "Cookie": f"__Host-refresh={refresh}"})
    assert refreshed.status_code == 401
    assert (await client.post(LOGOUT, headers=headers)).status_code == 204


async def test_sessions_are_listed_and_ended_by_their_user(client: Client, people: People) -> None:
    ann = await people.add("ann")
    here, there = await people.token(ann), await people.token(ann)
    listed = await (await client.get("/api/v1/auth/sessions", headers=bearer(here))).get_json()
    assert listed["total"] == 2
    other = next(item["id"] for item in listed["items"] if not item["current"])
    foreign = await people.token(await people.add("bob"))
    path = f"/api/v1/auth/sessions/{other}"
    assert (await client.delete(path, headers=bearer(foreign))).status_code == 404
    assert (await client.delete(path, headers=bearer(here))).status_code == 204
    assert (await client.get("/api/v1/me", headers=bearer(there))).status_code == 401
    third = await people.token(ann)
    assert (await client.delete("/api/v1/auth/sessions", headers=bearer(here))).status_code == 204
    assert (await client.get("/api/v1/me", headers=bearer(third))).status_code == 401
    assert (await client.get("/api/v1/me", headers=bearer(here))).status_code == 200


async def test_only_marked_requests_keep_a_session_awake(client: Client, people: People, clock: WallClock) -> None:
    await people.add("ann")
    access, refresh = await sign_in(client, people)
    for minutes, headers in ((14, {}), (14, {"X-User-Activity": "1"}), (14, {}), (14, {}), (14, {}), (5, {})):
        clock.forward(minutes=minutes)
        people.auth.watch.forget()
        answer = await client.post(REFRESH, headers={**OWN, "Cookie": f"__Host-refresh={refresh}"})
        assert answer.status_code == 200
        access, refresh = (await answer.get_json())["access_token"], cookie_of(answer).value
        assert (await client.get("/api/v1/me", headers={**bearer(access), **headers})).status_code == 200
    clock.forward(minutes=14)
    assert (await client.get("/api/v1/me", headers=bearer(access))).status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer a.b.c"}]
)
async def test_without_a_good_token_nobody_is_signed_in(client: Client, headers: dict[str, str]) -> None:
    answer = await client.get("/api/v1/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_in_the_address_is_not_looked_at(client: Client, people: People) -> None:
    token = await people.token(await people.add("ann", Role.ADMIN))
    assert (await client.get(f"/api/v1/me?access_token={token}&token={token}")).status_code == 401
