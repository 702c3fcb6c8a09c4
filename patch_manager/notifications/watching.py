"""Looks for what nobody writes down as it happens: hosts that stay unreachable, openings and ends that come near."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Protocol
from uuid import UUID

import trio

from patch_manager.domain.notification_rules import (
    AHEAD,
    GATHERED,
    RENEWED_THRESHOLDS,
    THRESHOLDS,
    threshold,
    watch_host,
)
from patch_manager.domain.notifications import EventKind, Fact, OwnCertificate
from patch_manager.domain.occurrences import Occurrence, closing_after
from patch_manager.domain.openings import Freeze, HostWindow, freeze_at
from patch_manager.domain.windows import Window
from patch_manager.storage import notification_events as events
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.notification_events import Expiring

_OWN_PROFILES: Final = {
    "manager_client": "the manager's certificate for agents",
    "https_server": "the pages' certificate",
}
_RULES_AT_ONCE: Final = 50
_HOSTS_AT_ONCE: Final = 500
_WINDOWS_EVERY: Final = timedelta(minutes=1)
_CERTIFICATES_EVERY: Final = timedelta(minutes=10)
_ENDED_SINCE: Final = timedelta(days=7)

OwnCertificates = Callable[[], Sequence[OwnCertificate]]
Key = tuple[UUID, datetime]
"""A host and when it opens."""


class Calendar(Protocol):
    """Hosts by id and name, and what is known of their windows; from memory, for it is asked about the whole fleet."""

    def hosts(self) -> Iterable[tuple[UUID, str]]:
        """All hosts."""
        ...

    def windows(self, host_id: UUID) -> Sequence[HostWindow]:
        """The enabled windows of a host."""
        ...

    def freezes(self, host_id: UUID) -> Sequence[Freeze]:
        """The freezes that concern a host, in force or to come."""
        ...


class Watch:
    """Turns what it sees into events, once each. Only the leader calls it, and only for what some rule asks for."""

    def __init__(self, database: Database, calendar: Calendar, own_certificates: OwnCertificates) -> None:
        self._database = database
        self._calendar = calendar
        self._own_certificates = own_certificates
        self._windows_at: datetime | None = None
        self._certificates_at: datetime | None = None
        self._told: set[Key] = set()  # as the database knows; so that it is asked about what is new only

    async def look(self, asked_for: frozenset[EventKind], epoch: int, now: datetime) -> None:
        """Look at everything whose time has come."""
        if asked_for & {EventKind.HOST_UNREACHABLE, EventKind.HOST_RECOVERED}:
            await self._database.transaction(_hosts, epoch, now)
        if EventKind.WINDOW_OPENING in asked_for:
            if self._windows_at is None or abs(now - self._windows_at) >= _WINDOWS_EVERY:
                await self._look_at_windows(epoch, now)
                self._windows_at = now
        else:
            self._windows_at = None  # a new rule is told what is near at once
        if EventKind.CERTIFICATE_EXPIRING in asked_for:
            if self._certificates_at is None or abs(now - self._certificates_at) >= _CERTIFICATES_EVERY:
                await self._database.transaction(_certificates, self._own_certificates(), epoch, now)
                self._certificates_at = now
        else:
            self._certificates_at = None

    async def _look_at_windows(self, epoch: int, now: datetime) -> None:
        """Nothing is told while all that is new opens later than in 24 hours: it gathers."""
        self._told = {key for key in self._told if key[1] > now}
        facts = await self._openings(now)
        near = {key for key in facts if key[1] <= now + AHEAD}
        if near:
            self._told |= await self._database.transaction(_note_openings, facts, near, epoch, now)

    async def _openings(self, now: datetime) -> dict[Key, Fact]:
        """New openings within 25 hours, each rule worked out once for all its hosts, and others get their turn."""
        spans: dict[Window, tuple[Occurrence, ...]] = {}
        facts: dict[Key, Fact] = {}
        for number, (host_id, name) in enumerate(list(self._calendar.hosts()), 1):
            for each in self._calendar.windows(host_id):
                if each.window not in spans:
                    spans[each.window] = _coming(each.window, now)
                    if len(spans) % _RULES_AT_ONCE == 0:
                        await trio.lowlevel.checkpoint()
                for span in spans[each.window]:
                    key = (host_id, span.opens_at)
                    if key not in self._told:
                        facts[key] = self._fact(host_id, name, each, span, now)
            if number % _HOSTS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        return facts

    def _fact(self, host_id: UUID, name: str, each: HostWindow, span: Occurrence, now: datetime) -> Fact:
        freeze = freeze_at(self._calendar.freezes(host_id), span.opens_at)
        data = {
            "opens_at": span.opens_at.isoformat(),
            "closes_at": span.closes_at.isoformat(),
            "timezone": each.window.timezone,
            "window": each.name,
            "frozen": None if freeze is None else freeze.reason,
        }
        return Fact(EventKind.WINDOW_OPENING, "", now, host_id, name, detail=each.words, data=data)


async def _hosts(connection: Connection, epoch: int, now: datetime) -> None:
    if not await assert_epoch(connection, epoch):
        return
    changed, facts = [], []
    for host in await events.watched_hosts(connection):
        alarm, news = watch_host(host.alarm, red=host.red, since=host.since, now=now)
        if alarm != host.alarm:
            changed.append((host.id, alarm))
        if news is not None:
            facts.append(Fact(news, "", now, host.id, host.name, detail=host.reason))
    await events.write_alarms(connection, changed)
    await events.note(connection, facts)


def _coming(window: Window, now: datetime) -> tuple[Occurrence, ...]:
    spans = takewhile(lambda span: span.opens_at <= now + GATHERED, closing_after(window, now))
    return tuple(span for span in spans if span.opens_at > now)


async def _note_openings(
    connection: Connection, facts: Mapping[Key, Fact], near: Collection[Key], epoch: int, now: datetime
) -> frozenset[Key]:
    """Note those that were never told; with the first that is near, all that gathered. Returns what is told now."""
    if not await assert_epoch(connection, epoch):
        return frozenset()
    by_text = {f"{host_id} {opens_at.isoformat()}": (host_id, opens_at) for host_id, opens_at in facts}
    soon = [text for text, key in by_text.items() if key in near]
    new = await events.tell_once(connection, EventKind.WINDOW_OPENING, soon, now)
    if not new:
        return frozenset(near)
    new |= await events.tell_once(connection, EventKind.WINDOW_OPENING, by_text.keys() - set(soon), now)
    await events.note(connection, [facts[by_text[text]] for text in by_text if text in new])
    return frozenset(facts)


async def _certificates(connection: Connection, own: Iterable[OwnCertificate], epoch: int, now: datetime) -> None:
    if not await assert_epoch(connection, epoch):
        return
    until = now + timedelta(days=max(THRESHOLDS))
    found = await events.expiring_certificates(connection, until, now - _ENDED_SINCE)
    near = {key: fact for key, fact in (_near(each, now) for each in [*found, *map(_as_expiring, own)]) if fact}
    told = await events.tell_once(connection, EventKind.CERTIFICATE_EXPIRING, near, now)
    await events.note(connection, [fact for key, fact in near.items() if key in told])


def _as_expiring(certificate: OwnCertificate) -> Expiring:
    return Expiring(certificate.serial, "", certificate.name, certificate.not_after, None, None)


def _near(found: Expiring, now: datetime) -> tuple[str, Fact | None]:
    """The key of what is to be told once, and the event; None: its end is not near."""
    days = threshold(found.not_after, now, RENEWED_THRESHOLDS if found.profile in _OWN_PROFILES else THRESHOLDS)
    if days is None:
        return "", None
    subject = _OWN_PROFILES.get(found.profile, found.subject)
    ends = found.not_after.strftime("%Y-%m-%d %H:%M UTC")
    advice = "issue a new one for the host" if found.host_id is not None else "see the certificates' page"
    words = f"has expired ({ends}): {advice}" if days == 0 else f"expires {ends}: {advice}"
    data = {"serial": found.serial, "subject": subject, "not_after": found.not_after.isoformat(), "days": days}
    fact = Fact(EventKind.CERTIFICATE_EXPIRING, "", now, found.host_id, found.host_name, detail=words, data=data)
    return f"{found.serial} {days}", fact
