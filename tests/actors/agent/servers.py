"""Scripted agents: tiny TLS servers that do exactly one thing, to test the client against AGENT_API alone."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from patch_manager.actors.agent.address_policy import AddressPolicy
from patch_manager.actors.agent.client import AgentClient, Patience
from patch_manager.actors.agent.connection import AgentConnection, open_connection
from patch_manager.actors.agent.rate_budget import RateGate

LOOPBACK = AddressPolicy(allow_loopback=True)
QUICK = Patience(refreshing=2.0, answer=2.0, drip=0.3, drip_list=0.3)

Stream = trio.SSLStream[trio.SocketStream]


def ok(data: object) -> dict[str, Any]:
    """The envelope of a success."""
    return {"success": True, "request_id": "r", "timestamp": "2025-01-01T00:00:00Z", "data": data, "error": None}


def error(code: str, message: str = "no") -> dict[str, Any]:
    """The envelope of an error."""
    return {"success": False, "data": None, "error": {"code": code, "message": message, "retryable": False}}


def response(status: int, body: object = b"", *headers: str) -> bytes:
    """A whole HTTP answer; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = "\r\n".join([f"HTTP/1.1 {status} Words", f"Content-Length: {len(raw)}", *headers])
    return f"{head}\r\n\r\n".encode() + raw


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Agent:
    """A running scripted agent. ``received`` counts decrypted bytes, so 0 proves that no request byte was sent."""

    port: int = 0
    connections: int = 0
    handshakes: int = 0
    received: int = 0
    requests: list[Asked] = field(default_factory=list)

    async def next_request(self, stream: Stream) -> Asked | None:
        """Read one request; None at the end of the stream."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = await self.read(stream)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        length = int(dict(headers).get("content-length", "0"))
        while len(body) < length:
            body += await self.read(stream)
        self.requests.append(Asked(method, target, headers, body))
        return self.requests[-1]

    async def read(self, stream: Stream) -> bytes:
        """Read some bytes and count them."""
        try:
            data = bytes(await stream.receive_some(65536))
        except trio.BrokenResourceError:
            return b""
        self.received += len(data)
        return data


Script = Callable[[Agent, Stream], Awaitable[None]]


@asynccontextmanager
async def tls_agent(context: ssl.SSLContext, script: Script) -> AsyncIterator[Agent]:
    """Run ``script`` for each connection after its TLS handshake, on a free port of 127.0.0.1."""
    agent = Agent()

    async def handle(transport: trio.SocketStream) -> None:
        agent.connections += 1
        stream = trio.SSLStream(transport, context, server_side=True, https_compatible=True)
        try:
            await stream.do_handshake()
            agent.handshakes += 1
            await script(agent, stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left, or the handshake was meant to fail
        finally:
            await trio.aclose_forcefully(transport)

    async with tcp_agent(handle) as port:
        agent.port = port
        yield agent


@asynccontextmanager
async def tcp_agent(handle: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Accept on a free port of 127.0.0.1 and yield the port. A test that hangs in here fails after 20 s."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(_serve, handle)
            yield listeners[0].socket.getsockname()[1]
            nursery.cancel_scope.cancel()


async def _serve(
    handle: Callable[[trio.SocketStream], Awaitable[None]], *, task_status: trio.TaskStatus[list[trio.SocketListener]]
) -> None:
    await trio.serve_tcp(handle, 0, host="127.0.0.1", task_status=task_status)


@asynccontextmanager
async def refusing_agent(context: ssl.SSLContext) -> AsyncIterator[int]:
    """An agent whose TLS refuses, and says so in an alert as servers do (Trio's SSLStream drops its alerts)."""

    async def handle(transport: trio.SocketStream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        async with transport:
            while True:
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    await transport.send_all(outgoing.read())
                    incoming.write(await transport.receive_some(65536))
                except ssl.SSLError:
                    await transport.send_all(outgoing.read())
                    while await transport.receive_some(65536):
                        pass  # a reset could overtake the alert
                    return

    async with tcp_agent(handle) as port:
        yield port


def answers(*replies: bytes) -> Script:
    """Answer one request after another on the same connection, then close; the last reply repeats."""

    async def script(agent: Agent, stream: Stream) -> None:
        for index in range(1_000):
            if await agent.next_request(stream) is None:
                return
            await stream.send_all(replies[min(index, len(replies) - 1)])

    return script


def routes(table: dict[str, bytes], otherwise: bytes | None = None) -> Script:
    """Answer by target."""

    async def script(agent: Agent, stream: Stream) -> None:
        while (asked := await agent.next_request(stream)) is not None:
            await stream.send_all(table.get(asked.target, otherwise or response(404, error("NOT_FOUND"))))

    return script


def client_of(port: int, context: ssl.SSLContext, *, budget: RateGate | None = None) -> AgentClient:
    """A client with short patience and no waiting for the budget (unless one is given)."""

    async def connect() -> AgentConnection:
        return await open_connection("127.0.0.1", port, context, LOOPBACK, connect_timeout=2.0)

    return AgentClient(connect, budget=budget or Unlimited(), patience=QUICK)


class Unlimited(RateGate):
    """A budget that is never used up; remembers what the agent asked for."""

    __slots__ = ("blocked",)

    def __init__(self) -> None:
        super().__init__()
        self.blocked: list[tuple[str, float]] = []

    async def read(self) -> None:
        await trio.lowlevel.checkpoint()

    async def write(self) -> None:
        await trio.lowlevel.checkpoint()

    def block_reads(self, seconds: float) -> None:
        self.blocked.append(("reads", seconds))

    def block_writes(self, seconds: float) -> None:
        self.blocked.append(("writes", seconds))
