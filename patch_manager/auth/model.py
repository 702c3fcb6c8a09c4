"""Words and settings of the auth room."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Sealer(Protocol):
    """Seals secrets under a key outside the database (`pki.vault.Vault`)."""

    def seal(self, name: str, secret: bytes, /) -> bytes:
        """Encrypt, bound to a name."""
        ...

    def open(self, name: str, sealed: bytes, /) -> bytes:
        """Decrypt what was sealed under that name."""
        ...


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Lifetimes (TRUST 2, ASVS 7.3) and the identity in tokens."""

    issuer: str
    audience: str = "patch-manager-api"
    access_lifetime: timedelta = timedelta(minutes=15)
    ticket_lifetime: timedelta = timedelta(minutes=5)
    idle_lifetime: timedelta = timedelta(minutes=60)
    absolute_lifetime: timedelta = timedelta(hours=12)
    ticket_tries: int = 5


class AuthError(StrEnum):
    """Why somebody is not (or no longer) signed in, in words they may read."""

    TOKEN = "the access token cannot be used"  # noqa: S105  # words, no password
    EXPIRED = "the access token expired"
    ENDED = "the session has ended, sign in again"
    IDLE = "the session ended for lack of activity, sign in again"
    CREDENTIALS = "the user name or the password is wrong"
    CODE = "the code is wrong or was used before"
    TICKET = "this sign-in expired or was used, start again"
    REFRESH = "there is no session to go on with, sign in again"
    REUSED = "this session was ended because its refresh token came twice, sign in again"


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many tries; the right answer works after ``retry_after`` seconds."""

    retry_after: int


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from, for sessions and the audit log."""

    ip: str
    user_agent: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class MfaTicket:
    """What a right password earns: the way to the second factor and nothing else."""

    token: str = field(repr=False)
    methods: tuple[str, ...]
    expires_in: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """A session's tokens. ``refresh_max_age``: seconds to the session's absolute end."""

    session_id: UUID
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)
    refresh_max_age: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A TOTP secret to put into an authenticator app, good once a code confirms it."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)
