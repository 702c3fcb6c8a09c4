"""Live streams: own origin, token first, closed when the session ends (TRUST 3, 12)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage

from patch_manager.domain.principal import Permission, Principal, Role
from patch_manager.http import sockets
from patch_manager.http.routing import Routes
from patch_manager.http.services import Services
from patch_manager.http.sockets import LiveSocket
from patch_manager.storage import Connection
from tests.http.tls_client import TlsServer, TlsStream, send_all
from tests.people import People


def live_routes() -> Routes:
    """Streams that say hello."""
    routes = Routes("live")

    @routes.live("/hello", permission=Permission.FLEET_READ)
    async def hello(socket: LiveSocket) -> None:
        """Says hello and waits."""
        await socket.send(f"hello {socket.principal.username}")
        await trio.sleep_forever()

    @routes.live("/admins", permission=Permission.ADMIN)
    async def admins(socket: LiveSocket) -> None:
        """For admins."""
        await socket.send("hello")

    @routes.live("/faulty", permission=Permission.SIGNED_IN)
    async def faulty(socket: LiveSocket) -> None:
        """Raises."""
        raise RuntimeError("a fault of ours")

    return routes


@pytest.fixture
def tables() -> Iterable[Routes]:
    return (live_routes(),)


class Browser:
    """A WebSocket as a browser opens it."""

    def __init__(self, stream: TlsStream) -> None:
        self.stream = stream
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.pending: list[Any] = []

    async def open(self, host: str, path: str, origin: str | None) -> Any:
        headers = [("Origin", origin)] if origin is not None else []
        request = Request(host=host, target=f"/api/v1{path}", extra_headers=headers)  # type: ignore[arg-type]  # text works too
        await send_all(self.stream, self.ws.send(request))
        return await self.next()

    async def say(self, message: object) -> None:
        await send_all(self.stream, self.ws.send(TextMessage(data=orjson.dumps(message).decode())))

    async def next(self) -> Any:
        with trio.fail_after(6):
            while True:
                self.pending += [event for event in self.ws.events() if not isinstance(event, Ping)]
                if self.pending:
                    return self.pending.pop(0)
                self.ws.receive_data(bytes(await self.stream.receive_some()))


async def open_as(server: TlsServer, stream: TlsStream, token: str, path: str = "/hello") -> Browser:
    browser = Browser(stream)
    accepted = await browser.open(f"127.0.0.1:{server.port}", path, server.origin)
    assert isinstance(accepted, AcceptConnection)
    await browser.say({"type": "auth", "token": token})
    return browser


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1", "https://localhost:1"])
async def test_a_foreign_or_absent_origin_is_403(server: TlsServer, origin: str | None) -> None:
    async with server.connected() as stream:
        refused = await Browser(stream).open(f"127.0.0.1:{server.port}", "/hello", origin)
        assert isinstance(refused, RejectConnection)
        assert refused.status_code == 403


async def test_a_name_that_is_made_to_point_here_is_foreign(server: TlsServer) -> None:
    async with server.connected() as stream:
        refused = await Browser(stream).open("evil.example", "/hello", "https://evil.example")
        assert isinstance(refused, RejectConnection)


async def test_the_public_origin_and_the_address_itself_are_ours(server: TlsServer, people: People) -> None:
    token = await people.token(await people.add("ann"))
    for host, origin in (("localhost:8443", "https://localhost:8443"), (f"127.0.0.1:{server.port}", server.origin)):
        async with server.connected() as stream:
            browser = Browser(stream)
            assert isinstance(await browser.open(host, "/hello", origin), AcceptConnection)
            await browser.say({"type": "auth", "token": token})
            assert (await browser.next()).data == "hello ann"


@pytest.mark.parametrize(
    "message", [{"type": "auth", "token": "a.b.c"}, {"type": "hello"}, {"type": "auth"}, [], "text", 7]
)
async def test_without_a_good_token_in_the_first_message_the_stream_closes(server: TlsServer, message: object) -> None:
    async with server.connected() as stream:
        browser = Browser(stream)
        await browser.open(f"127.0.0.1:{server.port}", "/hello", server.origin)
        await browser.say(message)
        closed = await browser.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == sockets.UNAUTHENTICATED


async def test_a_stream_asks_for_its_permission(server: TlsServer, people: People) -> None:
    operator, admin = await people.add("ann"), await people.add("root", Role.ADMIN)
    async with server.connected() as stream:
        browser = await open_as(server, stream, await people.token(operator), "/admins")
        closed = await browser.next()
        assert (type(closed), closed.code) == (CloseConnection, sockets.FORBIDDEN)
    async with server.connected() as stream:
        browser = await open_as(server, stream, await people.token(admin), "/admins")
        assert (await browser.next()).data == "hello"
        assert (await browser.next()).code == 1000


async def _sign_out(people: People, principal: Principal) -> None:
    from patch_manager.auth import Client

    await people.auth.sessions.sign_out(principal.session_id, None, Client("127.0.0.1"))


async def _disable(people: People, principal: Principal) -> None:
    async def disable(connection: Connection) -> None:
        await connection.execute("UPDATE users SET disabled_at = now() WHERE id = $1", principal.user_id)

    await people.db.transaction(disable)  # by another process: nobody tells this one


@pytest.mark.parametrize("end", [_sign_out, _disable])
async def test_a_stream_closes_within_five_seconds_of_its_session_end(
    server: TlsServer, people: People, end: Callable[[People, Principal], Awaitable[None]]
) -> None:
    token = await people.token(await people.add("ann"))
    principal = await people.auth.watch.principal_of(token)
    assert isinstance(principal, Principal)
    async with server.connected() as stream:
        browser = await open_as(server, stream, token)
        await browser.next()
        await end(people, principal)
        with trio.fail_after(5):
            closed = await browser.next()
        assert (type(closed), closed.code) == (CloseConnection, sockets.UNAUTHENTICATED)


async def test_streams_close_when_the_server_stops(server: TlsServer, people: People, services: Services) -> None:
    token = await people.token(await people.add("ann"))
    async with server.connected() as stream:
        browser = await open_as(server, stream, token)
        await browser.next()
        services.stopping.set()
        closed = await browser.next()
        assert (type(closed), closed.code) == (CloseConnection, sockets.GOING_AWAY)


async def test_a_fault_in_a_stream_ends_that_stream_only(server: TlsServer, people: People) -> None:
    token = await people.token(await people.add("ann"))
    async with server.connected() as stream:
        browser = await open_as(server, stream, token, "/faulty")
        closed = await browser.next()
        assert (type(closed), closed.code) == (CloseConnection, sockets.FAULT)
    await server.assert_answers()
