"""What an actor and the job it runs need of each other, so that neither knows the other's insides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from patch_manager.actors.agent.client import AgentClient
    from patch_manager.actors.agent.models import AgentHealth, AgentInfo
    from patch_manager.domain.hosts import HostRecord, JobInHand
    from patch_manager.domain.jobs import DueJob
    from patch_manager.domain.patches import Patch


class HostLink(Protocol):
    """The actor as its job sees it. Reports are messages on the children's channel and never block."""

    @property
    def record(self) -> HostRecord:
        """The host as the operators configured it."""
        ...

    @property
    def agent(self) -> AgentClient:
        """The host's only agent client: it owns the rate budget."""
        ...

    def report_job(self, job: JobInHand | None) -> None:
        """Publish the job in hand (state, progress) with the host's snapshot."""
        ...

    def observed_health(self, health: AgentHealth) -> None:
        """The job read the agent's health: the actor heals or degrades at once."""
        ...

    def observed_info(self, info: AgentInfo) -> None:
        """The job read the system's facts (kernel, pending reboot)."""
        ...

    def observed_patches(self, patches: tuple[Patch, ...], read_at: datetime) -> None:
        """The job read the whole patch list: the actor publishes and stores it."""
        ...


class JobRunner(Protocol):
    """Runs one job to its end in the actor's nursery; injected, because jobs know storage and actors do not.

    Returns when the job is terminal or must be picked up again by a later scan (database gone, leadership lost).
    An exception crashes the actor, which the supervisor restarts; the scan then adopts the job.
    """

    async def __call__(self, due: DueJob, link: HostLink) -> None:
        """Run ``due`` on the host behind ``link``."""
        ...
