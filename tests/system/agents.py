"""An agent of our own on a loopback address: threads, ``ssl`` and sockets, nothing of the program under test.

Every request is recorded with its connection and moment. ``temper`` makes the agent misbehave on the wire (in answers
to the path ``only``, when one is given); ``on_apply`` scripts what becomes of the next apply requests, and until
``limited_until`` (monotonic) everything that its rate limiter counts is refused. ``before_jobs`` is called before its
list of jobs is answered, which is the last thing that a manager reads before it sends.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

from tests.system.dialects import CodeDialect
from tests.system.host import Host, stamp
from tests.system.stream import serve_stream

CHUNK = b"x" * 65_536
HUGE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """A request as it arrived; ``at`` on the monotonic clock, ``wall`` on the wall clock, ``connection`` from 1."""

    at: float
    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wall: float = field(default_factory=time.time)

    @property
    def path(self) -> str:
        """Without its query."""
        return urlsplit(self.target).path

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer; ``cut``: the connection is closed instead; ``held``: it stays open without one."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    held: bool = False


CUT = Reply(0, cut=True)
HELD = Reply(0, held=True)


class Bucket:
    """The agent's rate limiter: refused requests cost nothing."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self.rate, self.burst, self.tokens, self.at = per_minute / 60.0, burst, burst, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass
class Agent:
    """One agent; ``bundle`` is what ``pki issue`` wrote for it."""

    address: str
    port: int
    bundle: Path
    dialect: CodeDialect = field(default_factory=CodeDialect)
    host: Host = field(default_factory=Host)
    temper: str = ""
    only: str = ""
    on_apply: list[str] = field(default_factory=list)
    reads_per_minute: tuple[float, float] = (120, 30)
    writes_per_minute: tuple[float, float] = (20, 10)
    health_delay: float = 0.0
    limited_until: float = 0.0
    before_jobs: Callable[[], object] | None = None
    certificate: tuple[Path, Path] | None = None
    requests: list[Request] = field(default_factory=list)
    limited: list[Request] = field(default_factory=list)
    connections: int = 0
    handshakes: int = 0
    application_bytes: int = 0

    def __post_init__(self) -> None:
        self.reads, self.writes = Bucket(*self.reads_per_minute), Bucket(*self.writes_per_minute)
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    # What tests read

    def sent(self, method: str, path: str) -> list[Request]:
        """Requests of one kind, oldest first."""
        return [r for r in list(self.requests) if r.method == method and r.path == path]

    @property
    def applies(self) -> list[Request]:
        """Apply requests."""
        return self.sent("POST", "/api/v1/patches/apply")

    @property
    def mutations(self) -> list[Request]:
        """Everything that is no GET."""
        return [r for r in list(self.requests) if r.method != "GET"]

    @property
    def polled_at(self) -> list[float]:
        """When health was asked for and answered."""
        return [r.at for r in list(self.requests) if r.path == self.dialect.health_paths[-1]]

    # Life

    def __enter__(self) -> Agent:
        if self.temper != "refuse":
            self._listen()
        self._spawn(self._watch_reboots)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._close()
        for thread in list(self._threads):
            thread.join(10)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def _listen(self) -> None:
        with self.lock:
            if self.stopped.is_set():
                return
            self._listener = socket.create_server((self.address, self.port), backlog=64)
            self._spawn(self._accept, self._listener)

    def _close(self) -> None:
        with self.lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _watch_reboots(self) -> None:
        while not self.stopped.wait(0.05):
            if self.host.away and self._listener is not None:
                time.sleep(0.2)  # the 202 leaves first
                self._close()
            elif not self.host.away and self._listener is None and self.temper != "refuse":
                self._listen()

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopped.is_set():
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
            self._spawn(self._serve, raw, number)

    def context(self) -> ssl.SSLContext:
        """TLS 1.3 only, client certificate of the manager's CA required, by the letter and not on its CRL."""
        certificate, key = self.certificate or (self.bundle / "server.pem", self.bundle / "server.key.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
        if self.temper == "tls12":
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self.bundle / "ca.pem")
        context.load_verify_locations(self.bundle / "crl.pem")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_STRICT
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _serve(self, raw: socket.socket, number: int) -> None:
        self._open.add(raw)
        try:
            with raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._before_tls(raw)
                with self.context().wrap_socket(raw, server_side=True) as tls:
                    self._open.add(tls)
                    self.handshakes += 1
                    try:
                        self._talk(tls, number)
                    finally:
                        self._open.discard(tls)
        except (OSError, EOFError):
            return
        finally:
            self._open.discard(raw)

    def _before_tls(self, raw: socket.socket) -> None:
        if self.temper == "drop":
            raise EOFError
        if self.temper == "hang":
            self.stopped.wait()
            raise EOFError
        if self.temper == "plain":
            raw.recv(65_536)
            raw.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" * 4)
            raise EOFError

    def _talk(self, tls: ssl.SSLSocket, number: int) -> None:
        if self.temper == "drop_after_tls":
            raise EOFError
        buffer = b""
        tls.settimeout(5.0)
        while True:
            while b"\r\n\r\n" not in buffer:
                buffer += self._read(tls)
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ")
            headers = tuple((n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines[1:]))
            length = int(dict(headers).get("content-length", "0"))
            while len(buffer) < length:
                buffer += self._read(tls)
            body, buffer = buffer[:length], buffer[length:]
            request = Request(time.monotonic(), number, method, target, headers, body)
            self.requests.append(request)
            if request.path == "/api/v1/ws/jobs" and serve_stream(tls, request.headers, self.dialect, self.host):
                return
            if self.temper and self.only in ("", request.path):
                self._misbehave(tls)
            reply = self.answer(request)
            if reply.held:
                self.stopped.wait()
            if reply.cut or reply.held:
                raise EOFError
            self._send(tls, reply)

    def _read(self, tls: ssl.SSLSocket) -> bytes:
        data = tls.recv(65_536)
        if not data:
            raise EOFError
        self.application_bytes += len(data)
        return data

    def _send(self, tls: ssl.SSLSocket, reply: Reply) -> None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        head = f"HTTP/1.1 {reply.status} X\r\n{headers}content-length: {len(reply.body)}\r\n\r\n"
        tls.sendall(head.encode() + reply.body)

    def _misbehave(self, tls: ssl.SSLSocket) -> None:
        ok = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        match self.temper:
            case "hang_in_http":
                self.stopped.wait()
            case "drip":
                tls.sendall(ok + b"content-length: 1000\r\n\r\n")
                while not self.stopped.wait(0.5):
                    tls.sendall(b" ")
            case "garbage":
                tls.sendall(b"\x00\x01\x02 this is not HTTP \xff\xfe" * 20)
            case "not_json":
                self._send(tls, Reply(200, b"}{ not json", (("content-type", "application/json"),)))
            case "html":
                page = b"<html><body>Proxy login</body></html>"
                self._send(tls, Reply(200, page, (("content-type", "text/html"),)))
            case "bad_gateway":
                self._send(tls, Reply(502, b"<h1>Bad gateway</h1>", (("content-type", "text/html"),)))
            case "huge":
                tls.sendall(ok + b"transfer-encoding: chunked\r\n\r\n")
                for _ in range(HUGE_BYTES // len(CHUNK)):
                    tls.sendall(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
            case "huge_declared":
                tls.sendall(ok + b"content-length: %d\r\n\r\n" % HUGE_BYTES)
                for _ in range(HUGE_BYTES // len(CHUNK)):
                    tls.sendall(CHUNK)
            case "bomb":
                bomb = gzip.compress(b" " * HUGE_BYTES, 9)
                self._send(tls, Reply(200, bomb, (("content-encoding", "gzip"),)))
            case "redirect":
                self._send(tls, Reply(302, b"", (("location", "https://127.0.0.1:1/elsewhere"),)))
            case _:
                return
        raise EOFError

    # The contract

    def answer(self, request: Request) -> Reply:
        """One answer, rate limiter first."""
        self.host.advance()
        exempt = request.path in ("/health", "/api/v1/system/info")
        if not exempt and (left := self.limited_until - time.monotonic()) > 0:
            self.limited.append(request)
            return Reply(
                429, b"Too Many Requests", (("content-type", "text/plain"), ("retry-after", str(int(left) + 1)))
            )
        bucket = self.reads if request.method == "GET" else self.writes
        if not exempt and not bucket.take():
            self.limited.append(request)
            wait = str(int(1 / bucket.rate) + 1)
            return Reply(429, b"Too Many Requests", (("content-type", "text/plain"), ("retry-after", wait)))
        names = [name for name, _ in request.headers]
        if any(names.count(name) > 1 for name in ("host", "authorization", "content-type")):
            return _problem(400, "VALIDATION_ERROR", "duplicate header")
        if request.path in ("/health", "/api/v1/health"):
            if request.path not in self.dialect.health_paths:
                return Reply(405, b"", (("allow", "POST"),))
            time.sleep(self.health_delay)
            self.host.refresh_stale_cache()
            return _good(200, self.dialect.health(self.host))
        if self.before_jobs is not None and request.path == "/api/v1/jobs":
            self.before_jobs()
        with self.host.lock:
            return self._api(request)

    def _api(self, request: Request) -> Reply:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        method, path = request.method, request.path
        parts = path.removeprefix("/api/v1/").split("/")
        if (method, path) == ("GET", "/api/v1/system/info"):
            return _good(200, self.dialect.info(self.host))
        if (method, path) == ("GET", "/api/v1/patches"):
            return _good(200, self.dialect.patches(self.host, _number(query, "limit"), _number(query, "offset")))
        if (method, path) == ("GET", "/api/v1/jobs"):
            newest = sorted(self.host.jobs.values(), key=lambda job: -job.created)[: _number(query, "limit") or 50]
            return _good(200, {"jobs": [self.dialect.job(job) for job in newest], "total": len(self.host.jobs)})
        if method == "GET" and len(parts) == 2 and parts[0] == "jobs":
            job = self.host.jobs.get(parts[1])
            return _problem(404, "JOB_NOT_FOUND") if job is None else _good(200, self.dialect.job(job))
        if (method, path) == ("POST", "/api/v1/patches/apply"):
            return self._apply(request)
        if (method, path) == ("POST", "/api/v1/system/reboot"):
            job = self.host.reboot()
            return _good(202, {"job_id": job.id, "status": "pending", "operation": "reboot"})
        if parts[0] == "packages" or parts[:2] == ["system", "services"] or parts[-1] == "rollback":
            return self._operate(request, [unquote(part) for part in parts])
        return Reply(405, b"", (("allow", "GET"),))

    def _operate(self, request: Request, parts: list[str]) -> Reply:
        host, method = self.host, request.method
        if parts[0] == "jobs" and method == "POST":
            original = host.jobs.get(parts[1])
            if original is None:
                return _problem(404, "JOB_NOT_FOUND")
            if original.ended is None:
                return _problem(400, "ROLLBACK_NOT_ALLOWED")
            job = host.submit("rollback", original.packages or [], original)
            return _good(202, {"job_id": job.id, "operation": "rollback", "original_job_id": original.id})
        if parts[0] == "system":
            known = parts[2] in host.services
            state = {"name": parts[2], "active_state": "active", "sub_state": "running", "healthy": True}
            return _good(200, state) if known else _problem(404, "SERVICE_NOT_FOUND")
        if method == "GET" and len(parts) == 1:
            rows = [self.dialect.package(name, version) for name, version in host.installed.items()]
            return _good(200, {"packages": rows, "total": len(rows)})
        if method == "GET":
            version = host.installed.get(parts[1])
            return (
                _problem(404, "PKG_NOT_FOUND")
                if version is None
                else _good(200, self.dialect.package(parts[1], version))
            )
        operation = {"POST": "install", "PUT": "update", "DELETE": "remove"}[method]
        names = [item["name"] for item in request.json["packages"]] if method == "POST" else [parts[1]]
        job = host.submit(operation, names)
        return _good(202, {"job_id": job.id, "status": "pending", "operation": operation})

    def _apply(self, request: Request) -> Reply:
        script = self.on_apply.pop(0) if self.on_apply else ""
        if script == "cut_before":
            return CUT
        if script == "429":
            return Reply(429, b"Too Many Requests", (("content-type", "text/plain"), ("retry-after", "3")))
        if script == "400":
            return _problem(400, "VALIDATION_ERROR", "no such package")
        body = request.json
        if "allow_reboot" in body and "reboot" in body:
            return _problem(400, "VALIDATION_ERROR", "duplicate field")
        job = self.host.apply(body.get("packages"))
        if script == "lose":
            self.host.forget_jobs()
        if script == "cut_after":
            return CUT
        if script == "no_answer":
            return HELD
        return _good(202, {"job_id": job.id, "status": "pending", "operation": "patch_apply", "exclusive_mode": True})


def _number(query: dict[str, str], name: str) -> int | None:
    return int(query[name]) if name in query else None


def _good(status: int, data: object) -> Reply:
    return _json(status, {"success": True, "data": data, "error": None})


def _problem(status: int, code: str, message: str = "no") -> Reply:
    error = {"code": code, "message": message, "details": None, "retryable": False}
    return _json(status, {"success": False, "data": None, "error": error})


def _json(status: int, frame: dict[str, object]) -> Reply:
    frame |= {"request_id": str(uuid4()), "timestamp": stamp(nanoseconds=True)}
    return Reply(status, json.dumps(frame).encode(), (("content-type", "application/json"),))
