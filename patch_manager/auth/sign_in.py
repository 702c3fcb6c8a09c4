"""From a user name to a session: password, then a second factor, always (TRUST 5 to 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog
import trio

from patch_manager.auth import totp
from patch_manager.auth.events import Recorder
from patch_manager.auth.model import (
    AuthError,
    AuthSettings,
    Client,
    Enrolment,
    MfaTicket,
    Sealer,
    Throttled,
    Tokens,
)
from patch_manager.auth.passwords import Passwords
from patch_manager.auth.throttle import Throttle
from patch_manager.auth.tokens import AccessTokens, digest, new_secret_token
from patch_manager.domain.audit import Outcome
from patch_manager.storage import sessions, users
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.sessions import Purpose
from patch_manager.storage.users import UserRecord

_log = structlog.get_logger(__name__)
_MAX_USER_AGENT = 200


@dataclass(frozen=True, slots=True)
class _Opened:
    """A session as it was made in the transaction, before its access token is signed."""

    user: UserRecord
    session: sessions.SessionRow
    refresh_token: str = field(repr=False)


class SignIn:
    """Signing in. Nothing here raises for a wrong answer; each outcome is a value."""

    def __init__(
        self,
        db: Database,
        record: Recorder,
        vault: Sealer,
        passwords: Passwords,
        throttle: Throttle,
        tokens: AccessTokens,
        settings: AuthSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._record = record
        self._vault = vault
        self._passwords = passwords
        self._throttle = throttle
        self._tokens = tokens
        self._settings = settings
        self._now = now

    async def password(self, username: str, password: str, client: Client) -> MfaTicket | Throttled | AuthError:
        """Check a password. A right one earns a ticket; unknown, disabled and wrong look alike."""
        name = username.lower()
        wait = self._throttle.refused_for(client.ip, name)
        if wait or self._passwords.crowded:
            _log.warning("auth.throttled", ip=client.ip)
            return Throttled(wait or 2)
        await trio.sleep(self._throttle.begin(client.ip, name))
        user = await self._db.read(users.by_username, username)
        stored = user.password_hash if user is not None else None
        fits = await self._passwords.verify(stored, password)
        if user is None or not fits or user.disabled_at is not None:
            await self._db.transaction(self._password_refused, user, client)
            return AuthError.CREDENTIALS
        self._throttle.succeeded(client.ip, name)
        better = await self._passwords.hash(password) if self._passwords.outdated(user.password_hash) else None
        return await self._db.transaction(self._password_accepted, user, better, client)

    async def _password_refused(self, connection: Connection, user: UserRecord | None, client: Client) -> None:
        # A name nobody has is not written down: it may be a password typed into the wrong field.
        await self._record(connection, "auth.password_refused", user, client, outcome=Outcome.FAILURE)

    async def _password_accepted(
        self, connection: Connection, user: UserRecord, better_hash: str | None, client: Client
    ) -> MfaTicket:
        if better_hash is not None:
            await users.replace_hash(connection, user.id, user.password_hash, better_hash)
        token = new_secret_token()
        purpose: Purpose = "totp" if user.totp_secret_sealed is not None else "totp_enrolment"
        ticket = sessions.Ticket(
            user_id=user.id,
            purpose=purpose,
            ip=client.ip,
            password_changed_at=user.password_changed_at,
            expires_at=self._now() + self._settings.ticket_lifetime,
            failures=0,
            used_at=None,
            secret_sealed=None,
        )
        await sessions.insert_ticket(connection, digest(token), ticket)
        await self._record(connection, "auth.password_accepted", user, client)
        return MfaTicket(token, (purpose,), int(self._settings.ticket_lifetime.total_seconds()))

    async def totp(self, ticket_token: str, code: str, client: Client) -> Tokens | Throttled | AuthError:
        """Complete a sign-in with a code of the enrolled authenticator."""
        return await self._with_code("totp", ticket_token, code, client)

    async def enrol(self, ticket_token: str, client: Client) -> Enrolment | AuthError:
        """Begin enrolment for a user without a second factor; asking again replaces the secret."""
        return await self._db.transaction(self._begin_enrolment, digest(ticket_token), client)

    async def confirm(self, ticket_token: str, code: str, client: Client) -> Tokens | Throttled | AuthError:
        """Enrol the secret that `enrol` gave, proven by a code of it, and complete the sign-in."""
        return await self._with_code("totp_enrolment", ticket_token, code, client)

    async def _begin_enrolment(
        self, connection: Connection, ticket_hash: bytes, client: Client
    ) -> Enrolment | AuthError:
        found = await self._holder(connection, ticket_hash, "totp_enrolment", client)
        if found is None:
            return AuthError.TICKET
        user, _ = found
        secret = totp.new_secret()
        sealed = self._vault.seal(_enrolment_name(user.id), secret.encode())
        await sessions.keep_ticket_secret(connection, ticket_hash, sealed)
        return Enrolment(secret, totp.otpauth_uri(secret, user.username))

    async def _with_code(
        self, purpose: Purpose, ticket_token: str, code: str, client: Client
    ) -> Tokens | Throttled | AuthError:
        opened = await self._db.transaction(self._redeem, purpose, digest(ticket_token), code, client)
        if not isinstance(opened, _Opened):
            return opened
        access_token, lifetime = self._tokens.issue(opened.user.id, opened.session.id)
        left = int((opened.session.expires_at - opened.session.created_at).total_seconds())
        return Tokens(opened.session.id, access_token, lifetime, opened.refresh_token, left)

    async def _redeem(
        self, connection: Connection, purpose: Purpose, ticket_hash: bytes, code: str, client: Client
    ) -> _Opened | Throttled | AuthError:
        """Ticket and code against a session, in one transaction: whatever fails, nothing is half used."""
        found = await self._holder(connection, ticket_hash, purpose, client)
        if found is None:
            return AuthError.TICKET
        user, ticket = found
        name = f"mfa {user.id}"
        wait = self._throttle.refused_for(client.ip, name)
        if wait:
            return Throttled(wait)
        self._throttle.begin(client.ip, name)
        if not await self._spend_code(connection, user, ticket, code):
            failures = await sessions.count_ticket_failure(connection, ticket_hash)
            await self._record(connection, "auth.mfa_refused", user, client, outcome=Outcome.FAILURE)
            return AuthError.CODE if failures < self._settings.ticket_tries else AuthError.TICKET
        self._throttle.succeeded(client.ip, name)
        return await self._open(connection, user, ticket_hash, purpose, client)

    async def _spend_code(self, connection: Connection, user: UserRecord, ticket: sessions.Ticket, code: str) -> bool:
        if ticket.purpose == "totp_enrolment":
            if ticket.secret_sealed is None:
                return False
            secret = self._vault.open(_enrolment_name(user.id), ticket.secret_sealed)
            step = totp.matching_step(secret.decode(), code, self._now())
            sealed = self._vault.seal(totp_name(user.id), secret)
            return step is not None and await users.enrol_totp(connection, user.id, sealed, step)
        if user.totp_secret_sealed is None:
            return False
        secret = self._vault.open(totp_name(user.id), user.totp_secret_sealed)
        step = totp.matching_step(secret.decode(), code, self._now())
        return step is not None and await users.spend_totp_step(connection, user.id, step)

    async def _open(
        self, connection: Connection, user: UserRecord, ticket_hash: bytes, purpose: Purpose, client: Client
    ) -> _Opened:
        now = self._now()
        await sessions.use_ticket(connection, ticket_hash, now)
        session = sessions.SessionRow(
            id=uuid4(),
            created_at=now,
            last_active_at=now,
            expires_at=now + self._settings.absolute_lifetime,
            ip=client.ip,
            user_agent=client.user_agent[:_MAX_USER_AGENT],
        )
        await sessions.insert_session(connection, user.id, session)
        refresh_token = new_secret_token()
        await sessions.insert_refresh(connection, digest(refresh_token), session.id, now)
        if purpose == "totp_enrolment":
            await self._record(connection, "auth.totp_enrolled", user, client, session_id=session.id)
        await self._record(connection, "auth.signed_in", user, client, session_id=session.id)
        return _Opened(user, session, refresh_token)

    async def _holder(
        self, connection: Connection, ticket_hash: bytes, purpose: Purpose, client: Client
    ) -> tuple[UserRecord, sessions.Ticket] | None:
        """The user whom this ticket may take further now; None when it may not, whatever the reason."""
        ticket = await sessions.ticket(connection, ticket_hash)
        if (
            ticket is None
            or ticket.purpose != purpose
            or ticket.used_at is not None
            or ticket.expires_at <= self._now()
            or ticket.failures >= self._settings.ticket_tries
            or ticket.ip != client.ip
        ):
            return None
        user = await users.by_id(connection, ticket.user_id)
        if user is None or user.disabled_at is not None or user.password_changed_at != ticket.password_changed_at:
            return None
        return user, ticket


def totp_name(user_id: UUID) -> str:
    """The name that a user's TOTP secret is sealed under."""
    return f"totp:{user_id}"


def _enrolment_name(user_id: UUID) -> str:
    return f"totp-enrolment:{user_id}"
