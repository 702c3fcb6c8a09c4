"""One simulated host: what is installed and pending on it, its jobs, its temper, and whether it can be reached."""

import collections
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import trio

from patch_manager.simulator.catalogue import (
    Patch,
    available_patches,
    filler_packages,
    kernel_package,
)
from patch_manager.simulator.jobs import Job, JobTable, Status
from patch_manager.simulator.limits import RateLimiter
from patch_manager.simulator.specs import HostSpec
from patch_manager.simulator.temper import Reception, Temper

_COUNTED = ("fail_jobs", "time_out_jobs", "lose_jobs", "never_finish", "restart_mid_job", "lost_answers")
EVENT_BUFFER = 256


class LoggedRequest(NamedTuple):
    """One request as it came in: method, target with its query, body."""

    method: str
    path: str
    body: bytes


class JobEvent(NamedTuple):
    """A job's state at one moment, for the event stream."""

    job_id: str
    status: Status
    progress: int
    message: str
    error: str | None
    error_code: str | None
    at: datetime


class Package(NamedTuple):
    """An installed package and its pending update, if any."""

    name: str
    version: str
    patch: Patch | None


class Surroundings(Protocol):
    """What a host asks of the fleet that runs it."""

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Run a task for as long as the fleet lives."""

    def reachability_changed(self, host: "SimulatedHost") -> None:
        """The host opened or closed its port."""

    def initial_patches(self, spec: HostSpec) -> tuple[Patch, ...]:
        """The host's first patch list; one object for all hosts that have the same."""


class SimulatedHost:
    """A live host. Tests read and change it freely; everything runs in the fleet's one Trio thread.

    *requests* holds the latest requests, *apply_jobs* counts accepted applies, *applied* the packages that each
    apply really updated, *rate_limited* the requests turned away by the limiter.
    """

    __slots__ = (
        "_counts", "_down", "_surroundings", "_temper", "agent_started", "applied", "apply_jobs", "booted_at",
        "connections", "extra", "handshakes", "job_scopes", "jobs", "kernel", "last_apply", "limiter", "patches",
        "rate_limited", "reboot_required", "reboots", "removed", "requests", "slots", "spec", "subscribers",
    )  # fmt: skip

    def __init__(self, spec: HostSpec, surroundings: Surroundings, *, log_size: int) -> None:
        now = trio.current_time()
        self.spec = spec
        self._surroundings = surroundings
        self._down = False
        self.temper = spec.temper
        self.patches = surroundings.initial_patches(spec)
        self.kernel = spec.family.value.kernel
        self.booted_at = now - spec.uptime
        self.agent_started = now - min(spec.uptime, 3600)
        self.reboot_required = False
        self.last_apply: datetime | None = None
        self.extra: dict[str, str] = {}
        self.removed: set[str] = set()
        self.jobs = JobTable()
        self.job_scopes: dict[str, trio.CancelScope] = {}
        self.slots = trio.CapacityLimiter(spec.concurrent_jobs)
        self.limiter = RateLimiter()
        self.connections: set[trio.CancelScope] = set()
        self.subscribers: set[trio.MemorySendChannel[JobEvent]] = set()
        self.requests: collections.deque[LoggedRequest] = collections.deque(maxlen=log_size)
        self.apply_jobs = 0
        self.applied: list[tuple[str, ...]] = []
        self.rate_limited = 0
        self.handshakes = 0
        self.reboots = 0

    def __repr__(self) -> str:
        return f"<SimulatedHost {self.spec.address} {self.spec.dialect.value} {self.spec.release.value}>"

    @property
    def address(self) -> str:
        return self.spec.address

    @property
    def temper(self) -> Temper:
        """How it misbehaves; assigning another one takes effect at once and starts its counts anew."""
        return self._temper

    @temper.setter
    def temper(self, temper: Temper) -> None:
        self._temper = temper
        self._counts: dict[str, int] = {name: getattr(temper, name) for name in _COUNTED if getattr(temper, name)}
        self._surroundings.reachability_changed(self)

    @property
    def reachable(self) -> bool:
        """Whether its port is open."""
        return not self._down and self._temper.reception is not Reception.REFUSE

    @property
    def uptime(self) -> int:
        return int(trio.current_time() - self.booted_at)

    @property
    def booted(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=trio.current_time() - self.booted_at)

    def take(self, count: str) -> bool:
        """Use up one of a counted misbehaviour; False when there is none left."""
        left = self._counts.get(count, 0)
        if left:
            self._counts[count] = left - 1
        return left > 0

    def start_soon(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        self._surroundings.start_soon(function, *args)

    def publish(self, job: Job) -> None:
        """Tell the event streams; one whose buffer is full misses it, as with the real agent."""
        event = JobEvent(
            job.job_id, job.status, job.progress, job.message, job.error, job.error_code, datetime.now(UTC)
        )
        for channel in self.subscribers:
            try:
                channel.send_nowait(event)
            except (trio.WouldBlock, trio.BrokenResourceError):
                continue

    def installed(self) -> list[Package]:
        """All packages, those with a pending update at their current version."""
        pending = {patch.name: patch for patch in self.patches}
        versions = {patch.name: patch.available_version for patch in available_patches(self.spec.family)}
        versions |= dict(filler_packages(self.spec.family, max(0, self.spec.package_count - len(versions))))
        versions |= {patch.name: patch.current_version for patch in self.patches} | self.extra
        return [
            Package(name, version, pending.get(name))
            for name, version in sorted(versions.items())
            if name not in self.removed
        ]

    def take_updates(self, updates: tuple[Patch, ...]) -> tuple[str, ...]:
        """Install *updates* except what is kept back; gives the names that are no longer pending."""
        kept = self._temper.kept_back
        done = tuple(patch for patch in updates if "*" not in kept and patch.name not in kept)
        names = {patch.name for patch in done}
        self.patches = tuple(patch for patch in self.patches if patch.name not in names)
        self.reboot_required = self.reboot_required or any(patch.requires_reboot for patch in done)
        self.last_apply = datetime.now(UTC)
        return tuple(sorted(names))

    def put_back(self, names: tuple[str, ...]) -> None:
        """Undo updates: the packages are pending again."""
        known = {patch.name: patch for patch in self._surroundings.initial_patches(self.spec)}
        back = [known[name] for name in names if name in known]
        here = {patch.name for patch in self.patches}
        self.patches = tuple(
            sorted([*self.patches, *(patch for patch in back if patch.name not in here)], key=lambda patch: patch.name)
        )

    def go_down(self) -> None:
        """Close the port, cut every connection, stop every job."""
        self._down = True
        for scope in [*self.connections, *self.job_scopes.values()]:
            scope.cancel()
        self._surroundings.reachability_changed(self)

    def come_up(self) -> None:
        """A fresh agent process: jobs are lost, but for the finished ones of releases that persist them."""
        self._down = False
        self.agent_started = trio.current_time()
        if self.spec.release.persists_jobs:
            for job in self.jobs.newest_first():
                if not job.status.is_final:
                    self.jobs.remove(job)
        else:
            self.jobs.clear()
        self._surroundings.reachability_changed(self)

    async def restart_agent(self, updates: tuple[Patch, ...] = ()) -> None:
        """The agent is gone for `Temper.restart_seconds`; what it was installing is done meanwhile, or not."""
        self.go_down()
        await trio.sleep(self._temper.restart_seconds)
        if updates and self._temper.work_is_done:
            self.applied.append(self.take_updates(updates))
        self.come_up()

    async def reboot(self, delay: float = 0.0) -> None:
        """The host goes away after *delay* seconds and comes back `HostSpec.reboot_seconds` later, uptime small."""
        await trio.sleep(delay)
        self.go_down()
        await trio.sleep(self.spec.reboot_seconds)
        self.reboots += 1
        self.booted_at = trio.current_time()
        self.reboot_required = False
        kernel = kernel_package(self.spec.family)
        if all(patch.name != kernel for patch in self.patches):
            self.kernel = self.spec.family.value.patched_kernel
        self.come_up()
