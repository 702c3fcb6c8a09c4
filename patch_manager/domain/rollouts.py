"""Rollouts: a deployment in rings, one after the other, with a soak between them and a rule that stops it.

Pure. What is asked for, and which host is in which ring; ``domain.ring_rules`` decides about a rollout under way.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

MOST_RINGS: Final = 20
LONGEST_SOAK: Final = 30 * 24 * 60  # minutes
MOST_HOSTS: Final = 1_000_000
LONGEST_NAME: Final = 60
CANARY: Final = "canary"
REST: Final = "rest"
WHOLE: Final = "all"


@dataclass(frozen=True, slots=True)
class RingSpec:
    """One ring as asked for, by exactly one of four: so many hosts, so many percent of the deployment's hosts, these
    hosts, or the hosts of these groups.
    """

    name: str = ""
    count: int | None = None
    percent: float | None = None
    host_ids: tuple[UUID, ...] = ()
    group_ids: tuple[UUID, ...] = ()

    @property
    def by_number(self) -> bool:
        """It takes any hosts that are left, and names none."""
        return self.count is not None or self.percent is not None


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a deployment goes over its hosts. Hosts that no ring takes form the last one.

    A ring starts when all jobs of those before it have ended and ``soak_minutes`` more have passed. ``stop_after_*``:
    when more jobs than that have failed, nothing starts any more. ``stop_after_failures`` counts over the whole
    deployment; ``stop_after_failed_percent`` is of the jobs of one ring, whichever ring it is. Failed and unknown
    outcomes count as failed, cancelled jobs neither as failed nor as jobs, and of a retried job only its retry counts.
    ``max_unavailable``: so many hosts of each group (and of those without a group) may reboot at once.
    """

    rings: tuple[RingSpec, ...] = ()
    soak_minutes: int = 0
    stop_after_failures: int | None = None
    stop_after_failed_percent: float | None = None
    max_unavailable: int | None = None


class RingState(StrEnum):
    """Where a ring is: not released yet, at work, ended and the next one waits for its soak, or over."""

    WAITING = "waiting"
    RUNNING = "running"
    SOAKING = "soaking"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a rollout cannot be: the field (a JSON pointer below the rollout) and what is wrong with it."""

    pointer: str
    detail: str


def problems_of(rollout: Rollout) -> tuple[Problem, ...]:
    """What is wrong with a rollout whatever its hosts are."""
    return (*_rule_problems(rollout), *(p for i, ring in enumerate(rollout.rings) for p in _ring_problems(i, ring)))


def _rule_problems(rollout: Rollout) -> Iterator[Problem]:
    if rollout == Rollout():
        yield Problem("", "name rings, a rule to stop by, or how many may reboot at once")
    if len(rollout.rings) > MOST_RINGS:
        yield Problem("/rings", f"at most {MOST_RINGS} rings")
    if not 0 <= rollout.soak_minutes <= LONGEST_SOAK:
        yield Problem("/soak_minutes", f"0 to {LONGEST_SOAK} minutes (30 days)")
    elif rollout.soak_minutes and not rollout.rings:
        yield Problem("/soak_minutes", "there is no ring to soak: name at least one")
    yield from stop_rule_problems(rollout.stop_after_failures, rollout.stop_after_failed_percent)
    if rollout.max_unavailable is not None and not 1 <= rollout.max_unavailable <= MOST_HOSTS:
        yield Problem("/max_unavailable", "at least 1 host must be allowed to reboot; null sets no limit")


def stop_rule_problems(failures: int | None, percent: float | None) -> Iterator[Problem]:
    """What is wrong with a rule to stop by."""
    if failures is not None and not 0 <= failures <= MOST_HOSTS:
        yield Problem("/stop_after_failures", "0 or more; more failed jobs than that stop the deployment")
    if percent is not None and not 0 <= percent < 100:
        yield Problem("/stop_after_failed_percent", "from 0 to below 100; a larger part of failed jobs stops it")


def _ring_problems(index: int, ring: RingSpec) -> Iterator[Problem]:
    at = f"/rings/{index}"
    ways = (ring.count is not None, ring.percent is not None, bool(ring.host_ids), bool(ring.group_ids))
    if sum(ways) != 1:
        yield Problem(at, "give a ring one of count, percent, host_ids (not empty) or group_ids (not empty)")
    if len(ring.name) > LONGEST_NAME:
        yield Problem(f"{at}/name", f"at most {LONGEST_NAME} characters")
    if ring.count is not None and not 1 <= ring.count <= MOST_HOSTS:
        yield Problem(f"{at}/count", "at least 1 host")
    if ring.percent is not None and not 0 < ring.percent <= 100:
        yield Problem(f"{at}/percent", "above 0, up to 100")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which ring each host is in, 0 first, and the rings' names. Rings that got no host are left out.

    ``problems``: rings that got none, and named hosts that are not in the deployment.
    """

    names: tuple[str, ...]
    ring_of: Mapping[UUID, int]
    problems: tuple[Problem, ...] = ()


def assign(rollout: Rollout, hosts: Mapping[UUID, Collection[UUID]]) -> Assignment:
    """Put hosts (by id, with the groups that whoever asks may see) into rings: the same hosts give the same rings.

    Rings that name hosts or groups take theirs first, then those by number take from what is left, in an order that
    depends on nothing but the hosts' ids: a preview tells what will be, and the same few go first next month. A host
    that two rings name is in the first of them. Percent are of all hosts, rounded up.
    """
    left = sorted(hosts, key=_order)
    taken: list[list[UUID]] = [[] for _ in rollout.rings]
    problems: list[Problem] = []
    for by_number in (False, True):
        for index, ring in enumerate(rollout.rings):
            if ring.by_number is by_number:
                taken[index] = _members(ring, left, hosts)
                members = set(taken[index])
                left = [host_id for host_id in left if host_id not in members]
    for index, ring in enumerate(rollout.rings):
        foreign = [i for i, host_id in enumerate(ring.host_ids) if host_id not in hosts]
        problems += [Problem(f"/rings/{index}/host_ids/{i}", "this host is not in the deployment") for i in foreign]
        if not taken[index] and not foreign:
            problems.append(Problem(f"/rings/{index}", _why_empty(ring)))
    named = [(_name(index, ring), taken[index]) for index, ring in enumerate(rollout.rings)]
    named.append((REST if rollout.rings else WHOLE, left))
    rings = [(name, members) for name, members in named if members]
    ring_of = {host_id: ring for ring, (_, members) in enumerate(rings) for host_id in members}
    return Assignment(tuple(name for name, _ in rings), ring_of, tuple(problems))


def _order(host_id: UUID) -> bytes:
    return hashlib.blake2b(host_id.bytes, digest_size=8).digest()


def _members(ring: RingSpec, left: Sequence[UUID], hosts: Mapping[UUID, Collection[UUID]]) -> list[UUID]:
    if ring.count is not None:
        return list(left[: ring.count])
    if ring.percent is not None:
        return list(left[: math.ceil(len(hosts) * ring.percent / 100 - 1e-9)])
    named, groups = frozenset(ring.host_ids), frozenset(ring.group_ids)
    return [host_id for host_id in left if host_id in named or not groups.isdisjoint(hosts[host_id])]


def _why_empty(ring: RingSpec) -> str:
    if ring.by_number:
        return "no host is left for this ring: the rings before it and those that name hosts took them all"
    if ring.group_ids:
        return "no host of the deployment is in these groups, or rings before it took them all"
    return "rings before it took all of its hosts"


def _name(index: int, ring: RingSpec) -> str:
    return ring.name or (CANARY if index == 0 else f"ring {index + 1}")
