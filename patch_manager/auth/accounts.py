"""Making users: for the command line's first admin and for administrators."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID, uuid4

from patch_manager.auth import totp
from patch_manager.auth.events import AuditRecorder
from patch_manager.auth.model import Client, Sealer, utc_now
from patch_manager.auth.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from patch_manager.auth.sign_in import totp_name
from patch_manager.domain.principal import Role
from patch_manager.storage import users
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database

USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
COMMAND_LINE = Client(ip="local")


class AccountError(Exception):
    """An account that cannot be made; one line that says why."""


async def create_user(
    db: Database,
    audit: AuditLog,
    vault: Sealer,
    passwords: Passwords,
    *,
    username: str,
    password: str,
    role: Role,
    totp_secret: str | None = None,
) -> str:
    """Make a user who can sign in at once with this password and the authenticator of the answer.

    Args:
        totp_secret: base32; default: a new one of 160 bits.

    Returns:
        The otpauth URI for an authenticator app. It holds the secret.

    Raises:
        AccountError: the name, the password or the secret cannot be used, or the name is taken.
    """
    check_username(username)
    check_password(password)
    try:
        secret = totp.normalised(totp_secret) if totp_secret is not None else totp.new_secret()
    except totp.SecretError as error:
        raise AccountError(str(error)) from error
    hashed = await passwords.hash(password)
    user = new_user(uuid4(), username, role, hashed, vault=vault, secret=secret, now=utc_now())
    if not await db.transaction(_insert, audit, user):
        raise AccountError(f"a user named {username} exists already")
    return totp.otpauth_uri(secret, username)


def new_user(
    user_id: UUID, username: str, role: Role, hashed: str, *, vault: Sealer, secret: str | None, now: datetime
) -> users.UserRecord:
    """A user to be inserted; without a secret they enrol one at their first sign-in."""
    sealed = vault.seal(totp_name(user_id), secret.encode()) if secret is not None else None
    return users.UserRecord(user_id, username, role, hashed, now, sealed, totp_last_step=0, disabled_at=None)


def check_username(username: str) -> None:
    """Raises `AccountError` for a name that cannot be one."""
    if not USERNAME.fullmatch(username):
        raise AccountError("a user name is 1 to 64 letters, digits and . _ @ + -, and starts with a letter or digit")


def check_password(password: str) -> None:
    """Raises `AccountError` for a password that is too short or absurdly long; letters are free (ASVS 6.2)."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise AccountError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")


async def _insert(connection: Connection, audit: AuditLog, user: users.UserRecord) -> bool:
    if not await users.insert(connection, user):
        return False
    await AuditRecorder(audit)(connection, "user.created", user, COMMAND_LINE, actor="command line")
    return True
