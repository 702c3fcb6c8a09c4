"""A real HTTPS server for tests and the raw sockets that misuse it."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import httpx
import trio

from patch_manager.http.guard import ASGIApp, ConnectionLimit, serve_https
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.identities import https_request
from patch_manager.pki.tls import HttpsTls
from patch_manager.pki.upkeep import key_pair
from patch_manager.pki.vault import Vault

TlsStream = trio.SSLStream[trio.SocketStream]


@dataclass(frozen=True)
class TlsServer:
    """Where it listens and how to trust it."""

    port: int
    root_pem: str
    limit: ConnectionLimit

    @property
    def origin(self) -> str:
        """What a browser at this address calls it."""
        return f"https://127.0.0.1:{self.port}"

    def trust(self, *alpn: str) -> ssl.SSLContext:
        """A client's context."""
        context = ssl.create_default_context(cadata=self.root_pem)
        context.set_alpn_protocols(list(alpn or ("http/1.1",)))
        return context

    @asynccontextmanager
    async def connected(self, *alpn: str, source: str = "127.0.0.1") -> AsyncIterator[TlsStream]:
        """A TLS connection."""
        plain = await trio.open_tcp_stream("127.0.0.1", self.port, local_address=source)
        stream = trio.SSLStream(plain, self.trust(*alpn), server_hostname="127.0.0.1", https_compatible=True)
        try:
            await stream.do_handshake()
            yield stream
        finally:
            await trio.aclose_forcefully(stream)

    async def exchange(self, request: bytes) -> bytes:
        """Send bytes over HTTP/1.1, and everything that comes back until the server closes or ten seconds passed."""
        async with self.connected() as stream:
            with trio.move_on_after(10):
                await send_all(stream, request)
                return await read_all(stream)
        return b""

    async def assert_answers(self) -> None:
        """The server still works, over both versions of HTTP."""
        for http2 in (False, True):
            with trio.fail_after(5):
                async with httpx.AsyncClient(verify=self._context(http2), http1=not http2, http2=http2) as client:
                    answer = await client.get(f"{self.origin}/healthz")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2" if http2 else "HTTP/1.1")

    def _context(self, http2: bool) -> ssl.SSLContext:
        return self.trust("h2" if http2 else "http/1.1")


async def send_all(stream: TlsStream, data: bytes) -> None:
    """Send, though the server may have hung up already."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(data)


async def read_all(stream: TlsStream) -> bytes:
    """Everything until the server closes, tidily or not."""
    received = bytearray()
    with suppress(trio.BrokenResourceError):
        async for chunk in stream:
            received += chunk
    return bytes(received)


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; callers bound the wait."""
    while not condition():  # noqa: ASYNC110  # what is waited for happens in the kernel and in Hypercorn
        await trio.sleep(0.01)


async def running_https(
    nursery: trio.Nursery, app: ASGIApp, shutdown: trio.Event, limit: ConnectionLimit | None = None
) -> TlsServer:
    """Start a server in ``nursery``."""
    with tempfile.TemporaryDirectory() as directory:
        authority = CertificateAuthority.load_or_create(Path(directory) / "pki", Vault(bytes(32)))
        pair = key_pair(authority.sign(https_request("https://127.0.0.1:8443", hostname="localhost")))
    limit = limit or ConnectionLimit()
    tls = HttpsTls(pair)
    _, port = await nursery.start(partial(serve_https, app, "127.0.0.1:0", tls.context, shutdown=shutdown, limit=limit))
    return TlsServer(port, authority.root_pem.decode(), limit)


class Http2:
    """A hand-driven HTTP/2 client that may send what no client should."""

    def __init__(self, stream: TlsStream) -> None:
        self.stream = stream
        config = h2.config.H2Configuration(
            client_side=True,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            header_encoding="utf-8",
        )
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()

    async def flush(self) -> None:
        """Send what is pending."""
        await send_all(self.stream, self.connection.data_to_send())

    async def until(self, kind: type[h2.events.Event]) -> list[h2.events.Event]:
        """Events up to one of that kind, or to the end of the connection."""
        seen: list[h2.events.Event] = []
        while not any(isinstance(event, kind) for event in seen):
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data:
                break
            seen += self.connection.receive_data(data)
            await self.flush()
        return seen
