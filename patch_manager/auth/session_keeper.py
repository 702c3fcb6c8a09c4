"""Keeping a session: rotating refresh tokens, ending sessions (TRUST 1 to 3, ASVS 7.4 and 10.4.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from patch_manager.auth.events import Recorder
from patch_manager.auth.model import AuthError, AuthSettings, Client, Tokens
from patch_manager.auth.tokens import AccessTokens, digest, new_secret_token
from patch_manager.auth.watch import SessionWatch
from patch_manager.domain.audit import Outcome
from patch_manager.domain.principal import Principal
from patch_manager.storage import sessions, users
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.sessions import SessionRow, SessionState


@dataclass(frozen=True, slots=True)
class _Rotated:
    state: SessionState
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Reused:
    session_id: UUID


class SessionKeeper:
    """What holders of a session do with it."""

    def __init__(
        self,
        db: Database,
        record: Recorder,
        tokens: AccessTokens,
        watch: SessionWatch,
        settings: AuthSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._record = record
        self._tokens = tokens
        self._watch = watch
        self._settings = settings
        self._now = now

    async def refresh(self, refresh_token: str, client: Client) -> Tokens | AuthError:
        """Exchange a refresh token for new tokens. A token that comes twice ends its session, whoever sends it:
        one of the two senders stole it, and nobody can say which. It extends nothing (TRUST 2)."""
        result = await self._db.transaction(self._rotate, digest(refresh_token), client)
        if isinstance(result, _Reused):
            self._watch.forget(session_id=result.session_id)
            return AuthError.REUSED
        if isinstance(result, AuthError):
            return result
        state = result.state
        access_token, lifetime = self._tokens.issue(state.user_id, state.session_id)
        left = max(0, int((state.expires_at - self._now()).total_seconds()))
        return Tokens(state.session_id, access_token, lifetime, result.refresh_token, left)

    async def _rotate(
        self, connection: Connection, token_hash: bytes, client: Client
    ) -> _Rotated | _Reused | AuthError:
        now = self._now()
        session_id = await sessions.spend_refresh(connection, token_hash, now)
        if session_id is None:
            return await self._end_family(connection, token_hash, client, now)
        state = next(iter(await sessions.states(connection, [session_id])), None)
        if state is None or state.revoked_at or state.disabled_at or state.expires_at <= now:
            return AuthError.ENDED
        if state.last_active_at + self._settings.idle_lifetime <= now:
            return AuthError.IDLE
        refresh_token = new_secret_token()
        await sessions.insert_refresh(connection, digest(refresh_token), session_id, now)
        return _Rotated(state, refresh_token)

    async def _end_family(
        self, connection: Connection, token_hash: bytes, client: Client, now: datetime
    ) -> _Reused | AuthError:
        session_id = await sessions.session_of_refresh(connection, token_hash)
        if session_id is None:
            return AuthError.REFRESH
        if await sessions.revoke(connection, session_id, "refresh token used twice", now):
            await self._recorded(connection, "auth.refresh_reused", session_id, client, outcome=Outcome.FAILURE)
        return _Reused(session_id)

    async def sign_out(self, session_id: UUID | None, refresh_token: str | None, client: Client) -> None:
        """End the session of an access token, of a refresh token, or of both. Signing out twice is no error."""
        ended = await self._db.transaction(
            self._end, session_id, digest(refresh_token) if refresh_token else None, client
        )
        for each in ended:
            self._watch.forget(session_id=each)

    async def _end(
        self, connection: Connection, session_id: UUID | None, token_hash: bytes | None, client: Client
    ) -> list[UUID]:
        found = {session_id}
        if token_hash is not None:
            found.add(await sessions.session_of_refresh(connection, token_hash))
        ended = []
        for each in sorted(found - {None}, key=str):
            if each is not None and await sessions.revoke(connection, each, "signed out", self._now()):
                await self._recorded(connection, "auth.signed_out", each, client)
                ended.append(each)
        return ended

    async def open_sessions(self, principal: Principal) -> list[SessionRow]:
        """The caller's sessions that are still good."""
        now = self._now()
        return await self._db.read(sessions.list_open, principal.user_id, now, now - self._settings.idle_lifetime)

    async def end_session(self, principal: Principal, session_id: UUID, client: Client) -> bool:
        """End one of the caller's own sessions; False when there is no such session of theirs."""
        ended = await self._db.transaction(self._end_own, principal, session_id, client)
        self._watch.forget(session_id=session_id)
        return ended

    async def _end_own(self, connection: Connection, principal: Principal, session_id: UUID, client: Client) -> bool:
        if not await sessions.owned(connection, session_id, principal.user_id):
            return False
        if not await sessions.revoke(connection, session_id, "ended by its user", self._now()):
            return False
        await self._recorded(connection, "auth.session_ended", session_id, client)
        return True

    async def end_other_sessions(self, principal: Principal, client: Client) -> int:
        """End all of the caller's sessions but the one in hand; how many."""
        ended = await self._db.transaction(self._end_others, principal, client)
        self._watch.forget(user_id=principal.user_id)
        return ended

    async def _end_others(self, connection: Connection, principal: Principal, client: Client) -> int:
        ended = await sessions.revoke_all(
            connection, principal.user_id, "ended by its user", self._now(), keep=principal.session_id
        )
        for each in ended:
            await self._recorded(connection, "auth.session_ended", each, client)
        return len(ended)

    async def _recorded(
        self,
        connection: Connection,
        action: str,
        session_id: UUID,
        client: Client,
        *,
        outcome: Outcome = Outcome.SUCCESS,
    ) -> None:
        state = next(iter(await sessions.states(connection, [session_id])), None)
        user = await users.by_id(connection, state.user_id) if state is not None else None
        await self._record(connection, action, user, client, session_id=session_id, outcome=outcome)
