"""The protocol as one pure machine: ``handle(event, now)`` gives the next command, or None when the run is over."""

from __future__ import annotations

from patch_manager.actors.jobs.dispatching import begin, dispatch, retry
from patch_manager.actors.jobs.evidence import decide_by_evidence
from patch_manager.actors.jobs.following import follow, look_for_lost
from patch_manager.actors.jobs.messages import Began, Command, Event
from patch_manager.actors.jobs.rebooting import reboot
from patch_manager.actors.jobs.steps import Run, Step, Superseded
from patch_manager.actors.jobs.verifying import verify
from patch_manager.domain.job_record import UNANSWERED, AttemptState, JobRecord, Moment
from patch_manager.domain.jobs import JobState


def stage_of(run: Run) -> Step[None]:
    """The stage a job is in, from its record alone: going on and recovering are one path."""
    record = run.record
    attempt, send = record.attempt, record.send_of_attempt
    if record.state is JobState.QUEUED:
        return begin(run)
    if record.state is JobState.VERIFYING:
        return verify(run)
    if record.state is JobState.REBOOTING:
        return reboot(run)
    if attempt is not None and attempt.state in (AttemptState.FAILED, AttemptState.REJECTED):
        return retry(run)
    if record.state is JobState.DISPATCHING:
        return decide_by_evidence(run) if send is not None and send.outcome in UNANSWERED else dispatch(run)
    if attempt is not None and attempt.state is AttemptState.LOST:
        return look_for_lost(run)
    return follow(run)


def _whole(run: Run) -> Step[None]:
    """Stage after stage until the job has ended or waits in its queue again."""
    yield from stage_of(run)
    while not run.record.state.terminal and run.record.state is not JobState.QUEUED:
        yield from stage_of(run)


class Protocol:
    """One run of one job. Pure: it neither waits nor does I/O, and knows the time only from its caller."""

    __slots__ = ("_run", "_steps")

    def __init__(self, record: JobRecord, now: Moment) -> None:
        """``record`` must be neither terminal nor queued for later."""
        self._run = Run(record, now)
        self._steps = _whole(self._run)

    @property
    def record(self) -> JobRecord:
        """The job as last committed."""
        return self._run.record

    def handle(self, event: Event, now: Moment) -> Command | None:
        """Take the answer to the last command (first: ``Began``) and give the next one; None ends the run."""
        self._run.now = now
        try:
            return next(self._steps) if isinstance(event, Began) else self._steps.send(event)
        except (StopIteration, Superseded):
            return None
