"""The live stream: what changes in the caller's part of the fleet, as it happens (DESIGN §3 and §5).

The event hub holds this reader's place and the latest of every host, so a slow browser skips what was overtaken and
costs no queue. The shell in `http.sockets` has checked the origin, signed the reader in and ends the stream with the
session; here are the writer, the pings and the reader.
"""

from __future__ import annotations

import orjson
import trio
from pydantic import ValidationError

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.routing import Routes
from patch_manager.http.services import services
from patch_manager.http.sockets import UNAUTHENTICATED, UNREADABLE, AuthMessage, LiveSocket
from patch_manager.supervisor.hub import Subscription

routes = Routes("fleet")

PING_SECONDS = 15.0
SEND_SECONDS = 10.0  # what a browser may take for a message, and besides
SLOWEST_BYTES_A_SECOND = 128 * 1024  # for the size of it: the first message may hold 25,000 hosts
MESSAGE_BYTES = 8 * 1024  # a token is 400
MESSAGE_SECONDS = 1.0  # between two messages of a browser; TCP holds back one that sends more
STALLED = 1013  # "try again later" (IANA's registry of close codes)

_PING = '{"type":"ping"}'


@routes.live("/live", permission=Permission.FLEET_READ)
async def live(socket: LiveSocket) -> None:
    """Follow the fleet over a WebSocket.

    Its first message is ``{"type": "auth", "token": …, "snapshot"?: bool}``. The answer is ``{"type": "snapshot",
    "revision", "totals", "hosts"}``, or with ``snapshot`` false ``{"type": "hello", "revision"}``: then fetch the fleet
    and replay what came meanwhile. After it come ``delta`` (changed rows, ids removed from sight, totals, revision),
    ``seen`` (when hosts were polled), ``jobs``, ``deployments``, ``resync`` (drop everything, a snapshot follows) and
    ``ping`` every 15 seconds. A renewed token is brought by another ``auth`` message. Closes with 4401 when the session
    ends or the user's role or groups change: sign in again or connect anew.
    """
    scope = socket.principal.scope
    outbox = Outbox(socket)
    async with services().supervisor.hub.subscribe(lambda: scope) as subscription, trio.open_nursery() as nursery:
        nursery.start_soon(_ping, outbox)
        nursery.start_soon(_read, socket)
        await _write(outbox, subscription, snapshot=socket.hello.snapshot)


class Outbox:
    """Sends one message at a time, each within its deadline; who does not read is cut off and connects anew."""

    def __init__(self, socket: LiveSocket) -> None:
        self._socket = socket
        self._turn = trio.Lock()

    async def send(self, message: bytes | str) -> None:
        """Send a text message; the stream ends when the browser does not take it in time."""
        async with self._turn:
            deadline = SEND_SECONDS + len(message) / SLOWEST_BYTES_A_SECOND
            with trio.move_on_after(deadline) as scope:
                await self._socket.send(message if isinstance(message, str) else message.decode())
        if scope.cancelled_caught:
            self._socket.leave(STALLED, "too slow")


async def _write(outbox: Outbox, subscription: Subscription, *, snapshot: bool) -> None:
    if snapshot:
        await outbox.send(await subscription.snapshot())
    else:
        await outbox.send(orjson.dumps({"type": "hello", "revision": subscription.begin()}))
    while True:
        for message in await subscription.next_batch():
            await outbox.send(message)


async def _ping(outbox: Outbox) -> None:
    while True:
        await trio.sleep(PING_SECONDS)
        await outbox.send(_PING)


async def _read(socket: LiveSocket) -> None:
    """A browser has nothing to say but a renewed token. The session lives in the database whatever a token says; a
    token of somebody else's, or of another session, ends the stream.
    """
    while True:
        message = await socket.receive()
        if len(message) > MESSAGE_BYTES:
            return socket.leave(UNREADABLE, "the message is too long")
        try:
            renewal = AuthMessage.model_validate_json(message)
        except ValidationError:
            return socket.leave(UNREADABLE, "only auth messages are read here")
        found = await services().auth.watch.principal_of(renewal.token)
        if not isinstance(found, Principal) or found.session_id != socket.principal.session_id:
            return socket.leave(UNAUTHENTICATED, "sign in again")
        await trio.sleep(MESSAGE_SECONDS)
