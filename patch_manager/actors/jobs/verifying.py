"""What the host says after the work: updated, kept back or failed, package by package (TRUST "Success is verified")."""

from __future__ import annotations

from dataclasses import replace

from patch_manager.actors.jobs import rules, standing
from patch_manager.actors.jobs.messages import HealthRead, ReadFailed
from patch_manager.actors.jobs.standing import Looked
from patch_manager.actors.jobs.steps import (
    Run,
    Step,
    commit,
    failed,
    gate,
    incomplete,
    read_health,
    read_state,
    unknown,
    wait,
)
from patch_manager.domain.job_record import AttemptState, JobRecord, Moment
from patch_manager.domain.jobs import JobState, Operation, PackageResult, RebootPolicy

KEPT_BACK = "KEPT_BACK"
"""Error code of a job whose work ended well and left packages as they were."""
_LEFT_CODES = {
    Operation.INSTALL: "NOT_INSTALLED",
    Operation.REMOVE: "NOT_REMOVED",
    Operation.ROLLBACK: "NOT_RESTORED",
}


def verify(run: Run) -> Step[None]:
    """Read until the list can be believed, then reboot if that is asked for, or end the job."""
    attempt = run.record.attempt
    did_fail = attempt is not None and attempt.state in (AttemptState.FAILED, AttemptState.REJECTED)
    rebooted = run.record.operation is Operation.REBOOT
    looked = yield from _believable(run, rules.FAILED_VERIFY_LIMIT if did_fail or rebooted else rules.VERIFY_LIMIT)
    if did_fail and attempt is not None:
        of_left = None if run.record.operation is Operation.ROLLBACK else PackageResult.FAILED
        record = standing.with_results(run.record, None if isinstance(looked, str) else looked, of_left)
        tried = f"after {attempt.number} attempts" if attempt.number > 1 else "at the first attempt"
        yield from failed(
            run,
            attempt.error_code or rules.UNKNOWN_ERROR,
            f"failed {tried}: {attempt.error or 'no reason given'}",
            record,
        )
    elif rebooted:
        yield from end(run, run.record)  # proven by its uptime, whatever else the host says
    elif isinstance(looked, str):
        yield from unknown(run, f"the work ended well, but could not be verified: {looked}")
    elif looked.unclear and not looked.left:
        names = rules.words(target.name for target in looked.unclear)
        reason = f"the agent reports success, but the host does not tell the versions of {names}"
        yield from unknown(run, reason, standing.with_results(run.record, looked))
    else:
        yield from _judge(run, looked)


def _judge(run: Run, looked: Looked) -> Step[None]:
    record = standing.with_results(run.record, looked)
    if record.reboot is RebootPolicy.IF_REQUIRED and record.rebooted_at is None:
        health = yield from read_health(facts=True)
        tries = 0
        while isinstance(health, ReadFailed) and tries < len(rules.CONNECT_PAUSES):
            yield from wait(max(rules.CONNECT_PAUSES[tries], health.retry_after or 0.0))
            tries += 1
            health = yield from read_health(facts=True)
        # A host that gives no answer says nothing against a reboot that its packages ask for.
        said = HealthRead() if isinstance(health, ReadFailed) else health
        if rules.reboot_wanted(record, said, run.now):
            closed = yield from gate(Operation.REBOOT)
            if closed is None or not closed.on_hold:
                yield from commit(run, replace(record, state=JobState.REBOOTING), "the updates need a reboot")
            else:
                yield from end(run, record, not_rebooted=closed.reason)
            return
    yield from end(run, record)


_OPEN = frozenset({PackageResult.KEPT_BACK, PackageResult.FAILED, PackageResult.NOT_RESTORED})


def end(run: Run, record: JobRecord, not_rebooted: str = "") -> Step[None]:
    """The job's end by its verified packages. ``not_rebooted``: why the reboot that they need was not asked for."""
    record = replace(record, finished_at=run.now.wall)
    left = tuple(target.name for target in record.wanted if target.result in _OPEN)
    done = sum(target.result is standing.DONE[record.operation] for target in record.wanted)
    needed = f"; reboot needed, {not_rebooted}" if not_rebooted else ""
    if left:
        reason = rules.left_words(record.operation, left)
        if done:
            reason = f"{rules.done_words(record.operation, done)}; {reason}"
        code = _LEFT_CODES.get(record.operation, KEPT_BACK)
        record = record.with_attempt(error_code=code, error=reason)
        yield from commit(run, replace(record, state=JobState.FAILED), reason + needed)
        return
    reason = "rebooted" if record.operation is Operation.REBOOT else rules.done_words(record.operation, done)
    if record.operation is Operation.ROLLBACK and not record.wanted:
        reason = "the agent reports the rollback done; its packages are as they were before"
    if record.operation is not Operation.REBOOT and record.rebooted_at is not None:
        reason += ", rebooted"
    if refused := rules.not_accepted_words(record):
        reason += f"; {refused}"
        record = record.with_attempt(error_code=rules.NOT_ACCEPTED, error=refused)
        yield from commit(run, replace(record, state=JobState.FAILED), reason + needed)
        return
    if left_out := rules.left_out_words(record):
        reason += f"; {left_out}"
    yield from commit(run, replace(record, state=JobState.SUCCEEDED), reason + needed)


def _believable(run: Run, limit: float) -> Step[Looked | str]:
    """What is left of the list; why it cannot be said, when the host gave no usable answer for ``limit`` seconds.

    An empty rest is believed at once. A rest is believed from a package cache newer than the completion, or at the
    second read where the agent does not say how old its cache is.
    """
    began, pause, reason = run.now, rules.CONNECT_PAUSES[0], "no answer"
    suspected: Moment | None = None
    while True:
        state = yield from read_state(run.record)
        trouble = None if isinstance(state, ReadFailed) else incomplete(state)
        if not isinstance(state, ReadFailed) and trouble is None:
            looked = standing.look(run.record, run.record.wanted, state)
            if not looked.open:
                return looked
            newer = yield from _cache_newer(run)
            if newer or (newer is None and suspected is not None):
                return looked
            if suspected is not None and run.now.elapsed(suspected) > rules.CACHE_PATIENCE:
                return looked
            suspected = suspected or run.now
            yield from wait(rules.SECOND_READ if newer is None else rules.CACHE_STEP)
            continue
        reason = state.reason if isinstance(state, ReadFailed) else trouble or reason
        if run.now.elapsed(began) > limit:
            return reason
        asked = state.retry_after if isinstance(state, ReadFailed) else None
        yield from wait(max(pause, asked or 0.0))
        pause = min(pause * 2, rules.LOOK_AGAIN)


def _cache_newer(run: Run) -> Step[bool | None]:
    """Whether the cache was read after the work ended. Asking also makes the agent refresh a stale cache."""
    done = run.record.work_done
    if done is None:
        return None  # a failed attempt: its error is told in any case
    health = yield from read_health()
    if isinstance(health, ReadFailed):
        return None
    return rules.cache_is_newer(health, done, run.now, run.record.agent_completed_at)
