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

NORMAL = 1000  # RFC 6455
UNAUTHENTICATED = 4401  # sign in again; also when the session or the groups changed
FORBIDDEN = 4403
GOING_AWAY = 1001  # RFC 6455: the server stops
UNREADABLE = 1008  # RFC 6455: a message against the rules
FAULT = 1011  # RFC 6455: our fault
SIGN_IN_SECONDS = 10.0


class AuthMessage(Request):
    """The first message of a live stream; sent again, it brings a renewed token of the same session.

    ``snapshot`` false: the sender fetches the state itself and wants the changes from now on.
    """

    type: Literal["auth"]
    token: str
    snapshot: bool = True


class LiveSocket:
    """An accepted WebSocket whose sender is known."""

    def __init__(self, principal: Principal, hello: AuthMessage, scope: trio.CancelScope) -> None:
        self.principal = principal
        self.hello = hello
        self.goodbye = (NORMAL, "")
        self._scope = scope

    async def receive(self) -> str | bytes:
        """The next message, at most 64 KiB. Cancelled when the browser goes."""
        message: str | bytes = await websocket.receive()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send a message: text as str, a binary frame as bytes. Waits while the browser does not read."""
        await websocket.send(message)

    def leave(self, code: int, reason: str = "") -> None:
        """End the stream: its tasks are cancelled and it is closed with a code of RFC 6455 or 4xxx. The first wins."""
        if not self._scope.cancel_called:
            self.goodbye = (code, reason)
            self._scope.cancel()


def live_endpoint(operation: LiveOperation) -> Callable[..., Awaitable[Response | None]]:
    """The view function of a live route."""

    @wraps(operation.handler)
    async def view() -> Response | None:
        host = websocket.headers.get("Host")
        if not is_own_origin(websocket.headers.get("Origin"), host, services().settings.origin):
            return problem_response(Forbidden("this origin may not open a live stream"))
        await websocket.accept()
        hello, principal = await _sign_in()
        if hello is None or principal is None:
            await websocket.close(UNAUTHENTICATED, "sign in again")
        elif not principal.may(operation.permission):
            await websocket.close(FORBIDDEN, "not allowed")
        else:
            await websocket.close(*await _run(operation, principal, hello))
        return None

    return view


async def _sign_in() -> tuple[AuthMessage | None, Principal | None]:
    with trio.move_on_after(SIGN_IN_SECONDS):
        try:
            message = AuthMessage.model_validate_json(await websocket.receive())
        except ValidationError:
            return None, None
        found = await services().auth.watch.principal_of(message.token)
        return message, found if isinstance(found, Principal) else None
    return None, None


async def _run(operation: LiveOperation, principal: Principal, hello: AuthMessage) -> tuple[int, str]:
    """Run the handler until it ends, the session does, or the program does; returns how to close the socket."""
    current, failed = services(), False
    try:
        async with trio.open_nursery() as nursery:
            socket = LiveSocket(principal, hello, nursery.cancel_scope)

            async def session_over() -> None:
                await current.auth.watch.wait_invalid(principal)
                socket.leave(UNAUTHENTICATED, "sign in again")

            async def stopping() -> None:
                await current.stopping.wait()
                socket.leave(GOING_AWAY, "the server stops")

            nursery.start_soon(session_over)
            nursery.start_soon(stopping)
            await operation.handler(socket)
            socket.leave(NORMAL)
    except* Exception as group:  # Quart-Trio would lose what a group holds (TRUST, library traps)
        _log.error("http.live_failed", stream=operation.name, exc_info=group)
        failed = True
    return (FAULT, "something went wrong here") if failed else socket.goodbye
