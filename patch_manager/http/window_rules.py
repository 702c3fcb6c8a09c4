"""Windows between the API's shape and the domain's; pure."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from patch_manager.domain.occurrences import Occurrence, closing_after, first_instant
from patch_manager.domain.windows import NthWeekday, Window, WindowKind, cron_of, problems, zone_of
from patch_manager.http.errors import FieldError, Invalid
from patch_manager.http.schemas.windows import WindowOut, WindowPatch, WindowRule
from patch_manager.storage.windows import WindowRow

RULE_FIELDS = frozenset(WindowRule.model_fields)
_OF_KIND = {
    WindowKind.DAILY: {"start_time"},
    WindowKind.WEEKLY: {"start_time", "weekdays"},
    WindowKind.MONTHLY: {"start_time", "day_of_month", "nth_weekday"},
    WindowKind.ONCE: {"starts_at"},
}
_NEVER_NULL = ("kind", "duration_minutes", "timezone", "cutoff_minutes")
_OF_SOME = frozenset().union(*_OF_KIND.values())


def window_of(rule: WindowRule) -> Window | Invalid:
    """The window that a body states, or what is wrong with it, field by field."""
    nth = rule.nth_weekday
    window = Window(
        kind=WindowKind(rule.kind),
        timezone=rule.timezone,
        duration_minutes=rule.duration_minutes,
        start_time=None if rule.start_time is None else time.fromisoformat(rule.start_time),
        weekdays=tuple(sorted(set(rule.weekdays or ()))),
        day_of_month=rule.day_of_month,
        nth_weekday=None if nth is None else NthWeekday(nth.n, nth.weekday),
        starts_at=instant(rule.starts_at, rule.timezone),
        cutoff_minutes=rule.cutoff_minutes,
    )
    found = problems(window)
    if found:
        errors = tuple(FieldError(f"/{problem.field}", problem.words) for problem in found)
        return Invalid("the window cannot be used", errors=errors)
    return window


def instant(at: datetime | None, timezone: str) -> datetime | None:
    """A moment that may have been given on the clock of a zone, in UTC."""
    if at is None:
        return None
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    zone = zone_of(timezone)
    return at.replace(tzinfo=UTC) if zone is None else first_instant(at, zone)


def over(window: Window, now: datetime) -> Invalid | None:
    """Refuses a one-time window that will never open again."""
    if next(closing_after(window, now), None) is not None:
        return None
    return Invalid("the window is over", errors=(FieldError("/starts_at", "this window has closed already"),))


def changed_rule(before: Window, body: WindowPatch) -> WindowRule | Invalid:
    """The rule after a change: given fields over those that are kept."""
    given = {name: value for name, value in body.model_dump().items() if name in body.model_fields_set & RULE_FIELDS}
    missing = [name for name in _NEVER_NULL if name in given and given[name] is None]
    if missing:
        return Invalid(errors=tuple(FieldError(f"/{name}", "cannot be null") for name in missing))
    kept = rule_fields(before)
    kind = WindowKind(given.get("kind", before.kind))
    if kind is not before.kind:
        kept = {name: value for name, value in kept.items() if name not in _OF_SOME - _OF_KIND[kind]}
    # Of the two ways to name a day, the one that is given replaces the other.
    for name, other in (("day_of_month", "nth_weekday"), ("nth_weekday", "day_of_month")):
        if given.get(name) is not None and other not in given:
            kept.pop(other, None)
    return WindowRule.model_validate(kept | given)


def rule_fields(window: Window) -> dict[str, Any]:
    """A window in the API's shape."""
    nth = window.nth_weekday
    return {
        "kind": window.kind.value,
        "start_time": None if window.start_time is None else window.start_time.strftime("%H:%M"),
        "weekdays": list(window.weekdays),
        "day_of_month": window.day_of_month,
        "nth_weekday": None if nth is None else {"n": nth.n, "weekday": nth.weekday},
        "starts_at": window.starts_at,
        "duration_minutes": window.duration_minutes,
        "timezone": window.timezone,
        "cutoff_minutes": window.cutoff_minutes,
    }


class Following:
    """The openings at or after a moment, each rule's worked out once: hundreds of hosts share one."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._known: dict[Window, Occurrence | None] = {}

    def of(self, window: Window) -> Occurrence | None:
        """The occurrence that is open, or the next one."""
        if window not in self._known:
            self._known[window] = next(closing_after(window, self.now), None)
        return self._known[window]


def window_out(row: WindowRow, host_name: str, openings: Following) -> WindowOut:
    """A window as answered."""
    now = openings.now
    following = openings.of(row.window) if row.enabled else None
    return WindowOut(
        **rule_fields(row.window),
        id=row.id,
        host_id=row.host_id,
        host_name=host_name,
        name=row.name,
        enabled=row.enabled,
        cron=cron_of(row.window),
        open=following is not None and following.opens_at <= now,
        next_opens_at=None if following is None else following.opens_at,
        next_closes_at=None if following is None else following.closes_at,
        created_by=row.created_by_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )
