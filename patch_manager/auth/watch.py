"""Who somebody is right now, and when they stop being it: live session state with a short memory (TRUST 2 and 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
import trio

from patch_manager.auth.model import AuthError, AuthSettings
from patch_manager.auth.tokens import AccessTokens
from patch_manager.domain.principal import Principal
from patch_manager.storage import sessions
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable

_log = structlog.get_logger(__name__)

MEMORY_SECONDS = 2.0  # revocation by another process holds within this, well inside the 5 s of TRUST 3
ACTIVITY_STEP = timedelta(seconds=15)  # activity is written at most this often
_MAX_REMEMBERED = 2_000


class SessionWatch:
    """Turns tokens into principals from live data; remembers each session for two seconds, so that a page's many
    requests cost one query. What this process itself changes is told by `forget` and holds at once.

    Args:
        db: sessions, users, groups.
        tokens: checks signatures.
        settings: lifetimes.
        now: wall clock, for lifetimes.
        clock: monotonic seconds, for the memory.
    """

    def __init__(
        self,
        db: Database,
        tokens: AccessTokens,
        settings: AuthSettings,
        now: Callable[[], datetime],
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._settings = settings
        self._now = now
        self._clock = clock
        self._states: dict[UUID, tuple[float, sessions.SessionState | None]] = {}
        self._watched: Counter[UUID] = Counter()
        self._loading = trio.Lock()
        self._forgotten = trio.Event()
        self._generation = 0

    async def principal_of(self, token: str, *, active: bool = False) -> Principal | AuthError:
        """The principal of an access token, or why there is none.

        Args:
            token: as sent by the client.
            active: the request was caused by a person, so the session's idle time starts anew.

        Raises:
            DatabaseUnavailable: nobody can say.
        """
        verified = self._tokens.verify(token)
        if isinstance(verified, AuthError):
            return verified
        state = await self._state(verified.session_id)
        found = self._principal(state)
        if isinstance(found, Principal) and found.user_id != verified.user_id:
            return AuthError.TOKEN
        if active and isinstance(found, Principal) and state is not None:
            await self._note_activity(state)
        return found

    async def still_valid(self, principal: Principal) -> bool:
        """Whether this is still who they are: session alive, user enabled, same role and groups.

        Raises:
            DatabaseUnavailable: nobody can say.
        """
        return self._principal(await self._state(principal.session_id)) == principal

    async def wait_invalid(self, principal: Principal) -> None:
        """Return once `still_valid` is false. All waiters together cost one query every two seconds."""
        self._watched[principal.session_id] += 1
        try:
            while True:
                forgotten = self._forgotten
                try:
                    if not await self.still_valid(principal):
                        return
                except DatabaseUnavailable:
                    # Nobody can revoke anything either while the database is away.
                    _log.warning("auth.watch_blind")
                with trio.move_on_after(MEMORY_SECONDS):
                    await forgotten.wait()
        finally:
            self._watched[principal.session_id] -= 1
            if not self._watched[principal.session_id]:
                del self._watched[principal.session_id]

    async def session_of(self, principal: Principal) -> sessions.SessionState | None:
        """The state behind a principal."""
        return await self._state(principal.session_id)

    def forget(self, *, session_id: UUID | None = None, user_id: UUID | None = None) -> None:
        """Read anew at the next question. Call it after committing a change of a session, a user, a membership.

        Without arguments everything is forgotten (a group was deleted).
        """
        everything = session_id is None and user_id is None
        for known, (_, state) in list(self._states.items()):
            if everything or known == session_id or (state is not None and state.user_id == user_id):
                del self._states[known]
        self._generation += 1
        self._forgotten.set()
        self._forgotten = trio.Event()

    def _principal(self, state: sessions.SessionState | None) -> Principal | AuthError:
        now = self._now()
        if state is None or state.revoked_at or state.disabled_at or state.expires_at <= now:
            return AuthError.ENDED
        if state.last_active_at + self._settings.idle_lifetime <= now:
            return AuthError.IDLE
        return Principal(state.user_id, state.username, state.role, state.group_ids, state.session_id)

    def _remembered(self, session_id: UUID) -> tuple[float, sessions.SessionState | None] | None:
        known = self._states.get(session_id)
        return known if known is not None and self._clock() - known[0] < MEMORY_SECONDS else None

    async def _state(self, session_id: UUID) -> sessions.SessionState | None:
        known = self._remembered(session_id)
        if known is not None:
            return known[1]
        async with self._loading:
            known = self._remembered(session_id)
            if known is not None:  # another request asked while this one waited
                return known[1]
            return await self._load(session_id)

    async def _load(self, session_id: UUID) -> sessions.SessionState | None:
        wanted = {session_id, *self._watched}
        while True:
            generation, asked_at = self._generation, self._clock()
            found = {state.session_id: state for state in await self._db.read(sessions.states, wanted)}
            if generation == self._generation:  # otherwise the answer may be from before the change just told
                break
        if len(self._states) > _MAX_REMEMBERED:
            self._states.clear()
        for each in wanted:
            self._states[each] = (asked_at, found.get(each))
        return found.get(session_id)

    async def _note_activity(self, state: sessions.SessionState) -> None:
        now = self._now()
        if now - state.last_active_at < ACTIVITY_STEP:
            return
        asked_at, _ = self._states.get(state.session_id, (self._clock(), None))
        await self._db.transaction(sessions.touch, state.session_id, now, now - self._settings.idle_lifetime)
        if state.session_id in self._states:
            self._states[state.session_id] = (asked_at, replace(state, last_active_at=now))
