"""The shell of every WebSocket: where it comes from, who signs in over it, and when it must end (TRUST 3, 12, 23)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Literal

import structlog
import trio
from pydantic import ValidationError
from quart import Response, websocket

from patch_manager.domain.principal import Principal
from patch_manager.http.errors import Forbidden, problem_response
from patch_manager.http.origins import is_own_origin
from patch_manager.http.routing import LiveOperation
from patch_manager.http.schemas.base import Request
from patch_manager.http.services import services

_log = structlog.get_logger(__name__)

UNAUTHENTICATED = 4401  # sign in again; also when the session or the groups changed
FORBIDDEN = 4403
GOING_AWAY = 1001  # RFC 6455: the server stops
UNREADABLE = 1008  # RFC 6455: a message against the rules
SIGN_IN_SECONDS = 10.0


class AuthMessage(Request):
    """The first message of a live stream."""

    type: Literal["auth"]
    token: str


class LiveSocket:
    """An accepted WebSocket whose sender is known."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    async def receive(self) -> str | bytes:
        """The next message, at most 64 KiB. Cancelled when the browser goes."""
        message: str | bytes = await websocket.receive()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send a message: text as str, a binary frame as bytes. Waits while the browser does not read."""
        await websocket.send(message)

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code of RFC 6455 or 4xxx."""
        await websocket.close(code, reason)


def live_endpoint(operation: LiveOperation) -> Callable[..., Awaitable[Response | None]]:
    """The view function of a live route."""

    @wraps(operation.handler)
    async def view() -> Response | None:
        host = websocket.headers.get("Host")
        if not is_own_origin(websocket.headers.get("Origin"), host, services().settings.origin):
            return problem_response(Forbidden("this origin may not open a live stream"))
        await websocket.accept()
        principal = await _sign_in()
        if principal is None:
            await websocket.close(UNAUTHENTICATED, "sign in again")
        elif not principal.may(operation.permission):
            await websocket.close(FORBIDDEN, "not allowed")
        else:
            await _run(operation, principal)
        return None

    return view


async def _sign_in() -> Principal | None:
    with trio.move_on_after(SIGN_IN_SECONDS):
        try:
            message = AuthMessage.model_validate_json(await websocket.receive())
        except ValidationError:
            return None
        found = await services().auth.watch.principal_of(message.token)
        return found if isinstance(found, Principal) else None
    return None


async def _run(operation: LiveOperation, principal: Principal) -> None:
    """Run the handler until it ends, the session does, or the program does; whatever is first closes the socket."""
    current = services()
    code, reason = 1000, ""
    async with trio.open_nursery() as nursery:

        async def session_over() -> None:
            nonlocal code, reason
            await current.auth.watch.wait_invalid(principal)
            code, reason = UNAUTHENTICATED, "sign in again"
            nursery.cancel_scope.cancel()

        async def stopping() -> None:
            nonlocal code, reason
            await current.stopping.wait()
            code, reason = GOING_AWAY, "the server stops"
            nursery.cancel_scope.cancel()

        nursery.start_soon(session_over)
        nursery.start_soon(stopping)
        await operation.handler(LiveSocket(principal))
        nursery.cancel_scope.cancel()
    await websocket.close(code, reason)
