"""Patches pending on a host: severity words mapped, and a priority with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """Severity of a patch. Words the agent invents become ``unknown`` and never fail a poll (AGENT_API)."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """0 (unknown) to 4 (critical); larger is worse."""
        return _RANK[self]


_RANK = {Severity.UNKNOWN: 0, Severity.LOW: 1, Severity.MEDIUM: 2, Severity.HIGH: 3, Severity.CRITICAL: 4}
_WORDS = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.LOW,
}


def severity_of(word: object) -> Severity:
    """Map an agent's severity word, of any case; anything not understood is ``unknown``."""
    return _WORDS.get(word.strip().lower(), Severity.UNKNOWN) if isinstance(word, str) else Severity.UNKNOWN


@dataclass(frozen=True, slots=True)
class Patch:
    """One pending patch as read from an agent; names are unique per host."""

    name: str
    current_version: str | None
    available_version: str | None
    severity: Severity
    cve_ids: tuple[str, ...] = ()
    requires_reboot: bool = False
    description: str = ""

    @property
    def is_security(self) -> bool:
        """Security relevant: it names a CVE or carries a severity that distributions give to security fixes."""
        return bool(self.cve_ids) or self.severity.rank >= Severity.HIGH.rank


@dataclass(frozen=True, slots=True)
class Priority:
    """Order of patches of one host or fleet: ``score`` 0 to 100, larger first, and why in words."""

    score: int
    reason: str


_BASE = {Severity.CRITICAL: 60, Severity.HIGH: 45, Severity.MEDIUM: 25, Severity.LOW: 10, Severity.UNKNOWN: 5}
OVERDUE_DAYS = {Severity.CRITICAL: 7, Severity.HIGH: 30}
"""Days after which a pending security patch counts as overdue in priority and on the dashboard."""


def priority_of(patch: Patch, first_seen_at: datetime, now: datetime) -> Priority:
    """Score a pending patch: severity first, then known CVEs, then how long it has waited.

    A patch that needs a reboot is not more urgent, but the reason says so, because it decides when it can be done.
    """
    score = _BASE[patch.severity]
    words = [f"{patch.severity} severity" if patch.severity is not Severity.UNKNOWN else "severity not stated"]
    if patch.cve_ids:
        score += min(20, 10 + 2 * len(patch.cve_ids))
        words.append("1 CVE" if len(patch.cve_ids) == 1 else f"{len(patch.cve_ids)} CVEs")
    age_days = max(0, (now - first_seen_at).days)
    if age_days:
        score += min(20, age_days // 3)
        words.append("pending for 1 day" if age_days == 1 else f"pending for {age_days} days")
    overdue = OVERDUE_DAYS.get(patch.severity)
    if overdue is not None and age_days > overdue:
        words[-1] += " (overdue)"
    if patch.requires_reboot:
        words.append("needs a reboot")
    return Priority(min(100, score), ", ".join(words))
