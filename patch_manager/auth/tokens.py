"""Access tokens: JWT (RFC 7519, profile RFC 9068) signed with Ed25519, checked strictly (TRUST 4).

PyJWT only checks the signature here. Its claim checks are not used: it takes EdDSA for Ed448 too, treats exp as
optional and never looks at typ (TRUST, library traps).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, ValidationError

from patch_manager.auth.model import AuthError, AuthSettings

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
_MAX_LENGTH = 4096
_SKEW_SECONDS = 2  # a wall clock that was set back a little must not refuse what was just issued
_REMEMBERED = 4096


class Claims(BaseModel):
    """What an access token says, nothing more and nothing less."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    iss: str
    aud: str
    sub: str
    sid: str
    jti: str
    iat: int
    exp: int


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature and claims are good; whether its session still lives is another question."""

    user_id: UUID
    session_id: UUID
    issued_at: int
    expires_at: int


def key_id(key: Ed25519PublicKey) -> str:
    """The key's JWK thumbprint (RFC 7638 with RFC 8037)."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}
    return base64.urlsafe_b64encode(hashlib.sha256(orjson.dumps(jwk)).digest()).rstrip(b"=").decode()


class AccessTokens:
    """Issues and checks access tokens.

    Args:
        key: signs.
        settings: issuer, audience, lifetime.
        now: wall clock.
        retired: older keys whose tokens are still good until they expire.
    """

    def __init__(
        self,
        key: Ed25519PrivateKey,
        settings: AuthSettings,
        now: Callable[[], datetime],
        *,
        retired: tuple[Ed25519PublicKey, ...] = (),
    ) -> None:
        self._key = key
        self._kid = key_id(key.public_key())
        self._keys: Mapping[str, Ed25519PublicKey] = {key_id(k): k for k in (key.public_key(), *retired)}
        self._settings = settings
        self._now = now
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])
        self._verified: OrderedDict[str, Verified] = OrderedDict()

    def issue(self, user_id: UUID, session_id: UUID) -> tuple[str, int]:
        """A new token and its lifetime in seconds."""
        issued = int(self._now().timestamp())
        lifetime = int(self._settings.access_lifetime.total_seconds())
        claims = Claims(
            iss=self._settings.issuer,
            aud=self._settings.audience,
            sub=str(user_id),
            sid=str(session_id),
            jti=secrets.token_urlsafe(16),
            iat=issued,
            exp=issued + lifetime,
        )
        headers = {"kid": self._kid, "typ": TYPE}
        token = self._jws.encode(orjson.dumps(claims.model_dump()), self._key, ALGORITHM, headers)
        return token, lifetime

    def verify(self, token: str) -> Verified | AuthError:
        """Check a token. Signatures of tokens seen before are not computed again; times always are."""
        verified = self._verified.get(token) or self._check(token)
        if isinstance(verified, AuthError):
            return verified
        now = self._now().timestamp()
        if verified.expires_at <= now:
            self._verified.pop(token, None)
            return AuthError.EXPIRED
        if verified.issued_at > now + _SKEW_SECONDS:
            return AuthError.TOKEN
        self._verified[token] = verified
        while len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return verified

    def _check(self, token: str) -> Verified | AuthError:
        if len(token) > _MAX_LENGTH or not token.isascii():
            return AuthError.TOKEN
        try:
            header: dict[str, Any] = self._jws.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid")))
            if header.keys() != {"alg", "kid", "typ"} or header["typ"] != TYPE or key is None:
                return AuthError.TOKEN
            claims = Claims.model_validate(orjson.loads(self._jws.decode(token, key, [ALGORITHM])))
            verified = Verified(UUID(claims.sub), UUID(claims.sid), claims.iat, claims.exp)
        except (jwt.PyJWTError, ValidationError, orjson.JSONDecodeError, ValueError):
            return AuthError.TOKEN
        if claims.iss != self._settings.issuer or claims.aud != self._settings.audience or not claims.jti:
            return AuthError.TOKEN
        return verified


def new_secret_token() -> str:
    """An opaque token of 256 random bits (refresh tokens, MFA tickets)."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What the database keeps of an opaque token. It is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
