"""Pure rules of the protocol: what counts as evidence, what is retried, what a package's result is.

Constants name their source. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from patch_manager.actors.agent.models import is_package_name
from patch_manager.actors.jobs.messages import FoundJob, HealthRead
from patch_manager.domain.exclusions import Exclusion, exclusion_of
from patch_manager.domain.job_record import JobRecord, Moment, Send, SendOutcome, Target
from patch_manager.domain.jobs import NOT_RETRYABLE, Operation, PackageResult, RebootPolicy
from patch_manager.domain.patches import Patch

INTENT_MAX_AGE: Final = 10.0  # TRUST "Dispatch" (3): an older intent is not sent
EVIDENCE_AFTER: Final = 45.0  # TRUST "Ambiguous": from the intent to the first look
LOOKS_APART: Final = 10.0  # TRUST "Ambiguous": between the two looks
MAX_SENDS: Final = 3  # TRUST "Ambiguous": per attempt
MAX_ATTEMPTS: Final = 2  # DESIGN §4: first and one retry
LOST_PATIENCE: Final = 30 * 60.0  # TRUST "404 for an accepted job": the package manager may live on
CONNECT_PAUSES: Final = (2.0, 5.0, 15.0)  # ours: an agent restarting is back within them
UNREACHABLE_LIMIT: Final = 30.0  # ours: tries that time out end the attempt sooner than ones that are refused
UNREACHABLE_RETRY: Final = 30.0  # ours: before the one retry of a host that could not be reached
LOOK_AGAIN: Final = 10.0  # ours: pace of evidence; 6 rounds of 3 reads a minute stay far inside 100
PATIENCE_STEP: Final = 20.0  # ours: pace while the package manager may live on
EVIDENCE_LIMIT: Final = 90 * 60.0  # ours: then an operator decides; longer than a package cache lives (1 h)
FOLLOW_LIMIT: Final = 2 * 3600.0  # ours: four times the agent's own limit of a job (AGENT_API: 30 min)
FOLLOW_SLICE: Final = 300.0  # ours: the protocol looks at its limits at least this often
SILENCE_LIMIT: Final = 60 * 60.0  # ours: a host that went away in mid-job and does not come back
SECOND_READ: Final = 4.0  # TRUST "Success is verified": a second read before believing "still pending"
CACHE_PATIENCE: Final = 60.0  # ours: how long a package cache older than the completion is waited for
CACHE_STEP: Final = 10.0  # ours
VERIFY_LIMIT: Final = 30 * 60.0  # ours: a host that went away between the work and its verification
FAILED_VERIFY_LIMIT: Final = 60.0  # ours: a failure is told soon, its packages as unknown if need be
REBOOT_LIMIT: Final = 30 * 60.0  # ours: from the request to the proof
REBOOT_ASK_LIMIT: Final = 5 * 60.0  # ours: a job that only reboots tries to reach its host for no longer than this
TURN_STEP: Final = 2.0  # ours: pace of asking for a turn to reboot; hundreds may ask at once
REBOOT_STEP: Final = 4.0  # ours: pace of asking whether the host is back
ROLLBACK_START_LIMIT: Final = 600.0  # ours: a rollback that still waits on an idle agent will never start (AGENT_API)
ROLLBACK_LOOK: Final = 60.0  # ours: pace of looking whether such an agent is idle
LONGEST_WAIT: Final = 900.0  # ours: an agent that asks for more is asked again sooner

PATCHING: Final = frozenset({"patchapply", "install", "update", "remove", "rollback", "selfupdate"})
"""Operations of the agent that change packages; one that runs makes evidence wait."""


_CHANGED: Final = frozenset({PackageResult.UPDATED, PackageResult.INSTALLED, PackageResult.REMOVED})


UNKNOWN_ERROR: Final = "UNKNOWN_ERROR"
"""Error code of work that failed where the agent says none."""


ROLLBACK_NOT_STARTED: Final = "ROLLBACK_NOT_STARTED"
"""Error code of a rollback that the agent took and never began. It may still begin, so it is not sent again."""


ON_HOLD: Final = "HOST_ON_HOLD"
"""Error code of a reboot that was not asked for, because an operator holds the host."""


NOT_ACCEPTED: Final = "NAME_NOT_ACCEPTED"
"""Error code of a job that had to leave out a package whose name agents refuse."""


def retryable(code: str) -> bool:
    """Unknown codes are retried; those that time does not change are not."""
    return code not in NOT_RETRYABLE and code != ROLLBACK_NOT_STARTED


def new_jobs(send: Send, found: Iterable[FoundJob]) -> frozenset[str]:
    """Ids that may be ours: not in the baseline, not older than it, the same operation and packages.

    An agent that does not say which packages cannot be told apart: such a job may be ours.
    """
    return frozenset(job.id for job in found if _may_be_ours(send, job))


def _may_be_ours(send: Send, job: FoundJob) -> bool:
    if job.id in send.baseline_ids or job.operation != send.operation.value:
        return False
    if job.created_at is not None and send.baseline_newest is not None and job.created_at < send.baseline_newest:
        return False
    if send.operation is Operation.ROLLBACK:
        # Its packages are the agent's affair; whose rollback it is, newer agents say.
        return job.original_job_id in (None, send.undoes)
    return job.packages is None or frozenset(job.packages) == frozenset(send.packages)


def working(found: Iterable[FoundJob]) -> bool:
    """Whether the agent is changing packages right now, or about to, for anybody.

    A rollback that waits while nothing runs is not: several releases never start one (AGENT_API).
    """
    return any(
        job.operation in PATCHING and not job.ended and (job.operation, job.status) != ("rollback", "pending")
        for job in found
    )


def list_was_lost(send: Send, found: Iterable[FoundJob], health: HealthRead, now: Moment) -> bool:
    """Whether the agent's list of jobs cannot speak for the time since the intent: the agent restarted meanwhile.

    Seen when no job of the baseline is listed any more, or the uptime it states is smaller than the time passed (the
    agent process's in the documentation's dialect). A restart on an empty baseline leaves no trace.
    """
    if send.baseline_ids and send.baseline_ids.isdisjoint(job.id for job in found):
        return True
    return health.uptime_seconds is not None and health.uptime_seconds + 1 <= now.elapsed(send.intent)


def baseline(found: Iterable[FoundJob]) -> tuple[frozenset[str], datetime | None]:
    """The ids before a send and the newest ``created_at`` among them."""
    jobs = tuple(found)
    return (
        frozenset(job.id for job in jobs),
        max((job.created_at for job in jobs if job.created_at is not None), default=None),
    )


def freeze(record: JobRecord, patches: Iterable[Patch]) -> tuple[Target, ...]:
    """The list that this job keeps: all, the security relevant, or those of the named that are pending here."""
    pending = {patch.name: patch for patch in patches}
    if record.requested is None:
        chosen = [p for p in pending.values() if p.is_security or not record.security_only]
        return tuple(_target(patch) for patch in chosen)
    targets: list[Target] = []
    for name in dict.fromkeys(record.requested):
        patch = pending.get(name)
        if patch is None or (record.security_only and not patch.is_security):
            targets.append(Target(name, result=PackageResult.NOT_NEEDED))
        else:
            targets.append(_target(patch))
    return tuple(targets)


def leave_out(targets: Iterable[Target], exclusions: Sequence[Exclusion], now: datetime) -> tuple[Target, ...]:
    """The list with what must not be patched at ``now`` marked as left out, and why."""
    return tuple(_unless_excluded(target, exclusions, now) for target in targets)


def _unless_excluded(target: Target, exclusions: Sequence[Exclusion], now: datetime) -> Target:
    if target.result not in (PackageResult.PENDING, PackageResult.NOT_ACCEPTED):
        return target
    found = exclusion_of(target.name, exclusions, now)
    return target if found is None else replace(target, result=PackageResult.EXCLUDED, reason=found.words)


def _target(patch: Patch) -> Target:
    target = Target(patch.name, patch.current_version, patch.available_version, patch.requires_reboot)
    if is_package_name(patch.name):
        return target
    # One such name makes an agent refuse the whole request: the others are not to pay for it.
    return replace(target, result=PackageResult.NOT_ACCEPTED, reason="agents do not accept this name")


def still_pending(targets: Iterable[Target], patches: Iterable[Patch]) -> tuple[Target, ...]:
    """Those of the list that the host still lists in the version it had.

    A package that is pending again, but from the version that we asked for, was updated: its next version came out.
    """
    pending = {patch.name: patch for patch in patches}
    left: list[Target] = []
    for target in targets:
        patch = pending.get(target.name)
        if patch is None:
            continue
        moved_on = patch.current_version is not None and patch.current_version == target.to_version
        if not moved_on or target.to_version == target.from_version:
            left.append(target)
    return tuple(left)


def cache_is_newer(health: HealthRead, since: Moment, now: Moment, on_agent: datetime | None = None) -> bool | None:
    """Whether the package cache was read after ``since``; None where the agent does not say.

    ``on_agent`` is the same moment on the agent's clock. Without it, what the agent's clock says now tells how far it
    is off; without that either, the clocks are taken to agree.
    """
    updated = health.cache_updated_at
    if updated is None:
        return None
    if on_agent is not None:
        return updated > on_agent
    if health.agent_time is not None:
        return updated + (now.wall - health.agent_time) > since.wall
    return updated > since.wall


def booted_since(health: HealthRead, since: Moment, now: Moment) -> bool:
    """Every uptime the host states is smaller than the time passed; one is added, as uptimes are cut to seconds."""
    stated = [up for up in (health.uptime_seconds, health.facts_uptime_seconds) if up is not None]
    passed = now.elapsed(since)
    return bool(stated) and all(uptime + 1 <= passed for uptime in stated)


def reboot_proven(health: HealthRead, since: Moment, now: Moment, last_boot_before: datetime | None) -> bool:
    """TRUST "A reboot is proven": uptime, with ``last_boot`` and ``pending_reboot`` agreeing where offered."""
    if not booted_since(health, since, now) or health.pending_reboot is True:
        return False
    if last_boot_before is None or health.last_boot is None:
        return True
    return health.last_boot > last_boot_before


def reboot_wanted(record: JobRecord, health: HealthRead, now: Moment) -> bool:
    """Whether the work asks for a reboot that the operator allowed and that has not been proven yet."""
    if record.reboot is not RebootPolicy.IF_REQUIRED or record.rebooted_at is not None:
        return False
    updated = [t for t in record.wanted if t.result in _CHANGED]
    if not updated:
        return False
    if health.pending_reboot is True:
        return True
    if not any(target.requires_reboot for target in updated):
        return False
    # A host that restarted in mid-work and does not ask for more has had its reboot (kernel applied, host came back).
    send = record.send
    restarted = send is not None and booted_since(health, send.intent, now)
    return not restarted


def words(names: Iterable[str], most: int = 5) -> str:
    """Names in a sentence, the first few."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")


def left_out_words(record: JobRecord) -> str:
    """What was left out, as the end of a message; empty when nothing was."""
    excluded = record.excluded
    return f"left out by exclusions: {words(target.name for target in excluded)}" if excluded else ""


def not_accepted_words(record: JobRecord) -> str:
    """What could not be asked for, and what to do; empty when everything could."""
    names = record.not_accepted
    return f"not asked for, as agents do not accept the name: {words(names)}; update by hand" if names else ""


def is_retry(record: JobRecord) -> bool:
    """Whether an attempt before this one was sent, as far as the record tells: then this one is not put off."""
    attempt, send = record.attempt, record.send
    if attempt is None or attempt.number < 2 or send is None:
        return False
    return send.attempt == attempt.number or send.outcome not in (SendOutcome.NOT_SENT, SendOutcome.REFUSED)


def plural(count: int, noun: str) -> str:
    """``1 package``, ``2 packages``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def asking(operation: Operation, names: Iterable[str]) -> str:
    """What a call asks of the agent, in words."""
    listed = list(names)
    if operation is Operation.PATCH_APPLY:
        return f"sending {plural(len(listed), 'package')}: {words(listed)}"
    what = words(listed) or "its packages"
    return f"asking the agent to {_VERBS.get(operation, operation.value)} {what}"


_VERBS: Final = {Operation.ROLLBACK: "roll back"}

_DONE_WORDS: Final = {
    Operation.INSTALL: "installed",
    Operation.REMOVE: "removed",
    Operation.ROLLBACK: "put back",
}


def done_words(operation: Operation, count: int) -> str:
    """``2 packages updated``."""
    return f"{plural(count, 'package')} {_DONE_WORDS.get(operation, 'updated')}"


_LEFT_WORDS: Final = {
    Operation.INSTALL: "not installed",
    Operation.REMOVE: "still installed",
    Operation.ROLLBACK: "not put back",
    Operation.UPDATE: "kept back, not updated",
}


def left_words(operation: Operation, names: Iterable[str]) -> str:
    """What an agent's success left undone."""
    how = _LEFT_WORDS.get(operation, "kept back, still pending")
    return f"{how} after the agent reported success: {words(names)}"


_STILL: Final = {
    Operation.INSTALL: "not installed",
    Operation.REMOVE: "still installed",
    Operation.UPDATE: "not updated",
    Operation.ROLLBACK: "not put back",
}


def still(operation: Operation) -> str:
    """How packages are that the work has not reached."""
    return _STILL.get(operation, "still pending")


def nothing_left(operation: Operation) -> str:
    """How it is said that the host is as the work should leave it."""
    if operation is Operation.PATCH_APPLY:
        return "nothing asked for is pending any more"
    return f"everything asked for is {_DONE_WORDS.get(operation, 'updated')}"


_NOT_NEEDED_WORDS: Final = {
    Operation.INSTALL: "installed already",
    Operation.REMOVE: "not installed any more",
    Operation.ROLLBACK: "already as it was before",
}


def not_needed_words(operation: Operation) -> str:
    """Why nothing was sent."""
    return f"{_NOT_NEEDED_WORDS.get(operation, 'already up to date')}: nothing was sent"


def refusal_words(operation: Operation, code: str, reason: str) -> str:
    """Why the agent will not take a call; 404 and 405 come without a word where it does not know one."""
    if reason in ("", code) and code in ("HTTP_404", "HTTP_405"):
        return f"the agent does not know this call ({code.replace('_', ' ')}): its release may be too old for it"
    if operation is not Operation.ROLLBACK:
        return reason
    if code == "JOB_NOT_FOUND":
        return f"the agent does not know that job any more and cannot undo it: {code}: {reason}"
    return f"the agent refuses to roll that job back: {code}: {reason}"
