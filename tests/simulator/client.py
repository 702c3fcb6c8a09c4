"""A bare mTLS client made of ssl and h11, independent of the program's own agent client."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import h11
import orjson
import trio

from patch_manager.simulator.fleet import Fleet
from patch_manager.simulator.host import SimulatedHost

Stream = trio.SSLStream[trio.SocketStream]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def data(self) -> Any:
        assert self.json["success"], self.body
        return self.json["data"]

    @property
    def code(self) -> str:
        assert not self.json["success"]
        return str(self.json["error"]["code"])


@dataclass(frozen=True)
class Client:
    """Calls hosts of one fleet."""

    fleet: Fleet
    context: ssl.SSLContext

    @contextlib.asynccontextmanager
    async def connect(self, address: str) -> AsyncIterator[Stream]:
        tcp = await trio.open_tcp_stream(address, self.fleet.port)
        stream = trio.SSLStream(tcp, self.context, server_hostname=address, https_compatible=True)
        try:
            await stream.do_handshake()
            yield stream
        finally:
            await trio.aclose_forcefully(stream)

    async def call(
        self,
        host: SimulatedHost,
        method: str,
        target: str,
        body: object = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        async with self.connect(host.address) as stream:
            return await exchange(stream, host.address, method, target, body, headers)

    async def get(self, host: SimulatedHost, target: str) -> Answer:
        return await self.call(host, "GET", target)

    async def post(self, host: SimulatedHost, target: str, body: object = None) -> Answer:
        return await self.call(host, "POST", target, body)

    async def finished(self, host: SimulatedHost, job_id: str) -> Any:
        """The job once its status is final, without spending the host's read budget."""
        job = host.jobs.get(job_id)
        assert job is not None
        while not job.status.is_final:  # noqa: ASYNC110 - hosts have no events for tests to wait on
            await trio.sleep(0.005)
        return (await self.get(host, f"/api/v1/jobs/{job_id}")).data


async def exchange(
    stream: Stream,
    address: str,
    method: str,
    target: str,
    body: object = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """One request and its answer on an open connection."""
    content = b"" if body is None else orjson.dumps(body)
    lines = [("Host", address), ("Content-Length", str(len(content))), *headers]
    if body is not None and not any(name.lower() == "content-type" for name, _ in headers):
        lines.append(("Content-Type", "application/json"))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
    await stream.send_all(head.encode() + content)
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target=target, headers=[("Host", address)]))
    connection.send(h11.EndOfMessage())
    response: h11.Response | None = None
    parts: list[bytes] = []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(65536)))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            assert response is not None
            received = {name.decode(): value.decode() for name, value in response.headers}
            return Answer(response.status_code, received, b"".join(parts))
