"""Hosts, agents that follow a script, and surroundings for actors under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.models import AgentHealth, AgentInfo, AgentPackage, AgentStatus, PackageList, PatchList
from patch_manager.actors.messages import PollKind, PollOutcome
from patch_manager.actors.polling import Connecting
from patch_manager.actors.ports import HostLink, JobRunner
from patch_manager.actors.schedule import Cadence
from patch_manager.domain.health import FailureKind
from patch_manager.domain.host_status import HostStatus, HostWrite, StoredHost
from patch_manager.domain.hosts import HostRecord, HostSnapshot
from patch_manager.domain.jobs import DueJob, JobKey, JobState, Operation
from patch_manager.domain.patches import Patch, Severity
from patch_manager.domain.settings import LimitSettings
from patch_manager.supervisor.limits import Limits

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HEALTHY = AgentHealth(AgentStatus.HEALTHY, uptime_seconds=5000, version="2.5.5")
INFO = AgentInfo(hostname="web", os_name="Debian", os_version="12", kernel="6.1", architecture="x86_64")


def record(number: int = 1, *, groups: frozenset[UUID] = frozenset(), host_id: UUID | None = None) -> HostRecord:
    """Host ``number`` at 127.1.x.y."""
    address = f"127.1.{number // 256}.{number % 256}"
    return HostRecord(host_id or UUID(int=number), address, 12443, None, f"host-{number}", groups, NOW)


def stored(number: int = 1, status: HostStatus | None = None) -> StoredHost:
    """A host as read from the database; without a status never polled."""
    return StoredHost(record(number), status or HostStatus())


def patch(name: str = "openssl", severity: Severity = Severity.CRITICAL, **values: object) -> Patch:
    """A pending patch."""
    return Patch(name, "1.0", "1.1", severity, **values)  # type: ignore[arg-type]  # a test's shorthand


def listing(*patches: Patch, requires_reboot: bool = False) -> PatchList:
    """An agent's complete list."""
    return PatchList(patches, len(patches), None, requires_reboot)


def failure(kind: FailureKind = FailureKind.REFUSED, retry_after: float | None = None) -> AgentFailure:
    """What an agent client raises."""
    return AgentFailure(kind, retry_after=retry_after)


def due_job(host_id: UUID) -> DueJob:
    """A queued job of a host."""
    return DueJob(JobKey(uuid4(), host_id, 1), None, Operation.PATCH_APPLY, JobState.QUEUED, None)


@dataclass
class ScriptedAgent:
    """Answers as told. ``before_health`` runs after connecting; set ``fail`` to an exception to raise instead."""

    connecting: Connecting | None = None
    said: AgentHealth = HEALTHY
    info: AgentInfo = INFO
    listed: PatchList = field(default_factory=listing)
    fail: BaseException | None = None
    fail_patches: BaseException | None = None
    connect_seconds: float = 0.0
    answer_seconds: float = 0.0
    calls: list[tuple[str, float]] = field(default_factory=list)

    def called(self, name: str) -> list[float]:
        """When (Trio's clock) this call was made."""
        return [at for call, at in self.calls if call == name]

    async def health(self) -> AgentHealth:
        """Connect through the limiter, think, answer."""
        self.calls.append(("asked", trio.current_time()))
        connecting = self.connecting
        assert connecting is not None
        async with connecting():
            await trio.sleep(self.connect_seconds)
        self.calls.append(("health", trio.current_time()))
        await trio.sleep(self.answer_seconds)
        if self.fail is not None:
            raise self.fail
        return self.said

    async def system_info(self) -> AgentInfo:
        """Facts."""
        self.calls.append(("info", trio.current_time()))
        return self.info

    async def patches(self) -> PatchList:
        """The list."""
        self.calls.append(("patches", trio.current_time()))
        if self.fail_patches is not None:
            raise self.fail_patches
        return self.listed

    async def packages(self) -> PackageList:
        """What is installed."""
        self.calls.append(("packages", trio.current_time()))
        if self.fail is not None:
            raise self.fail
        return PackageList((AgentPackage("openssl", "3.0.11", "installed", True, "3.0.15"),), 1)

    async def aclose(self) -> None:
        """Nothing is kept."""


class Fleet:
    """An agent factory: one scripted agent per address, made when first asked for."""

    def __init__(self) -> None:
        self.agents: dict[str, ScriptedAgent] = {}

    def at(self, number: int) -> ScriptedAgent:
        """The agent of host ``number``."""
        return self.agents.setdefault(record(number).address, ScriptedAgent())

    def __call__(self, record: HostRecord, connecting: Connecting) -> AgentClient:
        """``polling.AgentFactory``."""
        agent = self.agents.setdefault(record.address, ScriptedAgent())
        agent.connecting = connecting
        return cast(AgentClient, agent)


async def no_jobs(due: DueJob, link: HostLink) -> None:
    """A runner for tests without jobs."""
    raise AssertionError(f"no job was expected on {link.record.address}: {due}")


def clock_of(start: datetime = NOW) -> Callable[[], datetime]:
    """A wall clock that goes with Trio's."""
    began = trio.current_time()
    return lambda: start + timedelta(seconds=trio.current_time() - began)


@dataclass
class Around:
    """``actors.surroundings.Surroundings`` that keep what they get."""

    agents: Fleet
    wall_clock: Callable[[], datetime]
    jobs: JobRunner = no_jobs
    limits: Limits = field(default_factory=lambda: Limits.of(LimitSettings()))
    cadence: Cadence = Cadence(300.0, 1800.0)  # noqa: RUF009 - frozen
    keep_connections: bool = False
    snapshots: list[HostSnapshot] = field(default_factory=list)
    writes: list[HostWrite] = field(default_factory=list)
    polls: list[tuple[PollKind, PollOutcome]] = field(default_factory=list)

    def publish(self, snapshot: HostSnapshot, *, force: bool) -> None:
        """Keep it."""
        self.snapshots.append(snapshot)

    def store(self, write: HostWrite) -> None:
        """Keep it."""
        self.writes.append(write)

    def polled(self, kind: PollKind, outcome: PollOutcome, seconds: float) -> None:
        """Keep it."""
        self.polls.append((kind, outcome))
