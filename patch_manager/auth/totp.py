"""Time-based one-time passwords (RFC 6238): six digits, 30 seconds, SHA-1, as every authenticator app speaks them."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime

import pyotp

STEP_SECONDS = 30
WINDOW = 1  # steps accepted before and after now, for clocks that differ
ISSUER = "Linux Patch Manager"
MIN_SECRET_BYTES = 10


class SecretError(ValueError):
    """A TOTP secret that cannot be used; the text says why."""


def new_secret() -> str:
    """A random secret of 160 bits in base32."""
    return pyotp.random_base32(32)


def normalised(secret: str) -> str:
    """A secret as typed by a person in canonical base32.

    Raises:
        SecretError: not base32, or too short to be safe.
    """
    text = "".join(secret.split()).upper().rstrip("=")
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise SecretError("the TOTP secret is not base32 (letters A-Z and digits 2-7)") from error
    if len(raw) < MIN_SECRET_BYTES:
        raise SecretError(f"the TOTP secret is shorter than {MIN_SECRET_BYTES * 8 // 5} characters")
    return text


def otpauth_uri(secret: str, username: str) -> str:
    """The address that an authenticator app takes, usually as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, within the window; None for a wrong code. All candidates are compared."""
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // STEP_SECONDS
    found: int | None = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        if hmac.compare_digest(totp.generate_otp(step), code):
            found = step
    return found
