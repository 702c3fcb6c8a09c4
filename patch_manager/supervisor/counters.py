"""Counts since start, for ``/metrics``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PollCounters:
    """``polls`` by (kind, outcome): kind ``health`` or ``full``, outcome ``ok`` or a word of ``FailureKind``."""

    polls: Counter[tuple[str, str]] = field(default_factory=Counter)
    poll_seconds: float = 0.0
    operator_refreshes: int = 0
    actor_crashes: int = 0
    quarantined: int = 0
    batches_written: int = 0
    rows_written: int = 0
    write_failures: int = 0
