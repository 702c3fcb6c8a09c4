"""Access tokens are checked strictly (TRUST 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patch_manager.auth import AuthError, AuthSettings
from patch_manager.auth.tokens import AccessTokens, Verified, key_id
from tests.people import WallClock

SETTINGS = AuthSettings(issuer="https://localhost:8443")
Claims = dict[str, Any]


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def claims_at(clock: WallClock) -> Claims:
    now = int(clock().timestamp())
    return {
        "iss": SETTINGS.issuer,
        "aud": SETTINGS.audience,
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        "jti": "once",
        "iat": now,
        "exp": now + 900,
    }


def sign(key: Any, claims: Claims, *, kid: str, algorithm: str = "EdDSA", typ: str | None = "at+jwt") -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": kid, "typ": typ})


def test_what_is_issued_verifies_until_it_expires(clock: WallClock, key: Ed25519PrivateKey) -> None:
    tokens = AccessTokens(key, SETTINGS, clock)
    user_id, session_id = uuid4(), uuid4()
    token, lifetime = tokens.issue(user_id, session_id)
    assert lifetime == 900
    found = tokens.verify(token)
    assert isinstance(found, Verified)
    assert (found.user_id, found.session_id) == (user_id, session_id)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": key_id(key.public_key()), "typ": "at+jwt"}
    clock.forward(seconds=899)
    assert isinstance(tokens.verify(token), Verified)
    clock.forward(seconds=1)
    assert tokens.verify(token) is AuthError.EXPIRED


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "sid", "jti", "iat", "exp"])
def test_a_token_lacking_a_claim_is_refused(clock: WallClock, key: Ed25519PrivateKey, missing: str) -> None:
    claims = claims_at(clock)
    del claims[missing]
    token = sign(key, claims, kid=key_id(key.public_key()))
    assert AccessTokens(key, SETTINGS, clock).verify(token) is AuthError.TOKEN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "https://other.example"),
        ("aud", "other"),
        ("aud", ["patch-manager-api", "other"]),
        ("sub", "nobody"),
        ("sid", 7),
        ("jti", ""),
        ("exp", "9999999999"),
        ("exp", 1),
        ("iat", 99999999999),
        ("nbf", 0),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    clock: WallClock, key: Ed25519PrivateKey, name: str, value: object
) -> None:
    token = _encoded(key, {**claims_at(clock), name: value})
    assert isinstance(AccessTokens(key, SETTINGS, clock).verify(token), AuthError)


def _encoded(key: Ed25519PrivateKey, claims: Claims) -> str:
    import orjson

    headers = {"kid": key_id(key.public_key()), "typ": "at+jwt"}
    return jwt.PyJWS().encode(orjson.dumps(claims), key, "EdDSA", headers)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda k, c, kid: sign(k, c, kid=kid, typ="JWT"), id="typ JWT"),
        pytest.param(lambda k, c, kid: sign(k, c, kid=kid, typ=None), id="no typ"),
        pytest.param(lambda k, c, kid: sign(k, c, kid="other"), id="unknown kid"),
        pytest.param(lambda k, c, kid: jwt.encode(c, k, "EdDSA", headers={"typ": "at+jwt"}), id="no kid"),
        pytest.param(lambda k, c, kid: sign(Ed25519PrivateKey.generate(), c, kid=kid), id="another key"),
        pytest.param(lambda k, c, kid: sign(Ed448PrivateKey.generate(), c, kid=kid), id="Ed448"),
        pytest.param(
            lambda k, c, kid: sign(generate_private_key(SECP256R1()), c, kid=kid, algorithm="ES256"), id="ES256"
        ),
        pytest.param(lambda k, c, kid: sign(b"0" * 32, c, kid=kid, algorithm="HS256"), id="HS256"),
        pytest.param(lambda k, c, kid: sign(None, c, kid=kid, algorithm="none"), id="none"),
        pytest.param(lambda k, c, kid: sign(k, c, kid=kid)[:-4] + "AAAA", id="altered"),
        pytest.param(lambda k, c, kid: sign(k, c, kid=kid).rpartition(".")[0] + ".", id="no signature"),
        pytest.param(lambda k, c, kid: "a.b.c", id="rubbish"),
        pytest.param(lambda k, c, kid: "", id="empty"),
        pytest.param(lambda k, c, kid: "é.é.é", id="not ASCII"),
        pytest.param(lambda k, c, kid: "e" * 100_000, id="huge"),
    ],
)
def test_a_forged_token_is_refused(
    clock: WallClock, key: Ed25519PrivateKey, forge: Callable[[Ed25519PrivateKey, Claims, str], str]
) -> None:
    token = forge(key, claims_at(clock), key_id(key.public_key()))
    assert AccessTokens(key, SETTINGS, clock).verify(token) is AuthError.TOKEN


def test_tokens_of_a_retired_key_are_good_until_they_expire(clock: WallClock, key: Ed25519PrivateKey) -> None:
    token, _ = AccessTokens(key, SETTINGS, clock).issue(uuid4(), uuid4())
    successor = AccessTokens(Ed25519PrivateKey.generate(), SETTINGS, clock, retired=(key.public_key(),))
    assert isinstance(successor.verify(token), Verified)
