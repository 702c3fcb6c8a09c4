"""Requests and answers between the connection and the interface behind it."""

from dataclasses import dataclass

from patch_manager.simulator import shapes
from patch_manager.simulator.host import SimulatedHost

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. *headers* have lower-case names, as h11 gives them."""

    method: str
    target: str
    headers: Headers
    body: bytes
    client: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; an empty *content_type* means no body."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


def error_reply(host: SimulatedHost, status: int, code: str, message: str, *, retry_after: int | None = None) -> Reply:
    """An error in the agent's envelope."""
    body = shapes.failure(code, message, retryable=retry_after is not None)
    headers = ((b"retry-after", b"%d" % retry_after),) if retry_after is not None else ()
    return Reply(status, shapes.envelope(host.spec, b"null", body), headers=headers)


def rate_limited(seconds: int) -> Reply:
    """The limiter's answer is not JSON."""
    text = f"Too many requests, retry in {seconds}s".encode()
    return Reply(429, text, b"text/plain; charset=utf-8", ((b"retry-after", b"%d" % seconds),))
