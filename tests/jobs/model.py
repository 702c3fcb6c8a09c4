"""A host with its agent as a model on a clock that the test moves: no tasks, no sockets, no waiting.

It follows AGENT_API: jobs in memory, lost by a restart of the agent; a package manager that may live on without it; a
package cache that may be old; an uptime. Its clock may be skewed against the manager's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from patch_manager.domain.patches import Patch, Severity

START = datetime(2031, 3, 1, 12, tzinfo=UTC)


@dataclass(slots=True)
class ModelJob:
    """A job on the agent. ``ours`` is what the test knows and the protocol must find out."""

    id: str
    operation: str
    packages: tuple[str, ...]
    created: float  # when the agent took it; ``ends`` may be never
    ends: float
    ours: bool
    result: str = "completed"
    error_code: str | None = None
    killed: bool = False  # the package manager was stopped before its end
    applied: bool = False
    traced: bool = False  # ours, sent with a baseline that its loss would be seen by
    original: str | None = None  # the job that a rollback is of


@dataclass(slots=True)
class Temper:
    """What goes wrong on a host, by the order of its applies (ours and others')."""

    duration: float = 20.0
    fail_first: int = 0  # how many of our applies fail
    error_code: str | None = "PKG_MANAGER_ERROR"
    partly: bool = False  # a failing apply updates the first of its packages
    kept_back: frozenset[str] = frozenset()
    never_ends: bool = False
    times_out: bool = False
    survives_restart: bool = True  # the package manager lives on without the agent
    reboots_on_apply: bool = False  # the host restarts when an apply ends
    states_cache: bool = True
    cache_ttl: float | None = None  # None: the list is always live
    states_packages: bool = True
    states_reboot: bool = True
    skew: float = 0.0
    reboot_takes: float = 40.0
    ignores_reboot: bool = False
    states_versions: bool = True
    states_original: bool = True
    lists_patches: bool = True  # beside packages, where they are an aid only
    starts_rollbacks: bool = True  # False: created, and never leaves pending
    idle_rollbacks: bool = False  # they complete and change nothing
    forgets: bool = False  # the agent refuses to roll back what it does not know any more


@dataclass(slots=True)
class ModelHost:
    """The truth about a host; every method takes the time first, in seconds since ``START``."""

    names: tuple[str, ...]
    temper: Temper
    reboot_names: frozenset[str] = frozenset()
    spare: tuple[str, ...] = ()  # packages that exist and are not installed
    pending: set[str] = field(init=False)
    versions: dict[str, str] = field(init=False)  # of what is installed
    jobs: dict[str, ModelJob] = field(default_factory=dict)
    alive: list[ModelJob] = field(default_factory=list)  # package managers at work
    applies: int = 0
    booted: float = -100_000.0
    away_until: float = -1.0
    pending_reboot: bool = False
    cache: tuple[float, frozenset[str]] = (0.0, frozenset())
    numbers: int = 0
    reboots_asked: int = 0

    def __post_init__(self) -> None:
        self.pending = set(self.names)
        self.versions = dict.fromkeys(self.names, "1.0")
        self.cache = (-10.0, frozenset(self.names))

    # What happens by itself

    def advance(self, now: float) -> None:
        """Let what was due until ``now`` happen."""
        if not self.alive:
            return
        while due := min((job for job in self.alive if job.ends <= now), key=lambda job: job.ends, default=None):
            self.alive.remove(due)
            self._finish(due)

    def _finish(self, job: ModelJob) -> None:
        if job.killed:
            return
        done = set(job.packages) - self.temper.kept_back
        if job.result == "failed":
            done = set(job.packages[:1]) - self.temper.kept_back if self.temper.partly else set()
        job.applied = True
        self._change(job, done)
        if done & self.reboot_names:
            self.pending_reboot = True
        self.cache = (job.ends, frozenset(self.pending))
        if self.temper.reboots_on_apply and job.result == "completed":
            self.restart(job.ends, whole_host=True)

    def _change(self, job: ModelJob, done: set[str]) -> None:
        if job.operation == "rollback":
            if not self.temper.idle_rollbacks and job.result == "completed":
                done &= self.versions.keys()
                self.versions.update(dict.fromkeys(done, "1.0"))
                self.pending |= done
            return
        self.pending -= done
        if job.operation == "remove":
            for name in done:
                self.versions.pop(name, None)
        else:
            known = done if job.operation == "install" else done & self.versions.keys()
            self.versions.update(dict.fromkeys(known, "1.1"))

    def remaining(self, operation: str, names: set[str]) -> set[str]:
        """Those of ``names`` that the work is not done for, in truth."""
        if operation == "install":
            return names - self.versions.keys()
        if operation == "remove":
            return names & self.versions.keys()
        if operation == "rollback":
            return {name for name in names if self.versions.get(name) != "1.0"}
        return names & self.pending

    def restart(self, now: float, *, whole_host: bool) -> None:
        """The agent, or the host, restarts: jobs are lost; a host's restart also stops the package manager."""
        self.jobs.clear()
        self.away_until = now + (self.temper.reboot_takes if whole_host else 3.0)
        if whole_host:
            self.booted = self.away_until
            self.pending_reboot = False
        if whole_host or not self.temper.survives_restart:
            for job in self.alive:
                job.killed = True
            self.alive.clear()

    def reachable(self, now: float) -> bool:
        """Whether the agent answers."""
        return now >= self.away_until

    def old_job(self) -> None:
        """A job of long ago, still in the agent's list."""
        self.jobs["old"] = ModelJob("old", "patchapply", self.names, -5000.0, -4000.0, ours=False)

    # What is asked

    def accept(
        self, now: float, operation: str, packages: tuple[str, ...], *, ours: bool, original: str | None = None
    ) -> ModelJob:
        """Take a job."""
        self.numbers += 1
        if operation == "reboot":
            self.reboots_asked += 1
            job = ModelJob(f"job-{self.numbers}", operation, (), now, float("inf"), ours)
            self.jobs[job.id] = job
            if not self.temper.ignores_reboot:
                self.restart(now + 0.5, whole_host=True)
            return job
        if ours:
            self.applies += 1
        fails = ours and self.applies <= self.temper.fail_first
        ends = float("inf") if self.temper.never_ends else now + self.temper.duration
        job = ModelJob(
            f"job-{self.numbers}",
            operation,
            packages,
            now,
            ends,
            ours,
            result="failed" if fails else "completed",
            error_code=self.temper.error_code if fails else None,
            original=original,
        )
        self.jobs[job.id] = job
        if operation == "rollback" and not self.temper.starts_rollbacks:
            job.ends = float("inf")
        else:
            self.alive.append(job)
        return job

    def status(self, job: ModelJob, now: float) -> str:
        """The job's state in the manager's words."""
        if job.operation == "reboot":
            return "running"
        if job.operation == "rollback" and not self.temper.starts_rollbacks:
            return "pending"
        if self.temper.times_out and now > job.created + 5.0:
            return "timed_out"
        return job.result if job.ends <= now else "running"

    def listed(self, now: float) -> frozenset[str]:
        """Packages that ``GET /patches`` names: the truth, or the cache's."""
        return frozenset(self.pending) if self.temper.cache_ttl is None else self.cache[1]

    def refresh(self, now: float) -> None:
        """``GET /health`` refreshes a stale cache."""
        if self.temper.cache_ttl is not None and now - self.cache[0] > self.temper.cache_ttl:
            self.cache = (now, frozenset(self.pending))

    def clock(self, now: float) -> datetime:
        """The agent's own wall clock."""
        return START + timedelta(seconds=now + self.temper.skew)

    def patches(self, now: float) -> tuple[Patch, ...]:
        """The list as patches."""
        return tuple(
            Patch(name, "1.0", "1.1", Severity.HIGH, requires_reboot=name in self.reboot_names)
            for name in self.names
            if name in self.listed(now)
        )
