"""One TCP connection to one simulated host: TLS, HTTP/1.1 and what its temper makes of them."""

import ssl
from collections.abc import Callable

import h11
import trio
from wsproto.utilities import LocalProtocolError

from patch_manager.simulator import misbehaviour, websocket
from patch_manager.simulator.api import respond
from patch_manager.simulator.bodies import Bodies
from patch_manager.simulator.certificates import Contexts
from patch_manager.simulator.host import LoggedRequest, SimulatedHost
from patch_manager.simulator.temper import Answering, LostAnswer, Reception
from patch_manager.simulator.wire import Call, Reply, error_reply, rate_limited

Stream = trio.SSLStream[trio.SocketStream]
_READ = 65_536
_MAX_BODY = 2 * 1024 * 1024
_HANDSHAKE_SECONDS = 10.0
_IDLE_SECONDS = 60.0
# The last: an event came up while the client was closing its stream.
_LOST = (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError, LocalProtocolError)


async def serve_connection(tcp: trio.SocketStream, host: SimulatedHost, contexts: Contexts, bodies: Bodies) -> None:
    """Serve one accepted connection to its end; never raises for what the client does."""
    with trio.CancelScope() as scope:
        host.connections.add(scope)
        try:
            await _serve(tcp, host, contexts, bodies)
        except* _LOST:  # in a group when a subscriber's stream broke
            pass
        finally:
            host.connections.discard(scope)
            await trio.aclose_forcefully(tcp)


async def _serve(tcp: trio.SocketStream, host: SimulatedHost, contexts: Contexts, bodies: Bodies) -> None:
    temper = host.temper
    if temper.reception is Reception.DROP_BEFORE_TLS:
        return
    if temper.reception is Reception.HANG:
        await trio.sleep_forever()
    client = str(tcp.socket.getpeername()[0])
    stream = trio.SSLStream(tcp, contexts.get(host.spec, temper.identity), server_side=True, https_compatible=True)
    with trio.move_on_after(_HANDSHAKE_SECONDS) as handshake:
        await stream.do_handshake()
    if handshake.cancelled_caught or temper.reception is Reception.DROP_AFTER_TLS:
        return
    host.handshakes += 1
    await _Exchange(stream, host, bodies, client).run()


class _Exchange:
    """The requests of one connection, one after the other."""

    def __init__(self, stream: Stream, host: SimulatedHost, bodies: Bodies, client: str) -> None:
        self._stream = stream
        self._host = host
        self._bodies = bodies
        self._client = client
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while True:
            try:
                request = await self._next_event()
                if not isinstance(request, h11.Request):
                    break
                body = await self._body()
            except h11.RemoteProtocolError as error:
                await self._refuse(error)
                break
            if body is None:
                break
            if not await self._handle(request, body):
                break
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                break
            self._http.start_next_cycle()
        with trio.move_on_after(1):
            await self._stream.aclose()

    async def _next_event(self) -> h11.Event | type[h11.PAUSED] | None:
        """None when the client has nothing more to say for a minute."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # h11 types its sentinels as metaclass instances
            if self._http.they_are_waiting_for_100_continue:
                go_ahead = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._http.send(go_ahead) or b"")
            with trio.move_on_after(_IDLE_SECONDS):
                self._http.receive_data(bytes(await self._stream.receive_some(_READ)))
                continue
            return None

    async def _body(self) -> bytes | None:
        parts: list[bytes] = []
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                parts.append(bytes(event.data))
                if sum(map(len, parts)) > _MAX_BODY:
                    return None
            else:
                return b"".join(parts) if isinstance(event, h11.EndOfMessage) else None

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """What h11 will not read (two Host headers among it) is a 400 in the envelope."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(error_reply(self._host, 400, "VALIDATION_ERROR", str(error)))

    async def _handle(self, request: h11.Request, body: bytes) -> bool:
        """Answer; False when the connection must end."""
        host, temper = self._host, self._host.temper
        method, target = request.method.decode("ascii"), request.target.decode("ascii")
        host.requests.append(LoggedRequest(method, target, body))
        if target.startswith(temper.answering_on):
            if temper.answering is Answering.RATE_LIMITED:
                await self._send(rate_limited(temper.retry_after))
                return True
            if temper.answering is not Answering.PROPER:
                await misbehaviour.answer(self._stream, temper.answering, host, target)
                return False
        mutating = method in ("POST", "PUT", "DELETE")
        loses = mutating and temper.lost_answer is not LostAnswer.NEVER and host.take("lost_answers")
        if loses and temper.lost_answer is LostAnswer.BEFORE_ACCEPTANCE:
            return False
        if temper.health_delay and target.split("?")[0] in ("/health", "/api/v1/health"):
            await trio.sleep(temper.health_delay)
        headers = tuple((bytes(name), bytes(value)) for name, value in request.headers)
        if method == "GET" and target.split("?")[0] == "/api/v1/ws/jobs":
            return await self._upgrade(request, headers)
        reply = respond(host, self._bodies, Call(method, target, headers, body, self._client))
        if loses:
            return False
        await self._send(reply, without_body=method == "HEAD")
        return True

    async def _upgrade(self, request: h11.Request, headers: tuple[tuple[bytes, bytes], ...]) -> bool:
        call = Call("GET", "/api/v1/ws/jobs", headers, b"", self._client)
        reply = await websocket.serve(self._stream, self._host, call, self._http.trailing_data[0])
        if reply is not None:
            await self._send(reply)
        return reply is not None

    async def _send(self, reply: Reply, *, without_body: bool = False) -> None:
        headers = [(b"content-length", b"%d" % len(reply.body)), *reply.headers]
        if reply.content_type:
            headers.append((b"content-type", reply.content_type))
        send: Callable[[h11.Event], bytes | None] = self._http.send
        data = send(h11.Response(status_code=reply.status, headers=headers)) or b""
        if reply.body and not without_body:
            data += send(h11.Data(data=reply.body)) or b""
        await self._stream.send_all(data + (send(h11.EndOfMessage()) or b""))
