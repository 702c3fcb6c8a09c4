"""How many hosts of a group may be away for a reboot at once. Pure.

A host is away from the intent to reboot it until it is proven back, or until its job has ended: one that never comes
back keeps its turn until then. All reboots through us count, whichever deployment they belong to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from patch_manager.domain.job_record import ON_ITS_WAY, JobRecord
from patch_manager.domain.jobs import JobState

WAITING = "waiting to reboot"
"""The message of a job that waits for its turn begins so."""


@dataclass(frozen=True, slots=True)
class Away:
    """A host that is away, or about to be, and the groups it is in."""

    host_id: UUID
    group_ids: frozenset[UUID]


def is_away(record: JobRecord) -> bool:
    """Whether the job's host is away: a call to reboot it may be on its way, and it is not proven back."""
    send = record.reboot_send
    return record.state is JobState.REBOOTING and send is not None and send.outcome in ON_ITS_WAY


def no_turn(asking: Away, away: Iterable[Away], limits: Mapping[UUID, int], max_unavailable: int | None) -> str | None:
    """Why a host may not go away now; None when it may.

    It needs room in all of its groups at once, and takes nothing while one has none: hosts in several groups cannot
    wait for each other. ``limits`` are the groups' own; ``max_unavailable`` is the deployment's, which holds for each
    group, and for the hosts without a group together.
    """
    others = [each for each in away if each.host_id != asking.host_id]
    if not asking.group_ids:
        alone = sum(not each.group_ids for each in others)
        return _full(alone, max_unavailable, "of those without a group")
    for group_id in sorted(asking.group_ids):
        own = limits.get(group_id)
        limit = min((each for each in (own, max_unavailable) if each is not None), default=None)
        full = _full(sum(group_id in each.group_ids for each in others), limit, f"of {_group(asking.group_ids)}")
        if full is not None:
            return full
    return None


def _group(group_ids: Collection[UUID]) -> str:
    """Not by name: who sees the host need not know of all of its groups."""
    return "its group" if len(group_ids) == 1 else "one of its groups"


def _full(count: int, limit: int | None, whose: str) -> str | None:
    if limit is None or count < limit:
        return None
    hosts, are = ("host", "is") if count == 1 else ("hosts", "are")
    return f"{WAITING}: {count} {hosts} {whose} {are} rebooting, and no more than {limit} may at once"
