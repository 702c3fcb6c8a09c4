"""No packet from a stranger ends the server, and no stalled browser holds it up (TRUST 13, 14, 23)."""

from __future__ import annotations

import ssl
import struct
from typing import Any

import h2.errors
import h2.events
import h2.settings
import pytest
import trio
from hypercorn.protocol.h2 import StreamBuffer

from patch_manager.http import guard, guarded_protocols, limits
from patch_manager.http.guard import ASGIApp, ConnectionLimit, serve_https
from tests.http.tls_client import Http2, TlsServer, TlsStream, read_all, running_https, send_all, until
from tests.people import People

pytestmark = pytest.mark.usefixtures("impatient")

HANDSHAKE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HEADERS = [(":method", "GET"), (":path", "/healthz"), (":scheme", "https"), (":authority", "localhost")]


def without(name: str, **changed: str) -> list[tuple[str, str]]:
    return [(key, changed.get(key.removeprefix(":"), value)) for key, value in HEADERS if key != name]


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(HANDSHAKE + b"\x81\x85\x00\x00\x00\x00hello", id="WebSocket upgrade with pipelined bytes"),
        pytest.param(HANDSHAKE + b"GET / HTTP/1.1\r\n\r\n", id="WebSocket upgrade with a pipelined request"),
        pytest.param(HANDSHAKE.replace(b"Sec-WebSocket-Key", b"X-Key"), id="WebSocket upgrade without a key"),
        pytest.param(HANDSHAKE.replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 99"), id="version 99"),
        pytest.param(HANDSHAKE.replace(b"GET", b"POST"), id="WebSocket upgrade by POST"),
        pytest.param(HANDSHAKE.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"), id="upgrade with a body"),
        pytest.param(HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"), id="WebSocket upgrade over HTTP/1.0"),
        pytest.param(b"\x00\x01\x02\xff" * 1000, id="garbage"),
        pytest.param(b"\xff\xfe\r\n\r\n", id="short garbage"),
        pytest.param(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n", id="path that is not ASCII"),
        pytest.param(b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", id="no path"),
        pytest.param(b"GET /%ff%00%0d%0a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", id="escapes"),
        pytest.param(b"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", id="asterisk"),
        pytest.param(b"CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", id="CONNECT"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 64, id="HTTP/2 without having agreed on it"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            id="upgrade to h2c",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", id="huge header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="both"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf", id="half a body"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50, id="pipelined requests"),
    ],
)
async def test_no_packet_over_http1_ends_the_server(server: TlsServer, packet: bytes) -> None:
    async with server.connected() as stream:
        await send_all(stream, packet)
        with trio.move_on_after(0.3):
            await read_all(stream)
    await server.assert_answers()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(":method", "CONNECT"), (":authority", "localhost")], id="CONNECT without :path"),
        pytest.param(
            [*without(":method"), (":method", "CONNECT"), (":protocol", "websocket"), ("sec-websocket-version", "13")],
            id="extended CONNECT",
        ),
        pytest.param(without("", path="/é"), id="path that is not ASCII"),
        pytest.param(without("", path=""), id="empty path"),
        pytest.param(without("", path="no-slash"), id="path without a slash"),
        pytest.param(without(":path"), id="no path"),
        pytest.param(without(":method"), id="no method"),
        pytest.param(without(":authority"), id="no authority"),
        pytest.param(without("", method="É"), id="method that is not ASCII"),
        pytest.param([*HEADERS, (":path", "/twice")], id="two paths"),
        pytest.param([*HEADERS, ("Upper", "case")], id="upper case"),
        pytest.param([*HEADERS, ("connection", "close")], id="connection header"),
        pytest.param([*HEADERS, ("x", "a" * 60_000)], id="huge header"),
        pytest.param([*HEADERS, ("content-length", "x")], id="length that is no number"),
        pytest.param([("late", "x"), *HEADERS], id="pseudo headers last"),
    ],
)
async def test_no_request_over_http2_ends_the_server(server: TlsServer, headers: list[tuple[str, str]]) -> None:
    async with server.connected("h2") as stream:
        client = Http2(stream)
        client.connection.send_headers(1, headers, end_stream=False)
        await client.flush()
        with trio.move_on_after(0.3):
            await client.until(h2.events.ConnectionTerminated)
    await server.assert_answers()


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(b"\xff" * 4096, id="garbage"),
        pytest.param(struct.pack(">I", 5)[1:] + b"\x00\x00\x00\x00\x00\x07hello", id="DATA on an idle stream"),
        pytest.param(struct.pack(">I", 4)[1:] + b"\x08\x00\x00\x00\x00\x00" + b"\0\0\0\0", id="WINDOW_UPDATE of zero"),
        pytest.param(struct.pack(">I", 5)[1:] + b"\x02\x00\x00\x00\x00\x03" + b"\0\0\0\x03\x10", id="own parent"),
        pytest.param(struct.pack(">I", 8)[1:] + b"\x07\x00\x00\x00\x00\x00" + b"\0" * 8, id="GOAWAY"),
        pytest.param(struct.pack(">I", 3)[1:] + b"\x01\x04\x00\x00\x00\x01" + b"\xff\xff\xff", id="bad HPACK"),
        pytest.param(struct.pack(">I", 1)[1:] + b"\x09\x04\x00\x00\x00\x01x", id="CONTINUATION alone"),
        pytest.param((struct.pack(">I", 0)[1:] + b"\x04\x00\x00\x00\x00\x00") * 3000, id="flood of SETTINGS"),
    ],
)
async def test_no_frame_over_http2_ends_the_server(server: TlsServer, frames: bytes) -> None:
    async with server.connected("h2") as stream:
        client = Http2(stream)
        await client.flush()
        await send_all(stream, frames)
        with trio.move_on_after(0.3):
            await read_all(stream)
    await server.assert_answers()


async def test_a_bad_request_over_http2_ends_its_stream_only(server: TlsServer) -> None:
    async with server.connected("h2") as stream:
        client = Http2(stream)
        client.connection.send_headers(1, without("", path="/é"), end_stream=True)
        client.connection.send_headers(3, HEADERS, end_stream=True)
        await client.flush()
        with trio.fail_after(5):
            events = await client.until(h2.events.StreamEnded)
    assert any(isinstance(event, h2.events.StreamReset) and event.stream_id == 1 for event in events)
    assert any(isinstance(event, h2.events.ResponseReceived) and event.stream_id == 3 for event in events)


async def test_bytes_that_are_no_tls_end_their_connection_only(server: TlsServer) -> None:
    for packet in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xff" + b"\xff" * 255, b""):
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(packet)
        await stream.aclose()
    await server.assert_answers()


async def test_connections_that_are_reset_end_nothing(server: TlsServer) -> None:
    for _ in range(5):
        async with server.connected() as stream:
            await send_all(stream, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            linger = struct.pack("ii", 1, 0)  # close with RST
            stream.transport_stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
    await server.assert_answers()


async def test_a_head_that_drips_is_cut_off(server: TlsServer) -> None:
    async with server.connected() as stream:
        with trio.fail_after(guard.IDLE_SECONDS + 5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_drip, stream)
                assert await read_all(stream) == b""
                nursery.cancel_scope.cancel()


async def _drip(stream: TlsStream) -> None:
    for byte in b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 1000:
        await send_all(stream, bytes([byte]))
        await trio.sleep(0.05)


async def test_a_handshake_that_never_comes_is_cut_off(server: TlsServer) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    with trio.fail_after(guard.HANDSHAKE_SECONDS + 3):
        assert await stream.receive_some() == b""
    await stream.aclose()


async def test_tls_1_2_is_refused(server: TlsServer) -> None:
    context = server.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    plain = await trio.open_tcp_stream("127.0.0.1", server.port)
    stream = trio.SSLStream(plain, context, server_hostname="127.0.0.1")
    with pytest.raises(trio.BrokenResourceError):
        await stream.do_handshake()
    await plain.aclose()


async def test_a_context_that_allows_tls_1_2_is_not_served(asgi: ASGIApp) -> None:
    with pytest.raises(ValueError, match="versions below"):
        await serve_https(
            asgi, "127.0.0.1:0", ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), shutdown=trio.Event()
        )


async def test_connections_beyond_the_limit_are_closed_at_once(asgi: ASGIApp) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        server = await running_https(nursery, asgi, stop, ConnectionLimit(total=3, per_address=2))
        async with server.connected(source="127.0.0.9"), server.connected(source="127.0.0.9"):
            with pytest.raises(trio.BrokenResourceError):
                async with server.connected(source="127.0.0.9"):
                    pass
            async with server.connected():
                with pytest.raises(trio.BrokenResourceError):
                    async with server.connected(source="127.0.0.8"):
                        pass
        assert server.limit.refused == 2
        with trio.fail_after(5):
            await until(lambda: not server.limit.open)
        await server.assert_answers()
        stop.set()


# --- bodies ---------------------------------------------------------------------------------------------------------


def login_head(extra: bytes) -> bytes:
    return b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + extra + b"\r\n"


async def test_a_declared_body_over_the_limit_is_413_and_the_connection_is_closed(server: TlsServer) -> None:
    size = limits.ANYBODY_BYTES + 1
    with trio.fail_after(5):
        answer = await server.exchange(login_head(b"Content-Length: %d\r\n" % size) + b"x" * size)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()
    await server.assert_answers()


async def test_a_chunked_body_over_the_limit_is_413_and_not_kept(server: TlsServer) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    async with server.connected() as stream:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send_forever, stream, login_head(b"Transfer-Encoding: chunked\r\n"), chunk)
                answer = await read_all(stream)
                nursery.cancel_scope.cancel()
    assert answer.startswith(b"HTTP/1.1 413 ")
    await server.assert_answers()


async def _send_forever(stream: TlsStream, head: bytes, chunk: bytes) -> None:
    await send_all(stream, head)
    while True:
        await send_all(stream, chunk)
        await trio.lowlevel.checkpoint()


async def test_a_body_over_the_limit_is_413_over_http2_too(server: TlsServer) -> None:
    async with server.connected("h2") as stream:
        client = Http2(stream)
        headers = [*without("", method="POST", path="/api/v1/auth/login"), ("content-type", "application/json")]
        client.connection.send_headers(1, headers)
        for _ in range(3):
            client.connection.send_data(1, b"x" * 16_384)
        await client.flush()
        with trio.fail_after(10):
            seen: list[h2.events.ResponseReceived] = []
            while not seen:
                window = client.connection.local_flow_control_window(1)
                if window:
                    client.connection.send_data(1, b"x" * min(window, 16_384))
                    await client.flush()
                events = client.connection.receive_data(bytes(await stream.receive_some()))
                seen += [event for event in events if isinstance(event, h2.events.ResponseReceived)]
            assert (":status", "413") in [(str(name), str(value)) for name, value in seen[0].headers or []]
            assert await read_all(stream) is not None  # until the server closes
    await server.assert_answers()


async def test_small_bodies_are_read_however_they_come(server: TlsServer) -> None:
    chunked = b"2\r\n{}\r\n0\r\n\r\n"
    answer = await server.exchange(login_head(b"Transfer-Encoding: chunked\r\nConnection: close\r\n") + chunked)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"/username" in answer


async def test_those_who_are_signed_in_may_send_more(server: TlsServer, people: People) -> None:
    token = await people.token(await people.add("ann"))
    head = login_head(b"Authorization: Bearer %s\r\nConnection: close\r\n" % token.encode())
    for size, status in ((limits.ANYBODY_BYTES + 1, b"400"), (limits.SIGNED_IN_BYTES + 1, b"413")):
        sized = head[:-2] + b"Content-Length: %d\r\n\r\n" % size
        answer = await server.exchange(sized + b"x" * size)
        assert answer.startswith(b"HTTP/1.1 " + status)


async def test_an_early_answer_over_http2_leaves_the_connection_usable(server: TlsServer) -> None:
    async with server.connected("h2") as stream:
        client = Http2(stream)
        client.connection.send_headers(1, without("", method="POST", path="/api/v1/nothing"))
        await client.flush()
        with trio.fail_after(5):
            await client.until(h2.events.StreamEnded)
            client.connection.send_data(1, b"x" * 1000, end_stream=True)
            client.connection.send_headers(3, HEADERS, end_stream=True)
            await client.flush()
            events = await client.until(h2.events.StreamEnded)
    assert [event.stream_id for event in events if isinstance(event, h2.events.ResponseReceived)] == [3]


async def test_a_browser_that_stays_is_answered_however_often_it_asks(echoing: TlsServer) -> None:
    async with echoing.connected("h2") as stream:
        client = Http2(stream)
        with trio.fail_after(30):
            for number in range(1200):
                client.connection.send_headers(2 * number + 1, HEADERS, end_stream=True)
                await client.flush()
                events = await client.until(h2.events.StreamEnded)
                assert not [event for event in events if isinstance(event, h2.events.ConnectionTerminated)], number


async def large(scope: Any, receive: Any, send: Any) -> None:
    """Answers a megabyte at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(1024 * 1024), "more_body": False})


async def test_answers_that_nobody_takes_are_not_kept_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    push = StreamBuffer.push

    async def watched(self: StreamBuffer, data: bytes) -> None:
        kept.append(len(self.buffer) + len(data))
        await push(self, data)

    monkeypatch.setattr(StreamBuffer, "push", watched)
    monkeypatch.setattr(guarded_protocols, "STALL_SECONDS", 0.2)
    async with trio.open_nursery() as nursery:
        server = await running_https(nursery, large, trio.Event())
        async with server.connected("h2") as stream:
            client = Http2(stream)
            client.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
            for stream_id in range(1, 41, 2):
                client.connection.send_headers(stream_id, HEADERS, end_stream=True)
            await client.flush()
            reset: set[int] = set()
            with trio.fail_after(10):
                while len(reset) < 20:
                    events = await client.until(h2.events.StreamReset)
                    reset |= {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
            client.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**20})
            client.connection.increment_flow_control_window(2**20)
            client.connection.send_headers(41, HEADERS, end_stream=True)
            await client.flush()
            with trio.fail_after(10):
                events = await client.until(h2.events.StreamEnded)  # the connection goes on
        nursery.cancel_scope.cancel()
    assert sum(len(event.data) for event in events if isinstance(event, h2.events.DataReceived)) == 1024 * 1024
    assert max(kept) <= guarded_protocols.PART_BYTES


async def hasty(scope: Any, receive: Any, send: Any) -> None:
    """Answers; below /cancelled as a handler does whose browser went away while it was busy."""
    name = scope["path"].removeprefix("/").encode()
    with trio.CancelScope() as handler:
        if name.startswith(b"cancelled"):
            handler.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-name", name)]})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})


async def test_a_handler_cancelled_while_it_answers_leaves_the_connection_usable() -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        server = await running_https(nursery, hasty, stop)
        async with server.connected("h2") as stream:
            client = Http2(stream)
            for number, path in enumerate(
                ("/first", "/cancelled-1", "/cancelled-2", "/last", "/cancelled-1", "/first")
            ):
                client.connection.send_headers(2 * number + 1, without("", path=path), end_stream=True)
                await client.flush()
                with trio.fail_after(5):
                    events = await client.until(h2.events.ResponseReceived)
                answers = [event for event in events if isinstance(event, h2.events.ResponseReceived)]
                assert path.removeprefix("/") in [str(value) for _, value in answers[0].headers or []]
        stop.set()
