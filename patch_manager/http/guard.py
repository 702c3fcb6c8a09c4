"""The HTTPS server: Hypercorn's Trio connection handling, with each connection fenced in (TRUST 23).

Whatever a client sends or does not send ends its own connection at most. Every wait on a client has a deadline, also
the sends that Hypercorn shields from cancellation, so that a stalled browser holds up nothing (shutdown included).
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.logging import Logger
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from patch_manager.http.guarded_protocols import MAX_MESSAGE_BYTES, GuardedH2, GuardedH11

_log = structlog.get_logger(__name__)

CLOSE_CONNECTION = "patch_manager.close"  # key in the ASGI scope's state: call it to close after the answer

HANDSHAKE_SECONDS = 10
IDLE_SECONDS = 30  # without a complete request head; dripping one byte at a time does not prolong it
SEND_SECONDS = 20.0
CLOSE_SECONDS = 1.0
AFTERLIFE_SECONDS = 5.0
GRACE_SECONDS = 3.0
MAX_CONNECTIONS = 1000
MAX_CONNECTIONS_PER_ADDRESS = 200

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)

Scope = Any
ASGIApp = Callable[[Scope, Any, Any], Awaitable[None]]
TlsListener = trio.SSLListener[trio.SocketStream]
TlsStream = trio.SSLStream[trio.SocketStream]


class _Logger(Logger):
    """Hypercorn's own words as structured events; requests are logged by `limits.Gate`."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.access_logger = None

    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        _log.error("http.app_failed", reason=message, exc_info=True)


def hypercorn_config() -> Config:
    """Limits of the protocol layer."""
    config = Config()
    config.logger_class = _Logger
    config.errorlog = None
    config.accesslog = None
    config.include_server_header = False
    config.ssl_handshake_timeout = HANDSHAKE_SECONDS
    config.keep_alive_timeout = IDLE_SECONDS
    # Without end: beyond it Hypercorn cuts an HTTP/2 connection off with the requests in hand unanswered.
    config.keep_alive_max_requests = sys.maxsize
    config.websocket_max_message_size = MAX_MESSAGE_BYTES
    config.websocket_ping_interval = 20.0
    config.h11_max_incomplete_size = 32 * 1024
    config.h2_max_header_list_size = 32 * 1024
    config.h2_max_concurrent_streams = 32  # handlers of requests that anybody may make
    return config


class ConnectionLimit:
    """How many connections there are, in total and per address."""

    def __init__(self, total: int = MAX_CONNECTIONS, per_address: int = MAX_CONNECTIONS_PER_ADDRESS) -> None:
        self._total = total
        self._per_address = per_address
        self._by_address: Counter[str] = Counter()
        self.refused = 0

    @property
    def open(self) -> int:
        """Connections right now."""
        return self._by_address.total()

    def enter(self, address: str) -> bool:
        """Count a connection in; False when there are too many."""
        if self.open >= self._total or self._by_address[address] >= self._per_address:
            self.refused += 1
            return False
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count it out."""
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


class OpenServers:
    """The connections being served; what a stop waits for."""

    def __init__(self) -> None:
        self._servers: set[GuardedServer] = set()
        self._empty = trio.Event()

    def add(self, server: GuardedServer) -> None:
        """A connection begins."""
        self._servers.add(server)

    def discard(self, server: GuardedServer) -> None:
        """A connection has ended."""
        self._servers.discard(server)
        if not self._servers:
            self._empty.set()
            self._empty = trio.Event()

    def all(self) -> list[GuardedServer]:
        """Those that are open now."""
        return list(self._servers)

    async def wait_empty(self) -> None:
        """Return when none is open."""
        while self._servers:
            await self._empty.wait()


class GuardedServer(TCPServer):
    """One connection. `run` returns or is cancelled; it never raises what the connection did."""

    protocol: H11Protocol | H2Protocol  # type: ignore[assignment]  # without Hypercorn's switching wrapper
    stream: TlsStream

    def __init__(
        self, app: ASGIWrapper, config: Config, context: WorkerContext, open_servers: OpenServers, stream: Any
    ) -> None:
        super().__init__(app, config, context, ConnectionState({}), stream)
        self._open_servers = open_servers
        self._closing = False

    async def run(self) -> None:
        self._open_servers.add(self)
        try:
            with trio.fail_after(self.config.ssl_handshake_timeout):
                await self.stream.do_handshake()
            await self._serve()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, ssl.SSLError):
            pass  # the network, or a client that is none
        except* Exception as group:
            _log.warning("http.connection_failed", errors=_names(group))
        finally:
            self._open_servers.discard(self)
            with trio.CancelScope(shield=True):
                await self._close()

    async def _serve(self) -> None:
        socket = self.stream.transport_stream.socket
        client = parse_socket_addr(socket.family, socket.getpeername())
        server = parse_socket_addr(socket.family, socket.getsockname())
        state = ConnectionState({CLOSE_CONNECTION: self.close_soon})
        async with TaskGroup() as task_group:
            self._task_group = task_group
            shared = (self.app, self.config, self.context, task_group, state, True, client, server, self.protocol_send)
            if self.stream.selected_alpn_protocol() == "h2":
                self.protocol = GuardedH2(*shared, config=self.config)
            else:
                self.protocol = GuardedH11(*shared)
            await self.protocol.initiate()
            await self.idle_task.restart(task_group, self._idle_timeout)
            await self._read_data()
            await self.idle_task.stop()
            # Handlers whose client has gone are told by Closed; pings and what does not listen are not waited for.
            nursery = task_group._nursery
            assert nursery is not None  # noqa: S101  # inside its block
            nursery.cancel_scope.deadline = trio.current_time() + AFTERLIFE_SECONDS

    def close_soon(self) -> None:
        """Close the connection once the answer in hand has been sent; for requests that are not worth the next one."""
        self._closing = True

    def abort(self) -> None:
        """Cut the connection: waits on it, shielded or not, end at once."""
        self.stream.transport_stream.socket.close()

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            if isinstance(event, Closed):
                await self._close()
                await self.protocol.handle(event)
            else:
                await super().protocol_send(event)
                if self._closing and getattr(event, "idle", False):
                    await self.protocol_send(Closed())
            return
        if not await self._send(event.data):
            await self.protocol.handle(Closed())
            await trio.lowlevel.checkpoint_if_cancelled()  # the answer may be endless

    async def _send(self, data: bytes) -> bool:
        """Send all of it, in turn; False when the connection is no more.

        A handler whose browser went away is cancelled while its answer goes out. What has left the protocol's state
        must go all the same, and be noted as sent: half a TLS record spoils the stream, a lost or repeated HEADERS
        frame the compression of all later ones (RFC 7541 2.2). Hence the shield, the wait for one's turn included,
        and no cancellation after a success; each turn has a deadline, because browsers stall.
        """
        sent = False
        with trio.CancelScope(shield=True):
            async with self.send_lock:
                with trio.move_on_after(SEND_SECONDS) as waiting, contextlib.suppress(*_GONE):
                    await self.stream.send_all(data)
                    sent = True
                if waiting.cancelled_caught:
                    self.abort()
        return sent

    async def _close(self) -> None:
        """Say goodbye if that is quick, cut it otherwise."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            with contextlib.suppress(trio.BrokenResourceError, trio.BusyResourceError, OSError):
                await self.stream.aclose()
        await trio.aclose_forcefully(self.stream.transport_stream)

    async def _initiate_server_close(self) -> None:
        await self.protocol.handle(Closed())
        await self._close()


async def serve_https(
    app: ASGIApp,
    bind: str,
    tls: ssl.SSLContext,
    *,
    shutdown: trio.Event,
    limit: ConnectionLimit | None = None,
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``app`` over HTTPS until ``shutdown`` is set; run it as a sibling of the actors, never around them.

    Reports ``(address, port)`` through ``task_status`` once it listens. After ``shutdown``: no new connections, idle
    ones are closed, requests in hand have 3 s, then everything is cut; it returns within 5 s whatever clients do.

    Args:
        app: ASGI; no lifespan is spoken.
        bind: ``ADDRESS:PORT``, an IPv6 address in brackets; port 0 picks one.
        tls: TLS 1.3 server context; reloads happen inside it (`pki.tls.HttpsTls`).

    Raises:
        OSError: the address cannot be bound.
        ValueError: TLS below 1.3 is allowed by the context (TRUST 14).
    """
    if tls.minimum_version < ssl.TLSVersion.TLSv1_3:
        raise ValueError("the server's TLS context allows versions below 1.3")
    host, port = split_bind(bind)
    limit = limit or ConnectionLimit()
    config = hypercorn_config()
    context = WorkerContext(None)
    servers = OpenServers()
    sockets = await trio.open_tcp_listeners(port, host=host, backlog=256)
    listeners = [trio.SSLListener(each, tls, https_compatible=True) for each in sockets]
    make = partial(GuardedServer, ASGIWrapper(app), config, context, servers)
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            accepting.start_soon(
                partial(trio.serve_listeners, partial(_connection, make, limit), listeners, handler_nursery=connections)
            )
            bound = sockets[0].socket.getsockname()
            task_status.started((bound[0], bound[1]))
            await shutdown.wait()
            accepting.cancel_scope.cancel()
        await context.terminated.set()  # idle connections close on it
        with trio.move_on_after(GRACE_SECONDS):
            await servers.wait_empty()
        for server in servers.all():
            server.abort()
        connections.cancel_scope.cancel()


async def _connection(make: Callable[[Any], GuardedServer], limit: ConnectionLimit, stream: TlsStream) -> None:
    try:
        address = str(stream.transport_stream.socket.getpeername()[0])
    except OSError:
        address = ""
    if not address or not limit.enter(address):
        await trio.aclose_forcefully(stream)
        return
    try:
        await make(stream).run()
    finally:
        limit.leave(address)


def split_bind(bind: str) -> tuple[str, int]:
    """Host and port of ``ADDRESS:PORT``."""
    host, _, port = bind.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _names(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """The kinds of errors in a group; their texts may quote the client."""
    names: list[str] = []
    for error in group.exceptions:
        names += _names(error) if isinstance(error, BaseExceptionGroup) else [type(error).__name__]
    return names
