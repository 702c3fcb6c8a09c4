"""The WebSocket of job events: both dialects, pings, and everything that is no WebSocket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import wsproto
from wsproto.events import AcceptConnection, Message, Ping, Pong, Request, TextMessage

from patch_manager.actors.agent.connection import open_connection
from patch_manager.actors.agent.job_stream import MAX_MESSAGE_BYTES, JobStream, WebSocketUnavailable
from patch_manager.actors.agent.models import AgentJobStatus, JobHint
from tests.actors.agent.certificates import Pki
from tests.actors.agent.servers import LOOPBACK, Agent, Script, Stream, answers, ok, response, tls_agent

ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER = "00000000-4f89-41d3-9a0c-0305e82c3301"
CONNECTED = {"event": "connected", "job_id": "", "status": "connected", "progress": 0}
INVALID = {"event": "error", "status": "invalid_message"}


def event(status: str, job_id: str = ID) -> dict[str, Any]:
    return {"event": "job_status", "job_id": job_id, "status": status, "progress": 7, "message": "m"}


class Socket:
    """The agent's end of one WebSocket."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.ws = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self.offered: list[Any] = []

    async def accept(self) -> None:
        while True:
            self.ws.receive_data(bytes(await self.stream.receive_some(65536)))
            for found in self.ws.events():
                if isinstance(found, Request):
                    self.offered = list(found.extensions)
                    await self.stream.send_all(self.ws.send(AcceptConnection()))
                    return

    async def say(self, *frames: object) -> None:
        for frame in frames:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            await self.stream.send_all(self.ws.send(TextMessage(data=text)))

    async def hear(self) -> Any:
        """The next message, or the payload of the next pong."""
        while True:
            for found in self.ws.events():
                if isinstance(found, Message):
                    return json.loads(found.data)
                if isinstance(found, Pong):
                    return bytes(found.payload)
                if isinstance(found, Ping):
                    return "ping"
            data = bytes(await self.stream.receive_some(65536))
            if not data:
                return None
            self.ws.receive_data(data)


def websocket(talk: Callable[[Socket], Awaitable[None]]) -> Script:
    async def script(_: Agent, stream: Stream) -> None:
        socket = Socket(stream)
        await socket.accept()
        await talk(socket)

    return script


async def listen(pki: Pki, script: Script, **settings: float) -> tuple[list[JobHint], WebSocketUnavailable]:
    """Run the stream to its end; returns the hints and how it ended."""
    hints: list[JobHint] = []
    async with tls_agent(pki.server_context(), script) as agent:
        connection = await open_connection("127.0.0.1", agent.port, pki.client_context(), LOOPBACK)
        with pytest.raises(WebSocketUnavailable) as caught:
            await JobStream(connection, ID, hints.append, **settings).run()
        assert not connection.open
    return hints, caught.value


async def test_the_code_dialect_is_subscribed_and_heard(pki: Pki) -> None:
    heard: list[Any] = []

    async def talk(socket: Socket) -> None:
        await socket.say(CONNECTED)
        heard.append(await socket.hear())
        assert socket.offered == []  # no extensions: no compression that could blow up
        await socket.say(event("running"), event("running", OTHER), "not json", [1], event("completed"))

    hints, end = await listen(pki, websocket(talk))
    assert heard == [{"action": "subscribe", "job_id": ID}]
    assert [hint.status for hint in hints] == [AgentJobStatus.RUNNING, AgentJobStatus.COMPLETED]
    assert (hints[0].progress, hints[0].message) == (7, "m")
    assert end.established


@pytest.mark.parametrize("answer", [INVALID, {"type": "error", "payload": {}}, {"type": "welcome"}])
async def test_the_documentation_dialect_is_subscribed_when_the_code_form_is_not_understood(
    pki: Pki, answer: object
) -> None:
    heard: list[Any] = []

    async def talk(socket: Socket) -> None:
        heard.append(await socket.hear())
        await socket.say(answer, answer)
        heard.append(await socket.hear())
        payload = {"job_id": ID, "status": "running", "progress_percent": 60}
        await socket.say({"type": "job_status", "payload": payload})

    hints, _ = await listen(pki, websocket(talk), patience=15)
    assert heard == [{"action": "subscribe", "job_id": ID}, {"type": "subscribe", "job_id": ID}]
    assert [hint.progress for hint in hints] == [60]


async def test_a_silent_agent_is_asked_in_the_documentations_words_too(pki: Pki) -> None:
    heard: list[Any] = []

    async def talk(socket: Socket) -> None:
        heard.extend([await socket.hear(), await socket.hear()])

    await listen(pki, websocket(talk), patience=0.05)
    assert heard[1] == {"type": "subscribe", "job_id": ID}


async def test_pings_are_answered_at_once_even_while_events_pour_in(pki: Pki) -> None:
    heard: list[Any] = []

    async def talk(socket: Socket) -> None:
        await socket.hear()
        await socket.say(*[event("running")] * 200)
        await socket.stream.send_all(socket.ws.send(Ping(payload=b"now")))
        heard.append(await socket.hear())

    hints, _ = await listen(pki, websocket(talk))
    assert heard == [b"now"]
    assert len(hints) == 200


async def test_a_silent_stream_is_pinged_and_then_given_up(pki: Pki) -> None:
    heard: list[Any] = []

    async def talk(socket: Socket) -> None:
        await socket.hear()
        await socket.say(event("running"))
        heard.append(await socket.hear())
        await socket.hear()

    _, end = await listen(pki, websocket(talk), silence=0.05)
    assert heard == ["ping"]
    assert "silent" in end.reason


async def test_a_message_in_fragments_is_one_message(pki: Pki) -> None:
    text = json.dumps(event("failed"))

    async def talk(socket: Socket) -> None:
        for start in range(0, len(text), 10):
            part = TextMessage(data=text[start : start + 10], message_finished=start + 10 >= len(text))
            await socket.stream.send_all(socket.ws.send(part))

    hints, _ = await listen(pki, websocket(talk))
    assert [hint.status for hint in hints] == [AgentJobStatus.FAILED]


async def test_an_endless_message_is_cut_off(pki: Pki) -> None:
    sent = 0

    async def talk(socket: Socket) -> None:
        nonlocal sent
        while sent < 100 * MAX_MESSAGE_BYTES:
            await socket.stream.send_all(socket.ws.send(TextMessage(data="x" * 10_000, message_finished=False)))
            sent += 10_000

    _, end = await listen(pki, websocket(talk))
    assert "too large" in end.reason
    assert sent < 100 * MAX_MESSAGE_BYTES


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


async def upgrade_then_json(_: Agent, stream: Stream) -> None:
    socket = Socket(stream)
    await socket.accept()
    await stream.send_all(json.dumps(CONNECTED).encode())
    await stream.receive_some()


async def hang_up(agent: Agent, stream: Stream) -> None:
    await agent.next_request(stream)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answers(response(200, ok({"jobs": []}))), id="plain JSON"),
        pytest.param(answers(response(404)), id="404"),
        pytest.param(answers(response(503, b"<html>")), id="503"),
        pytest.param(answers(response(302, b"", "Location: /x")), id="redirect"),
        pytest.param(answers(UPGRADED + b"\r\n" + json.dumps(CONNECTED).encode()), id="101 without a key"),
        pytest.param(upgrade_then_json, id="101 and then JSON"),
        pytest.param(answers(b"\x00garbage\r\n\r\n"), id="garbage"),
        pytest.param(answers(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999), id="endless head"),
        pytest.param(hang_up, id="drop"),
    ],
)
async def test_what_is_no_websocket_is_unavailable_for_good(pki: Pki, script: Script) -> None:
    hints, end = await listen(pki, script)
    assert not hints
    assert not end.established


async def test_a_stream_that_is_cancelled_closes_its_connection(pki: Pki) -> None:
    async def talk(socket: Socket) -> None:
        assert await socket.hear() is not None
        await socket.hear()

    async with tls_agent(pki.server_context(), websocket(talk)) as agent:
        connection = await open_connection("127.0.0.1", agent.port, pki.client_context(), LOOPBACK)
        with trio.move_on_after(0.05):
            await JobStream(connection, ID, lambda _: None).run()
        assert not connection.open
