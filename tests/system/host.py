"""A managed host as its agent sees it: packages, jobs, uptime. Written from the agent's contract alone.

Nothing of the program under test is imported by the agents of these tests: what both sides believe of the contract is
compared by their talking to each other.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4


@dataclass(frozen=True)
class Patch:
    """A pending update. ``kept_back``: stays pending although the job ends well."""

    name: str
    severity: str | None = "medium"
    cves: tuple[str, ...] = ()
    reboot: bool = False
    kept_back: bool = False
    current: str = "1.0-1"
    available: str = "1.0-2"


@dataclass(frozen=True)
class Failure:
    """How a job of the agent fails."""

    code: str
    message: str = "the package manager failed"
    exit_code: int = 100
    stderr: str = "E: something went wrong"


@dataclass
class Job:
    """A job in the agent's memory."""

    operation: str
    packages: list[str] | None
    seconds: float
    failure: Failure | None = None
    never_ends: bool = False
    original: Job | None = None  # what a rollback undoes
    undo: dict[str, str | None] = field(default_factory=dict)  # versions before it; None: was not installed
    patched: list[Patch] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid4()))
    created: float = field(default_factory=time.time)
    ended: float | None = None

    @property
    def status(self) -> str:
        """The contract's word."""
        if self.ended is None:
            return "running"
        return "failed" if self.failure is not None else "completed"

    @property
    def progress(self) -> int:
        """0 to 100."""
        if self.ended is not None:
            return 100
        return min(99, int(100 * (time.time() - self.created) / max(self.seconds, 0.01)))


@dataclass
class Host:
    """Facts and work of one host; every method holds its lock.

    ``cache_seconds``: age at which a question after its health refreshes the package cache. ``reboots_after_work``:
    what it applied restarts it, so that nobody hears how the job ended.
    """

    patches: list[Patch] = field(default_factory=list)
    hostname: str = "host"
    os: str = "Debian GNU/Linux"
    os_version: str = "12"
    kernel: str = "6.1.0-18-amd64"
    architecture: str = "x86_64"
    version: str = "2.5.5"
    pending_reboot: bool = False
    job_seconds: float = 0.4
    away_seconds: float = 2.0
    cache_seconds: float = float("inf")
    reboots_after_work: bool = False
    uptime_at_start: float = 864_000.0
    failures: list[Failure | None] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    applied: list[Job] = field(default_factory=list)
    reboots: int = 0
    installed: dict[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ("ssh.service",)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.booted = time.time() - self.uptime_at_start
        self.away_until = 0.0
        self.cache_read = time.time()
        self.installed = {**self.installed, **{patch.name: patch.current for patch in self.patches}}

    @property
    def uptime(self) -> int:
        """Whole seconds since boot."""
        return int(time.time() - self.booted)

    @property
    def away(self) -> bool:
        """Rebooting: nothing listens."""
        return time.time() < self.away_until

    def advance(self) -> None:
        """End the jobs whose time has come."""
        with self.lock:
            for job in [*self.jobs.values(), *self.applied]:
                if job.ended is None and not job.never_ends and time.time() >= job.created + job.seconds:
                    job.ended = time.time()
                    self._done(job)

    def _done(self, job: Job) -> None:
        if job.failure is not None:
            return
        if job.operation in ("install", "remove", "rollback"):
            self._change(job)
            return
        if job.operation not in ("patch_apply", "update"):
            return
        asked = None if job.packages is None else set(job.packages)
        done = [p for p in self.patches if (asked is None or p.name in asked) and not p.kept_back]
        self.pending_reboot = self.pending_reboot or any(p.reboot for p in done)
        self.patches = [p for p in self.patches if p not in done]
        self._set(job, {p.name: p.available for p in done})
        job.patched = done
        self.cache_read = time.time()
        if self.reboots_after_work:
            self._restart()

    def refresh_stale_cache(self) -> None:
        """What a question after the host's health does on the way."""
        with self.lock:
            if time.time() - self.cache_read >= self.cache_seconds:
                self.cache_read = time.time()

    def _set(self, job: Job, versions: dict[str, str | None]) -> None:
        job.undo = {name: self.installed.get(name) for name in versions}
        self.installed |= {name: version for name, version in versions.items() if version is not None}
        for name in [name for name, version in versions.items() if version is None]:
            self.installed.pop(name, None)

    def _change(self, job: Job) -> None:
        if job.operation == "rollback":
            assert job.original is not None
            self._set(job, job.original.undo)
            self.patches = [*self.patches, *job.original.patched]
        else:
            self._set(job, dict.fromkeys(job.packages or (), "9.0-1" if job.operation == "install" else None))

    def submit(self, operation: str, packages: list[str], original: Job | None = None) -> Job:
        """A new job of any other kind."""
        with self.lock:
            job = Job(operation, packages, self.job_seconds, original=original)
            self.jobs[job.id] = job
            return job

    def apply(self, packages: list[str] | None) -> Job:
        """A new apply job."""
        with self.lock:
            failure = self.failures.pop(0) if self.failures else None
            job = Job("patch_apply", packages, self.job_seconds, failure)
            self.jobs[job.id] = job
            self.applied.append(job)
            return job

    def reboot(self) -> Job:
        """Go away soon, and come back with a small uptime, another kernel and no memory of jobs."""
        with self.lock:
            job = Job("reboot", None, 0.0, never_ends=True)
            self.reboots += 1
            self._restart()
            return job

    def _restart(self) -> None:
        self.jobs = {}
        self.away_until = time.time() + self.away_seconds
        self.booted = self.away_until
        self.pending_reboot = False
        self.kernel += ".1"

    def forget_jobs(self) -> None:
        """The agent restarted: its memory of jobs is gone, their work goes on."""
        with self.lock:
            self.jobs = {}

    def add(self, *patches: Patch) -> None:
        """More is pending."""
        with self.lock:
            self.patches = [*self.patches, *patches]


def copy_of(host: Host, **changes: object) -> Host:
    """A host like another one."""
    return replace(host, **changes)  # type: ignore[arg-type]  # names are the caller's


def stamp(moment: float | None = None, *, nanoseconds: bool = False) -> str:
    """RFC 3339 as agents write it: ``Z`` or an offset, up to nanoseconds."""
    at = datetime.fromtimestamp(time.time() if moment is None else moment, UTC)
    if nanoseconds:
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
    return at.isoformat()


def boot_stamp(host: Host) -> str:
    """When the host booted."""
    return (datetime.now(UTC) - timedelta(seconds=host.uptime)).isoformat()
