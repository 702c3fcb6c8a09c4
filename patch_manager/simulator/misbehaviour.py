"""Answers that no well-behaved agent gives."""

import functools
import gzip

import trio

from patch_manager.simulator import shapes
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.temper import Answering

_HUGE = 1 << 40  # announced; nobody can want it all
_CHUNK = b'{"success":true,"data":"' + b"A" * 65_536
_DRIP_SECONDS = 0.5
_GARBAGE = bytes(range(256)) * 4
_PAGE = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>It works</h1></body></html>"


@functools.cache
def _bomb() -> bytes:
    """Ten kilobytes or so that unpack to ten megabytes."""
    return gzip.compress(b'{"success":true,"data":"' + b"\x00" * 10_000_000, 9)


def _head(status: bytes, content_type: bytes, length: int, *more: bytes) -> bytes:
    lines = (b"HTTP/1.1 " + status, b"content-type: " + content_type, b"content-length: %d" % length, *more)
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def answer(stream: trio.abc.SendStream, kind: Answering, host: SimulatedHost, target: str) -> None:
    """Answer in the way of *kind*; the connection ends afterwards."""
    match kind:
        case Answering.HANG:
            await trio.sleep_forever()
        case Answering.GARBAGE:
            await stream.send_all(_GARBAGE)
        case Answering.HTML:
            await stream.send_all(_head(b"200 OK", b"text/html", len(_PAGE)) + _PAGE)
        case Answering.REDIRECT:
            location = b"location: https://127.0.0.1:9/stolen" + target.encode("ascii")
            await stream.send_all(_head(b"302 Found", b"text/html", 0, location))
        case Answering.HTTP_500:
            error = shapes.failure("PKG_MANAGER_ERROR", "the package manager could not be asked", retryable=True)
            body = shapes.envelope(host.spec, b"null", error)
            await stream.send_all(_head(b"500 Internal Server Error", b"application/json", len(body)) + body)
        case Answering.HUGE:
            await stream.send_all(_head(b"200 OK", b"application/json", _HUGE))
            while True:
                await stream.send_all(_CHUNK)
        case Answering.GZIP_BOMB:
            # Repeated members are one legal gzip file: what goes out stays small, what it unpacks to does not.
            members = 1000
            encoding = b"content-encoding: gzip"
            await stream.send_all(_head(b"200 OK", b"application/json", members * len(_bomb()), encoding))
            for _ in range(members):
                await stream.send_all(_bomb())
        case Answering.DRIP:
            body = shapes.envelope(host.spec, b"{}")
            for byte in _head(b"200 OK", b"application/json", len(body)) + body:
                await stream.send_all(bytes((byte,)))
                await trio.sleep(_DRIP_SECONDS)
        case _:  # PROPER and RATE_LIMITED are answered elsewhere, DROP not at all
            return
