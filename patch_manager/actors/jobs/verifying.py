"""What the host says after the work: updated, kept back or failed, package by package (TRUST "Success is verified")."""

from __future__ import annotations

from dataclasses import replace

from patch_manager.actors.jobs import rules
from patch_manager.actors.jobs.messages import HealthRead, PatchesRead, ReadFailed
from patch_manager.actors.jobs.steps import Run, Step, commit, failed, read_health, read_patches, unknown, wait
from patch_manager.domain.job_record import AttemptState, JobRecord, Moment, Target
from patch_manager.domain.jobs import JobState, PackageResult, RebootPolicy

KEPT_BACK = "KEPT_BACK"
"""Error code of a job whose work ended well and left packages pending."""


def verify(run: Run) -> Step[None]:
    """Read until the list can be believed, then reboot if that is asked for, or end the job."""
    attempt = run.record.attempt
    did_fail = attempt is not None and attempt.state in (AttemptState.FAILED, AttemptState.REJECTED)
    left = yield from _believable(run, rules.FAILED_VERIFY_LIMIT if did_fail else rules.VERIFY_LIMIT)
    if did_fail and attempt is not None:
        record = rules.with_results(run.record, None if isinstance(left, str) else left, PackageResult.FAILED)
        tried = f"after {attempt.number} attempts" if attempt.number > 1 else "at the first attempt"
        yield from failed(
            run, attempt.error_code or "UNKNOWN_ERROR", f"failed {tried}: {attempt.error or 'no reason given'}", record
        )
    elif isinstance(left, str):
        yield from unknown(run, f"the work ended well, but could not be verified: {left}")
    else:
        yield from _judge(run, left)


def _judge(run: Run, left: tuple[Target, ...]) -> Step[None]:
    record = rules.with_results(run.record, left, PackageResult.KEPT_BACK)
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
            yield from commit(run, replace(record, state=JobState.REBOOTING), "the updates need a reboot")
            return
    yield from _end(run, record, left)


def _end(run: Run, record: JobRecord, left: tuple[Target, ...]) -> Step[None]:
    record = replace(record, finished_at=run.now.wall)
    done = len(record.wanted) - len(left)
    if left:
        reason = f"kept back, still pending after the agent reported success: {rules.words(t.name for t in left)}"
        if done:
            reason = f"{rules.plural(done, 'package')} updated; {reason}"
        record = record.with_attempt(error_code=KEPT_BACK, error=reason)
        yield from commit(run, replace(record, state=JobState.FAILED), reason)
        return
    reason = "rebooted" if not record.wanted else f"{rules.plural(done, 'package')} updated"
    if record.wanted and record.rebooted_at is not None:
        reason += ", rebooted"
    if left_out := rules.left_out_words(record):
        reason += f"; {left_out}"
    yield from commit(run, replace(record, state=JobState.SUCCEEDED), reason)


def _believable(run: Run, limit: float) -> Step[tuple[Target, ...] | str]:
    """What is left of the list; why it cannot be said, when the host gave no usable answer for ``limit`` seconds.

    An empty rest is believed at once. A rest is believed from a package cache newer than the completion, or at the
    second read where the agent does not say how old its cache is.
    """
    began, pause, reason = run.now, rules.CONNECT_PAUSES[0], "no answer"
    suspected: Moment | None = None
    while True:
        patches = yield from read_patches()
        if isinstance(patches, PatchesRead) and patches.complete:
            left = rules.still_pending(run.record.wanted, patches.patches)
            if not left:
                return left
            newer = yield from _cache_newer(run)
            if newer or (newer is None and suspected is not None):
                return left
            if suspected is not None and run.now.elapsed(suspected) > rules.CACHE_PATIENCE:
                return left
            suspected = suspected or run.now
            yield from wait(rules.SECOND_READ if newer is None else rules.CACHE_STEP)
            continue
        reason = patches.reason if isinstance(patches, ReadFailed) else "the agent's list of patches is incomplete"
        if run.now.elapsed(began) > limit:
            return reason
        asked = patches.retry_after if isinstance(patches, ReadFailed) else None
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
