"""Hypercorn's protocols with the holes closed that unauthenticated packets get through (TRUST 23, library traps).

Pinned to Hypercorn 0.18; ``tests/http/test_guard.py`` sends the packets. What is left open anyway ends one connection
only, in `guard.GuardedServer`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.events import Event as WireEvent
from hypercorn.protocol.events import Body, Data, Event, Request, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer, WSStream
from wsproto.events import CloseConnection, Message, Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

MAX_MESSAGE_BYTES = 64 * 1024
PART_BYTES = 16 * 1024  # of an answer over HTTP/2 that is kept beside it; Hypercorn's buffer takes whole bodies
STALL_SECONDS = 20.0  # a client that makes no room for the next part has its stream reset

Headers = Sequence[tuple[bytes, bytes]]


class ProtocolViolation(Exception):
    """The client broke the protocol; its connection is closed without more ado."""


class CappedBuffer(WebsocketBuffer):
    """Refuses a message before keeping the bytes that are too many; Hypercorn's keeps them and looks afterwards."""

    def extend(self, event: Message[Any]) -> None:
        size = len(event.data.encode()) if isinstance(event.data, str) else len(event.data)
        if self.length + size > self.max_length:
            raise FrameTooLargeError
        super().extend(event)


class GuardedWebSocket(WSStream):
    """A WebSocket without extensions (a deflated message may be a bomb) and with messages of bounded size."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._over = trio.Event()

    async def handle(self, event: Event) -> None:
        if isinstance(event, StreamClosed):
            self._over.set()
        if isinstance(event, Request):
            self.buffer = CappedBuffer(MAX_MESSAGE_BYTES)
            kept = [pair for pair in event.headers if pair[0].lower() != b"sec-websocket-extensions"]
            event = replace(event, headers=kept)
        elif isinstance(event, (Body, Data)) and not self.closed and not self.handshake.accepted:
            # RFC 6455 4.1: a client waits for the handshake's answer. Hypercorn would answer twice and raise.
            raise ProtocolViolation("bytes before the WebSocket was accepted")
        try:
            await super().handle(event)
        except RemoteProtocolError as error:
            if error.event_hint is not None:
                await self._send_wsproto_event(error.event_hint)
            await self._give_up()

    async def _handle_events(self) -> None:
        try:
            await self._handle_capped_events()
        except FrameTooLargeError:
            await self._send_wsproto_event(CloseConnection(code=CloseReason.MESSAGE_TOO_BIG))
            await self._give_up()

    async def _handle_capped_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                self.buffer.extend(event)
                if event.message_finished:
                    assert self.app_put is not None  # noqa: S101  # set when the handshake began
                    await self.app_put(self.buffer.to_message())
                    self.buffer.clear()
            elif isinstance(event, CloseConnection):
                await self._send_wsproto_event(event.response())
                await self.send(StreamClosed(stream_id=self.stream_id))
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())

    async def _send_pings(self) -> None:
        """As Hypercorn does, but without outliving the socket by a whole interval."""
        while not self._over.is_set():
            await self._send_wsproto_event(Ping())
            with trio.move_on_after(self.config.websocket_ping_interval or math.inf):
                await self._over.wait()

    async def _give_up(self) -> None:
        """Close at once and look at nothing more that comes."""
        await self.send(StreamClosed(stream_id=self.stream_id))
        self.closed = True


class GuardedH11(H11Protocol):
    """HTTP/1.1 that never turns into HTTP/2 in the clear, with guarded WebSockets."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Over TLS, HTTP/2 is agreed on by ALPN only; an upgrade to h2c is a way around checks (request smuggling)."""

    async def _create_stream(self, request: h11.Request) -> None:
        if not _asks_for_websocket(request):
            # Hypercorn looks at the same headers; without this one it cannot take the request for a WebSocket.
            await super()._create_stream(_without_upgrade(request))
            return
        connection = self.connection
        assert isinstance(connection, h11.Connection)  # noqa: S101  # upgraded at most once
        self.stream = GuardedWebSocket(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        self.connection = H11WSConnection(connection)
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method="GET",
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()


class GuardedH2(H2Protocol):
    """HTTP/2 without CONNECT (browsers then open WebSockets over HTTP/1.1); a bad request ends its stream only.

    A client with a window of zero can ask for a hundred answers on each connection and take none. So an answer goes
    into its stream's buffer in small parts, and waits for room a while only.
    """

    def __init__(self, *args: object, config: Config) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # passed through
        codes = h2.settings.SettingCodes
        self.connection.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                codes.MAX_CONCURRENT_STREAMS: config.h2_max_concurrent_streams,
                codes.MAX_HEADER_LIST_SIZE: config.h2_max_header_list_size,
            },
        )

    async def handle(self, event: WireEvent) -> None:
        try:
            await super().handle(event)
        except h2.exceptions.ProtocolError:
            # Raised outside of Hypercorn's own try, e.g. for a frame on a stream that was reset meanwhile.
            if isinstance(event, RawData):
                await self.send(Closed())

    async def stream_send(self, event: StreamEvent) -> None:
        parts = _parts(event) if isinstance(event, Body) else [event]
        for part in parts:
            with trio.move_on_after(STALL_SECONDS) as waiting:
                await super().stream_send(part)
                buffer = self.stream_buffers.get(event.stream_id)
                if buffer is not None and buffer.buffer:
                    # Hypercorn's own wait for room ends as soon as its sender passes by, room or not.
                    await buffer.drain()
            if waiting.cancelled_caught:
                await self._reset(event.stream_id)
                return

    async def _reset(self, stream_id: int) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
        await self._close_stream(stream_id)  # tells the app
        await self._window_updated(stream_id)  # wakes the sender, which drops the buffer
        await self._flush()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.RequestReceived) and not acceptable(event.headers or []):
                self.connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.PROTOCOL_ERROR)
                await super()._handle_events([])  # flushes
            elif isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                # The answer went out before the whole body came in. The bytes count for flow control all the same.
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            else:
                await super()._handle_events([event])


def _parts(body: Body) -> Iterator[Body]:
    if len(body.data) <= PART_BYTES:
        yield body
        return
    for start in range(0, len(body.data), PART_BYTES):
        yield replace(body, data=body.data[start : start + PART_BYTES])


def acceptable(headers: Headers) -> bool:
    """Whether an HTTP/2 request has what Hypercorn takes for granted: a method and an ASCII path, each once."""
    methods = [value for name, value in headers if name == b":method"]
    paths = [value for name, value in headers if name == b":path"]
    return (
        len(methods) == 1
        and methods[0].isalpha()
        and methods[0].upper() != b"CONNECT"
        and len(paths) == 1
        and paths[0].isascii()
        and paths[0].startswith((b"/", b"*"))
    )


def _asks_for_websocket(request: h11.Request) -> bool:
    values = {name.lower(): value.strip().lower() for name, value in request.headers}
    tokens = [token.strip() for token in values.get(b"connection", b"").split(b",")]
    return request.method == b"GET" and b"upgrade" in tokens and values.get(b"upgrade") == b"websocket"


def _without_upgrade(request: h11.Request) -> h11.Request:
    if all(name != b"upgrade" for name, _ in request.headers):
        return request
    kept = [(name, value) for name, value in request.headers if name != b"upgrade"]
    return h11.Request(method=request.method, target=request.target, headers=kept, http_version=request.http_version)
