"""Who is it, and may they: passwords, TOTP, tokens, sessions, the access policy."""

from patch_manager.auth.accounts import AccountError, create_user
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
from patch_manager.auth.service import Auth, make_auth
from patch_manager.auth.watch import SessionWatch

__all__ = [
    "AccountError",
    "Auth",
    "AuthError",
    "AuthSettings",
    "Client",
    "Enrolment",
    "MfaTicket",
    "Passwords",
    "Sealer",
    "SessionWatch",
    "Throttled",
    "Tokens",
    "create_user",
    "make_auth",
]
