"""Sessions, their refresh tokens, and the tickets between password and second factor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from patch_manager.domain.principal import Role
from patch_manager.storage.connecting import Connection

Purpose = Literal["totp", "totp_enrolment"]

_INSERT_TICKET = """
INSERT INTO mfa_tickets (token_hash, user_id, purpose, ip, password_changed_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
# Locked, so that two requests with one ticket take turns and the second finds it used.
_TICKET = "SELECT * FROM mfa_tickets WHERE token_hash = $1 FOR UPDATE"
_COUNT_FAILURE = "UPDATE mfa_tickets SET failures = failures + 1 WHERE token_hash = $1 RETURNING failures"
_USE_TICKET = "UPDATE mfa_tickets SET used_at = $2, secret_sealed = NULL WHERE token_hash = $1"
_KEEP_SEALED = "UPDATE mfa_tickets SET secret_sealed = $2 WHERE token_hash = $1"

_INSERT_SESSION = """
INSERT INTO sessions (id, user_id, created_at, last_active_at, expires_at, ip, user_agent)
VALUES ($1, $2, $3, $3, $4, $5, $6)
"""
_STATES = """
SELECT s.id AS session_id, s.user_id, s.last_active_at, s.expires_at, s.revoked_at, u.username, u.role, u.disabled_at,
       ARRAY(SELECT g.group_id FROM group_users g WHERE g.user_id = u.id) AS group_ids
FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ANY($1::uuid[])
"""
_TOUCH = """
UPDATE sessions SET last_active_at = $2
WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 AND last_active_at > $3 AND last_active_at < $2
"""
_LIST = """
SELECT id, created_at, last_active_at, expires_at, ip, user_agent FROM sessions
WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND last_active_at > $3
ORDER BY last_active_at DESC, id
"""
_REVOKE = """
UPDATE sessions SET revoked_at = $3, revoked_reason = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id
"""
_REVOKE_OTHERS = """
UPDATE sessions SET revoked_at = $4, revoked_reason = $3
WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND revoked_at IS NULL RETURNING id
"""
_OWNED = "SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL"

_INSERT_REFRESH = "INSERT INTO refresh_tokens (token_hash, session_id, issued_at) VALUES ($1, $2, $3)"
# Of two requests with one token, one updates no row, however close they are.
_SPEND_REFRESH = """
UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL RETURNING session_id
"""
_SESSION_OF_REFRESH = "SELECT session_id FROM refresh_tokens WHERE token_hash = $1"

_PURGE_TICKETS = "DELETE FROM mfa_tickets WHERE expires_at < $1"
_PURGE_SESSIONS = "DELETE FROM sessions WHERE expires_at < $1"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as stored."""

    user_id: UUID
    purpose: Purpose
    ip: str
    password_changed_at: datetime
    expires_at: datetime
    failures: int
    used_at: datetime | None
    secret_sealed: bytes | None


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session with its user as of now; what a principal is made of."""

    session_id: UUID
    user_id: UUID
    username: str
    role: Role
    group_ids: frozenset[UUID]
    disabled_at: datetime | None
    last_active_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its owner sees it."""

    id: UUID
    created_at: datetime
    last_active_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str


async def insert_ticket(connection: Connection, token_hash: bytes, ticket: Ticket) -> None:
    """Keep a new ticket."""
    await connection.execute(
        _INSERT_TICKET,
        token_hash,
        ticket.user_id,
        ticket.purpose,
        ticket.ip,
        ticket.password_changed_at,
        ticket.expires_at,
    )


async def ticket(connection: Connection, token_hash: bytes) -> Ticket | None:
    """The ticket, locked until the transaction ends."""
    row = await connection.fetchrow(_TICKET, token_hash)
    return None if row is None else Ticket(**{name: value for name, value in row.items() if name != "token_hash"})


async def count_ticket_failure(connection: Connection, token_hash: bytes) -> int:
    """Note a wrong code; the number of them."""
    return int(await connection.fetchval(_COUNT_FAILURE, token_hash))


async def use_ticket(connection: Connection, token_hash: bytes, now: datetime) -> None:
    """A ticket works once."""
    await connection.execute(_USE_TICKET, token_hash, now)


async def keep_ticket_secret(connection: Connection, token_hash: bytes, sealed: bytes) -> None:
    """The TOTP secret that this ticket's holder is about to confirm."""
    await connection.execute(_KEEP_SEALED, token_hash, sealed)


async def insert_session(connection: Connection, user_id: UUID, session: SessionRow) -> None:
    """Open a session; its creation is its first activity."""
    await connection.execute(
        _INSERT_SESSION,
        session.id,
        user_id,
        session.created_at,
        session.expires_at,
        session.ip,
        session.user_agent,
    )


async def states(connection: Connection, session_ids: Collection[UUID]) -> list[SessionState]:
    """Live state of sessions, in one query; those that do not exist are absent."""
    return [
        SessionState(**{**row, "role": Role(row["role"]), "group_ids": frozenset(row["group_ids"])})
        for row in await connection.fetch(_STATES, list(session_ids))
    ]


async def touch(connection: Connection, session_id: UUID, now: datetime, idle_since: datetime) -> None:
    """Note activity, unless the session has ended: activity never wakes one up."""
    await connection.execute(_TOUCH, session_id, now, idle_since)


async def list_open(connection: Connection, user_id: UUID, now: datetime, idle_since: datetime) -> list[SessionRow]:
    """The user's sessions that are still good, the latest used first."""
    return [SessionRow(**row) for row in await connection.fetch(_LIST, user_id, now, idle_since)]


async def revoke(connection: Connection, session_id: UUID, reason: str, now: datetime) -> bool:
    """End a session; False when it had been revoked."""
    return await connection.fetchval(_REVOKE, session_id, reason, now) is not None


async def revoke_all(
    connection: Connection, user_id: UUID, reason: str, now: datetime, *, keep: UUID | None = None
) -> list[UUID]:
    """End a user's sessions except ``keep``; the ids of those ended."""
    return [row["id"] for row in await connection.fetch(_REVOKE_OTHERS, user_id, keep, reason, now)]


async def owned(connection: Connection, session_id: UUID, user_id: UUID) -> bool:
    """Whether the session is that user's and not revoked."""
    return await connection.fetchval(_OWNED, session_id, user_id) is not None


async def insert_refresh(connection: Connection, token_hash: bytes, session_id: UUID, now: datetime) -> None:
    """Keep the digest of a refresh token."""
    await connection.execute(_INSERT_REFRESH, token_hash, session_id, now)


async def spend_refresh(connection: Connection, token_hash: bytes, now: datetime) -> UUID | None:
    """Use up a refresh token: its session, or None when it is unknown or was used before."""
    session_id: UUID | None = await connection.fetchval(_SPEND_REFRESH, token_hash, now)
    return session_id


async def session_of_refresh(connection: Connection, token_hash: bytes) -> UUID | None:
    """The session that a refresh token, spent or not, belongs to."""
    session_id: UUID | None = await connection.fetchval(_SESSION_OF_REFRESH, token_hash)
    return session_id


async def purge(connection: Connection, tickets_before: datetime, sessions_before: datetime) -> None:
    """Forget tickets and sessions that ended before these times."""
    await connection.execute(_PURGE_TICKETS, tickets_before)
    await connection.execute(_PURGE_SESSIONS, sessions_before)
