"""Filtering and sorting hosts, over the fleet picture's snapshots (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from patch_manager.domain.health import Health
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.patches import OVERDUE_DAYS, Severity
from patch_manager.http.pages import Column, Tie
from patch_manager.http.schemas.hosts import HostQuery

Predicate = Callable[[HostSnapshot], bool]

_HEALTH_RANK: Final = {Health.HEALTHY: 0, Health.UNKNOWN: 1, Health.DEGRADED: 2, Health.UNREACHABLE: 3}
_OVERDUE: Final = timedelta(days=OVERDUE_DAYS[Severity.CRITICAL])


@lru_cache(maxsize=65_536)  # a pure function of text; parsing 25,000 addresses for each sort would take 50 ms
def _address_key(address: str) -> str:
    ip = ip_address(address)
    return f"{ip.version}{ip.packed.hex()}"


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _text(value: str | None) -> str | None:
    return None if value is None else value.casefold()


def _text_column(value: Callable[[HostSnapshot], str | None]) -> Column[HostSnapshot]:
    return Column(value, text=True)


SORT_COLUMNS: Final[Mapping[str, Column[HostSnapshot]]] = {
    "display_name": _text_column(lambda host: host.record.display_name.casefold()),
    "address": _text_column(lambda host: _address_key(host.record.address)),
    "fqdn": _text_column(lambda host: _text(host.record.fqdn)),
    "os_name": _text_column(lambda host: _text(host.facts.os_name)),
    "os_version": _text_column(lambda host: _text(host.facts.os_version)),
    "kernel": _text_column(lambda host: _text(host.facts.kernel)),
    "agent_version": _text_column(lambda host: _text(host.facts.agent_version)),
    "actor_state": _text_column(lambda host: host.actor_state.value),
    "created_at": Column(lambda host: host.record.created_at.timestamp()),
    "health": Column(lambda host: _HEALTH_RANK[host.health]),
    "health_since": Column(lambda host: _seconds(host.health_since)),
    "last_seen_at": Column(lambda host: _seconds(host.last_seen_at)),
    "patches_read_at": Column(lambda host: _seconds(host.patches_read_at)),
    "oldest_security_at": Column(lambda host: _seconds(host.patches.oldest_security_at)),
    "reboot_required": Column(lambda host: int(host.reboot_required)),
    "pending_patches": Column(lambda host: host.patches.pending),
    "pending_security": Column(lambda host: host.patches.security),
    "cve_count": Column(lambda host: host.patches.cve_count),
    "max_severity": Column(lambda host: None if host.patches.max_severity is None else host.patches.max_severity.rank),
}
"""What lists of hosts can be sorted by. Health goes from healthy to unreachable, severity from unknown to critical."""

HOST_TIE: Final[Tie[HostSnapshot]] = Tie(lambda host: host.record.id.int, int)


def matcher(query: HostQuery, now: datetime) -> Predicate:
    """The predicate of a query's filters."""
    predicates = _predicates(query, now)
    if not predicates:
        return lambda _: True
    if len(predicates) == 1:
        return predicates[0]
    return lambda host: all(predicate(host) for predicate in predicates)


def _predicates(query: HostQuery, now: datetime) -> list[Predicate]:
    found: list[Predicate] = []
    if query.health:
        healths = frozenset(query.health)
        found.append(lambda host: host.health.value in healths)
    if query.group_id:
        groups = frozenset(query.group_id)
        found.append(lambda host: not groups.isdisjoint(host.record.group_ids))
    if query.ungrouped is not None:
        found.append(lambda host: (not host.record.group_ids) is query.ungrouped)
    if query.reboot_required is not None:
        found.append(lambda host: host.reboot_required is query.reboot_required)
    if query.reboot_hold is not None:
        found.append(lambda host: (host.record.reboot_hold is not None) is query.reboot_hold)
    if query.max_severity:
        severities = frozenset(query.max_severity)
        found.append(lambda host: host.patches.max_severity is not None and host.patches.max_severity in severities)
    if query.actor_state:
        states = frozenset(query.actor_state)
        found.append(lambda host: host.actor_state.value in states)
    if query.overdue_critical is not None:
        found.append(lambda host: _overdue(host, now) is query.overdue_critical)
    if query.os:
        system = query.os.casefold()
        found.append(lambda host: system in _system(host))
    if query.search:
        words = query.search.casefold().split()
        found.append(lambda host: _mentions(host, words))
    return found


def _overdue(host: HostSnapshot, now: datetime) -> bool:
    """As the totals count it (``FleetTotals.overdue_critical``), so that a link from there shows as many hosts."""
    oldest = host.patches.oldest_security_at
    return oldest is not None and oldest < now - _OVERDUE


def _system(host: HostSnapshot) -> str:
    return f"{host.facts.os_name or ''} {host.facts.os_version or ''}".casefold()


def _mentions(host: HostSnapshot, words: list[str]) -> bool:
    record = host.record
    text = f"{record.display_name}\n{record.address}\n{record.fqdn or ''}\n{_system(host)}".casefold()
    return all(word in text for word in words)
