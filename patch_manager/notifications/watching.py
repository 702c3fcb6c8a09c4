"""Looks for what nobody writes down as it happens: hosts that stay unreachable, openings and ends that come near."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final
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
from patch_manager.domain.openings import HostWindow, freeze_at
from patch_manager.domain.windows import Window
from patch_manager.storage import notification_events as events
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.freezes import Freezes, coming_freezes
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.notification_events import Expiring
from patch_manager.storage.windows import Revision, calendar_revision, enabled_windows

_OWN_PROFILES: Final = {
    "manager_client": "the manager's certificate for agents",
    "https_server": "the pages' certificate",
}
_RULES_AT_ONCE: Final = 50
_WINDOWS_EVERY: Final = timedelta(minutes=5)
_CERTIFICATES_EVERY: Final = timedelta(minutes=10)
_ENDED_SINCE: Final = timedelta(days=7)

OwnCertificates = Callable[[], Sequence[OwnCertificate]]


class Watch:
    """Turns what it sees into events, once each. Only the leader calls it, and only for what some rule asks for."""

    def __init__(self, database: Database, own_certificates: OwnCertificates) -> None:
        self._database = database
        self._own_certificates = own_certificates
        self._revision: Revision | None = None
        self._windows_at: datetime | None = None
        self._certificates_at: datetime | None = None

    async def look(self, asked_for: frozenset[EventKind], epoch: int, now: datetime) -> None:
        """Look at everything whose time has come."""
        if asked_for & {EventKind.HOST_UNREACHABLE, EventKind.HOST_RECOVERED}:
            await self._database.transaction(_hosts, epoch, now)
        if EventKind.WINDOW_OPENING in asked_for:
            await self._look_at_windows(epoch, now)
        if EventKind.CERTIFICATE_EXPIRING in asked_for:
            if self._certificates_at is None or abs(now - self._certificates_at) >= _CERTIFICATES_EVERY:
                await self._database.transaction(_certificates, self._own_certificates(), epoch, now)
                self._certificates_at = now
        else:
            self._certificates_at = None  # a new rule is told what is near at once

    async def _look_at_windows(self, epoch: int, now: datetime) -> None:
        revision = await self._database.read(calendar_revision)
        recent = self._windows_at is not None and abs(now - self._windows_at) < _WINDOWS_EVERY
        if recent and revision == self._revision:
            return
        windows, freezes, names = await self._database.read(_calendar, now)
        facts = await _openings(windows, freezes, names, now)
        await self._database.transaction(_note_openings, facts, epoch, now)
        self._revision, self._windows_at = revision, now


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


Calendar = tuple[Mapping[UUID, tuple[HostWindow, ...]], Freezes, Mapping[UUID, str]]


async def _calendar(connection: Connection, now: datetime) -> Calendar:
    windows = await enabled_windows(connection)
    return windows, await coming_freezes(connection, now), await events.host_names(connection, windows)


async def _openings(
    windows: Mapping[UUID, tuple[HostWindow, ...]], freezes: Freezes, names: Mapping[UUID, str], now: datetime
) -> list[Fact]:
    """Openings within the next 25 hours, each rule worked out once for all its hosts, and others get their turn."""
    spans: dict[Window, tuple[Occurrence, ...]] = {}
    facts: list[Fact] = []
    for host_id, of_host in windows.items():
        frozen_by = freezes.of(host_id)
        for each in of_host:
            if each.window not in spans:
                spans[each.window] = _coming(each.window, now)
                if len(spans) % _RULES_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
            for span in spans[each.window]:
                freeze = freeze_at(frozen_by, span.opens_at)
                data = {
                    "opens_at": span.opens_at.isoformat(),
                    "closes_at": span.closes_at.isoformat(),
                    "timezone": each.window.timezone,
                    "window": each.name,
                    "frozen": None if freeze is None else freeze.reason,
                }
                name = names.get(host_id, "")
                facts.append(Fact(EventKind.WINDOW_OPENING, "", now, host_id, name, detail=each.words, data=data))
    return facts


def _coming(window: Window, now: datetime) -> tuple[Occurrence, ...]:
    spans = takewhile(lambda span: span.opens_at <= now + GATHERED, closing_after(window, now))
    return tuple(span for span in spans if span.opens_at > now)


async def _note_openings(connection: Connection, facts: Sequence[Fact], epoch: int, now: datetime) -> None:
    """Those that were never told. Nothing is told while all of them open later than in 24 hours: they gather."""
    if not await assert_epoch(connection, epoch):
        return
    by_key = {f"{fact.host_id} {fact.data['opens_at']}": fact for fact in facts}
    near = {key for key, fact in by_key.items() if datetime.fromisoformat(fact.data["opens_at"]) <= now + AHEAD}
    new = await events.tell_once(connection, EventKind.WINDOW_OPENING, near, now)
    if new:
        new |= await events.tell_once(connection, EventKind.WINDOW_OPENING, by_key.keys() - near, now)
        await events.note(connection, [fact for key, fact in by_key.items() if key in new])


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
