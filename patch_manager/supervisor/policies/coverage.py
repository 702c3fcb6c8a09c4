"""Which hosts a policy reaches and when, from memory: what lists, details and previews of policies show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

import trio

from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.openings import HostWindow, Opening, freeze_at
from patch_manager.domain.policies import Policy, openings_for_policies
from patch_manager.supervisor.jobs.calendar import Calendar

SHOWN: Final = 5
"""How many openings are told, of a host and of a policy."""
_AT_ONCE: Final = 200  # sets of windows that are worked out before others get their turn


@dataclass(frozen=True, slots=True)
class NextOpening:
    """A moment at which windows open, how many hosts' they are, and when the last of them closes."""

    opens_at: datetime
    closes_at: datetime
    hosts: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The hosts of a policy: those with an enabled window, those without, those that a freeze holds now; and how many
    are in an opening. ``openings``: by host, those that are open or come next. A disabled policy pauses all.
    """

    hosts: int
    covered: int
    without_window: tuple[HostSnapshot, ...]
    paused: int
    open_now: int
    openings: Mapping[UUID, tuple[Opening, ...]]

    def next_openings(self, now: datetime) -> tuple[NextOpening, ...]:
        """When something opens next over all hosts; what is open now comes first."""
        hosts: Counter[datetime] = Counter()
        closes: dict[datetime, datetime] = {}
        for found in self.openings.values():
            for opening in found:
                at = max(opening.opens_at, now) if opening.covers(now) else opening.opens_at
                hosts[at] += 1
                closes[at] = max(closes.get(at, opening.closes_at), opening.closes_at)
        return tuple(NextOpening(at, closes[at], hosts[at]) for at in sorted(hosts)[:SHOWN])


def members(policy: Policy, hosts: Iterable[HostSnapshot]) -> list[HostSnapshot]:
    """Those of these hosts that a policy is for."""
    if policy.all_hosts:
        return list(hosts)
    named, groups = frozenset(policy.host_ids), frozenset(policy.group_ids)
    return [host for host in hosts if host.record.id in named or not groups.isdisjoint(host.record.group_ids)]


class Coverer:
    """Works coverages out at one moment; what hosts have alike is worked out once."""

    def __init__(self, calendar: Calendar, now: datetime) -> None:
        self._calendar = calendar
        self._now = now
        self._made: dict[tuple[tuple[str, object], ...], tuple[Opening, ...]] = {}

    async def of(self, policy: Policy, hosts: Collection[HostSnapshot]) -> Coverage:
        """The coverage of a policy over these hosts of its."""
        without: list[HostSnapshot] = []
        found: dict[UUID, tuple[Opening, ...]] = {}
        paused = open_now = 0
        for host in hosts:
            host_id = host.record.id
            windows = self._calendar.windows(host_id)
            if windows:
                found[host_id] = await self._openings(windows)
            else:
                without.append(host)
            frozen = freeze_at(self._calendar.freezes(host_id), self._now) is not None
            paused += frozen or not policy.enabled
            following = found.get(host_id, ())
            open_now += bool(following) and not frozen and following[0].opens_at <= self._now < following[0].start_until
        return Coverage(len(hosts), len(found), tuple(without), paused, open_now, found)

    async def _openings(self, windows: tuple[HostWindow, ...]) -> tuple[Opening, ...]:
        key = tuple((each.name, each.window) for each in windows)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = tuple(islice(openings_for_policies(windows, self._now), SHOWN))
            if len(self._made) % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        return made
