"""A mail server and a webhook receiver on 127.0.0.1 that do as a test says, made with Trio alone."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import trio

Stream = trio.abc.Stream


@dataclass
class Received:
    """One POST as it arrived."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        return dict(orjson.loads(self.body))


@dataclass
class Receiver:
    """A webhook. ``answer`` is what it says; None: nothing, for ever."""

    port: int = 0
    answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    received: list[Received] = field(default_factory=list)

    def refuse(self, status: int, *headers: str, body: str = "") -> None:
        """Answer with a status from now on."""
        head = "\r\n".join([f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *headers])
        self.answer = f"{head}\r\n\r\n{body}".encode()

    async def serve(self, stream: Stream) -> None:
        """One request."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = bytes(await stream.receive_some(65536))
            if not more:
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        while len(body) < int(headers["content-length"]):
            body += await stream.receive_some(65536)
        self.received.append(Received(first.split(" ")[1], headers, body))
        if self.answer is None:
            await trio.sleep_forever()
        else:
            await stream.send_all(self.answer)


@dataclass
class MailServer:
    """An SMTP server. ``replies`` overrides what it says to a verb; ``extensions`` are offered after EHLO."""

    port: int = 0
    replies: dict[str, str] = field(default_factory=dict)
    extensions: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    heard: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)

    async def serve(self, stream: Stream) -> None:
        """One conversation."""
        await stream.send_all(b"220 here\r\n")
        lines = _Lines(stream)
        while (line := await lines.next()) is not None:
            self.heard.append(line)
            verb = line.split(" ")[0].upper()
            if verb in self.replies:
                reply = self.replies[verb]
            elif verb == "EHLO":
                reply = "\r\n".join([f"250-{word}" for word in ["here", *self.extensions]] + ["250 8BITMIME"])
            elif verb == "DATA":
                await lines.stream.send_all(b"354 go on\r\n")
                self.mails.append(await lines.mail())
                reply = "250 taken"
            else:
                reply = {"STARTTLS": "220 go on", "AUTH": "235 welcome", "QUIT": "221 bye"}.get(verb, "250 yes")
            await lines.stream.send_all(f"{reply}\r\n".encode())
            if verb == "STARTTLS" and self.tls is not None:
                secure = trio.SSLStream(lines.stream, self.tls, server_side=True, https_compatible=True)
                await secure.do_handshake()
                lines = _Lines(secure)


class _Lines:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._data = b""

    async def next(self) -> str | None:
        while b"\r\n" not in self._data:
            more = bytes(await self.stream.receive_some(65536))
            if not more:
                return None
            self._data += more
        line, _, self._data = self._data.partition(b"\r\n")
        return line.decode()

    async def mail(self) -> str:
        lines: list[str] = []
        while (line := await self.next()) not in (".", None):
            lines.append(str(line))
        return "\n".join(lines)


@asynccontextmanager
async def listening(
    serve: Callable[[Stream], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve on a free port of 127.0.0.1, and yield the port. A test that hangs in here fails after a minute."""

    async def handle(transport: trio.SocketStream) -> None:
        stream: Stream = transport
        try:
            if tls is not None:
                secure = trio.SSLStream(transport, tls, server_side=True, https_compatible=True)
                await secure.do_handshake()
                stream = secure
            await serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the client left
        finally:
            await trio.aclose_forcefully(transport)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(_listen, handle)
            yield listeners[0].socket.getsockname()[1]
            nursery.cancel_scope.cancel()


async def _listen(
    handle: Callable[[trio.SocketStream], Awaitable[None]], *, task_status: trio.TaskStatus[list[trio.SocketListener]]
) -> None:
    await trio.serve_tcp(handle, 0, host="127.0.0.1", task_status=task_status)
