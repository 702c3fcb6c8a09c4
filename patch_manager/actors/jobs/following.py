"""An accepted job on its agent: followed to its end, or looked for where the agent lost it (TRUST "404")."""

from __future__ import annotations

from dataclasses import dataclass, replace

from patch_manager.actors.jobs import rules, standing
from patch_manager.actors.jobs.evidence import fresh_state
from patch_manager.actors.jobs.messages import Follow, FoundJob, JobGone, JobSeen, JobsRead, ReadFailed
from patch_manager.actors.jobs.steps import (
    Run,
    Step,
    attempt_failed,
    commit,
    read_health,
    read_jobs,
    unknown,
    wait,
)
from patch_manager.domain.job_record import AttemptState, JobRecord, Moment, Target
from patch_manager.domain.jobs import JobState, Operation

LOST = "JOB_LOST"
TIMED_OUT = "TIMEOUT"
"""Error codes of an attempt whose accepted job came to no known end (the second is the agent's own)."""
NOT_STARTED = rules.ROLLBACK_NOT_STARTED


def follow(run: Run) -> Step[None]:
    """Follow the agent's job until it says how it ended, or does not know it any more."""
    agent_job_id = _agent_job_id(run.record)
    heard, rollback = run.now, run.record.operation is Operation.ROLLBACK
    queue = _Queue()
    while True:
        event = yield Follow(agent_job_id, rules.ROLLBACK_LOOK if rollback else rules.FOLLOW_SLICE)
        if isinstance(event, JobGone):
            yield from _lost(run, "the agent does not know the job any more")
            return
        if isinstance(event, JobSeen):
            heard = run.now
            if event.job.ended:
                yield from _ended(run, event.job)
                return
            if _since_accepted(run) > rules.FOLLOW_LIMIT:
                hours = rules.FOLLOW_LIMIT / 3600
                yield from unknown(run, f"the agent still says {event.job.status} after {hours:.0f} hours")
                return
            if rollback:
                waits = event.job.status == "pending"
                busy = not waits or (yield from _busy(agent_job_id))
                if queue.never_starts(run, busy):
                    yield from _not_started(run)
                    return
        elif isinstance(event, ReadFailed):
            if run.now.elapsed(heard) > rules.SILENCE_LIMIT:
                yield from unknown(run, f"the host went away during the job: {event.reason}")
                return
            yield from wait(max(rules.LOOK_AGAIN, event.retry_after or 0.0))
        else:
            raise TypeError(f"{type(event).__name__} does not answer following")


def _busy(agent_job_id: str) -> Step[bool]:
    """Whether the agent carries out something else, behind which a rollback may wait."""
    found = yield from read_jobs()
    if isinstance(found, ReadFailed):
        return True
    return any(job.status == "running" and job.id != agent_job_id for job in found.jobs)


@dataclass(slots=True)
class _Queue:
    """A rollback in the agent's queue: since when nothing else kept it from starting, as far as this run has seen."""

    busy: Moment | None = None
    idle_looks: int = 0

    def never_starts(self, run: Run, busy: bool) -> bool:
        """Whether it has waited for long enough; two looks, because what ran may have ended just before the first."""
        if busy:
            self.busy, self.idle_looks = run.now, 0
            return False
        self.idle_looks += 1
        idle = _since_accepted(run) if self.busy is None else run.now.elapsed(self.busy)
        return self.idle_looks > 1 and idle >= rules.ROLLBACK_START_LIMIT


def _not_started(run: Run) -> Step[None]:
    minutes = rules.ROLLBACK_START_LIMIT / 60
    reason = (
        f"the agent took the rollback and did not start it within {minutes:.0f} minutes while it was idle, as several"
        " releases do; update the agent, or install the earlier versions by hand"
    )
    yield from attempt_failed(run, NOT_STARTED, reason)


def _ended(run: Run, job: FoundJob) -> Step[None]:
    said = run.record.with_attempt(
        exit_code=job.exit_code, stdout=job.stdout, stderr=job.stderr, error_code=job.error_code, error=job.error
    )
    if job.status == "completed":
        said = said.with_attempt(state=AttemptState.COMPLETED, finished_at=run.now.wall)
        done = replace(said, state=JobState.VERIFYING, work_done=run.now, agent_completed_at=job.completed_at)
        yield from commit(run, done, f"the agent reports success; reading {_what(run.record)}")
    elif job.status == "timed_out":
        yield from _lost(run, "the agent gave the job up after its time limit", said.with_attempt(error_code=TIMED_OUT))
    else:
        code = job.error_code or ("CANCELLED" if job.status == "cancelled" else rules.UNKNOWN_ERROR)
        said = replace(said, agent_completed_at=job.completed_at)
        reason = job.error or job.message or f"the agent says {job.status}"
        yield from attempt_failed(run, code, f"{code}: {reason}", record=said)


def _lost(run: Run, reason: str, record: JobRecord | None = None) -> Step[None]:
    record = (record or run.record).with_attempt(state=AttemptState.LOST)
    yield from commit(run, record, f"{reason}; looking for evidence")


def look_for_lost(run: Run) -> Step[None]:
    """The job is gone from the agent, or timed out, while the package manager may live on: packages decide.

    While some are pending: 30 minutes from acceptance, unless the host was seen to have restarted; then the one retry.
    """
    send, attempt = run.record.send, run.record.attempt
    if send is None or attempt is None:
        raise ValueError("nothing was accepted")
    heard = run.now
    while True:
        pause = rules.PATIENCE_STEP
        found = yield from read_jobs()
        if isinstance(found, ReadFailed):
            if run.now.elapsed(heard) > rules.SILENCE_LIMIT:
                yield from unknown(run, f"the host went away during the job: {found.reason}")
                return
            yield from wait(max(rules.LOOK_AGAIN, found.retry_after or 0.0))
            continue
        heard = run.now
        if _back_again(run.record, found):
            yield from commit(run, run.record.with_attempt(state=AttemptState.RUNNING), "the agent knows the job again")
            return
        seen: standing.State | str = "the agent is still changing packages"
        if not rules.working(found.jobs):
            seen = yield from fresh_state(run, send)
        if not isinstance(seen, str):
            looked = standing.look(run.record, [t for t in run.record.wanted if t.name in send.packages], seen)
            if not looked.open and run.record.wanted:
                record = run.record.with_attempt(state=AttemptState.COMPLETED, finished_at=run.now.wall)
                record = replace(record, state=JobState.VERIFYING, work_done=run.now)
                yield from commit(run, record, f"by evidence: {rules.nothing_left(send.operation)}")
                return
            health = yield from read_health(facts=True)
            restarted = not isinstance(health, ReadFailed) and rules.booted_since(health, send.intent, run.now)
            if restarted or _since_accepted(run) >= rules.LOST_PATIENCE:
                code = attempt.error_code or LOST
                how = "restarted in mid-job" if restarted else "lost the job"
                if looked.unclear or not run.record.wanted:
                    yield from unknown(run, f"the host {how}, and its packages do not tell whether it was carried out")
                    return
                reason = f"the host {how}; {rules.still(send.operation)}: {_names(looked.left)}"
                yield from attempt_failed(run, code, reason)
                return
        elif _since_accepted(run) > rules.FOLLOW_LIMIT:
            yield from unknown(run, f"the job was lost and no evidence was found: {seen}")
            return
        yield from wait(pause)


def _what(record: JobRecord) -> str:
    return "what is still pending" if record.operation is Operation.PATCH_APPLY else "its packages"


def _names(left: tuple[Target, ...]) -> str:
    return rules.words(target.name for target in left)


def _back_again(record: JobRecord, found: JobsRead) -> bool:
    """Newer agents keep some jobs over a restart: one that is listed again tells its own end, unless it timed out."""
    return any(job.id == _agent_job_id(record) and job.status != "timed_out" for job in found.jobs)


def _agent_job_id(record: JobRecord) -> str:
    if record.attempt is None or record.attempt.agent_job_id is None:
        raise ValueError("the agent has not accepted this job")
    return record.attempt.agent_job_id


def _since_accepted(run: Run) -> float:
    """Seconds since acceptance: the boot clock from the intent cannot jump, the wall clock from acceptance is later."""
    send, attempt = run.record.send, run.record.attempt
    if send is None or attempt is None or attempt.accepted_at is None:
        return 0.0
    by_wall = (run.now.wall - attempt.accepted_at).total_seconds()
    return min(run.now.elapsed(send.intent), max(0.0, by_wall))
