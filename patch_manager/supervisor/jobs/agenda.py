"""Openings over a part of the fleet, told once however many hosts share them: what a calendar draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.occurrences import closing_after
from patch_manager.domain.openings import Freeze, HostWindow, freeze_at
from patch_manager.domain.windows import Window
from patch_manager.storage.job_plans import WaitingStart
from patch_manager.supervisor.jobs.calendar import Calendar


@dataclass(slots=True)
class SharedOpening:
    """Hosts whose windows open and close at the same moments.

    Of these hosts a freeze holds ``frozen`` ones when it opens; ``waiting`` jobs start in it, of ``deployments``.
    """

    opens_at: datetime
    closes_at: datetime
    hosts: dict[UUID, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    timezones: set[str] = field(default_factory=set)
    frozen: set[UUID] = field(default_factory=set)
    freeze: Freeze | None = None
    waiting: int = 0
    deployments: set[UUID] = field(default_factory=set)


@dataclass(slots=True)
class _Rule:
    """The hosts of one rule, by the freezes that concern them: each is worked out once."""

    names: set[str] = field(default_factory=set)
    hosts: defaultdict[tuple[Freeze, ...], dict[UUID, str]] = field(default_factory=lambda: defaultdict(dict))


def agenda(
    hosts: Iterable[HostSnapshot],
    calendar: Calendar,
    waiting: Collection[WaitingStart],
    begin: datetime,
    end: datetime,
) -> list[SharedOpening]:
    """Openings that are open at ``begin`` or open before ``end``, soonest first, and the longest of those first."""
    found: dict[tuple[datetime, datetime], SharedOpening] = {}
    for rule, group in _rules(hosts, calendar).items():
        for span in takewhile(lambda span: span.opens_at < end, closing_after(rule, begin)):
            key = (span.opens_at, span.closes_at)
            opening = found.get(key)
            if opening is None:
                opening = found[key] = SharedOpening(*key)
            opening.names |= group.names
            opening.timezones.add(rule.timezone)
            for freezes, members in group.hosts.items():
                opening.hosts |= members
                freeze = freeze_at(freezes, span.opens_at) if freezes else None
                if freeze is not None:
                    opening.frozen |= members.keys()
                    opening.freeze = freeze
    openings = sorted(found.values(), key=lambda each: (each.opens_at, -each.closes_at.timestamp()))
    _place(waiting, openings)
    return openings


def _rules(hosts: Iterable[HostSnapshot], calendar: Calendar) -> dict[Window, _Rule]:
    found: dict[Window, _Rule] = {}
    for host in hosts:
        record = host.record
        windows: tuple[HostWindow, ...] = calendar.windows(record.id)
        freezes = calendar.freezes(record.id) if windows else ()
        for window in windows:
            rule = found.get(window.window)
            if rule is None:
                rule = found[window.window] = _Rule()
            rule.names.add(window.name)
            rule.hosts[freezes][record.id] = record.display_name
    return found


def _place(waiting: Collection[WaitingStart], openings: Collection[SharedOpening]) -> None:
    """Each job that waits belongs to the first opening of its host in which it may start."""
    starts: dict[UUID, list[WaitingStart]] = defaultdict(list)
    for job in waiting:
        starts[job.host_id].append(job)
    placed: set[UUID] = set()
    for opening in openings:
        for host_id in starts.keys() & opening.hosts.keys():
            for job in starts[host_id]:
                if job.id not in placed and opening.opens_at <= job.not_before < opening.closes_at:
                    placed.add(job.id)
                    opening.waiting += 1
                    if job.deployment_id is not None:
                        opening.deployments.add(job.deployment_id)
