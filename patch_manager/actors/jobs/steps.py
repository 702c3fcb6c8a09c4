"""Small typed steps that the stages are written with.

A stage is a generator that yields one command and is sent the event that answers it, as mitmproxy's layers are: the
protocol reads in the order in which it happens, does no I/O, and can be dropped at any yield, because every stage
begins from the committed record alone.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from patch_manager.actors.jobs import standing
from patch_manager.actors.jobs.messages import (
    AskGate,
    AskTurn,
    Claim,
    Claimed,
    Command,
    Commit,
    Committed,
    Conflict,
    Event,
    ExclusionsRead,
    GateClosed,
    GateOpen,
    HealthRead,
    JobsRead,
    PackagesRead,
    PatchesRead,
    ReadExclusions,
    ReadFailed,
    ReadHealth,
    ReadJobs,
    ReadPackages,
    ReadPatches,
    TurnDenied,
    TurnTaken,
    Wait,
    Woke,
)
from patch_manager.domain.exclusions import Exclusion
from patch_manager.domain.job_record import AttemptState, JobRecord, Moment
from patch_manager.domain.jobs import JobState, Operation
from patch_manager.domain.openings import Closed

T = TypeVar("T")
Step: TypeAlias = Generator[Command, Event, T]


class Superseded(Exception):
    """A commit met a changed row: somebody else decided about this job, and this run ends without another word."""


@dataclass(slots=True)
class Run:
    """One run: the record as last committed and the present moment.

    ``tries`` failed to reach the agent in a row; ``first_try`` is when the attempt began to read; ``trouble`` is what
    the host last said instead of an answer. ``turn_at``: when the job last waited for its turn to reboot.
    """

    record: JobRecord
    now: Moment
    tries: int = 0
    first_try: Moment | None = None
    trouble: str = ""
    turn_at: Moment | None = None


def answer(event: Event, *kinds: type[T]) -> T:
    """``event``, which must be one of ``kinds``: the shell answers each command with its own events."""
    if isinstance(event, kinds):
        return event
    raise TypeError(f"{type(event).__name__} does not answer this command")


def commit(run: Run, after: JobRecord, reason: str) -> Step[None]:
    """Make ``after`` durable with ``reason``, which is also what operators read as the job's message."""
    event = yield Commit(run.record, replace(after, message=reason), reason)
    if isinstance(event, Conflict):
        raise Superseded
    run.record = answer(event, Committed).record


def wait(seconds: float) -> Step[None]:
    """Let time pass."""
    answer((yield Wait(max(0.0, seconds))), Woke)


def claim() -> Step[None]:
    """Wait for a place among the dispatches."""
    answer((yield Claim()), Claimed)


def read_jobs() -> Step[JobsRead | ReadFailed]:
    """The agent's jobs."""
    event = yield ReadJobs()
    return event if isinstance(event, ReadFailed) else answer(event, JobsRead)


def read_patches() -> Step[PatchesRead | ReadFailed]:
    """The host's pending patches."""
    event = yield ReadPatches()
    return event if isinstance(event, ReadFailed) else answer(event, PatchesRead)


def read_state(record: JobRecord) -> Step[standing.State | ReadFailed]:
    """What tells how far the job's work is: pending patches, or the packages it is about."""
    if record.operation in (Operation.PATCH_APPLY, Operation.REBOOT):
        return (yield from read_patches())
    event = yield ReadPackages(standing.names_of(record), patches=record.operation is Operation.ROLLBACK)
    if isinstance(event, ReadFailed):
        return event
    state = answer(event, PackagesRead)
    if record.operation is Operation.UPDATE and not all(each.upgradable for each in state.packages.values()):
        listed = yield from read_patches()
        if not isinstance(listed, ReadFailed) and listed.complete:
            state = replace(state, pending=listed.patches)
    return state


def incomplete(state: standing.State) -> str | None:
    """Why what was read proves nothing; None when it does."""
    if state.complete:
        return None
    return f"the agent's list of {'patches' if isinstance(state, PatchesRead) else 'packages'} is incomplete"


def read_exclusions() -> Step[tuple[Exclusion, ...]]:
    """What the job must leave out."""
    return answer((yield ReadExclusions()), ExclusionsRead).exclusions


def read_health(facts: bool = False) -> Step[HealthRead | ReadFailed]:
    """The host's health, with the system's facts if asked for."""
    event = yield ReadHealth(facts)
    return event if isinstance(event, ReadFailed) else answer(event, HealthRead)


def gate(operation: Operation) -> Step[Closed | None]:
    """Why the host may not be touched now; None when it may."""
    event = yield AskGate(operation)
    if isinstance(event, GateClosed):
        return event.closed
    answer(event, GateOpen)
    return None


def turn() -> Step[str | None]:
    """Why the host may not reboot now; None when it has its turn."""
    event = yield AskTurn()
    if isinstance(event, TurnDenied):
        return event.words
    answer(event, TurnTaken)
    return None


def wait_for_calendar(run: Run, closed: Closed, record: JobRecord | None = None) -> Step[None]:
    """Back into the queue until the host may be touched again; what is closed is planned anew when windows move."""
    record = replace(record or run.record, state=JobState.QUEUED, not_before=closed.until, by_calendar=True)
    yield from commit(run, record, closed.waiting)


def in_seconds(now: Moment, seconds: float) -> datetime:
    """The wall time ``seconds`` from now."""
    return now.wall + timedelta(seconds=seconds)


# Ends. Each commits once.


def unknown(run: Run, reason: str, record: JobRecord | None = None) -> Step[None]:
    """``outcome_unknown``: never retried by itself; an operator resolves it (TRUST "Retry")."""
    record = record or standing.with_results(run.record, None)
    if record.attempt is not None:
        record = record.with_attempt(state=AttemptState.UNKNOWN, finished_at=run.now.wall)
    record = replace(record, state=JobState.OUTCOME_UNKNOWN, finished_at=run.now.wall)
    yield from commit(run, record, f"{reason}; an operator must check the host and resolve the job")


def failed(run: Run, code: str, reason: str, record: JobRecord | None = None) -> Step[None]:
    """The job's end as a failure, packages told as far as they are known."""
    record = record or standing.untouched(run.record)
    attempt = record.attempt
    if attempt is not None and attempt.error_code is None:
        record = record.with_attempt(error_code=code, error=reason)
    if attempt is not None and attempt.finished_at is None:
        record = record.with_attempt(state=AttemptState.FAILED, finished_at=run.now.wall)
    yield from commit(run, replace(record, state=JobState.FAILED, finished_at=run.now.wall), reason)


def attempt_failed(
    run: Run, code: str, reason: str, *, record: JobRecord | None = None, state: AttemptState = AttemptState.FAILED
) -> Step[None]:
    """Write down that the attempt failed; the stage after it decides on the retry from the record alone."""
    record = record or run.record
    record = record.with_attempt(state=state, error_code=code, error=reason, finished_at=run.now.wall)
    yield from commit(run, record, f"attempt {record.attempt.number if record.attempt else 0} failed: {reason}")
