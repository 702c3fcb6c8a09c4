"""Plans of jobs that wait for a window or for a freeze to end: made with them, made anew when those change."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from patch_manager.domain.deployments import DeploymentRequest
from patch_manager.domain.jobs import When
from patch_manager.domain.openings import HostWindow, Plan, open_now, plan
from patch_manager.domain.ring_rules import held_words
from patch_manager.domain.rollouts import Assignment
from patch_manager.storage import deployments as stored
from patch_manager.storage.connecting import Connection
from patch_manager.storage.freezes import Freezes, coming_freezes
from patch_manager.storage.job_plans import NewPlan, WaitingJob, lock_waiting, write_plans
from patch_manager.storage.windows import enabled_windows


@dataclass(frozen=True, slots=True)
class Planner:
    """Windows and freezes as read in one transaction. Hosts with copies of the same windows are planned once: each plan
    costs a tenth of a millisecond on the only thread, and most of a fleet shares a few windows.
    """

    windows: Mapping[UUID, tuple[HostWindow, ...]]
    freezes: Freezes
    now: datetime
    _made: dict[Hashable, Plan] = field(default_factory=dict, repr=False, compare=False)
    _open: dict[Hashable, bool] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    async def read(connection: Connection, host_ids: Collection[UUID], now: datetime) -> Planner:
        """What plans for these hosts need."""
        return Planner(await enabled_windows(connection, host_ids), await coming_freezes(connection, now), now)

    def of(self, host_id: UUID, when: When, override_freeze: bool) -> Plan:
        """The plan of a job on a host."""
        freezes = () if override_freeze else self.freezes.of(host_id)
        windows = self.windows.get(host_id, ()) if when is When.WINDOW else ()
        key = (when, freezes, *((each.name, each.window) for each in windows))
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = plan(windows, freezes, self.now, when)
        return made

    def open(self, host_id: UUID) -> bool:
        """Whether the host is in a window of its own."""
        windows = self.windows.get(host_id, ())
        key = tuple(each.window for each in windows)
        is_open = self._open.get(key)
        if is_open is None:
            is_open = self._open[key] = open_now(windows, self.now) is not None
        return is_open


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


async def replan(connection: Connection, host_ids: Collection[UUID] | None, now: datetime) -> tuple[WaitingJob, ...]:
    """Plan the waiting jobs of these hosts, or of all, by the windows and freezes that this transaction sees.

    Returns the jobs whose plan changed. The caller holds the lock of the hosts or of the calendar.
    """
    waiting = await lock_waiting(connection, host_ids)
    planner = await Planner.read(connection, {job.host_id for job in waiting}, now)
    plans = [new for job in waiting if (new := _anew(job, planner)) is not None]
    await write_plans(connection, plans, now)
    return tuple(new.job for new in plans)


def _anew(job: WaitingJob, planner: Planner) -> NewPlan | None:
    planned = planner.of(job.host_id, job.when, job.override_freeze)
    if planned.starts_now and job.not_before is not None and job.not_before <= planner.now:
        return None  # due already
    if (planned.not_before, planned.words) == (job.not_before, job.message):
        return None
    return NewPlan(job, planned.not_before, planned.words)
