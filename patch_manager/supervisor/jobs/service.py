"""What the parts of the deployments service share: what they are made of, how they plan jobs, how they word events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from patch_manager.domain.deployments import DeploymentRequest
from patch_manager.domain.openings import Plan
from patch_manager.domain.ring_rules import held_words
from patch_manager.domain.rollouts import Assignment
from patch_manager.storage import deployments as stored
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.acting import Outside
from patch_manager.supervisor.jobs.live import LiveJobs
from patch_manager.supervisor.jobs.planning import Planner


@dataclass(frozen=True, slots=True)
class Service:
    """What every part is made of. ``now`` is the wall clock (UTC)."""

    database: Database
    audit: AuditLog
    live: LiveJobs
    outside: Outside
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def planner(self, connection: Connection, hosts: Sequence[stored.TargetHost]) -> Planner:
        """Windows and freezes of hosts that are locked; they stay as they are until the jobs are queued."""
        await hold_calendar(connection)
        return await Planner.read(connection, [host.id for host in hosts], self.now())


NO_RINGS = Assignment((), {})


def planned(
    hosts: Sequence[stored.TargetHost], request: DeploymentRequest, planner: Planner, rings: Assignment = NO_RINGS
) -> tuple[stored.NewJob, ...]:
    """A job per host, with when it may start: those behind the first ring when theirs is released."""
    jobs = []
    for host in hosts:
        ring = rings.ring_of.get(host.id, 0)
        if ring:
            plan = Plan(None, held_words(ring, rings.names))
        else:
            plan = planner.of(host.id, request.when, request.override_freeze)
        jobs.append(stored.NewJob(uuid4(), host, plan, ring, held=ring > 0))
    return tuple(jobs)
