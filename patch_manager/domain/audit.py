"""Audit events, their canonical bodies and the hash chain over them (TRUST "Audit log"); no I/O, no keys."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

import orjson

GENESIS = bytes(32)
"""Hash before the first row."""

_CONTEXT = b"lpm-audit-v1\n"
_LONGEST_TEXT = 16_384
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64 = 2**63


class Outcome(StrEnum):
    """How the audited action ended."""

    SUCCESS = "success"
    DENIED = "denied"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What somebody did. ``action`` is a static dotted name (``host.created``), ``actor`` a user name or ``system``.

    ``groups`` are those of the target, so that operators can be shown what concerns their hosts. ``detail`` may hold
    anything: it is made storable when written, and nothing in it can make writing fail.
    """

    action: str
    actor: str
    outcome: Outcome = Outcome.SUCCESS
    actor_id: UUID | None = None
    session: UUID | None = None
    ip: str | None = None
    target_type: str | None = None
    target_id: str | UUID | None = None
    groups: frozenset[UUID] = frozenset()
    request_id: str | UUID | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def canonical_body(event: AuditEvent, seq: int, at: datetime) -> str:
    """The row's text: JSON with sorted keys, no spaces, UTF-8, ``time`` in µs since 1970. Hashed as it stands."""
    return orjson.dumps(
        {
            "seq": seq,
            "time": (at - _EPOCH) // timedelta(microseconds=1),
            "action": storable(event.action),
            "actor": storable(event.actor),
            "actor_id": storable(event.actor_id),
            "session": storable(event.session),
            "ip": storable(event.ip),
            "target_type": storable(event.target_type),
            "target_id": storable(event.target_id),
            "groups": sorted(str(group) for group in event.groups),
            "outcome": event.outcome.value,
            "request_id": storable(event.request_id),
            "detail": storable(event.detail),
        },
        option=orjson.OPT_SORT_KEYS,
    ).decode()


def chained(seq: int, previous: bytes, body: str) -> bytes:
    """``SHA-256(0x01 ‖ u64be(seq) ‖ previous ‖ leaf)`` where ``leaf = SHA-256(0x00 ‖ "lpm-audit-v1\\n" ‖ body)``."""
    leaf = hashlib.sha256(b"\x00" + _CONTEXT + body.encode()).digest()
    return hashlib.sha256(b"\x01" + seq.to_bytes(8, "big") + previous + leaf).digest()


def storable(value: Any) -> Any:
    """The same as plain JSON values that PostgreSQL can store: NUL and lone surrogates become U+FFFD, texts are cut
    at 16,384 characters (and say so), integers beyond 64 bits and unknown types become text.
    """
    match value:
        case None | bool() | float():
            return value
        case Enum():
            return storable(value.value)
        case int():
            return value if -_INT64 <= value < _INT64 else str(value)
        case str():
            return _text(value)
        case bytes():
            return _text(value.decode(errors="replace"))
        case datetime():
            return value.isoformat()
        case Mapping():
            return {_text(str(key)): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case set() | frozenset():
            return sorted((storable(item) for item in value), key=str)
        case _:
            return _text(str(value))


def _text(value: str) -> str:
    if len(value) > _LONGEST_TEXT:
        value = f"{value[:_LONGEST_TEXT]}… ({len(value) - _LONGEST_TEXT} more characters)"
    return _UNSTORABLE.sub("\ufffd", value)
