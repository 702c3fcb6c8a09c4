"""Which hosts a policy should look at now: from memory, each set of windows worked out once (decision 0013)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from patch_manager.domain.openings import HostWindow, Opening, freeze_at
from patch_manager.domain.policies import Policy, next_change, opening_at
from patch_manager.domain.windows import Window
from patch_manager.storage.policy_runs import Known, PolicyRun
from patch_manager.supervisor.jobs.calendar import Calendar

LOOK_AGAIN: Final = timedelta(seconds=30)
"""How soon a host that had nothing to do, or was held by its ring, is looked at again while its opening lasts."""
_FAR: Final = timedelta(days=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

Rules = tuple[Window, ...]
Members = Mapping[UUID, frozenset[UUID] | None]
"""The hosts of each policy; None: all."""


@dataclass(slots=True, eq=False)
class _Alike:
    """Hosts with the same windows, and what ``opening_at`` says of these from ``asked_at`` to ``until``."""

    windows: tuple[HostWindow, ...]
    hosts: list[UUID] = field(default_factory=list)
    opening: Opening | None = None
    asked_at: datetime = _NEVER
    until: datetime = _NEVER

    def ask(self, now: datetime) -> None:
        """Work out anew what may have changed; a clock set back asks too."""
        if not self.asked_at <= now < self.until:
            self.opening, self.asked_at = opening_at(self.windows, now), now
            self.until = min(next_change(self.windows, now) or now + _FAR, now + _FAR)


def rules_of(windows: tuple[HostWindow, ...]) -> Rules:
    """What decides when windows open: hosts with copies of the same are alike."""
    return tuple(each.window for each in windows)


@dataclass(slots=True)
class Watch:
    """Enabled policies, their hosts, and what was done in openings that last. Reads no database, performs nothing."""

    calendar: Calendar
    policies: tuple[Policy, ...] = ()
    known: dict[tuple[UUID, UUID], Known] = field(default_factory=dict)
    _members: Members = field(default_factory=dict)
    _alike: dict[Rules, _Alike] = field(default_factory=dict)
    _again: dict[tuple[UUID, UUID], datetime] = field(default_factory=dict)

    def learn(
        self,
        policies: tuple[Policy, ...],
        members: Members,
        known: dict[tuple[UUID, UUID], Known],
    ) -> None:
        """Policies or their hosts changed; `group` goes on from here."""
        self.policies, self._members, self.known = policies, members, known
        self._again.clear()

    def group(self) -> None:
        """Windows changed: put hosts with the same ones together; what was worked out of these still holds."""
        before, self._alike = self._alike, {}
        named = self._members.values()
        everybody = None in named
        for host_id in self.calendar.hosts if everybody else set().union(*(each for each in named if each)):
            windows = self.calendar.windows(host_id)
            if windows:
                rules = rules_of(windows)
                alike = self._alike.get(rules)
                if alike is None:
                    alike = self._alike[rules] = before.get(rules) or _Alike(windows)
                    alike.hosts = []
                alike.hosts.append(host_id)

    def due(self, now: datetime) -> tuple[dict[UUID, dict[UUID, Opening]], datetime]:
        """By policy, the hosts to look at with their openings; and when something opens next."""
        found: dict[UUID, dict[UUID, Opening]] = {}
        following = now + _FAR
        for alike in self._alike.values():
            alike.ask(now)
            following = min(following, alike.until)
            if alike.opening is not None:
                for policy_id, host_id in self._unsettled(alike.hosts, alike.opening, now):
                    found.setdefault(policy_id, {})[host_id] = alike.opening
        return found, following

    def _unsettled(self, hosts: list[UUID], opening: Opening, now: datetime) -> Iterator[tuple[UUID, UUID]]:
        for policy in self.policies:
            members = self._members.get(policy.id, frozenset())
            for host_id in hosts:
                if members is not None and host_id not in members:
                    continue
                key = (policy.id, host_id)
                known = self.known.get(key)
                if known is not None and known.opens_at == opening.opens_at:
                    again = self._again.get(key)
                    if known.settled or (again is not None and again - LOOK_AGAIN <= now < again):
                        continue
                if freeze_at(self.calendar.freezes(host_id), now) is None:
                    yield key

    def note(self, policy_id: UUID, run: PolicyRun, now: datetime) -> None:
        """What was done about a host that was due."""
        key = (policy_id, run.host_id)
        self.known[key] = Known(run.opens_at, run.result, run.reason, run.job_id is not None)
        self._again[key] = now + LOOK_AGAIN
