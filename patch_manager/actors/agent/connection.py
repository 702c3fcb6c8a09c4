"""One TLS connection to one agent, and requests on it one after another (h11 over ``trio.SSLStream``).

What is sent when is under exact control: the certificate and its identity are checked before a request byte
(TRUST 14), ``before_send`` runs right before the first byte of a request, nothing is ever sent twice, redirects are
not followed, and size and total time of an answer are bounded (TRUST 16).
"""

from __future__ import annotations

import select
import ssl
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

import h11
import trio

from patch_manager import __version__
from patch_manager.actors.agent.address_policy import AddressPolicy, canonical
from patch_manager.actors.agent.failures import HANDSHAKE, AgentFailure, from_error
from patch_manager.domain.health import FailureKind

BeforeSend = Callable[[], str | None]
"""Called after TLS and right before the first byte; a reason returned closes the connection instead (TRUST)."""

_READ_SIZE: Final = 65_536
_MAX_HEADER_BYTES: Final = 32_768
_MAX_INTERIM_RESPONSES: Final = 8
_USER_AGENT: Final = f"patch-manager/{__version__}".encode()


class ClosedAtCheck(Exception):
    """``before_send`` gave a reason; the connection is closed and not one byte of the request was sent."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A complete answer with the content coding removed; header names are lower case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> str | None:
        """First value of a header (name in lower case), or None."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


async def open_connection(
    address: str,
    port: int,
    tls_context: ssl.SSLContext,
    policy: AddressPolicy,
    *,
    connect_timeout: float = 10.0,
) -> AgentConnection:
    """Check the address, connect and finish the TLS handshake within ``connect_timeout`` seconds.

    Raises ``AgentFailure``; ``ValueError`` for a context that would accept less than a verified TLS 1.3 peer.
    """
    if (
        tls_context.minimum_version < ssl.TLSVersion.TLSv1_3
        or tls_context.verify_mode is not ssl.CERT_REQUIRED
        or not tls_context.check_hostname
    ):
        raise ValueError("agent connections need a context with TLS 1.3, a required certificate and identity checks")
    refusal = policy.forbidden(address)
    ip = canonical(address)
    if refusal is not None or ip is None:
        raise AgentFailure(FailureKind.ADDRESS_FORBIDDEN, refusal or "")
    connected = False
    sock: trio.socket.SocketType | None = None
    try:
        with trio.fail_after(connect_timeout):
            # Not open_tcp_stream: there is nothing to resolve and nothing to race.
            family = trio.socket.AF_INET6 if isinstance(ip, IPv6Address) else trio.socket.AF_INET
            sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
            await sock.connect((str(ip), port))
            connected = True
            transport = trio.SocketStream(sock)
            stream = trio.SSLStream(transport, tls_context, server_hostname=str(ip), https_compatible=True)
            await stream.do_handshake()
    except trio.TooSlowError:
        _close(sock)
        waited_for = "connected, but no answer to the TLS handshake" if connected else "no answer to the TCP connection"
        raise AgentFailure(FailureKind.TIMED_OUT, f"{waited_for} within {connect_timeout:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        _close(sock)
        raise from_error(error, HANDSHAKE if connected else "while connecting") from error
    except BaseException:
        _close(sock)
        raise
    return AgentConnection(stream, host=f"[{ip}]:{port}" if isinstance(ip, IPv6Address) else f"{ip}:{port}")


def _close(sock: trio.socket.SocketType | None) -> None:
    if sock is not None:
        sock.close()


class AgentConnection:
    """An open, verified connection. Not for concurrent use; any failure, cancellation included, closes it."""

    def __init__(self, stream: trio.SSLStream[trio.abc.Stream] | trio.abc.Stream, *, host: str) -> None:
        self.host = host
        self.stream = stream
        self.open = True
        self.opened_at = trio.current_time()
        self.requests_sent = 0
        self._host = host.encode("ascii")
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)

    async def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        timeout: float,  # noqa: ASYNC109 - becomes two phases, and an AgentFailure that says which one was late
        max_bytes: int,
        drip_timeout: float = 30.0,
        before_send: BeforeSend | None = None,
    ) -> RawResponse:
        """Send one request and read its whole answer.

        ``timeout`` seconds in total; from the first byte of the answer at most ``drip_timeout`` more, so that an agent
        that thinks for minutes may, and one that drips may not. ``max_bytes`` bounds the body before and after its
        content coding. ``body`` is JSON. Raises ``AgentFailure`` and ``ClosedAtCheck``.
        """
        answer = _Answer(max_bytes)
        finished = False
        try:
            data = self._request_bytes(method, target, body)
            if before_send is not None:
                # Cancellation has its last chance here, so that nothing lies between the check and the first byte.
                await trio.lowlevel.checkpoint_if_cancelled()
                refusal = before_send()
                if refusal is not None:
                    raise ClosedAtCheck(refusal)
            with trio.fail_after(timeout) as deadline:
                self.requests_sent += 1
                await self.stream.send_all(data)
                await self._receive(answer, deadline, drip_timeout)
            response = answer.finish()
            finished = True
            return response
        except trio.TooSlowError:
            raise _late(answer, timeout, drip_timeout) from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if answer.started:
                raise AgentFailure(FailureKind.UNREADABLE, "the answer was cut off") from error
            raise from_error(error, "connected, but closed before an answer") from error
        except h11.RemoteProtocolError as error:
            raise _not_http(error, answer) from error
        finally:
            if not finished or not self._reusable():
                await self.aclose()

    def _request_bytes(self, method: str, target: str, body: bytes | None) -> bytes:
        # Host once, Content-Type once: agents answer duplicates with 400 (AGENT_API "Transport").
        headers = [
            (b"Host", self._host),
            (b"User-Agent", _USER_AGENT),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
        ]
        if body is not None:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        elif method != "GET":
            headers.append((b"Content-Length", b"0"))
        data = self._http.send(h11.Request(method=method, target=target, headers=headers)) or b""
        if body is not None:
            data += self._http.send(h11.Data(data=body)) or b""
        return data + (self._http.send(h11.EndOfMessage()) or b"")

    async def _receive(self, answer: _Answer, deadline: trio.CancelScope, drip_timeout: float) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self.stream.receive_some(_READ_SIZE)
                if data and not answer.started:
                    answer.started = True
                    deadline.deadline = min(deadline.deadline, trio.current_time() + drip_timeout)
                elif not data and not answer.started:
                    raise AgentFailure(FailureKind.DROPPED, "connected, but closed before an answer")
                self._http.receive_data(bytes(data))
            elif isinstance(event, h11.Data):
                answer.feed(event.data)
            elif isinstance(event, h11.Response):
                answer.head(event.status_code, event.headers)
            elif isinstance(event, h11.InformationalResponse):
                answer.interim()
            elif isinstance(event, h11.EndOfMessage):
                return
            else:  # ConnectionClosed or PAUSED: no answer can come any more
                raise AgentFailure(FailureKind.DROPPED, "connected, but closed before an answer")

    def _reusable(self) -> bool:
        http = self._http
        # Bytes beyond the answer would be taken for the next one; h11 counts an answer that ended with the stream as
        # done, too. Such connections are not used again.
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE or http.trailing_data != (b"", False):
            return False
        http.start_next_cycle()
        return True

    def quiet(self) -> bool:
        """Whether nothing has come since the last answer: neither the peer's farewell nor a stray byte."""
        transport = self._transport()
        if not isinstance(transport, trio.SocketStream):
            return True
        look = select.poll()  # not select(), which knows 1,024 files only
        look.register(transport.socket.fileno(), select.POLLIN | select.POLLRDHUP)
        return not look.poll(0)

    def _transport(self) -> trio.abc.Stream:
        return self.stream.transport_stream if isinstance(self.stream, trio.SSLStream) else self.stream

    async def aclose(self) -> None:
        """Close at once: no TLS farewell is awaited, so a peer that stalls cannot hold the caller."""
        self.open = False
        transport = self._transport()
        if isinstance(transport, trio.SocketStream):
            transport.socket.close()  # a cancelled scope to close a socket in would cost as much as the closing
        else:
            await trio.aclose_forcefully(transport)


class _Answer:
    """Collects one answer within its limits."""

    def __init__(self, max_bytes: int) -> None:
        self.started = False
        self._max = max_bytes
        self._status = 0
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._chunks: list[bytes] = []
        self._size = 0
        self._coded = 0
        self._interim = 0
        self._inflate: zlib._Decompress | None = None

    def interim(self) -> None:
        self._interim += 1
        if self._interim > _MAX_INTERIM_RESPONSES:
            raise AgentFailure(FailureKind.UNREADABLE, "endless interim responses")

    def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._status = status
        self._headers = tuple((bytes(name), bytes(value)) for name, value in headers)
        if 300 <= status <= 399:
            location = next((v for k, v in self._headers if k == b"location"), b"").decode("latin-1")
            raise AgentFailure(FailureKind.REDIRECT, location, status=status)
        coding = b",".join(v for k, v in self._headers if k == b"content-encoding").strip().lower()
        if coding in (b"gzip", b"x-gzip", b"deflate"):
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
        elif coding not in (b"", b"identity"):
            raise AgentFailure(FailureKind.UNREADABLE, f"content coding {coding.decode('latin-1')}", status=status)
        length = next((v for k, v in self._headers if k == b"content-length"), b"0")
        if int(length) > self._max:
            raise self._too_large()

    def feed(self, chunk: bytes | bytearray) -> None:
        self._coded += len(chunk)
        if self._coded > self._max:
            raise self._too_large()
        data = bytes(chunk)
        if self._inflate is not None:
            try:
                data = self._inflate.decompress(data, self._max - self._size + 1)
            except zlib.error as error:
                raise AgentFailure(FailureKind.UNREADABLE, "broken compression", status=self._status) from error
        self._size += len(data)
        if self._size > self._max:
            raise self._too_large()
        self._chunks.append(data)

    def finish(self) -> RawResponse:
        if self._inflate is not None and self._coded and (not self._inflate.eof or self._inflate.unused_data):
            raise AgentFailure(FailureKind.UNREADABLE, "broken compression", status=self._status)
        return RawResponse(self._status, self._headers, b"".join(self._chunks))

    def _too_large(self) -> AgentFailure:
        return AgentFailure(FailureKind.TOO_LARGE, f"limit {self._max} bytes")


def _late(answer: _Answer, timeout: float, drip_timeout: float) -> AgentFailure:
    if answer.started:
        return AgentFailure(FailureKind.TOO_SLOW, f"not complete {min(timeout, drip_timeout):g} s after its first byte")
    return AgentFailure(FailureKind.TIMED_OUT, f"connected, but no answer to the request within {timeout:g} s")


def _not_http(error: h11.RemoteProtocolError, answer: _Answer) -> AgentFailure:
    if error.error_status_hint == 431:
        return AgentFailure(FailureKind.TOO_LARGE, "endless HTTP headers")
    if any(words in str(error) for words in ("without sending complete", "closed connection")):
        return AgentFailure(FailureKind.UNREADABLE, "the answer was cut off")
    return AgentFailure(FailureKind.UNREADABLE, f"not HTTP: {error}")
