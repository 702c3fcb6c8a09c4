"""What a run needs of the world. The supervisor's room implements these; tests script them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from patch_manager.actors.agent.connection import BeforeSend
from patch_manager.actors.agent.following import Listen
from patch_manager.actors.agent.models import (
    AgentHealth,
    AgentInfo,
    AgentJob,
    AgentPackage,
    JobList,
    PackageList,
    PatchList,
)
from patch_manager.actors.agent.outcomes import Outcome
from patch_manager.actors.agent.rate_budget import RateGate
from patch_manager.domain.exclusions import Exclusion
from patch_manager.domain.job_record import JobRecord, Moment
from patch_manager.domain.jobs import Operation
from patch_manager.domain.openings import Closed

Clock = Callable[[], Moment]
"""The present on all three clocks."""


class Agent(Protocol):
    """The part of ``AgentClient`` that jobs use. Reads raise ``AgentFailure``, mutating calls raise nothing."""

    @property
    def budget(self) -> RateGate:
        """The agent's rate budget."""
        ...

    @property
    def listen(self) -> Listen | None:
        """Opens the stream of job events; None polls only."""
        ...

    async def health(self) -> AgentHealth: ...

    async def system_info(self) -> AgentInfo: ...

    async def patches(self) -> PatchList: ...

    async def packages(self) -> PackageList: ...

    async def package(self, name: str) -> AgentPackage | None: ...

    async def jobs(self, limit: int = 1000) -> JobList: ...

    async def job(self, job_id: str) -> AgentJob | None: ...

    async def apply(self, packages: Sequence[str], before_send: BeforeSend | None = None) -> Outcome: ...

    async def reboot(
        self, delay_seconds: int = 0, force: bool = False, before_send: BeforeSend | None = None
    ) -> Outcome: ...

    async def rollback(self, job_id: str, before_send: BeforeSend | None = None) -> Outcome: ...

    async def install(
        self,
        packages: Sequence[str],
        before_send: BeforeSend | None = None,
        *,
        versions: Mapping[str, str] | None = None,
    ) -> Outcome: ...

    async def update(self, name: str, version: str | None = None, before_send: BeforeSend | None = None) -> Outcome: ...

    async def remove(self, name: str, purge: bool = False, before_send: BeforeSend | None = None) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A step is durable: the record with its new version, and the leader's epoch it was written under."""

    record: JobRecord
    epoch: int


class Ledger(Protocol):
    """Where steps become durable. Waits while the database is away; a step is never dropped."""

    async def load(self, job_id: UUID) -> JobRecord | None:
        """All that is durable of a job; raises ``DatabaseUnavailable``."""
        ...

    async def commit(self, before: JobRecord, after: JobRecord, reason: str, now: Moment) -> Kept | None:
        """Write a step; None when the job is no longer as ``before`` says: then nothing may be sent."""
        ...

    async def exclusions(self, record: JobRecord, now: Moment) -> tuple[Exclusion, ...]:
        """What the job must leave out at this moment; raises ``DatabaseUnavailable``."""
        ...

    def leads(self, epoch: int) -> bool:
        """Whether this process still leads under ``epoch``, as far as it knows without asking."""
        ...


class Gate(Protocol):
    """Windows and freezes: asked before every mutating call, at the moment of its first byte (TRUST "Dispatch" 3)."""

    def refuses(self, record: JobRecord, operation: Operation, now: Moment) -> Closed | None:
        """Why ``record`` may not make that call to its host now; None when it may. Answers from memory."""
        ...


class Turns(Protocol):
    """How many hosts of a group reboot at once (``domain.turns``)."""

    def take(self, record: JobRecord, group_ids: frozenset[UUID]) -> str | None:
        """Take a turn for the job's host, which is in these groups; else why there is none. Taking it twice is once."""
        ...

    def settle(self, record: JobRecord) -> None:
        """The job is as committed: gives its turn back unless its host is away."""
        ...

    def leave(self, record: JobRecord) -> None:
        """The run is over; a host that is away keeps its turn."""
        ...


class Progress(Protocol):
    """Who hears how far a running job is."""

    def update(self, job_id: UUID, progress: int, message: str) -> None:
        """``progress`` 0 to 100; never blocks."""
        ...

    def forget(self, job_id: UUID) -> None:
        """The run is over."""
        ...
