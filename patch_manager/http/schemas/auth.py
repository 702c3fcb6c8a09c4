"""Signing in, sessions, and oneself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from patch_manager.domain.principal import Permission, Role
from patch_manager.http.schemas.base import Answer, Request

Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$", strip_whitespace=True)]
MfaToken = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Login(Request):
    """The first factor."""

    model_config = ConfigDict(str_strip_whitespace=False)  # a password is taken as it is

    username: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    password: SecretStr = Field(min_length=1, max_length=1024)


class MfaRequired(Answer):
    """The password was right. ``mfa_token`` opens the second factor only, once, for ``expires_in`` seconds."""

    mfa_token: str
    methods: list[Literal["totp", "totp_enrolment"]]
    expires_in: int


class TotpCode(Request):
    """A code of the authenticator app."""

    mfa_token: MfaToken
    code: Code


class MfaTicketOnly(Request):
    """The ticket that `login` gave."""

    mfa_token: MfaToken


class TotpEnrolment(Answer):
    """The secret for an authenticator app; it counts once a code confirmed it."""

    secret: str
    otpauth_uri: str


class AccessToken(Answer):
    """For the Authorization header, for ``expires_in`` seconds; the refresh token is in a cookie."""

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the name of a scheme


class SessionOut(Answer):
    """One of the caller's sessions."""

    id: UUID
    created_at: datetime
    last_active_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str
    current: bool


class GroupRef(Answer):
    """A group of the caller."""

    id: UUID
    name: str


class Me(Answer):
    """Who is signed in and what they may do."""

    id: UUID
    username: str
    role: Role
    groups: list[GroupRef]
    permissions: list[Permission]
    session_id: UUID
    session_expires_at: datetime = Field(description="absolute end of the session")
    session_idle_at: datetime = Field(description="end of the session without activity")
