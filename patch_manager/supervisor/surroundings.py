"""What the supervisor puts around its actors (``actors.surroundings.Surroundings``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from patch_manager.actors.messages import PollKind, PollOutcome
from patch_manager.actors.polling import AgentFactory
from patch_manager.actors.ports import JobRunner
from patch_manager.actors.schedule import Cadence
from patch_manager.domain.host_status import HostWrite
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.limits import Limits
from patch_manager.supervisor.writer import ResultWriter

Publish = Callable[[HostSnapshot, bool], None]


@dataclass(frozen=True, slots=True)
class ActorSurroundings:
    """One for the whole fleet."""

    agents: AgentFactory
    jobs: JobRunner
    limits: Limits
    cadence: Cadence
    keep_connections: bool
    wall_clock: Callable[[], datetime]
    writer: ResultWriter
    counters: PollCounters
    shown: Publish

    def publish(self, snapshot: HostSnapshot, *, force: bool) -> None:
        """Show a snapshot."""
        self.shown(snapshot, force)

    def store(self, write: HostWrite) -> None:
        """Hand it to the writer."""
        self.writer.put(write)

    def polled(self, kind: PollKind, outcome: PollOutcome, seconds: float) -> None:
        """Count a poll."""
        word = "ok" if outcome.failure is None else outcome.failure.kind.value
        self.counters.polls[kind.value, word] += 1
        self.counters.poll_seconds += seconds
