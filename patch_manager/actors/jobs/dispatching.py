"""From the queue to an answer: freeze the list, take the baseline, commit the intent, send once (TRUST "Dispatch")."""

from __future__ import annotations

from dataclasses import replace

from patch_manager.actors.jobs import rules, standing
from patch_manager.actors.jobs.evidence import adopt, ambiguous
from patch_manager.actors.jobs.messages import (
    Accepted,
    Ambiguous,
    GateClosed,
    JobsRead,
    MakeSend,
    NotSent,
    ReadFailed,
    Refused,
    Rejected,
)
from patch_manager.actors.jobs.steps import (
    Run,
    Step,
    attempt_failed,
    claim,
    commit,
    failed,
    gate,
    in_seconds,
    incomplete,
    read_exclusions,
    read_jobs,
    read_state,
    wait,
    wait_for_calendar,
)
from patch_manager.domain.job_record import Attempt, AttemptState, JobRecord, Send, SendOutcome, Target
from patch_manager.domain.jobs import LEFT_OUT, JobState, Operation, PackageResult
from patch_manager.domain.openings import Closed

UNREACHABLE = "HOST_UNREACHABLE"
"""Error code of an attempt in which nothing was sent, because the host gave no usable answer."""
CLOSED = "OUTSIDE_WINDOW"
"""Error code of a retry that was not sent: its window had closed, or a freeze had begun."""
NOT_INSTALLED = "PKG_NOT_FOUND"
"""Error code of an update of what is not installed, in the agent's word."""


def begin(run: Run) -> Step[None]:
    """A due job leaves its queue; from here until its end no other job runs on the host."""
    record = run.record
    closed = yield from gate(record.operation)
    if closed is not None:
        yield from _put_off(run, closed, record)
        return
    if record.operation is Operation.REBOOT:
        record = replace(record, work_done=run.now, targets=())
        state, reason = JobState.REBOOTING, "preparing the reboot"
    else:
        patching = record.operation is Operation.PATCH_APPLY
        state, reason = JobState.DISPATCHING, f"reading what is {'pending' if patching else 'installed'}"
    attempt = record.attempt or Attempt(1, run.now.wall)
    started = record.started_at or run.now.wall
    record = replace(record, state=state, attempt=attempt, started_at=started, not_before=None, by_calendar=False)
    yield from commit(run, record, reason)


def _put_off(run: Run, closed: Closed, record: JobRecord) -> Step[None]:
    """What cannot start waits for the next window; a retry belongs into the window of its attempt (DESIGN §4)."""
    if closed.on_hold:
        record = replace(record, attempt=record.attempt or Attempt(1, run.now.wall), targets=record.targets or ())
        yield from failed(run, rules.ON_HOLD, f"not rebooted: {closed.reason}; lift the hold and ask again", record)
    elif rules.is_retry(record):
        record = replace(record, state=JobState.DISPATCHING)
        yield from attempt_failed(run, CLOSED, f"the retry was not sent: {closed.reason}", record=record)
    else:
        yield from wait_for_calendar(run, closed, record)


def retry(run: Run) -> Step[None]:
    """After a failed attempt: the one retry where time may help; otherwise what was changed is read and told."""
    record, attempt = run.record, run.record.attempt
    if attempt is None:
        raise ValueError("no attempt failed")
    code, reason = attempt.error_code or rules.UNKNOWN_ERROR, attempt.error or "no reason given"
    run.tries = 0
    again = attempt.state is AttemptState.FAILED and attempt.number < rules.MAX_ATTEMPTS and rules.retryable(code)
    closed = (yield from gate(record.operation)) if again else None
    if closed is not None and not record.touched:
        yield from wait_for_calendar(run, closed, replace(record, attempt=Attempt(attempt.number, run.now.wall)))
        return
    if closed is not None:
        again, reason = False, f"{reason}; not retried: {closed.reason}"
        record = record.with_attempt(error=reason)
    if again:
        record = replace(record, attempt=Attempt(attempt.number + 1, run.now.wall), state=JobState.DISPATCHING)
        if code == UNREACHABLE:
            later = in_seconds(run.now, rules.UNREACHABLE_RETRY)
            record = replace(record, state=JobState.QUEUED, not_before=later)
            yield from commit(run, record, f"retrying once in {rules.UNREACHABLE_RETRY:.0f} s: {reason}")
        else:
            yield from commit(run, record, f"retrying once: {reason}")
    elif record.touched and record.targets is not None:
        yield from commit(run, replace(record, state=JobState.VERIFYING), f"reading what was changed; {reason}")
    else:
        yield from failed(run, code, reason)


def dispatch(run: Run) -> Step[None]:
    """One round: read, decide what to send, send it. Ends with a commit, or after a pause with nothing changed."""
    run.first_try = run.now if run.tries == 0 else run.first_try
    state = yield from read_state(run.record)
    if isinstance(state, ReadFailed):
        yield from unreachable(run, state.reason, state.retry_after)
        return
    trouble = incomplete(state)
    if run.record.targets is None and trouble is not None:
        yield from unreachable(run, trouble, None)
        return
    planned = yield from _listed(run, state)
    absent = standing.missing(planned, planned.wanted, state) if run.record.targets is None else ()
    if absent:
        reason = f"not installed on this host: {rules.words(absent)}"
        yield from attempt_failed(run, NOT_INSTALLED, reason, record=planned)
        return
    left = standing.look(planned, planned.wanted, state).open
    whole = planned.operation is Operation.ROLLBACK and not planned.touched  # the agent's to judge, and never by names
    if not left and not whole:
        yield from _nothing_to_send(run, planned, trouble)
        return
    yield from claim()
    found = yield from read_jobs()
    if isinstance(found, ReadFailed):
        yield from unreachable(run, found.reason, found.retry_after)
        return
    if (yield from _adopt_late_arrival(run, found)):
        return
    yield from _send(run, planned, left, found)


def _listed(run: Run, state: standing.State) -> Step[JobRecord]:
    """The record with its list: kept since its first send; until then, what must not be patched is left out anew."""
    planned = run.record
    if planned.targets is None:
        planned = replace(planned, targets=standing.freeze(planned, state), planned_at=run.now.wall)
    patches = planned.operation in (Operation.PATCH_APPLY, Operation.UPDATE)
    if not patches or planned.touched or not (planned.wanted or planned.not_accepted):
        return planned
    exclusions = yield from read_exclusions()
    return replace(planned, targets=rules.leave_out(planned.targets or (), exclusions, run.now.wall))


def _nothing_to_send(run: Run, planned: JobRecord, trouble: str | None) -> Step[None]:
    """TRUST: nothing asked for is pending any more, so nothing is sent."""
    if trouble is not None:
        yield from unreachable(run, trouble, None)
    elif planned.not_accepted and not planned.wanted:
        reason = f"nothing was sent; {rules.not_accepted_words(planned)}"
        yield from attempt_failed(run, rules.NOT_ACCEPTED, reason, record=planned, state=AttemptState.REJECTED)
    elif planned.touched and planned.wanted:
        done = replace(planned, state=JobState.VERIFYING, work_done=run.now).with_attempt(
            state=AttemptState.COMPLETED, finished_at=run.now.wall
        )
        yield from commit(run, done, f"{rules.nothing_left(planned.operation)}: the first attempt did the work")
    else:
        done = replace(planned, state=JobState.SUCCEEDED, finished_at=run.now.wall).with_attempt(
            state=AttemptState.COMPLETED, finished_at=run.now.wall
        )
        done = replace(done, targets=tuple(_not_needed(target) for target in done.targets or ()))
        left_out = rules.left_out_words(done)
        words = f"nothing was sent; {left_out}" if left_out else rules.not_needed_words(planned.operation)
        yield from commit(run, done, words)


def _not_needed(target: Target) -> Target:
    return target if target.result in LEFT_OUT else replace(target, result=PackageResult.NOT_NEEDED)


def _adopt_late_arrival(run: Run, found: JobsRead) -> Step[bool]:
    """A send that evidence took for lost may show up after the last look: it must not become part of the baseline."""
    send = run.record.send_of_attempt
    if send is None or send.outcome is not SendOutcome.NEVER_ARRIVED:
        return False
    late = rules.new_jobs(send, found.jobs)
    if not late:
        return False
    yield from adopt(run, late)
    return True


def _send(run: Run, planned: JobRecord, left: tuple[Target, ...], found: JobsRead) -> Step[None]:
    attempt = planned.attempt
    if attempt is None:
        raise ValueError("an intent needs an attempt")
    ids, newest = rules.baseline(found.jobs)
    number = planned.send.number + 1 if planned.send is not None else 1
    names = tuple(target.name for target in left)
    undoes = None if planned.undoes is None else planned.undoes.agent_job_id
    send = Send(number, attempt.number, planned.operation, names, ids, newest, run.now, undoes=undoes)
    intent = replace(planned, send=send, attempt=replace(attempt, sends=attempt.sends + 1))
    yield from commit(run, intent, rules.asking(planned.operation, names))
    event = yield MakeSend(send)
    if isinstance(event, Accepted):
        yield from accepted(run, event.agent_job_id)
    elif isinstance(event, Ambiguous):
        yield from ambiguous(run, event.reason)
    elif isinstance(event, Rejected):
        record = _unsent(run, SendOutcome.REJECTED)
        reason = rules.refusal_words(record.operation, event.code, event.reason)
        yield from attempt_failed(run, event.code, reason, record=record, state=AttemptState.REJECTED)
    elif isinstance(event, Refused):
        record = replace(_unsent(run, SendOutcome.REFUSED), state=JobState.QUEUED)
        record = replace(record, not_before=in_seconds(run.now, event.retry_after))
        yield from commit(run, record, f"the agent asks to wait {event.retry_after:.0f} s: {event.reason}")
    elif isinstance(event, GateClosed):
        yield from _put_off(run, event.closed, _unsent(run, SendOutcome.NOT_SENT))
    elif isinstance(event, NotSent):
        yield from commit(run, _unsent(run, SendOutcome.NOT_SENT), f"not sent: {event.reason}")
        run.first_try = None  # the agent answered until now: all tries are left
        yield from unreachable(run, event.reason, None)
    else:
        raise TypeError(f"{type(event).__name__} does not answer a send")


def accepted(run: Run, agent_job_id: str) -> Step[None]:
    """The agent took the job and named it."""
    record = run.record.with_outcome(SendOutcome.ACCEPTED, agent_job_id).with_attempt(
        state=AttemptState.RUNNING, agent_job_id=agent_job_id, accepted_at=run.now.wall
    )
    yield from commit(run, replace(record, state=JobState.RUNNING), "the agent accepted the job")


def _unsent(run: Run, outcome: SendOutcome) -> JobRecord:
    """The record without the send that was not taken: it counts neither as a send nor as an attempt."""
    attempt = run.record.attempt
    return run.record.with_outcome(outcome).with_attempt(sends=attempt.sends - 1 if attempt is not None else 0)


def unreachable(run: Run, reason: str, retry_after: float | None) -> Step[None]:
    """Nothing was sent: a few short pauses, then the attempt fails. Being asked to wait is no failure."""
    if retry_after is not None:
        yield from wait(min(retry_after, rules.LONGEST_WAIT))
        return
    waited = run.now.elapsed(run.first_try) if run.first_try is not None else 0.0
    if run.tries < len(rules.CONNECT_PAUSES) and waited < rules.UNREACHABLE_LIMIT:
        run.tries += 1
        yield from wait(rules.CONNECT_PAUSES[run.tries - 1])
        return
    yield from attempt_failed(run, UNREACHABLE, f"nothing was sent: {reason}")
