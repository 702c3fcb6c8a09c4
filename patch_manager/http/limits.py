"""What stands before the app: request ids, the access log, and bodies that are too large (TRUST 13, 21).

Quart buffers a body before anybody has looked at the caller. So bytes are counted here, on their way in: 64 KiB for
anybody, more for those who are signed in, and what is over is refused unbuffered.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import trio

from patch_manager.domain.principal import Principal
from patch_manager.http.call import begin_call
from patch_manager.http.dispatch import bearer_token
from patch_manager.http.errors import PROBLEM_JSON, TooLarge, problem_body
from patch_manager.http.guard import CLOSE_CONNECTION, ASGIApp
from patch_manager.http.operations import HttpMetrics
from patch_manager.http.security_headers import with_security_headers
from patch_manager.http.services import Services

_log = structlog.get_logger(__name__)

ANYBODY_BYTES = 64 * 1024
SIGNED_IN_BYTES = 4 * 1024 * 1024
# A client that is still sending reads the answer only if it is not cut off: listen a little, keep nothing.
_DRAIN_SECONDS = 1.0
_DRAIN_BYTES = 8 * 1024 * 1024

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def gate(app: ASGIApp, services: Services) -> ASGIApp:
    """The app behind its gate; what `guard.serve_https` serves."""

    metrics = HttpMetrics(services.registry)

    async def gated(scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope["path"])
        headers = _headers(scope)
        client = scope.get("client") or ("-", 0)
        kind = scope["type"]
        method = scope["method"] if kind == "http" else "WEBSOCKET"
        current = begin_call(ip=client[0], method=method, path=path, user_agent=headers.get(b"user-agent", ""))
        with structlog.contextvars.bound_contextvars(request_id=current.request_id, ip=current.ip):
            if kind != "http":
                await app(scope, receive, send)
                return
            body = _Body(services, scope, headers, receive, send)
            started = time.perf_counter()
            try:
                if await body.declared_too_large():
                    await body.refuse()
                else:
                    await app(scope, body.receive, body.send)
            finally:
                metrics.answered(method, body.status)
                _log.info(
                    "http.request",
                    method=method,
                    path=path,
                    status=body.status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )

    return gated


class _Body:
    """Counts a request's body and answers in the app's place when there is too much of it."""

    def __init__(
        self, services: Services, scope: Message, headers: dict[bytes, str], receive: Receive, send: Send
    ) -> None:
        self._services = services
        self._scope = scope
        self._headers = headers
        self._receive = receive
        self._send = send
        self._limit = ANYBODY_BYTES
        self._asked = False
        self._seen = 0
        self._refused = False
        self.status: int | None = None

    async def declared_too_large(self) -> bool:
        """Whether Content-Length alone is reason enough."""
        declared = self._headers.get(b"content-length", "")
        return declared.isdecimal() and not await self._allows(int(declared))

    async def receive(self) -> Message:
        """The app's next message; the client is gone, as far as the app knows, when the body grew too large."""
        if self._refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if not await self._allows(self._seen):
                await self.refuse()
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """The app's answer, unless it was given already."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = with_security_headers(list(message["headers"]))
        await self._send(message)

    async def refuse(self) -> None:
        """Answer 413, discard what still comes for a moment, and have the connection closed."""
        self._refused = True
        self._close_afterwards()
        if self.status is not None:
            return  # an answer is on its way already
        self.status = TooLarge.status
        content = problem_body(TooLarge(), instance=str(self._scope["path"]))
        headers = [
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if self._scope["http_version"].startswith("1"):
            headers.append((b"connection", b"close"))
        headers = with_security_headers(headers)
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": content, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self) -> None:
        discarded = 0
        with trio.move_on_after(_DRAIN_SECONDS):
            while discarded < _DRAIN_BYTES:
                message = await self._receive()
                discarded += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return

    async def _allows(self, size: int) -> bool:
        if size > self._limit and not self._asked:
            self._asked = True
            if await self._signed_in():
                self._limit = SIGNED_IN_BYTES
        return size <= self._limit

    async def _signed_in(self) -> bool:
        token = bearer_token(self._headers.get(b"authorization"))
        if token is None:
            return False
        try:
            return isinstance(await self._services.auth.watch.principal_of(token), Principal)
        except Exception as error:
            # The small limit holds when nobody can say; the app will tell what is wrong.
            _log.warning("http.gate_blind", error=type(error).__name__)
            return False

    def _close_afterwards(self) -> None:
        close = self._scope.get("state", {}).get(CLOSE_CONNECTION)
        if close is not None:
            close()


def _headers(scope: Message) -> dict[bytes, str]:
    return {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
