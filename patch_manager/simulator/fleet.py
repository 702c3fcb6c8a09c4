"""A simulated fleet in one process: the address that is dialled says which host answers."""

import errno
import functools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from patch_manager.simulator.bodies import Bodies
from patch_manager.simulator.catalogue import Patch, pending_patches
from patch_manager.simulator.certificates import CertificateSource, Contexts
from patch_manager.simulator.connection import serve_connection
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.specs import DEFAULT_PORT, HostSpec

LISTENERS_MAX = 3000  # above this, one socket for all: open files are limited, 20,000 is a common ceiling
_BACKLOG = 128
_WILDCARD_BACKLOG = 4096
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


class Fleet:
    """The running fleet; made by `open_fleet`."""

    def __init__(
        self, specs: Sequence[HostSpec], certificates: CertificateSource, port: int, nursery: trio.Nursery
    ) -> None:
        self.port = port
        self._nursery = nursery
        self._bodies = Bodies()
        self._contexts = Contexts(certificates)
        self._patch_lists: dict[tuple[object, ...], tuple[Patch, ...]] = {}
        self._listeners: dict[str, trio.SocketListener] = {}
        self._one_socket = len(specs) > LISTENERS_MAX
        self._listening = False
        log_size = 500 if len(specs) <= LISTENERS_MAX else 8
        self._hosts = {spec.address: SimulatedHost(spec, self, log_size=log_size) for spec in specs}

    @property
    def hosts(self) -> Sequence[SimulatedHost]:
        return tuple(self._hosts.values())

    def host(self, address: str) -> SimulatedHost:
        """The live host at *address*; raises KeyError."""
        return self._hosts[address]

    @property
    def rate_limited(self) -> int:
        """Requests that met a host's rate limiter."""
        return sum(host.rate_limited for host in self._hosts.values())

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        self._nursery.start_soon(functools.partial(function, *args))

    def initial_patches(self, spec: HostSpec) -> tuple[Patch, ...]:
        if spec.patches is not None:
            return spec.patches
        key = (spec.family, spec.variant, spec.patch_count)
        patches = self._patch_lists.get(key)
        if patches is None:
            patches = self._patch_lists[key] = pending_patches(*key)
        return patches

    def reachability_changed(self, host: SimulatedHost) -> None:
        """Open or close the host's own port, at once: a dial after this call finds the new state."""
        if self._one_socket or not self._listening:
            return
        listener = self._listeners.get(host.address)
        if host.reachable and listener is None:
            self._open(host)
        elif not host.reachable and listener is not None:
            del self._listeners[host.address]
            listener.socket.close()

    def listen(self) -> None:
        """Open all ports. Raises OSError when one is taken."""
        self._listening = True
        if not self._one_socket:
            for host in self._hosts.values():
                self.reachability_changed(host)
            return
        wildcard = _bound("0.0.0.0", self.port, _WILDCARD_BACKLOG)  # noqa: S104 - other than loopback is hung up on
        self.port = wildcard.socket.getsockname()[1]
        self._nursery.start_soon(self._accept, wildcard, self._find)

    def _open(self, host: SimulatedHost) -> None:
        listener = _bound(host.address, self.port, _BACKLOG)
        self.port = listener.socket.getsockname()[1]  # port 0: the first one decides for all
        self._listeners[host.address] = listener
        self._nursery.start_soon(self._accept, listener, lambda stream: host)

    def _find(self, stream: trio.SocketStream) -> SimulatedHost | None:
        return self._hosts.get(stream.socket.getsockname()[0])

    async def _accept(
        self, listener: trio.SocketListener, find: Callable[[trio.SocketStream], SimulatedHost | None]
    ) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except trio.ClosedResourceError:
                    return
                except OSError as error:
                    if error.errno not in _OUT_OF_FILES:
                        raise
                    await trio.sleep(0.1)
                    continue
                host = find(stream)
                if host is None or not host.reachable:
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    stream.socket.close()
                    continue
                self._nursery.start_soon(serve_connection, stream, host, self._contexts, self._bodies)


def _bound(address: str, port: int, backlog: int) -> trio.SocketListener:
    """Without awaiting: a temper that changes must be in force when the assignment returns."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(backlog)
        return trio.SocketListener(trio.socket.from_stdlib_socket(bound))
    except BaseException:
        bound.close()
        raise


@asynccontextmanager
async def open_fleet(
    specs: Sequence[HostSpec], certificates: CertificateSource, *, port: int = DEFAULT_PORT
) -> AsyncIterator[Fleet]:
    """Run *specs* on *port* (0: any free one, see `Fleet.port`) until the block ends.

    Up to 3,000 hosts have a listening socket each, so that a refusing host is a true ECONNREFUSED; more share one,
    where refusing is a reset after the connection. Raises OSError when a port is taken, ValueError for an address
    outside 127.0.0.0/8.
    """
    for spec in specs:
        if not spec.address.startswith("127."):
            raise ValueError(f"{spec.address} is not a loopback address")
    async with trio.open_nursery() as nursery:
        fleet = Fleet(specs, certificates, port, nursery)
        fleet.listen()
        try:
            yield fleet
        finally:
            nursery.cancel_scope.cancel()
