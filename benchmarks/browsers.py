"""Browsers, as a process of their own: they ask for one path again and again, or hold live streams open."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys

import trio

Stream = trio.SSLStream[trio.SocketStream]
_MASK = b"\x00\x00\x00\x00"  # RFC 6455 asks clients to mask; nothing here is between us and the server


class Page:
    """One kept connection."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._received = b""

    async def get(self, path: str, headers: list[str]) -> tuple[int, dict[str, str], int]:
        """Status, headers and the size of the body."""
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
        await self._stream.send_all("\r\n".join(lines).encode())
        head = await self.until(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        status = int(first.split(" ", 2)[1])
        size = 0 if status in (204, 304) else int(fields["content-length"])
        while len(self._received) < size:
            await self._more()
        self._received = self._received[size:]
        return status, fields, size

    async def until(self, mark: bytes) -> bytes:
        """What comes before ``mark``."""
        while mark not in self._received:
            await self._more()
        before, _, self._received = self._received.partition(mark)
        return before

    async def _more(self) -> None:
        data = await self._stream.receive_some(262_144)
        if not data:
            raise RuntimeError("the server closed the connection")
        self._received += data


async def connect(port: int, root: str) -> Stream:
    """A TLS connection to the server."""
    context = ssl.create_default_context(cafile=root)
    plain = await trio.open_tcp_stream("127.0.0.1", port)
    stream = trio.SSLStream(plain, context, server_hostname="127.0.0.1", https_compatible=True)
    await stream.do_handshake()
    return stream


def say(text: str) -> None:
    """A line to the benchmark."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def told() -> str:
    """The next line of the benchmark."""
    line: str = await trio.to_thread.run_sync(sys.stdin.readline)
    return line.strip()


async def ask(given: argparse.Namespace) -> None:
    """Ask ``count`` times for each "go"; answers one line of JSON a time."""
    page = Page(await connect(given.port, given.root))
    headers = list(given.header)
    status, fields, size = await page.get(given.path, headers)
    if given.revalidate:
        headers.append(f"If-None-Match: {fields['etag']}")
    say("ready")
    while await told() == "go":
        for _ in range(given.count):
            status, fields, size = await page.get(given.path, headers)
        say(json.dumps({"status": status, "bytes": size}))


async def watch(given: argparse.Namespace) -> None:
    """Hold ``count`` live streams (or bare TLS connections) open and drain them until told to end."""
    received = [0] * given.count
    token = os.environ.get("BENCH_TOKEN", "")

    async def drain(number: int, stream: Stream) -> None:
        while data := await stream.receive_some(262_144):
            received[number] += len(data)

    async with trio.open_nursery() as nursery:
        for number in range(given.count):
            stream = await connect(given.port, given.root)
            if given.origin:
                await _open_live(stream, given.origin, token)
            nursery.start_soon(drain, number, stream)
        say("ready")
        await told()
        say(json.dumps({"bytes": sum(received), "least": min(received)}))
        nursery.cancel_scope.cancel()


async def _open_live(stream: Stream, origin: str, token: str) -> None:
    request = (
        f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await stream.send_all(request.encode())
    head = await Page(stream).until(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"no live stream: {head[:100]!r}")
    hello = json.dumps({"type": "auth", "token": token, "snapshot": False}).encode()
    await stream.send_all(b"\x81\xfe" + len(hello).to_bytes(2, "big") + _MASK + hello)
    await stream.receive_some(4096)  # "hello": the stream is live


def main() -> None:
    """One of both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("ask", "watch"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--revalidate", action="store_true")
    parser.add_argument("--origin")
    given = parser.parse_args()
    trio.run(ask if given.kind == "ask" else watch, given)


if __name__ == "__main__":
    main()
