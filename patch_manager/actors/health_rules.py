"""Backoff and health after failures (DESIGN §2). Pure; times in seconds."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final
from uuid import UUID

from patch_manager.domain.health import FailureKind, Health

RETRIES: Final = 3
LONGEST: Final = 1800.0
_FIRST_DELAY: Final = 30.0
_FACTOR: Final = 4.0
_JITTER: Final = 0.1
_PROBE_CAP_INTERVALS: Final = 6.0
_COUNTED: Final = 20

NOT_THE_HOSTS_FAULT: Final = frozenset({FailureKind.RATE_LIMITED, FailureKind.LOCAL_RESOURCES})
"""Failures that say nothing about the host: its health stays as it was."""


def count(failures: int) -> int:
    """One more consecutive failure; bounded, because beyond the longest backoff the number means nothing."""
    return min(failures + 1, _COUNTED)


def health_after(failures: int) -> Health:
    """Health after this many consecutive failures (1 or more): yellow while retries are left, then red."""
    return Health.DEGRADED if failures <= RETRIES else Health.UNREACHABLE


def reason_after(failures: int, reason: str) -> str:
    """The reason in words, said from the first failure on."""
    if failures == 1:
        return f"first try failed, retry under way: {reason}"
    if failures <= RETRIES:
        return f"retry {failures - 1} of {RETRIES} failed, the next one is under way: {reason}"
    return reason


def fraction(host_id: UUID, salt: str) -> float:
    """A number in [0, 1), even over hosts and the same at every start."""
    digest = blake2b(host_id.bytes, digest_size=8, person=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


def backoff(host_id: UUID, failures: int, health_interval: float) -> float:
    """Delay before the next try after ``failures`` consecutive ones: 30 s, 2 min, 8 min with jitter.

    Once red: the health interval, doubling up to 30 minutes. A cadence set shorter than these shortens them with it,
    because nobody who asks for a look every 5 s wants to wait 8 minutes for a retry.
    """
    if failures <= RETRIES:
        delay = min(_FIRST_DELAY * _FACTOR ** (failures - 1), health_interval)
    else:
        doubled = health_interval * 2.0 ** (failures - RETRIES - 1)
        delay = min(doubled, health_interval * _PROBE_CAP_INTERVALS)
    jitter = 1.0 + _JITTER * (2.0 * fraction(host_id, f"backoff-{failures}") - 1.0)
    return min(delay * jitter, LONGEST)
