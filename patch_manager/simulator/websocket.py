"""The agent's event stream, ``/api/v1/ws/jobs``, in both dialects and in the forms of old releases."""

from datetime import UTC, datetime
from typing import Any

import orjson
import trio
import wsproto
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, RejectConnection, Request
from wsproto.events import TextMessage as Text
from wsproto.utilities import RemoteProtocolError

from patch_manager.simulator import shapes
from patch_manager.simulator.host import EVENT_BUFFER, JobEvent, SimulatedHost
from patch_manager.simulator.specs import Dialect, WebSocketForm
from patch_manager.simulator.wire import Call, Reply, error_reply, rate_limited

PING_SECONDS = 5.0
SILENCE_SECONDS = 10.0
_READ = 65_536


async def serve(stream: trio.abc.Stream, host: SimulatedHost, call: Call, early: bytes) -> Reply | None:
    """Serve the stream until it ends, or give the ordinary answer that the caller must send instead."""
    wait = host.limiter.check(call.client, "GET", call.target, trio.current_time())
    if wait:
        host.rate_limited += 1
        return rate_limited(wait)
    notice = orjson.dumps({"message": "WebSocket endpoint", "path": call.target})
    if host.spec.websocket is WebSocketForm.PLAIN_JSON:
        return Reply(200, shapes.envelope(host.spec, notice))
    websocket = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        websocket.initiate_upgrade_connection(list(call.headers), call.target)
    except (RemoteProtocolError, ValueError) as error:  # ValueError: header bytes outside ASCII
        return error_reply(host, 400, "VALIDATION_ERROR", str(error))
    if not isinstance(next(websocket.events(), None), Request):
        return error_reply(host, 400, "VALIDATION_ERROR", "no WebSocket upgrade")
    await stream.send_all(websocket.send(AcceptConnection()))
    if host.spec.websocket is WebSocketForm.JSON_AFTER_101:
        await stream.send_all(shapes.envelope(host.spec, notice))
        return None
    await _Session(stream, host, websocket).run(early)
    return None


class _Session:
    """One subscriber. A new one hears of all jobs until it narrows that down."""

    def __init__(self, stream: trio.abc.Stream, host: SimulatedHost, websocket: wsproto.WSConnection) -> None:
        self._stream = stream
        self._host = host
        self._websocket = websocket
        self._sending = trio.Lock()
        self._only: set[str] | None = None
        self._heard = trio.current_time()

    async def run(self, early: bytes) -> None:
        send, receive = trio.open_memory_channel[JobEvent](EVENT_BUFFER)
        self._host.subscribers.add(send)
        try:
            if self._host.spec.dialect is Dialect.CODE:
                await self._say(self._status("connected", "connected", "Connected to the job event stream"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._forward, receive)
                nursery.start_soon(self._ping, nursery.cancel_scope)
                await self._listen(early)
                nursery.cancel_scope.cancel()
        finally:
            self._host.subscribers.discard(send)

    def _status(self, event: str, status: str, message: str) -> dict[str, Any]:
        now = shapes.moment(self._host.spec, datetime.now(UTC))
        return {
            "event": event, "job_id": "", "status": status, "progress": 0, "message": message, "timestamp": now,
        }  # fmt: skip

    async def _say(self, message: dict[str, Any]) -> None:
        await self._send(Text(orjson.dumps(message).decode()))

    async def _send(self, event: wsproto.events.Event) -> None:
        async with self._sending:
            await self._stream.send_all(self._websocket.send(event))

    async def _forward(self, events: trio.MemoryReceiveChannel[JobEvent]) -> None:
        async for event in events:
            if self._only is None or event.job_id in self._only:
                await self._say(shapes.event(self._host.spec, event))

    async def _ping(self, scope: trio.CancelScope) -> None:
        while trio.current_time() - self._heard < SILENCE_SECONDS:
            await trio.sleep(PING_SECONDS)
            await self._send(Ping())
        scope.cancel()

    async def _listen(self, early: bytes) -> None:
        data = early
        while True:
            if data:
                try:
                    self._websocket.receive_data(data)
                    for event in self._websocket.events():
                        if not await self._heed(event):
                            return
                except RemoteProtocolError:
                    return
            data = bytes(await self._stream.receive_some(_READ))
            self._heard = trio.current_time()
            if not data:
                return

    async def _heed(self, event: wsproto.events.Event) -> bool:
        if isinstance(event, CloseConnection):
            await self._send(event.response())
            return False
        if isinstance(event, Ping):
            await self._send(event.response())
        elif isinstance(event, Text):
            await self._obey(event.data)
        elif isinstance(event, (BytesMessage, RejectConnection, Pong)):
            pass
        return True

    async def _obey(self, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        word = "action" if self._host.spec.dialect is Dialect.CODE else "type"
        action = message.get(word) if isinstance(message, dict) else None
        job_id = message.get("job_id") if isinstance(message, dict) else None
        if action == "subscribe_all" or (action == "subscribe" and not job_id):
            self._only = None
        elif action == "subscribe":
            self._only = (self._only or set()) | {str(job_id)}
        elif action == "unsubscribe":
            self._only = (self._only or set()) - {str(job_id)}
        elif action == "ping":
            await self._say({"type": "pong"})
        else:
            await self._say(self._status("error", "invalid_message", "The message could not be read"))
