"""A bare ASGI app behind the guard, and a WebSocket client that speaks to it."""

from __future__ import annotations

from typing import Any

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping, Request

from tests.http.tls_client import TlsStream, send_all


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Accepts WebSockets and sends back what comes; answers 200 to requests; streams without end below /flood."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while scope["path"] == "/flood":
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"], "text": message["text"]})


class Socket:
    """A WebSocket client over a TLS stream."""

    def __init__(self, stream: TlsStream) -> None:
        self.stream = stream
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.pending: list[Any] = []

    async def send(self, event: Any) -> None:
        await send_all(self.stream, self.ws.send(event))

    async def next(self) -> Any:
        """The next event; None when the server has closed the connection."""
        with trio.fail_after(5):
            while True:
                self.pending += [event for event in self.ws.events() if not isinstance(event, Ping)]
                if self.pending:
                    return self.pending.pop(0)
                try:
                    data = await self.stream.receive_some()
                except trio.BrokenResourceError:
                    return None
                if not data:
                    return None
                self.ws.receive_data(bytes(data))


async def opened(stream: TlsStream, **options: Any) -> Socket:
    socket = Socket(stream)
    await socket.send(Request(host="localhost", target="/echo", **options))
    accepted = await socket.next()
    assert isinstance(accepted, AcceptConnection)
    return socket
