"""A browser's end of the live stream over a real TLS socket (RFC 6455 by wsproto)."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, RejectConnection, RejectData, Request

from tests.http.tls_client import TlsServer

PATH = "/api/v1/live"


class Rejected(Exception):
    """The upgrade was answered with a status instead."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:200]!r}")
        self.status = status
        self.problem = orjson.loads(body)


class Closed(Exception):
    """The server closed the stream."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class LiveClient:
    """Sends and receives JSON messages."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        self._text = ""

    async def upgrade(self, host: str, origin: str | None) -> None:
        """Raises `Rejected`."""
        headers = [] if origin is None else [(b"origin", origin.encode())]
        await self._stream.send_all(self._ws.send(Request(host=host, target=PATH, extra_headers=headers)))
        status, body = 0, b""
        while True:
            event = await self._next()
            match event:
                case AcceptConnection():
                    return
                case RejectConnection(status_code=code):
                    status = code
                case RejectData(data=data, body_finished=finished):
                    body += bytes(data)
                    if finished:
                        raise Rejected(status, body)

    async def send(self, message: object) -> None:
        """Send JSON, or text as it is."""
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        await self._stream.send_all(self._ws.send(Message(data=text)))

    async def receive(self) -> Any:
        """The next message. Raises `Closed`."""
        with trio.fail_after(10):
            while True:
                match await self._next():
                    case Message(data=str(data), message_finished=finished):
                        self._text += data
                        if finished:
                            text, self._text = self._text, ""
                            return orjson.loads(text)
                    case CloseConnection(code=code):
                        raise Closed(code)

    async def receive_of(self, kind: str) -> Any:
        """The next message of one type; others are passed over."""
        while (message := await self.receive())["type"] != kind:
            pass
        return message

    async def closed(self) -> int:
        """The code that the server closes with; messages before it are passed over."""
        try:
            while True:
                await self.receive()
        except Closed as closed:
            return closed.code

    async def _next(self) -> Event:
        while not self._events:
            data = await self._stream.receive_some()
            self._ws.receive_data(bytes(data) or None)
            self._events.extend(self._ws.events())
        return self._events.popleft()


@asynccontextmanager
async def live(server: TlsServer, *, origin: str | None = "") -> AsyncIterator[LiveClient]:
    """An open stream, not signed in. ``origin`` empty: the server's own. Raises `Rejected`."""
    async with server.connected() as stream:
        client = LiveClient(stream)
        await client.upgrade(f"127.0.0.1:{server.port}", server.origin if origin == "" else origin)
        yield client
