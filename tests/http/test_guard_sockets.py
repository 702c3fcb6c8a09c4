"""WebSockets behind the guard, and that browsers which stall neither stay nor keep it from stopping (TRUST 14, 23)."""

from __future__ import annotations

import pytest
import trio
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, RejectConnection, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from patch_manager.http import guard
from patch_manager.http.guarded_protocols import MAX_MESSAGE_BYTES
from tests.http.echo import Socket, echo, opened
from tests.http.tls_client import TlsServer, read_all, running_https, send_all, until

pytestmark = pytest.mark.usefixtures("impatient")


async def test_messages_up_to_64_kib_pass_and_larger_ones_close_the_socket(echoing: TlsServer) -> None:
    async with echoing.connected() as stream:
        socket = await opened(stream)
        await socket.send(BytesMessage(data=b"x" * MAX_MESSAGE_BYTES))
        received = b""
        while len(received) < MAX_MESSAGE_BYTES:
            received += (await socket.next()).data
        await socket.send(BytesMessage(data=b"x" * (MAX_MESSAGE_BYTES + 1)))
        closed = await socket.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009
    async with echoing.connected() as stream:
        assert isinstance(await opened(stream), Socket)


async def test_a_message_in_endless_fragments_is_not_kept(echoing: TlsServer) -> None:
    async with echoing.connected() as stream:
        socket = await opened(stream)
        for _ in range(MAX_MESSAGE_BYTES // 1024 + 1):
            await socket.send(TextMessage(data="x" * 1024, message_finished=False))
        closed = await socket.next()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009


async def test_extensions_are_refused(echoing: TlsServer) -> None:
    async with echoing.connected() as stream:
        socket = Socket(stream)
        await socket.send(Request(host="localhost", target="/echo", extensions=[PerMessageDeflate()]))
        accepted = await socket.next()
        assert isinstance(accepted, AcceptConnection)
        assert accepted.extensions == []


@pytest.mark.parametrize(
    "frame", [b"\xc1\x80\0\0\0\0", b"\x8b\xfe\xff\xff", b"\x83\x80\0\0\0\0", b"\x81\x82\0\0\0\0\xff\xff"]
)
async def test_frames_against_the_protocol_end_their_socket_only(echoing: TlsServer, frame: bytes) -> None:
    async with echoing.connected() as stream:
        await opened(stream)
        await send_all(stream, frame)
        with trio.fail_after(5):
            await read_all(stream)
    async with echoing.connected() as stream:
        await opened(stream)


async def test_a_websocket_to_nowhere_is_refused(server: TlsServer) -> None:
    async with server.connected() as stream:
        socket = Socket(stream)
        await socket.send(Request(host="localhost", target="/nowhere"))
        assert isinstance(await socket.next(), RejectConnection)


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stalls", [1, 20])
async def test_it_stops_within_five_seconds_though_browsers_stall(stalls: int) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as nursery:
            server = await running_https(nursery, echo, stop)
            for _ in range(stalls):
                await clients.start(_stall, server)
            async with server.connected() as idle, server.connected() as stream:
                await opened(stream)
                stop.set()
                started = trio.current_time()
                with trio.fail_after(5):
                    assert await read_all(idle) == b""
                    await until(lambda: not nursery.child_tasks)
        assert trio.current_time() - started < 5
        clients.cancel_scope.cancel()


async def _stall(server: TlsServer, task_status: trio.TaskStatus[None]) -> None:
    async with server.connected() as stream:
        await send_all(stream, b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.receive_some(1)
        task_status.started()
        await trio.sleep_forever()


async def test_a_browser_that_stops_reading_is_cut_off(echoing: TlsServer) -> None:
    async with echoing.connected() as stream:
        await send_all(stream, b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.receive_some(1)
        with trio.fail_after(guard.SEND_SECONDS + 8):
            await until(lambda: not echoing.limit.open)
