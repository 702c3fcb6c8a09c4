"""The reboot: a step of its own, never resent on ambiguity, proven by uptime (TRUST "A reboot is proven")."""

from __future__ import annotations

from dataclasses import replace

from patch_manager.actors.jobs import rules
from patch_manager.actors.jobs.messages import (
    Accepted,
    Ambiguous,
    GateClosed,
    JobSeen,
    MakeSend,
    NotSent,
    ReadFailed,
    ReadJob,
    Refused,
    Rejected,
)
from patch_manager.actors.jobs.steps import (
    Run,
    Step,
    claim,
    commit,
    failed,
    gate,
    in_seconds,
    read_health,
    turn,
    wait,
    wait_for_calendar,
)
from patch_manager.actors.jobs.verifying import end
from patch_manager.domain.job_record import ON_ITS_WAY, AttemptState, JobRecord, Moment, Send, SendOutcome
from patch_manager.domain.jobs import JobState, Operation
from patch_manager.domain.openings import Closed
from patch_manager.domain.turns import WAITING

NOT_PROVEN = "REBOOT_NOT_PROVEN"
NOT_SENT = "REBOOT_NOT_SENT"
REJECTED = "REBOOT_REJECTED"
FAILED = "REBOOT_ERROR"


def reboot(run: Run) -> Step[None]:
    """Ask for a reboot unless one happened since the work or one is on its way; then wait for its proof."""
    send = run.record.reboot_send
    if send is not None and send.outcome in ON_ITS_WAY:
        yield from _await_proof(run, send)
    else:
        yield from _request(run)


def _since(run: Run) -> Moment:
    if run.record.work_done is None:
        raise ValueError("a reboot follows work")
    return run.record.work_done


def _wait_for_turn(run: Run, words: str) -> Step[None]:
    """Others of its group are away. While it waits, its window may close and a freeze may begin."""
    closed = yield from gate(Operation.REBOOT)
    if closed is not None:
        yield from _closed(run, closed, run.record)
        return
    run.turn_at = run.now
    if not run.record.message.startswith(WAITING):
        yield from commit(run, run.record, words)
    yield from wait(rules.TURN_STEP)


def _request(run: Run) -> Step[None]:
    if run.turn_at is None and run.record.message.startswith(WAITING):
        run.turn_at = run.now  # a run before this one waited: the limit is of asking, and not of waiting
    denied = yield from turn()
    if denied is not None:
        yield from _wait_for_turn(run, denied)
        return
    limit = rules.REBOOT_ASK_LIMIT if run.record.operation is Operation.REBOOT else rules.REBOOT_LIMIT
    if run.now.elapsed(run.turn_at or _since(run)) > limit:
        minutes, why = limit / 60, run.trouble or run.record.message
        yield from _failed(run, NOT_SENT, f"the reboot could not be asked for within {minutes:.0f} minutes: {why}")
        return
    health = yield from read_health(facts=True)
    if isinstance(health, ReadFailed):
        run.trouble = health.reason
        yield from wait(max(rules.LOOK_AGAIN, health.retry_after or 0.0))
        return
    if run.record.operation is not Operation.REBOOT and rules.reboot_proven(health, _since(run), run.now, None):
        yield from _proven(run, "the host was already rebooted since the updates")
        return
    closed = yield from gate(Operation.REBOOT)
    if closed is not None:
        yield from _closed(run, closed, run.record)
        return
    yield from claim()
    record, attempt = run.record, run.record.attempt
    number = record.send.number + 1 if record.send is not None else 1
    send = Send(
        number,
        attempt.number if attempt is not None else 1,
        Operation.REBOOT,
        packages=(),
        baseline_ids=frozenset(),
        baseline_newest=health.last_boot,
        intent=run.now,
    )
    yield from commit(run, replace(record, send=send), "requesting the reboot")
    event = yield MakeSend(send)
    if isinstance(event, Accepted):
        record = run.record.with_outcome(SendOutcome.ACCEPTED, event.agent_job_id)
        yield from commit(run, record, "the agent accepted the reboot; waiting for the host to come back")
    elif isinstance(event, Ambiguous):
        record = run.record.with_outcome(SendOutcome.AMBIGUOUS)
        yield from commit(run, record, f"waiting for the host to come back; {event.reason}")
    elif isinstance(event, Rejected):
        record = run.record.with_outcome(SendOutcome.REJECTED)
        yield from _failed(run, REJECTED, f"the agent refuses to reboot: {event.code}: {event.reason}", record)
    elif isinstance(event, Refused):
        yield from _refused(run, min(event.retry_after, rules.LONGEST_WAIT), event.reason)
    elif isinstance(event, GateClosed):
        yield from _closed(run, event.closed, run.record.with_outcome(SendOutcome.NOT_SENT))
    elif isinstance(event, NotSent):
        run.trouble = event.reason
        yield from commit(run, run.record.with_outcome(SendOutcome.NOT_SENT), f"reboot not sent: {event.reason}")
        yield from wait(0.0 if event.cause == "stale" else rules.LOOK_AGAIN)
    else:
        raise TypeError(f"{type(event).__name__} does not answer a send")


def _refused(run: Run, seconds: float, reason: str) -> Step[None]:
    """Jobs run on the agent: no failure. A job that only reboots waits in its queue, out of the way of others."""
    record, words = run.record.with_outcome(SendOutcome.REFUSED), f"the agent asks to wait {seconds:.0f} s: {reason}"
    run.trouble = words
    if record.operation is Operation.REBOOT:
        record = replace(record, state=JobState.QUEUED, not_before=in_seconds(run.now, seconds))
        yield from commit(run, record, words)
    else:
        yield from commit(run, record, words)
        yield from wait(seconds)


def _closed(run: Run, closed: Closed, record: JobRecord) -> Step[None]:
    """A job that only reboots waits for the next window; after updates the job ends, and says what is missing.

    On a host that is on hold both end: a reboot that was held is asked for anew, by somebody who knows.
    """
    attempt = record.attempt
    if closed.on_hold and record.operation is Operation.REBOOT:
        yield from _failed(run, rules.ON_HOLD, f"not rebooted: {closed.reason}; lift the hold and ask again", record)
    elif closed.on_hold:
        yield from end(run, record, not_rebooted=closed.reason)
    elif record.operation is Operation.REBOOT and attempt is not None and attempt.error_code is None:
        yield from wait_for_calendar(run, closed, record)
    else:
        yield from _failed(run, NOT_SENT, f"the reboot was not requested: {closed.reason}", record)


_ADVICE = "look at the host's console before asking for another one"


def _await_proof(run: Run, send: Send) -> Step[None]:
    """Wait for an uptime smaller than the time since; a reboot by anybody since the work counts."""
    said = "the host gave no answer"
    step = 0
    while run.now.elapsed(send.intent) <= rules.REBOOT_LIMIT:
        yield from wait(rules.REBOOT_STEP if step < 30 else rules.LOOK_AGAIN)
        step += 1
        health = yield from read_health(facts=True)
        if isinstance(health, ReadFailed):
            said = health.reason
            if health.retry_after is not None:
                yield from wait(health.retry_after)
            continue
        since = send.intent if run.record.operation is Operation.REBOOT else _since(run)
        if rules.reboot_proven(health, since, run.now, send.baseline_newest):
            yield from _proven(run, "the host came back from its reboot; reading it again")
            return
        said = "the host answers, and has not restarted"
        if health.pending_reboot and rules.booted_since(health, since, run.now):
            said = "the host restarted and still asks for a reboot"
        if send.agent_job_id is not None and step % 5 == 0 and (yield from _ended_badly(run, send.agent_job_id)):
            return
    minutes = rules.REBOOT_LIMIT / 60
    yield from _failed(run, NOT_PROVEN, f"no reboot was seen within {minutes:.0f} minutes: {said}; {_ADVICE}")


def _ended_badly(run: Run, agent_job_id: str) -> Step[bool]:
    """The agent says outright that its reboot failed: no ambiguity, so it is asked once more."""
    event = yield ReadJob(agent_job_id)
    if not isinstance(event, JobSeen) or event.job.status not in ("failed", "cancelled"):
        return False
    attempt = run.record.attempt
    reason = f"{event.job.error_code or FAILED}: {event.job.error or event.job.message or event.job.status}"
    record = run.record.with_outcome(SendOutcome.REJECTED, agent_job_id)
    if attempt is not None and attempt.error_code != FAILED:
        record = record.with_attempt(error_code=FAILED, error=reason)
        yield from commit(run, record, f"the reboot failed, asking once more: {reason}")
    else:
        yield from _failed(run, FAILED, f"the reboot failed twice: {reason}", record)
    return True


def _proven(run: Run, reason: str) -> Step[None]:
    record = replace(run.record, state=JobState.VERIFYING, rebooted_at=run.now.wall)
    if record.send is not None and record.send.operation is Operation.REBOOT and record.send.outcome in ON_ITS_WAY:
        record = record.with_outcome(SendOutcome.DONE, record.send.agent_job_id)
    if record.attempt is not None and record.attempt.error_code == FAILED:
        record = record.with_attempt(error_code=None, error=None)
    if record.operation is Operation.REBOOT:
        record = record.with_attempt(state=AttemptState.COMPLETED, finished_at=run.now.wall)
    yield from commit(run, record, reason)


def _failed(run: Run, code: str, reason: str, record: JobRecord | None = None) -> Step[None]:
    """The packages keep their verified results: only the reboot failed."""
    record = (record or run.record).with_attempt(error_code=code, error=reason)
    yield from failed(run, code, reason, record)
