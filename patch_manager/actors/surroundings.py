"""What actors take from the program around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import trio

from patch_manager.actors.messages import PollKind, PollOutcome
from patch_manager.actors.polling import AgentFactory
from patch_manager.actors.ports import JobRunner
from patch_manager.actors.schedule import Cadence
from patch_manager.domain.host_status import HostWrite
from patch_manager.domain.hosts import HostSnapshot


class PollLimits(Protocol):
    """The limiters that actors take; ``supervisor.limits.Limits`` has them."""

    @property
    def polls_connecting(self) -> trio.CapacityLimiter:
        """Connecting and handshakes of scheduled polls."""
        ...

    @property
    def polls_suspect(self) -> trio.CapacityLimiter:
        """The same for hosts whose last poll failed."""
        ...

    @property
    def polls_in_flight(self) -> trio.CapacityLimiter:
        """Scheduled polls from start to end."""
        ...

    @property
    def refresh(self) -> trio.CapacityLimiter:
        """Connecting for operators."""
        ...

    @property
    def jobs_connecting(self) -> trio.CapacityLimiter:
        """Connecting for jobs."""
        ...


class Surroundings(Protocol):
    """What all actors share. Every method returns at once."""

    @property
    def agents(self) -> AgentFactory:
        """Makes agent clients."""
        ...

    @property
    def jobs(self) -> JobRunner:
        """Runs a job in hand."""
        ...

    @property
    def limits(self) -> PollLimits:
        """The fleet's limiters."""
        ...

    @property
    def cadence(self) -> Cadence:
        """How often to poll."""
        ...

    @property
    def keep_connections(self) -> bool:
        """Keep a connection open between polls."""
        ...

    @property
    def wall_clock(self) -> Callable[[], datetime]:
        """Aware moments."""
        ...

    def publish(self, snapshot: HostSnapshot, *, force: bool) -> None:
        """Show a snapshot."""
        ...

    def store(self, write: HostWrite) -> None:
        """Hand what a poll found to the writer."""
        ...

    def polled(self, kind: PollKind, outcome: PollOutcome, seconds: float) -> None:
        """Count a poll."""
        ...
