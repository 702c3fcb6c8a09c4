"""One WebSocket of job events, in either dialect (AGENT_API "WebSocket").

The stream is a hint and never the truth: whatever is wrong with it raises ``WebSocketUnavailable``, and the caller
polls. Pings are answered at once, because nothing here waits for the consumer: ``on_hint`` is a plain call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import trio
import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from patch_manager.actors.agent import tolerant, wire_jobs
from patch_manager.actors.agent.connection import AgentConnection
from patch_manager.actors.agent.models import JobHint

OnHint = Callable[[JobHint], None]

PATH: Final = "/api/v1/ws/jobs"
MAX_MESSAGE_BYTES: Final = 256 * 1024
_READ_SIZE: Final = 65_536
_SEND_TIMEOUT: Final = 10.0
_HANDSHAKE_TIMEOUT: Final = 15.0
_HANDSHAKE_BYTES: Final = 65_536
_MAX_HINT_MESSAGE_RATE: Final = 2_000  # events in a row without a pause for other tasks


class WebSocketUnavailable(Exception):
    """No stream, or no more of it; ``established`` tells whether it had worked: one proper frame had come."""

    def __init__(self, reason: str, *, established: bool = False) -> None:
        self.reason = reason
        self.established = established
        super().__init__(reason)


class JobStream:
    """Follows one job over ``connection``, which it owns from now on and closes at the end."""

    def __init__(
        self, connection: AgentConnection, job_id: str, on_hint: OnHint, *, patience: float = 2.0, silence: float = 15.0
    ) -> None:
        """``patience``: seconds without an event of the code dialect until the documentation's subscription is sent
        as well. ``silence``: seconds until we ping; twice that without a byte and the stream counts as dead.
        """
        self._connection = connection
        self._job_id = job_id
        self._on_hint = on_hint
        self._patience = patience
        self._silence = silence
        self._ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._upgraded = False
        self._established = False
        self._hinted = False
        self._asked_both_ways = False
        self._parts: list[str] = []
        self._size = 0

    async def run(self) -> None:
        """Follow until the stream ends, which always raises ``WebSocketUnavailable``."""
        try:
            await self._upgrade()
            await self._say({"action": "subscribe", "job_id": self._job_id})
            await self._listen()
        except WebSocketUnavailable:
            raise
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            raise self._gone("connection lost") from error
        except Exception as error:  # a stranger feeds wsproto: whatever it makes of that may only end the hints
            raise self._gone(f"not a WebSocket: {error}") from error
        finally:
            await self._connection.aclose()

    def _gone(self, reason: str) -> WebSocketUnavailable:
        return WebSocketUnavailable(reason, established=self._established)

    async def _upgrade(self) -> None:
        await self._send(Request(host=self._connection.host, target=PATH, extensions=[]))
        received = 0
        with trio.fail_after(_HANDSHAKE_TIMEOUT):
            while not self._upgraded:
                data = await self._connection.stream.receive_some(_READ_SIZE)
                received += len(data)
                if not data or received > _HANDSHAKE_BYTES:
                    raise self._gone("no WebSocket answer")
                self._ws.receive_data(bytes(data))
                for event in self._ws.events():
                    if isinstance(event, RejectConnection):
                        raise self._gone(f"HTTP {event.status_code} instead of a WebSocket")
                    if isinstance(event, AcceptConnection):
                        self._upgraded = True
                        break  # events of the same bytes are read by _listen

    async def _listen(self) -> None:
        await self._take_events()
        patience = trio.current_time() + self._patience
        last_byte = trio.current_time()
        pinged = False
        while True:
            if self._asked_both_ways or self._hinted:
                patience = float("inf")
            with trio.move_on_at(min(patience, last_byte + self._silence * (2 if pinged else 1))):
                data = await self._connection.stream.receive_some(_READ_SIZE)
                last_byte, pinged = trio.current_time(), False
                # wsproto takes b"" for new data; None is its word for the end of the stream.
                self._ws.receive_data(bytes(data) if data else None)
                await self._take_events()
                continue
            now = trio.current_time()
            if now >= patience:
                await self._ask_the_other_way()
            elif pinged:
                raise self._gone(f"silent for {self._silence * 2:g} s")
            elif now >= last_byte + self._silence:
                pinged = True
                await self._send(Ping())

    async def _take_events(self) -> None:
        for count, event in enumerate(self._ws.events(), start=1):
            if count % _MAX_HINT_MESSAGE_RATE == 0:
                await trio.lowlevel.checkpoint()
            if isinstance(event, CloseConnection):  # also how wsproto reports bytes that are no frame
                raise self._gone(f"closed with code {int(event.code)}")
            self._established = True
            if isinstance(event, Ping):
                await self._send(event.response())
            elif isinstance(event, TextMessage | BytesMessage):
                await self._part(event)

    async def _part(self, event: TextMessage | BytesMessage) -> None:
        data = event.data
        text = data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
        self._size += len(data)
        if self._size > MAX_MESSAGE_BYTES:
            raise self._gone("message too large")
        self._parts.append(text)
        if event.message_finished:
            message = "".join(self._parts)
            self._parts, self._size = [], 0
            await self._message(message)

    async def _message(self, text: str) -> None:
        try:
            frame = tolerant.loads(text.encode("utf-8", "replace"))
        except ValueError:
            return
        if not isinstance(frame, dict):
            return
        hint = wire_jobs.hint(frame)
        if hint is not None:
            self._hinted = True
            if hint.job_id == self._job_id:
                self._on_hint(hint)
        elif not self._hinted and (wire_jobs.event_name(frame) == "error" or "type" in frame):
            await self._ask_the_other_way()  # it did not understand us, or speaks the documentation's dialect

    async def _ask_the_other_way(self) -> None:
        """The documentation's subscription; to an agent of the code dialect it is one more message it answers with
        ``invalid_message``, and nothing else.
        """
        if not self._asked_both_ways:
            self._asked_both_ways = True
            await self._say({"type": "subscribe", "job_id": self._job_id})

    async def _say(self, message: dict[str, str]) -> None:
        await self._send(TextMessage(data=json.dumps(message)))

    async def _send(self, event: Event) -> None:
        with trio.fail_after(_SEND_TIMEOUT):
            await self._connection.stream.send_all(self._ws.send(event))
