"""Every error is a problem document that tells nothing of our insides (RFC 9457, TRUST 13, 21)."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson
import pytest
import trio
from quart.typing import TestClientProtocol as Client

from patch_manager.domain.principal import Permission
from patch_manager.http.dispatch import ACTIVITY_HEADER
from patch_manager.http.errors import Conflict, Failure, NotFound, Refused
from patch_manager.http.routing import Routes
from patch_manager.http.schemas.base import Answer, Request
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.logs import configure_logging
from patch_manager.storage import Connection, Database
from patch_manager.storage.errors import DatabaseUnavailable
from tests.people import People, actions

CANARY = "canary-7f3a91"


class Thing(Request):
    """A body."""

    name: str
    size: int = 0
    at: datetime | None = None


class Wanted(Request):
    """A query."""

    limit: int = 10
    tags: list[str] = []  # noqa: RUF012  # pydantic copies it


class Told(Answer):
    """An answer."""

    text: str


def broken_routes() -> Routes:
    """Handlers that fail in every way there is."""
    routes = Routes("broken", prefix="/api/v1")

    @routes.route("GET", "/fault", permission=Permission.PUBLIC)
    async def fault() -> None:
        """Raises."""
        raise RuntimeError(f"inside: {CANARY}")

    @routes.route("GET", "/group", permission=Permission.PUBLIC)
    async def group() -> None:
        """Raises inside a nursery."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_conflict)
            nursery.start_soon(trio.sleep_forever)

    @routes.route("GET", "/away", permission=Permission.PUBLIC)
    async def away() -> None:
        """Has no database."""
        raise DatabaseUnavailable(f"connection to {CANARY} refused")

    @routes.route("GET", "/value", permission=Permission.PUBLIC, answer=Told)
    async def value() -> Told | Failure:
        """Fails as expected."""
        return NotFound()

    @routes.route("POST", "/things", permission=Permission.PUBLIC, body=Thing, answer=Told)
    async def things(body: Thing) -> Told:
        """Takes a body."""
        return Told(text=body.name)

    @routes.route("GET", "/query", permission=Permission.PUBLIC, query=Wanted, answer=Told)
    async def query(query: Wanted) -> Told:
        """Takes a query."""
        return Told(text=f"{query.limit} {','.join(query.tags)}")

    return routes


async def _conflict() -> None:
    raise Refused(Conflict("busy"))


@pytest.fixture
def tables() -> Iterable[Routes]:
    return (broken_routes(),)


async def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    document: dict[str, Any] = orjson.loads(await answer.get_data())
    assert document["status"] == status
    assert document["title"]
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert CANARY not in str(document)
    return document


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/nothing.txt", 404),
        ("POST", "/api/v1/nothing", 404),
        ("GET", "/api/v1/value", 404),
        ("DELETE", "/api/v1/value", 405),
        ("OPTIONS", "/api/v1/value", 405),
        ("BREW", "/api/v1/value", 405),
        ("GET", "/api/v1/fault", 500),
        ("GET", "/api/v1/group", 409),
        ("GET", "/api/v1/away", 503),
    ],
)
async def test_every_error_is_a_problem_document(client: Client, method: str, path: str, status: int) -> None:
    opened: Any = client.open  # Quart's protocol asks for a body always
    await problem(await opened(path, method=method), status)


async def test_405_says_what_is_allowed(client: Client) -> None:
    answer = await client.delete("/api/v1/value")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("body", "kind", "status", "pointer"),
    [
        (b'{"name": "x", "extra": 1}', "application/json", 400, "/extra"),
        (b'{"size": 1}', "application/json", 400, "/name"),
        (b'{"name": "x", "size": "canary-7f3a91"}', "application/json", 400, "/size"),
        (b'{"name": ', "application/json", 400, ""),
        (b"[]", "application/json", 400, ""),
        (b"", "application/json", 400, ""),
        (b'{"name": "\\ud800"}', "application/json", 400, ""),
        (b"\xff\xfe", "application/json", 400, ""),
        (b'{"name": "a\\u0000b"}', "application/json", 400, "/name"),
        (b'{"name": "x", "at": "0001-01-01T00:00:00Z"}', "application/json", 400, "/at"),
        (b'{"name": "x", "at": "9999-12-31T23:59:59.999999Z"}', "application/json", 400, "/at"),
        (b'{"name": "x"}', "text/plain", 415, None),
        (b"name=x", "application/x-www-form-urlencoded", 415, None),
    ],
)
async def test_a_body_that_is_not_what_the_route_takes_is_refused(
    client: Client, body: bytes, kind: str, status: int, pointer: str | None
) -> None:
    answer = await client.post("/api/v1/things", data=body, headers={"Content-Type": kind})
    document = await problem(answer, status)
    if pointer is not None:
        assert document["errors"][0]["pointer"] == pointer


async def test_a_query_that_is_not_what_the_route_takes_is_refused(client: Client) -> None:
    good = await client.get("/api/v1/query?limit=5&tags=a&tags=b")
    assert (await good.get_json())["text"] == "5 a,b"
    wrong = (("limit=x", "/limit"), ("limt=5", "/limt"), ("limit=1&limit=2", "/limit"), ("tags=a%00b", "/tags"))
    for query, pointer in wrong:
        document = await problem(await client.get(f"/api/v1/query?{query}"), 400)
        assert document["errors"][0]["pointer"] == pointer


async def test_security_headers_are_on_every_answer(client: Client) -> None:
    for path in ("/", "/api/v1/value", "/api/docs", "/api/v1/fault", "/healthz"):
        headers = (await client.get(path)).headers
        assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything the program logs, as it logs it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging("debug", readable=False)
    stream = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers[:], root.level = before


async def test_what_clients_send_forges_no_log_line_and_secrets_stay_out(client: Client, log: io.StringIO) -> None:
    await client.post("/api/v1/things", json={"name": 1, "size": CANARY, "password": CANARY})
    await client.get(f"/api/v1/query?token={CANARY}")
    await client.get("/api/v1/value", headers={"Authorization": f"Bearer {CANARY}", "X-Request-Id": CANARY})
    await client.get("/api/v1/value", headers={"Cookie": f"__Host-refresh={CANARY}"})
    await client.get("/api/v1/%0d%0a%7b%22event%22%3a%22forged%22%7d%0a")
    await client.get("/api/v1/fault")
    lines = [orjson.loads(line) for line in log.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "http.request"]
    assert [line["status"] for line in requests] == [400, 400, 404, 404, 404, 500]
    assert all(line["request_id"] and line["ip"] for line in requests)
    assert not any(line["event"] == "forged" for line in lines)
    told = [line for line in lines if CANARY in str(line)]
    assert [line["event"] for line in told] == ["http.fault"], "only the exception itself, which no client wrote"


async def _make(connection: Connection, name: str) -> Changed[str] | Failure:
    await connection.execute("INSERT INTO groups (id, name) VALUES (gen_random_uuid(), $1)", name)
    if name == "refused":
        return Conflict("no")
    return Changed(name, (Act("group.created", "group:7"),))


async def _names(connection: Connection) -> list[str]:
    return [row["name"] for row in await connection.fetch("SELECT name FROM groups ORDER BY name")]


def changing_routes() -> Routes:
    """A handler that changes something."""
    routes = Routes("changing")

    @routes.route("POST", "/made", permission=Permission.FLEET_OPERATE, body=Thing, answer=Told)
    async def make(principal: Any, body: Thing) -> Told | Failure:
        """Makes a group."""
        made = await change(principal, _make, body.name)
        return made if isinstance(made, Failure) else Told(text=made)

    return routes


class TestChange:
    """Units of work and their audit events are one (TRUST 19)."""

    @pytest.fixture
    def tables(self) -> Iterable[Routes]:
        return (changing_routes(),)

    async def test_a_change_is_written_with_its_audit_event(self, client: Client, people: People, db: Database) -> None:
        token = await people.token(await people.add("ann"))
        headers = {"Authorization": f"Bearer {token}", ACTIVITY_HEADER: "1"}
        answer = await client.post("/api/v1/made", json={"name": "made"}, headers=headers)
        assert answer.status_code == 200
        refused = await client.post("/api/v1/made", json={"name": "refused"}, headers=headers)
        await problem(refused, 409)
        assert await db.read(_names) == ["made"]
        assert await actions(db) == [("group.created", "ann", "success")]

    async def test_nothing_is_changed_when_the_audit_event_cannot_be_written(
        self, client: Client, people: People, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = await people.token(await people.add("ann"))

        async def full(*_: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(people.audit, "append", full)
        answer = await client.post("/api/v1/made", json={"name": "x"}, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code >= 500
        assert await db.read(_names) == []


def test_declarations_that_do_not_fit_their_handler_are_found_at_import() -> None:
    routes = Routes("wrong")
    with pytest.raises(TypeError, match="takes"):

        @routes.route("GET", "/x/<uuid:host_id>", permission=Permission.SIGNED_IN)
        async def without_its_variable() -> None:
            """Forgot."""

    with pytest.raises(TypeError, match="no principal"):

        @routes.route("GET", "/x", permission=Permission.PUBLIC)
        async def public(principal: object) -> None:
            """Wants somebody."""

    with pytest.raises(TypeError, match="docstring"):

        @routes.route("GET", "/x", permission=Permission.PUBLIC)
        async def silent() -> None: ...


def test_services_are_those_of_the_app_in_hand() -> None:
    with pytest.raises(RuntimeError):
        services()
