"""The agents' stream of job events: RFC 6455 by hand, and what old releases answer instead of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import ssl
import time

from tests.system.dialects import CodeDialect
from tests.system.host import Host, stamp

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING = 1, 8, 9
_SILENCE = 10.0
_PING_EVERY = 5.0


def serve_stream(tls: ssl.SSLSocket, headers: tuple[tuple[str, str], ...], dialect: CodeDialect, host: Host) -> bool:
    """Serve the connection until it ends; False when it was answered as plain HTTP elsewhere."""
    key = dict(headers).get("sec-websocket-key", "")
    if dialect.websocket == "plain":
        return False
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324  # RFC 6455 4.2.2
    tls.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-accept: {accept}\r\n\r\n".encode()
    )
    if dialect.websocket == "raw":
        tls.sendall(json.dumps({"message": "websocket not implemented"}).encode())
        return True
    if dialect.websocket == "code":
        hello = {"event": "connected", "job_id": "", "status": "connected", "progress": 0, "timestamp": stamp()}
        tls.sendall(_frame(_TEXT, json.dumps(hello).encode()))
    told: dict[str, tuple[str, int]] = {}
    heard = pinged = time.monotonic()
    while time.monotonic() - heard < _SILENCE:
        host.advance()
        for job in list(host.jobs.values()):
            if told.get(job.id) != (job.status, job.progress // 20):
                told[job.id] = (job.status, job.progress // 20)
                tls.sendall(_frame(_TEXT, json.dumps(dialect.event(job)).encode()))
        if time.monotonic() - pinged > _PING_EVERY:
            pinged = time.monotonic()
            tls.sendall(_frame(_PING, b""))
        tls.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            data = tls.recv(65_536)  # anything is a sign of life; a close or the end of the connection ends it
            if not data or data[0] & 0x0F == _CLOSE:
                return True
            heard = time.monotonic()
    return True


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes([0x80 | opcode, size]) if size < 126 else bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big")
    return head + payload
