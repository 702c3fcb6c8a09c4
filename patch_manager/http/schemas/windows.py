"""Maintenance windows, their previews, what opens next, and freezes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from patch_manager.http.pages import PageQuery, Words
from patch_manager.http.schemas.base import Answer, Line, Request

KindWord = Literal["daily", "weekly", "monthly", "once"]
ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]


class NthWeekdayIn(Request):
    """The n-th or the last of a weekday in its month; 0 is Monday."""

    n: int | Literal["last"] = Field(description='1 to 4, or "last"')
    weekday: int


class WindowRule(Request):
    """When a window is open. What its kind does not use is absent, null or empty.

    A start that clocks jump over opens where the gap ends; one that they show twice opens once, at its first showing.
    """

    kind: KindWord
    start_time: ClockTime | None = Field(default=None, description="on the clock of the time zone; not for once")
    weekdays: list[int] | None = Field(default=None, max_length=7, description="weekly: 0 is Monday")
    day_of_month: int | Literal["last"] | None = Field(
        default=None, description="monthly: months that lack the 29th to 31st are skipped"
    )
    nth_weekday: NthWeekdayIn | None = Field(default=None, description="monthly")
    starts_at: datetime | None = Field(
        default=None, description="once: without an offset it is on the clock of the time zone"
    )
    duration_minutes: int = Field(description="elapsed time: up to 1440 for daily, 10080 for other windows")
    timezone: str = Field(max_length=100, description="IANA name", examples=["Europe/Berlin"])
    cutoff_minutes: int = Field(default=0, description="nothing starts this long before the close; what runs goes on")


class WindowCreate(WindowRule):
    """A window of a host."""

    name: Line = Field(default="", max_length=100)
    enabled: bool = True


class WindowPatch(Request):
    """Changes of a window; absent fields stay. A change of kind drops what the new kind does not use."""

    kind: KindWord | None = None
    start_time: ClockTime | None = None
    weekdays: list[int] | None = Field(default=None, max_length=7)
    day_of_month: int | Literal["last"] | None = None
    nth_weekday: NthWeekdayIn | None = None
    starts_at: datetime | None = None
    duration_minutes: int | None = None
    timezone: str | None = Field(default=None, max_length=100)
    cutoff_minutes: int | None = None
    name: Line | None = Field(default=None, max_length=100)
    enabled: bool | None = None
    version: int | None = Field(default=None, description="the version this was decided on; 409 when there is a newer")


class WindowPreview(WindowCreate):
    """A window, and from when on how many of its openings are wanted."""

    after: datetime | None = Field(
        default=None, description="default now; without an offset it is on the clock of the time zone"
    )
    count: int = Field(default=5, ge=1, le=400)


class WindowCopy(Request):
    """Hosts that a window is copied to: named, and those of groups."""

    host_ids: list[UUID] = Field(default_factory=list, max_length=25_000)
    group_ids: list[UUID] = Field(default_factory=list, max_length=200)


class NthWeekdayOut(Answer):
    """The n-th or the last of a weekday in its month; 0 is Monday."""

    n: int | Literal["last"]
    weekday: int


class OccurrenceOut(Answer):
    """Once open: from ``opens_at`` up to, and not including, ``closes_at``."""

    opens_at: datetime
    closes_at: datetime


class Occurrences(Answer):
    """What comes next."""

    items: list[OccurrenceOut]


class WindowOut(Answer):
    """A window of a host."""

    id: UUID
    host_id: UUID
    host_name: str
    name: str
    enabled: bool
    kind: KindWord
    start_time: str | None
    weekdays: list[int]
    day_of_month: int | Literal["last"] | None
    nth_weekday: NthWeekdayOut | None
    starts_at: datetime | None
    duration_minutes: int
    timezone: str
    cutoff_minutes: int
    cron: str | None = Field(description="minute, hour, day, month, weekday on the zone's clock; null for once")
    open: bool = Field(description="whether it is open now")
    next_opens_at: datetime | None = Field(description="of the occurrence that is open, or of the next; null: never")
    next_closes_at: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int


class CopiedWindows(Answer):
    """The copies made; hosts that had an equal window of the same name keep it."""

    items: list[WindowOut]
    unchanged: int


class WindowQuery(PageQuery):
    """Which windows, newest first."""

    group_id: Annotated[list[UUID], Words] = Field(default_factory=list, max_length=200)
    enabled: bool | None = None
    search: str | None = Field(default=None, max_length=200, description="part of the window's or host's name")


class AgendaQuery(PageQuery):
    """Which span of time, and of which groups."""

    after: AwareDatetime | None = Field(default=None, description="default now")
    hours: int = Field(default=24, ge=1, le=24 * 45)
    group_id: Annotated[list[UUID], Words] = Field(default_factory=list, max_length=200)


class UpcomingQuery(AgendaQuery):
    """Which span of time, of which groups; or one opening of the agenda."""

    opens_at: AwareDatetime | None = Field(default=None, description="only what opens at this very moment")
    closes_at: AwareDatetime | None = Field(default=None, description="only what closes at this very moment")


class UpcomingWindow(Answer):
    """One time that a window of a host is open."""

    host_id: UUID
    host_name: str
    window_id: UUID
    name: str
    timezone: str
    opens_at: datetime
    closes_at: datetime
    open: bool = Field(description="whether it is open now")
    frozen: str | None = Field(description="reason of the freeze in force when it opens: nothing starts then")


class UpcomingWindows(Answer):
    """Windows that are open or open in the span, by their opening; and how many hosts have no enabled window."""

    items: list[UpcomingWindow]
    next_cursor: str | None
    total: int
    hosts: int
    hosts_without_window: int


class AgendaOpening(Answer):
    """Hosts whose windows open and close at the same moments, told once."""

    opens_at: datetime
    closes_at: datetime
    open: bool = Field(description="whether it is open now")
    hosts: int
    host_names: list[str] = Field(description="the first few, by name")
    names: list[str] = Field(description="of the windows, unnamed ones left out")
    timezones: list[str]
    frozen_hosts: int = Field(description="hosts on which nothing starts when it opens, because of a freeze")
    frozen: str | None = Field(description="reason of such a freeze")
    waiting: int = Field(description="jobs that wait for it")
    deployment_ids: list[UUID] = Field(description="deployments of these jobs, at most 20")


class NextOpening(Answer):
    """The opening that a host is in, or its next one."""

    host_id: UUID
    opens_at: datetime
    closes_at: datetime
    timezone: str


class NextOpenings(Answer):
    """One for each host with a window that is open or opens again."""

    items: list[NextOpening]


class UncoveredHost(Answer):
    """A host without an enabled window: what is deployed for windows never starts on it."""

    id: UUID
    display_name: str
    address: str


class FreezeCreate(Request):
    """A time in which nothing starts: on all hosts, or on those of a group."""

    group_id: UUID | None = Field(default=None, description="null: all hosts")
    starts_at: AwareDatetime | None = Field(default=None, description="default now")
    ends_at: AwareDatetime
    reason: Line = Field(min_length=1, max_length=200)


class FreezePatch(Request):
    """Changes of a freeze; absent fields stay. Whom it concerns cannot be changed."""

    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = Field(default=None, description="a moment that has passed ends it at once")
    reason: Line | None = Field(default=None, min_length=1, max_length=200)


class FreezeOut(Answer):
    """A freeze."""

    id: UUID
    group_id: UUID | None
    group_name: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    active: bool = Field(description="whether it is in force now")
    created_by: str
    created_at: datetime


class FreezeQuery(PageQuery):
    """Which freezes, by their begin."""

    past: bool = Field(default=False, description="also those that are over")
