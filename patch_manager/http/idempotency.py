"""The ``Idempotency-Key`` header: the same request under the same key is carried out once."""

from __future__ import annotations

from typing import Final

from quart import request

from patch_manager.http.errors import Failure, Invalid

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
_LONGEST_KEY: Final = 200


def idempotency_key() -> str | Failure | None:
    """The key of the request in hand; None without one."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        return Invalid(f"{IDEMPOTENCY_HEADER} is 1 to {_LONGEST_KEY} printable characters")
    return key
