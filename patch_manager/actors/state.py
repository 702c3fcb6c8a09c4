"""What an actor knows, and the snapshot that it publishes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Final

from patch_manager.actors import health_rules
from patch_manager.actors.messages import AskAgent, PollKind
from patch_manager.actors.schedule import Slots
from patch_manager.domain.health import ActorState
from patch_manager.domain.host_status import HealthChange, HostStatus
from patch_manager.domain.hosts import HostRecord, HostSnapshot, JobInHand
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.patches import Patch

ANNOUNCE_AFTER: Final = 1.0
"""Seconds after which a scheduled poll still in flight is shown; quick ones would only make the picture flicker."""


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on Trio's clock (seconds) and on the wall (aware)."""

    clock: float
    wall: datetime


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll in flight. ``suspect``: the last one failed, so it waits apart from those of healthy hosts."""

    number: int
    kind: PollKind
    operator: bool
    suspect: bool
    started: float


@dataclass(frozen=True, slots=True)
class HostState:
    """All an actor knows. ``hold`` says why it waits though nothing failed; ``trouble`` what could not be read."""

    record: HostRecord
    status: HostStatus
    slots: Slots
    next_poll: float
    next_full: float
    poll: Poll | None = None
    polls: int = 0
    announced: bool = False
    waiting: bool = False
    hold: str = ""
    trouble: str = ""
    trouble_count: int = 0
    uptime: int | None = None
    job: JobInHand | None = None
    job_running: bool = False

    @property
    def deadline(self) -> float:
        """When something is due on Trio's clock; infinite while a poll that everybody sees is in flight."""
        if self.poll is None:
            return min(self.next_poll, self.next_full)
        return inf if self.announced else self.poll.started + ANNOUNCE_AFTER


# Commands of the core to its shell


@dataclass(frozen=True, slots=True)
class StartPoll:
    """Poll in a child."""

    poll: Poll


@dataclass(frozen=True, slots=True)
class CancelPoll:
    """Cancel the poll in flight; its report would be ignored anyway."""


@dataclass(frozen=True, slots=True)
class NewAgent:
    """The address changed: talk to another agent."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Show the state; ``force`` even when the snapshot looks the same (the stored list changed)."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """Write: the row when it changed, the list when it changed, a change of health; last seen always."""

    row: bool = False
    patches: tuple[Patch, ...] | None = None
    change: HealthChange | None = None


@dataclass(frozen=True, slots=True)
class AnswerRefresh:
    """Operators who wait for a refresh get the snapshot."""


@dataclass(frozen=True, slots=True)
class StartJob:
    """Run the job in a child."""

    due: DueJob


@dataclass(frozen=True, slots=True)
class StartAsking:
    """Ask the agent in a child, which answers by itself: nothing of the state changes."""

    asked: AskAgent


CoreCommand = StartPoll | CancelPoll | NewAgent | Publish | Store | AnswerRefresh | StartJob | StartAsking


def snapshot_of(state: HostState, now: Now) -> HostSnapshot:
    """The state as everybody may see it."""
    status = state.status
    actor_state, activity = _activity(state)
    due = min(state.next_poll, state.next_full)
    return HostSnapshot(
        record=state.record,
        facts=status.facts,
        health=status.health,
        health_reason=status.health_reason,
        health_since=status.health_since,
        patches=status.patches,
        patches_read_at=status.patches_read_at,
        reboot_required=status.reboot_required,
        actor_state=actor_state,
        activity=activity,
        # To the whole second: the moment is for people, and its microseconds would be news at every publication.
        next_poll_at=(now.wall + timedelta(seconds=max(0.0, due - now.clock))).replace(microsecond=0),
        last_seen_at=status.last_seen_at,
        job=state.job,
    )


def _activity(state: HostState) -> tuple[ActorState, str]:
    status = state.status
    if state.job is not None:
        return ActorState.WORKING, f"job {state.job.state.replace('_', ' ')}, {state.job.progress}%"
    if state.job_running:
        return ActorState.WORKING, "starting a job"
    if state.poll is not None and state.announced:
        if state.waiting:
            return ActorState.WAITING, "waiting for a free connection slot"
        if state.poll.operator:
            return ActorState.POLLING, "refreshing for an operator"
        what = "health" if state.poll.kind is PollKind.HEALTH else "health, system and patches"
        return ActorState.POLLING, f"reading {what}"
    if state.hold:
        return ActorState.WAITING, state.hold
    if status.failures > health_rules.RETRIES:
        return ActorState.BACKING_OFF, "backing off, probing an unreachable host"
    if status.failures:
        return ActorState.BACKING_OFF, f"backing off before retry {status.failures} of {health_rules.RETRIES}"
    if state.trouble:
        return ActorState.BACKING_OFF, "backing off before reading system and patches again"
    if status.last_seen_at is None:
        return ActorState.STARTING, "the first poll comes next"
    return ActorState.IDLE, "idle"
