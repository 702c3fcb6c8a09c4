"""Standing policies: in every window of their hosts, apply; so that patching is enforced and not remembered. Pure.

A host in several policies gets what any of them applies, one job after the other: a policy's own exclusions and its
word on reboots bind that policy alone. What no policy may touch is a standing exclusion's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from patch_manager.domain.deployments import DeploymentRequest
from patch_manager.domain.exclusions import Excluded
from patch_manager.domain.jobs import JobState, RebootPolicy, When
from patch_manager.domain.openings import HostWindow, Opening, openings
from patch_manager.domain.rollouts import Assignment, Rollout
from patch_manager.domain.windows import in_zone

_LOOK_BACK: Final = timedelta(days=1)
"""Windows that overlap are one opening: from here back, one that has closed meanwhile still counts to it."""


class What(StrEnum):
    """What a policy applies."""

    SECURITY = "security"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as kept. ``rollout``: which hosts go first, and what stops the others; None: all alike."""

    id: UUID
    name: str
    enabled: bool
    all_hosts: bool
    group_ids: tuple[UUID, ...]
    host_ids: tuple[UUID, ...]
    what: What
    exclude: tuple[Excluded, ...]
    reboot: RebootPolicy
    rollout: Rollout | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @property
    def words(self) -> str:
        """How people know it; also who made its deployments."""
        return f"policy “{self.name}”"

    @property
    def request(self) -> DeploymentRequest:
        """What it asks for in each opening, without hosts. Its rings decide who is asked, not who waits."""
        limit = None if self.rollout is None else self.rollout.max_unavailable
        return DeploymentRequest(
            security_only=self.what is What.SECURITY,
            when=When.WINDOW,
            reboot=self.reboot,
            exclude=self.exclude,
            rollout=None if limit is None else Rollout(max_unavailable=limit),
        )


def openings_for_policies(windows: Sequence[HostWindow], since: datetime) -> Iterator[Opening]:
    """The openings that policies start in. Windows that only meet are one each: always open means daily."""
    return openings(windows, since, apart=True)


def opening_at(windows: Sequence[HostWindow], now: datetime) -> Opening | None:
    """The opening in which work may start on a host at ``now``. It has the same begin as long as it lasts."""
    for opening in openings_for_policies(windows, now - _LOOK_BACK):
        if opening.opens_at > now:
            return None
        if now < opening.start_until:
            return opening
    return None


def next_change(windows: Sequence[HostWindow], now: datetime) -> datetime | None:
    """When what ``opening_at`` says may change; None: never."""
    opening = opening_at(windows, now)
    if opening is not None:
        return min(opening.start_until, now + _LOOK_BACK / 24)
    return next((each.opens_at for each in openings_for_policies(windows, now) if each.opens_at > now), None)


class RunResult(StrEnum):
    """What a policy did in one opening of a host."""

    STARTED = "started"
    WAITING = "waiting"  # a job of an earlier opening has not started yet: that one is enough
    NOTHING_TO_DO = "nothing_to_do"
    HELD = "held"  # by the rings before its own


@dataclass(frozen=True, slots=True)
class LastJob:
    """The latest job of a policy on a host."""

    state: JobState
    finished_at: datetime | None

    @property
    def failed(self) -> bool:
        """An unknown outcome counts as failed (``domain.rollouts``)."""
        return self.state in (JobState.FAILED, JobState.OUTCOME_UNKNOWN)


@dataclass(frozen=True, slots=True)
class History:
    """What a policy did so far: the latest job of each host, and the hosts it has met in an opening."""

    last_jobs: Mapping[UUID, LastJob] = field(default_factory=dict)
    met: frozenset[UUID] = frozenset()


def held_because(rollout: Rollout, rings: Assignment, history: History, now: datetime) -> tuple[str | None, ...]:
    """Per ring, why its hosts do not start now; None: they may.

    A ring starts when in all rings before it the latest jobs have ended and soaked, and no more of them have failed
    than the rule allows. A ring of which no host had an opening yet holds those behind it; one that had nothing to do
    does not.
    """
    members: list[list[UUID]] = [[] for _ in rings.names]
    for host_id, ring in rings.ring_of.items():
        members[ring].append(host_id)
    reasons: list[str | None] = []
    held: str | None = None
    failures = 0
    for ring, name in enumerate(rings.names):
        reasons.append(held)
        jobs = [job for host_id in members[ring] if (job := history.last_jobs.get(host_id)) is not None]
        failed = sum(job.failed for job in jobs)
        failures += failed
        if held is None:
            met = not history.met.isdisjoint(members[ring])
            held = _holds(rollout, name, jobs, failed, failures, now, met=met)
    return tuple(reasons)


def _holds(
    rollout: Rollout, name: str, jobs: Sequence[LastJob], failed: int, failures: int, now: datetime, *, met: bool
) -> str | None:
    """Why a ring holds those behind it."""
    if not met:
        return f"ring “{name}” goes first and had no opening yet"
    unended = sum(not job.state.terminal for job in jobs)
    if unended:
        return f"ring “{name}” has {_jobs(unended)} that {'has' if unended == 1 else 'have'} not ended"
    counted = [job for job in jobs if job.state is not JobState.CANCELLED]
    if rollout.stop_after_failures is not None and failures > rollout.stop_after_failures:
        return f"{_jobs(failures)} failed up to ring “{name}”, more than {rollout.stop_after_failures}"
    percent = rollout.stop_after_failed_percent
    if percent is not None and counted and failed * 100 > percent * len(counted):
        return f"{failed} of {_jobs(len(counted))} of ring “{name}” failed, more than {percent:g}%"
    ended = max((job.finished_at for job in counted if job.finished_at is not None), default=None)
    if ended is not None and ended + timedelta(minutes=rollout.soak_minutes) > now:
        return f"ring “{name}” soaks until {in_zone(ended + timedelta(minutes=rollout.soak_minutes), 'UTC')}"
    return None


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def differences(mine: Policy, other: Policy) -> tuple[str, ...]:
    """What hosts of both policies get beyond ``mine``."""
    found: list[str] = []
    if mine.what is What.SECURITY and other.what is What.ALL:
        found.append("it applies all patches")
    if mine.reboot is RebootPolicy.NEVER and other.reboot is RebootPolicy.IF_REQUIRED:
        found.append("it reboots if required")
    theirs = {each.package for each in other.exclude}
    missing = [each.package for each in mine.exclude if each.package not in theirs]
    if missing:
        found.append(f"it does not leave out {', '.join(missing[:5])}")
    if mine.rollout is not None and other.rollout != mine.rollout:
        found.append("it does not wait for these rings")
    return tuple(found)
