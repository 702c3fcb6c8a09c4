"""Hosts that the model drives, behind the agent's port and in real time, with the jobs room on top of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patch_manager.actors.agent.connection import BeforeSend
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.models import (
    AgentHealth,
    AgentInfo,
    AgentJob,
    AgentJobStatus,
    AgentStatus,
    JobList,
    PatchList,
)
from patch_manager.actors.agent.outcomes import Accepted, Ambiguous, NotSent, Outcome, Refused
from patch_manager.actors.agent.rate_budget import RateGate
from patch_manager.actors.jobs.clock import system_clock
from patch_manager.actors.ports import HostLink
from patch_manager.domain.deployments import DeploymentRequest, DeploymentView
from patch_manager.domain.health import FailureKind
from patch_manager.domain.hosts import HostRecord, JobInHand
from patch_manager.domain.job_record import Moment
from patch_manager.domain.jobs import DueJob, JobState
from patch_manager.domain.principal import Principal, Role
from patch_manager.domain.windows import Window, WindowKind
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.freezes import FreezeRow, insert_freeze
from patch_manager.storage.job_plans import WaitingJob
from patch_manager.storage.leadership import Leader
from patch_manager.storage.signed_note import NoteSigner
from patch_manager.storage.windows import WindowRow, insert_windows
from patch_manager.supervisor.answers import JobAnswer
from patch_manager.supervisor.jobs.planning import replan
from patch_manager.supervisor.jobs.room import JobRoom
from tests.jobs.model import ModelHost, ModelJob, Temper


class ScriptedAgent:
    """``actors.jobs.ports.Agent`` over a model host. ``answers`` overrides what the next applies are answered."""

    listen = None

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self.budget: RateGate | FreeBudget = RateGate()
        self.applies: list[tuple[str, ...]] = []
        self.answers: list[str] = []
        self.before_apply: Callable[[], None] = lambda: None  # what happens between the intent and the first byte
        self.before_patches: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self._began = trio.current_time()

    def now(self) -> float:
        """Seconds on the model's clock."""
        now = trio.current_time() - self._began
        self.host.advance(now)
        return now

    async def _up(self) -> float:
        await trio.lowlevel.checkpoint()
        now = self.now()
        if not self.host.reachable(now):
            raise AgentFailure(FailureKind.REFUSED)
        return now

    async def health(self) -> AgentHealth:
        now = await self._up()
        return AgentHealth(AgentStatus.HEALTHY, uptime_seconds=int(now - self.host.booted))

    async def system_info(self) -> AgentInfo:
        now = await self._up()
        return AgentInfo(pending_reboot=self.host.pending_reboot, last_boot=self.host.clock(self.host.booted - now))

    async def patches(self) -> PatchList:
        await self.before_patches()
        patches = self.host.patches(await self._up())
        return PatchList(patches, len(patches), None, False)

    async def jobs(self, limit: int = 1000) -> JobList:
        now = await self._up()
        jobs = tuple(self._job(job, now) for job in self.host.jobs.values())
        return JobList(jobs, len(jobs))

    async def job(self, job_id: str) -> AgentJob | None:
        now = await self._up()
        job = self.host.jobs.get(job_id)
        return None if job is None else self._job(job, now)

    def _job(self, job: ModelJob, now: float) -> AgentJob:
        status = self.host.status(job, now)
        return AgentJob(
            job_id=job.id,
            operation=job.operation,
            status=AgentJobStatus(status),
            progress=100 if status == "completed" else 40,
            message="working",
            created_at=self.host.clock(job.created),
            packages=job.packages,
            error_code=job.error_code if status == "failed" else None,
            error="E: it failed" if status == "failed" else None,
            exit_code=100 if status == "failed" else None,
            stderr="dpkg: error\x00" if status == "failed" else None,
        )

    async def apply(self, packages: Sequence[str], before_send: BeforeSend | None = None) -> Outcome:
        await trio.lowlevel.checkpoint()
        self.before_apply()
        now = self.now()
        if not self.host.reachable(now):
            return NotSent("connection refused", AgentFailure(FailureKind.REFUSED))
        refusal = before_send() if before_send is not None else None
        if refusal is not None:
            return NotSent(refusal)
        answer = self.answers.pop(0) if self.answers else "accept"
        if answer == "refuse":
            return Refused(0.5, "QUEUE_FULL")
        if answer == "lose_before":
            return Ambiguous("dropped", FailureKind.DROPPED)
        self.applies.append(tuple(packages))
        job = self.host.accept(now, "patchapply", tuple(packages), ours=True)
        return Ambiguous("dropped", FailureKind.DROPPED) if answer == "lose_after" else Accepted(job.id, "patchapply")

    async def reboot(
        self, delay_seconds: int = 0, force: bool = False, before_send: BeforeSend | None = None
    ) -> Outcome:
        now = await self._up()
        refusal = before_send() if before_send is not None else None
        if refusal is not None:
            return NotSent(refusal)
        return Accepted(self.host.accept(now, "reboot", (), ours=True).id, "reboot")


@dataclass(slots=True)
class ScriptedLink:
    """The actor as its job sees it; keeps what was reported."""

    record: HostRecord
    agent: ScriptedAgent
    reports: list[JobInHand | None] = field(default_factory=list)

    def report_job(self, job: JobInHand | None) -> None:
        self.reports.append(job)

    def observed_health(self, health: AgentHealth) -> None: ...

    def observed_info(self, info: AgentInfo) -> None: ...

    def observed_patches(self, patches: Any, read_at: datetime) -> None: ...


class KeptHub:
    """The event hub's face; keeps the latest item of each job and deployment."""

    def __init__(self) -> None:
        self.jobs: dict[UUID, Any] = {}
        self.deployments: dict[UUID, Any] = {}
        self._news = trio.Event()

    def publish_jobs(self, items: Any) -> None:
        self.jobs.update({item["id"]: item for item in items})

    def publish_deployments(self, items: Any) -> None:
        self.deployments.update({item["id"]: item for item, _ in items})
        self._news.set()
        self._news = trio.Event()

    async def told(self, deployment_id: UUID, state: str) -> None:
        """Wait until the stream says that the deployment and its jobs, which it tells one by one, are in ``state``."""
        while self.deployments.get(deployment_id, {}).get("state") != state or not self._jobs_are(deployment_id, state):
            await self._news.wait()

    def _jobs_are(self, deployment_id: UUID, state: str) -> bool:
        return all(job["state"] == state for job in self.jobs.values() if job["deployment_id"] == deployment_id)


class ScriptedFleet:
    """A supervisor of scripted hosts: runs jobs in a nursery, one per host."""

    def __init__(self, db: Database, audit: AuditLog) -> None:
        self.db = db
        self.audit = audit
        self.hub = KeptHub()
        self.links: dict[UUID, ScriptedLink] = {}
        self.leader: Leader | None = None
        self.stopped_for = 0.0  # seconds that the process was stopped in all: all clocks went on
        self.jumped = timedelta()  # what somebody set the wall clock forward by
        self.room = self.new_room()
        self._running: dict[UUID, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None

    def new_room(self) -> JobRoom:
        """A jobs room as a restarted manager would make it."""
        self.room = JobRoom(
            self.db,
            self.audit,
            lambda: self.leader,
            beginning=trio.CapacityLimiter(50),
            dispatch=trio.CapacityLimiter(50),
            followed_jobs=trio.CapacityLimiter(600),
            clock=self._clock(),
        )
        return self.room

    def _clock(self) -> Callable[[], Moment]:
        real = system_clock()

        def now() -> Moment:
            moment = real()
            later = moment.wall + timedelta(seconds=self.stopped_for) + self.jumped
            return Moment(later, moment.boot_id, moment.boot_clock + self.stopped_for)

        return now

    def now(self) -> datetime:
        """The wall clock."""
        return self.room.calendar.now()

    async def add_window(self, host_id: UUID, opens_in: float, minutes: int = 60, **other: Any) -> WindowRow:
        """A one-time window that opens in so many seconds (negative: it is open), told as http tells it."""
        now = self.now()
        starts_at = now + timedelta(seconds=opens_in)
        window = Window(WindowKind.ONCE, "UTC", minutes, starts_at=starts_at, **other)
        row = WindowRow(uuid4(), host_id, "nightly", True, window, "somebody", now, now)
        replanned = await self.db.transaction(_add_window, row)
        await self.room.calendar.changed([host_id], replanned)
        return row

    async def add_freeze(self, begins_in: float, ends_in: float, group: UUID | None = None) -> FreezeRow:
        """A freeze, in seconds from now."""
        now = self.now()
        begin, end = now + timedelta(seconds=begins_in), now + timedelta(seconds=ends_in)
        row = FreezeRow(uuid4(), group, None, begin, end, "year end", "somebody", now)
        replanned = await self.db.transaction(_add_freeze, row)
        await self.room.calendar.changed(None, replanned)
        return row

    @property
    def service(self) -> Any:
        return self.room.deployments

    async def lead(self) -> None:
        """Win a new epoch."""
        self.leader = Leader(await self.db.transaction(_next_epoch))

    async def add(
        self, temper: Temper | None = None, names: tuple[str, ...] = ("openssl", "bash"), *, group: UUID | None = None
    ) -> UUID:
        """A host in the database, with its agent."""
        host_id = uuid4()
        address = f"127.1.{len(self.links) // 250}.{len(self.links) % 250 + 1}"
        groups = frozenset() if group is None else frozenset({group})
        record = HostRecord(host_id, address, 12443, None, f"host {address}", groups, datetime.now(UTC))
        host = ModelHost(names, temper or Temper(duration=0.2))
        self.links[host_id] = ScriptedLink(record, ScriptedAgent(host))
        await self.db.transaction(_add_host, record, group)
        return host_id

    def run_job(self, due: DueJob) -> JobAnswer:
        host_id = due.key.host_id
        if self._nursery is None or host_id not in self.links:
            return JobAnswer.NO_ACTOR
        if host_id in self._running:
            return JobAnswer.BUSY
        self._running[host_id] = trio.CancelScope()
        self._nursery.start_soon(self._run, due)
        return JobAnswer.ACCEPTED

    async def _run(self, due: DueJob) -> None:
        try:
            with self._running[due.key.host_id]:
                await self.room.runner(due, cast(HostLink, self.links[due.key.host_id]))
        finally:
            del self._running[due.key.host_id]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The room runs inside this block, and everything of it is cancelled at its end, as by kill -9."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.room.run, self)
            yield
            nursery.cancel_scope.cancel()
        self._nursery = None

    async def reaches(self, deployment: DeploymentView, *states: JobState) -> None:
        """Wait until all jobs of the deployment are in one of ``states``."""
        words = [state.value for state in states]
        while await self.db.read(_others, deployment.id, words):  # noqa: ASYNC110 - only the database knows
            await trio.sleep(0.05)

    async def ended(self, principal: Principal, deployment: DeploymentView) -> DeploymentView:
        """The deployment once all its jobs have ended."""
        while True:
            view = await self.service.get(principal, deployment.id)
            if view.finished_at is not None:
                return cast(DeploymentView, view)
            await trio.sleep(0.05)


async def make_fleet(db: Database) -> ScriptedFleet:
    """A leading fleet without hosts."""
    audit = AuditLog(NoteSigner("tests", Ed25519PrivateKey.generate()))
    await db.transaction(audit.initialise)
    fleet = ScriptedFleet(db, audit)
    await fleet.lead()
    return fleet


async def make_user(db: Database, role: Role = Role.ADMIN, groups: frozenset[UUID] = frozenset()) -> Principal:
    """A signed-in user who exists."""
    principal = Principal(uuid4(), f"{role.value}-{uuid4().hex[:6]}", role, groups, uuid4())
    await db.transaction(_add_user, principal)
    return principal


async def make_group(db: Database, name: str) -> UUID:
    """A group."""
    group_id = uuid4()
    await db.transaction(_add_group, group_id, name)
    return group_id


@dataclass(frozen=True, slots=True)
class FreeBudget:
    """A rate budget that never waits."""

    read_delay_s: float = 0.0
    write_delay_s: float = 0.0

    def waiting(self) -> FreeBudget:
        return self


def everything(*host_ids: UUID, **other: Any) -> DeploymentRequest:
    """A deployment of all that is pending, now."""
    return DeploymentRequest(host_ids=host_ids, **other)


async def _others(connection: Connection, deployment_id: UUID, words: list[str]) -> int:
    sql = "SELECT count(*) FROM jobs WHERE deployment_id = $1 AND superseded_by IS NULL AND NOT state = ANY ($2)"
    return int(await connection.fetchval(sql, deployment_id, words))


async def _next_epoch(connection: Connection) -> int:
    return int(await connection.fetchval("UPDATE leadership SET epoch = epoch + 1, holder = 'tests' RETURNING epoch"))


async def _add_host(connection: Connection, record: HostRecord, group: UUID | None) -> None:
    await connection.execute(
        "INSERT INTO hosts (id, address, port, display_name) VALUES ($1, $2, $3, $4)",
        record.id,
        record.address,
        record.port,
        record.display_name,
    )
    if group is not None:
        await connection.execute("INSERT INTO group_hosts (group_id, host_id) VALUES ($1, $2)", group, record.id)


async def _add_window(connection: Connection, row: WindowRow) -> tuple[WaitingJob, ...]:
    await insert_windows(connection, [row], None)
    return await replan(connection, [row.host_id], row.created_at)


async def _add_freeze(connection: Connection, row: FreezeRow) -> tuple[WaitingJob, ...]:
    await insert_freeze(connection, row, None)
    return await replan(connection, None, row.created_at)


async def _add_user(connection: Connection, principal: Principal) -> None:
    await connection.execute(
        "INSERT INTO users (id, username, role, password_hash) VALUES ($1, $2, $3, 'none')",
        principal.user_id,
        principal.username,
        principal.role.value,
    )


async def _add_group(connection: Connection, group_id: UUID, name: str) -> None:
    await connection.execute("INSERT INTO groups (id, name) VALUES ($1, $2)", group_id, name)
