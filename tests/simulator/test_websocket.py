"""The event stream in both dialects, and what old releases answer instead."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import orjson
import pytest
import trio
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from patch_manager.simulator import websocket as server
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.specs import Dialect, Release, WebSocketForm
from tests.simulator.client import Client, Stream
from tests.simulator.conftest import ADDRESS, Start


class Listener:
    """The client's end; answers pings unless told to keep silent."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._websocket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.pings = 0
        self.silent = False
        self._events = self._websocket.events()

    async def open(self) -> None:
        await self.stream.send_all(self._websocket.send(Request(host=ADDRESS, target="/api/v1/ws/jobs")))
        while True:
            self._websocket.receive_data(bytes(await self.stream.receive_some(4096)))
            for event in self._websocket.events():
                assert isinstance(event, AcceptConnection)
                return

    async def say(self, message: object) -> None:
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        await self.stream.send_all(self._websocket.send(TextMessage(text)))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next message; ends when the server ends the connection."""
        while True:
            for event in self._events:
                if isinstance(event, TextMessage):
                    return orjson.loads(event.data)
                if isinstance(event, Ping):
                    self.pings += 1
                    if not self.silent:
                        await self.stream.send_all(self._websocket.send(event.response()))
                elif isinstance(event, CloseConnection):
                    raise StopAsyncIteration
            data = bytes(await self.stream.receive_some(4096))
            if not data:
                raise StopAsyncIteration
            self._websocket.receive_data(data)
            self._events = self._websocket.events()


@asynccontextmanager
async def listen(client: Client) -> AsyncIterator[Listener]:
    async with client.connect(ADDRESS) as stream:
        listener = Listener(stream)
        await listener.open()
        yield listener


async def apply(client: Client, host: SimulatedHost) -> str:
    return str((await client.post(host, "/api/v1/patches/apply", {"packages": None})).data["job_id"])


async def test_the_codes_events_are_flat_and_end_with_the_final_status(start: Start) -> None:
    host, client = await start()
    async with listen(client) as listener:
        assert (await anext(listener))["event"] == "connected"
        job_id = await apply(client, host)
        seen = []
        async for message in listener:
            assert (message["event"], message["job_id"]) == ("job_status", job_id)
            seen.append((message["status"], message["progress"]))
            if message["status"] == "completed":
                break
    assert seen[0] == ("pending", 0)
    assert seen[-1] == ("completed", 100)
    assert [progress for _, progress in seen] == sorted(progress for _, progress in seen)


async def test_the_documentations_events_have_a_payload_and_a_last_type_of_their_own(start: Start) -> None:
    host, client = await start(dialect=Dialect.DOCUMENTATION)
    async with listen(client) as listener:
        await listener.say({"type": "subscribe_all"})
        await listener.say({"type": "ping"})
        assert await anext(listener) == {"type": "pong"}
        job_id = await apply(client, host)
        async for message in listener:
            assert message["payload"]["job_id"] == job_id
            if message["type"] == "job_complete":
                assert message["payload"]["status"] == "completed"
                assert message["payload"]["progress_percent"] == 100
                break
            assert message["type"] == "job_status"


async def test_a_subscription_to_one_job_hears_of_no_other(start: Start) -> None:
    host, client = await start(job_seconds=0.3)
    async with listen(client) as listener:
        await anext(listener)
        mine = await apply(client, host)
        await listener.say({"action": "subscribe", "job_id": mine})
        await listener.say("no json")
        async for message in listener:
            if message["event"] == "error":
                break
        assert message["status"] == "invalid_message"
        other = await apply(client, host)
        seen = set()
        async for message in listener:
            seen.add(message["job_id"])
            if message["status"] == "completed":
                break
        assert seen == {mine}
        assert other != mine


async def test_a_failed_job_ends_with_its_error_code(start: Start) -> None:
    host, client = await start()
    host.take("fail_jobs")
    async with listen(client) as listener:
        await client.post(host, "/api/v1/patches/apply", {"packages": ["no-such-package"]})
        async for message in listener:
            if message["status"] == "failed":
                assert message["error_code"] == "PKG_NOT_FOUND"
                break


async def test_the_agent_pings_and_drops_who_keeps_silent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PING_SECONDS", 0.1)
    monkeypatch.setattr(server, "SILENCE_SECONDS", 0.25)
    _, client = await start()
    async with listen(client) as listener:
        with trio.move_on_after(0.8) as answering:
            async for _ in listener:
                pass
        assert answering.cancelled_caught
        assert listener.pings >= 4
        listener.silent = True
        async for _ in listener:
            pass


async def test_releases_before_frames_answer_101_and_then_json(start: Start) -> None:
    host, client = await start(release=Release.BEFORE_ALIAS)
    assert host.spec.websocket is WebSocketForm.JSON_AFTER_101
    async with client.connect(ADDRESS) as stream:
        websocket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        await stream.send_all(websocket.send(Request(host=ADDRESS, target="/api/v1/ws/jobs")))
        received = b""
        while chunk := await stream.receive_some(4096):
            received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert orjson.loads(rest)["success"] is True


async def test_the_oldest_releases_answer_an_upgrade_with_plain_json(start: Start) -> None:
    host, client = await start(release=Release.OLD)
    upgrade = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    answer = await client.call(host, "GET", "/api/v1/ws/jobs", headers=upgrade)
    assert answer.status == 200
    assert answer.json["success"] is True


async def test_a_plain_get_of_the_stream_is_refused(start: Start) -> None:
    host, client = await start()
    assert (await client.get(host, "/api/v1/ws/jobs")).status == 400


async def test_a_subscriber_that_resets_its_connection_ends_nobody_else(start: Start) -> None:
    host, client = await start()
    async with listen(client) as listener:
        await anext(listener)
        connection = listener.stream.transport_stream.socket
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with RST
        connection.close()
        while host.subscribers:  # noqa: ASYNC110 - hosts have no events for tests to wait on
            await trio.sleep(0.005)
    assert (await client.get(host, "/api/v1/health")).status == 200
