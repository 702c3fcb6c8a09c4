"""A send without an answer: only evidence decides, and where it does not, an operator (TRUST "Ambiguous")."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from patch_manager.actors.jobs import rules, standing
from patch_manager.actors.jobs.messages import HealthRead, JobsRead, ReadFailed
from patch_manager.actors.jobs.steps import (
    Run,
    Step,
    commit,
    incomplete,
    read_health,
    read_jobs,
    read_state,
    unknown,
    wait,
)
from patch_manager.domain.job_record import AttemptState, Send, SendOutcome
from patch_manager.domain.jobs import JobState, Operation


def ambiguous(run: Run, reason: str) -> Step[None]:
    """Write down that the answer is missing."""
    record = run.record.with_outcome(SendOutcome.AMBIGUOUS)
    yield from commit(run, record, f"no usable answer, looking for evidence: {reason}")


def decide_by_evidence(run: Run) -> Step[None]:
    """Look until evidence decides about the open send: adopted, done, never arrived, or for an operator."""
    send = run.record.send
    if send is None:
        raise ValueError("nothing was sent")
    if send.outcome is SendOutcome.OPEN:
        yield from ambiguous(run, "the manager stopped before it knew the answer")
        return
    yield from wait(rules.EVIDENCE_AFTER - run.now.elapsed(send.intent))
    reason = "the host gave no answer since"
    while run.now.elapsed(send.intent) < rules.EVIDENCE_LIMIT:
        looked = yield from _two_looks(send)
        if isinstance(looked, ReadFailed):
            reason = looked.reason
            yield from wait(max(rules.LOOK_AGAIN, looked.retry_after or 0.0))
            continue
        ids, last = looked
        if ids:
            yield from adopt(run, ids)
            return
        if rules.working(last.jobs):
            reason = "the agent is still changing packages for somebody"
            yield from wait(rules.LOOK_AGAIN)
            continue
        seen = yield from fresh_state(run, send)
        if isinstance(seen, str):
            reason = seen
            yield from wait(rules.LOOK_AGAIN)
            continue
        lost = yield from _may_live_on(run, send, last, seen)
        if lost is not None:
            reason = lost
            yield from wait(rules.PATIENCE_STEP)
            continue
        yield from _decide(run, send, seen)
        return
    yield from uncertain(run, f"no evidence within {rules.EVIDENCE_LIMIT / 60:.0f} minutes: {reason}")


def _may_live_on(run: Run, send: Send, last: JobsRead, seen: standing.State) -> Step[str | None]:
    """Why the work may be going on although no list shows it; None when it cannot be, or everything is done.

    An agent that restarted since the intent may have lost our job while its package manager lives on: as for a lost
    job that was accepted, 30 minutes are waited, unless the host restarted too (decision 0007).
    """
    if not standing.look(run.record, run.record.wanted, seen).open:
        return None
    health = yield from read_health(facts=True)
    if isinstance(health, ReadFailed):
        return health.reason
    if not rules.list_was_lost(send, last.jobs, health, run.now) or rules.booted_since(health, send.intent, run.now):
        return None
    if run.now.elapsed(send.intent) >= rules.LOST_PATIENCE:
        return None
    return "the agent restarted and lost its list of jobs; its package manager may still be at work"


def _two_looks(send: Send) -> Step[tuple[frozenset[str], JobsRead] | ReadFailed]:
    """Health has answered, then two looks at the agent's jobs, 10 s apart: the new ids of both, and the last list."""
    health = yield from read_health()
    if isinstance(health, ReadFailed):
        return health
    first = yield from read_jobs()
    if isinstance(first, ReadFailed):
        return first
    yield from wait(rules.LOOKS_APART)
    second = yield from read_jobs()
    if isinstance(second, ReadFailed):
        return second
    return rules.new_jobs(send, first.jobs) | rules.new_jobs(send, second.jobs), second


def fresh_state(run: Run, send: Send) -> Step[standing.State | str]:
    """Patches or packages from a package cache newer than the intent; else why they prove nothing yet."""
    health = yield from read_health()
    if isinstance(health, ReadFailed):
        return health.reason
    stale = _stale(run, health, send)
    if stale is not None:
        return stale
    state = yield from read_state(run.record)
    if isinstance(state, ReadFailed):
        return state.reason
    return incomplete(state) or state


def _stale(run: Run, health: HealthRead, send: Send) -> str | None:
    if rules.cache_is_newer(health, send.intent, run.now) is False:
        return "the agent's package cache is older than the request"
    if health.cache_updated_at is None and (health.cache_status or "").lower() in ("stale", "failed"):
        return f"the agent's package cache is {health.cache_status}"
    return None


def _decide(run: Run, send: Send, seen: standing.State) -> Step[None]:
    asked = [target for target in run.record.wanted if target.name in send.packages]
    looked = standing.look(run.record, asked, seen)
    left = looked.left
    if looked.unclear or (not asked and send.operation is Operation.ROLLBACK):
        yield from uncertain(run, "the answer was lost and the packages do not tell whether it was carried out")
    elif not left:
        record = run.record.with_outcome(SendOutcome.DONE).with_attempt(
            state=AttemptState.COMPLETED, finished_at=run.now.wall
        )
        record = replace(record, state=JobState.VERIFYING, work_done=run.now)
        yield from commit(run, record, f"by evidence: {rules.nothing_left(send.operation)}")
    elif len(left) < len(asked):
        still = rules.still(send.operation)
        yield from uncertain(run, f"the answer was lost and {len(left)} of {len(asked)} packages are {still}")
    elif run.record.attempt is not None and run.record.attempt.sends >= rules.MAX_SENDS:
        still = rules.still(send.operation)
        yield from uncertain(run, f"{rules.MAX_SENDS} requests without an answer, and everything is {still}")
    else:
        run.tries = 0
        record = run.record.with_outcome(SendOutcome.NEVER_ARRIVED)
        yield from commit(run, record, "by evidence: the request never arrived; sending again")


def adopt(run: Run, ids: Collection[str]) -> Step[None]:
    """One new job of the agent that can only be ours is ours; among several nobody can choose."""
    if len(ids) > 1:
        yield from uncertain(run, f"the agent has {len(ids)} jobs that may be ours: {rules.words(sorted(ids))}")
        return
    (agent_job_id,) = ids
    record = run.record.with_outcome(SendOutcome.ADOPTED, agent_job_id).with_attempt(
        state=AttemptState.RUNNING, agent_job_id=agent_job_id, adopted=True, accepted_at=run.now.wall
    )
    yield from commit(run, replace(record, state=JobState.RUNNING), "found in the agent's list of jobs and adopted")


def uncertain(run: Run, reason: str) -> Step[None]:
    """The evidence does not decide about the latest send."""
    record = standing.with_results(run.record.with_outcome(SendOutcome.UNCERTAIN), None)
    yield from unknown(run, reason, record)
