"""The supervisor as the HTTP layer and the jobs room see it. ``FleetSupervisor`` is the one implementation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from patch_manager.domain.jobs import DueJob
from patch_manager.supervisor.answers import JobAnswer, PackagesResult, RefreshResult, ServiceResult
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.hub import EventHub
from patch_manager.supervisor.limits import LimiterStatistics
from patch_manager.supervisor.picture import FleetPicture


class Fleet(Protocol):
    """Reading is free and synchronous; whatever waits takes a time-out of the caller."""

    @property
    def picture(self) -> FleetPicture:
        """The latest snapshots, totals and encoded rows."""
        ...

    @property
    def hub(self) -> EventHub:
        """Live changes."""
        ...

    @property
    def counters(self) -> PollCounters:
        """Polls and crashes since start, for metrics."""
        ...

    def limiter_statistics(self) -> Mapping[str, LimiterStatistics]:
        """By limiter name: tokens in all, borrowed, and tasks that wait."""
        ...

    async def refresh(self, host_id: UUID, timeout: float) -> RefreshResult:  # noqa: ASYNC109 - late is an answer
        """Read a host's agent now, before all scheduled polls; returns once stored, or after ``timeout`` seconds."""
        ...

    async def packages(self, host_id: UUID, timeout: float) -> PackagesResult:  # noqa: ASYNC109 - late is an answer
        """Ask a host's agent for all its packages; nothing is kept."""
        ...

    async def service(self, host_id: UUID, name: str, timeout: float) -> ServiceResult:  # noqa: ASYNC109 - late is an answer
        """Ask a host's agent for the state of a service."""
        ...

    async def knows_job(self, host_id: UUID, agent_job_id: str, timeout: float) -> bool | None:  # noqa: ASYNC109
        """Whether a host's agent knows a job; None when it gives no answer in time."""
        ...

    async def settled(self, host_ids: Iterable[UUID], timeout: float) -> None:  # noqa: ASYNC109 - late is no error
        """Wait until what the picture shows of these hosts is in the database too, at most ``timeout`` seconds."""
        ...

    async def hosts_changed(self, host_ids: Iterable[UUID]) -> None:
        """These hosts were added, changed, regrouped or deleted in the database: start, tell or retire their actors.

        Returns when the picture shows it. Raises ``DatabaseUnavailable`` when they cannot be read; the periodic
        reconcile then catches up.
        """
        ...

    async def restart(self, host_id: UUID) -> bool:
        """Restart an actor, out of quarantine too; False when there is no such host."""
        ...

    def run_job(self, due: DueJob) -> JobAnswer:
        """Hand a job to its host's actor. Never waits."""
        ...

    def certificates_changed(self, host_ids: Iterable[UUID] | None = None) -> None:
        """Certificates or the CRL changed (None: for all): failing hosts are polled at once."""
        ...
