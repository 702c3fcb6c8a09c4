"""When what is told: pure rules about alarms, digests, thresholds and retries; no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from patch_manager.domain.notifications import EventKind

LASTING: Final = timedelta(seconds=30)
"""A host is red only after four failed tries over ten minutes; this much longer, and it is told."""
STEADY: Final = timedelta(minutes=1)
"""A host that answered for so long has recovered."""
HOLD: Final = timedelta(minutes=30)
"""Between two messages that the same host is unreachable lies at least this."""

QUIET: Final = timedelta(seconds=10)
"""A digest waits until so long nothing was added …"""
LONGEST: Final = timedelta(minutes=2)
"""… but its first event does not wait longer than this."""
PAUSES: Final[Mapping[EventKind, timedelta]] = {
    EventKind.JOB_FAILED: timedelta(minutes=15),
    EventKind.OUTCOME_UNKNOWN: timedelta(minutes=15),
    EventKind.HOST_UNREACHABLE: timedelta(minutes=5),
    EventKind.HOST_RECOVERED: timedelta(minutes=5),
}
"""The least time between two digests of one topic; what has none here may follow at once."""

FIRST_RETRY: Final = timedelta(minutes=1)
LONGEST_RETRY: Final = timedelta(hours=1)
GIVE_UP: Final = timedelta(hours=24)

AHEAD: Final = timedelta(hours=24)
"""Openings are told this long before; whatever opens within an hour after that goes into the same message."""
GATHERED: Final = AHEAD + timedelta(hours=1)

THRESHOLDS: Final = (30, 14, 7, 1, 0)
"""Days before the end of a certificate at which it is told; 0: it has ended."""
RENEWED_THRESHOLDS: Final = (14, 7, 1, 0)
"""For certificates that the manager renews by itself a month before their end: later ones mean that it did not."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A host that was told to be unreachable, until it has been well for long enough to forget it."""

    raised_at: datetime
    well_since: datetime | None = None
    recovered_at: datetime | None = None


def watch_host(
    alarm: Alarm | None, *, red: bool, since: datetime | None, now: datetime
) -> tuple[Alarm | None, EventKind | None]:
    """The next state of a host's alarm, and what to tell. ``red``: unreachable, and ``since`` when.

    Messages alternate, and two that it is unreachable lie at least ``HOLD`` apart, however it flaps. A host that stays
    unreachable after its recovery was told is told again, after ``HOLD``.
    """
    lasted = now - since if since is not None else timedelta()
    if alarm is None:
        return (Alarm(now), EventKind.HOST_UNREACHABLE) if red and lasted >= LASTING else (None, None)
    if red:
        if alarm.recovered_at is not None and lasted >= HOLD:
            return Alarm(now), EventKind.HOST_UNREACHABLE
        return replace(alarm, well_since=None), None
    well_since = alarm.well_since or now
    if alarm.recovered_at is None and now - well_since >= STEADY:
        return replace(alarm, well_since=well_since, recovered_at=now), EventKind.HOST_RECOVERED
    if alarm.recovered_at is not None and now - well_since >= HOLD:
        return None, None
    return replace(alarm, well_since=well_since), None


@dataclass(frozen=True, slots=True)
class Topic:
    """Events of one kind that belong together and are not told yet. ``over``: no more will come."""

    kind: EventKind
    key: str
    first_at: datetime
    last_at: datetime
    count: int
    told_at: datetime | None = None
    over: bool = False


def digest_due(topic: Topic, now: datetime) -> bool:
    """Whether a topic's events are to be told now: when they have stopped coming, or have waited long enough.

    After a digest the same topic is silent for its pause, unless it is over: then the rest is told at once.
    """
    settled = now - topic.last_at >= QUIET
    if topic.over and settled:
        return True
    pause = PAUSES.get(topic.kind, timedelta())
    if topic.told_at is not None and now - topic.told_at < pause:
        return False
    return settled or now - topic.first_at >= LONGEST


def retry_delay(attempts: int, jitter: float, retry_after: float | None = None) -> timedelta:
    """How long to wait after the given number of failed attempts: 1 min, doubled each time, up to 1 h.

    ``jitter`` in [0, 1) spreads it by a fifth to both sides. The other side's wish is kept, up to the longest wait.
    """
    grown: timedelta = min(FIRST_RETRY * float(2 ** min(attempts - 1, 10)), LONGEST_RETRY)
    spread = grown * (0.8 + 0.4 * jitter)
    wish = timedelta(seconds=min(retry_after or 0.0, LONGEST_RETRY.total_seconds()))
    return max(min(spread, LONGEST_RETRY), wish)


def threshold(not_after: datetime, now: datetime, thresholds: tuple[int, ...] = THRESHOLDS) -> int | None:
    """The nearest threshold, in days, that a certificate has passed; None: it lives longer than the first."""
    left = not_after - now
    return min((days for days in thresholds if left <= timedelta(days=days)), default=None)
