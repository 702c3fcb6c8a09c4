"""The actor's decisions: ``handle(state, event, now) -> (state, commands)``. Pure: no task, clock or socket.

Rules are DESIGN §2 (health, backoff, polls, refresh) and TRUST 22 (what was never read is unknown).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from patch_manager.actors import health_rules
from patch_manager.actors.agent.models import AgentHealth
from patch_manager.actors.messages import (
    AskAgent,
    CertificatesChanged,
    JobEnded,
    JobReported,
    Message,
    Observed,
    PatchesStored,
    PollEnded,
    PollFailure,
    PollKind,
    PollOutcome,
    PollWaiting,
    RecordChanged,
    RefreshNow,
    Retire,
    RunJob,
)
from patch_manager.actors.reading import digest_of, facts_with, health_of, reboot_mark, with_patches
from patch_manager.actors.schedule import Cadence, Slots
from patch_manager.actors.state import (
    AnswerRefresh,
    CancelPoll,
    CoreCommand,
    HostState,
    NewAgent,
    Now,
    Poll,
    Publish,
    StartAsking,
    StartJob,
    StartPoll,
    Store,
)
from patch_manager.domain.health import FailureKind, Health
from patch_manager.domain.host_status import HealthChange, HostStatus, StoredHost
from patch_manager.domain.patches import Patch

Step = tuple[HostState, tuple[CoreCommand, ...]]

_SAME_MOMENT: Final = 0.001
_LOCAL_WAIT: Final = 30.0
_REBOOTING: Final = "rebooting"


def start(stored: StoredHost, cadence: Cadence, now: Now, *, at_once: bool = False) -> HostState:
    """The state of an actor that starts (again) from what is stored.

    A host never polled comes first; one that failed goes on in its backoff, spread so that a restart is no stampede;
    all others wait for their slot.
    """
    record, status = stored.record, stored.status
    slots = Slots.of(record.id, cadence, now.clock, now.wall.timestamp())
    if at_once or (status.last_seen_at is None and not status.failures):
        return HostState(record, status, slots, next_poll=now.clock, next_full=now.clock)
    if status.failures:
        delay = health_rules.backoff(record.id, status.failures, cadence.health)
        due = now.clock + delay * health_rules.fraction(record.id, "resume")
        return HostState(record, status, slots, next_poll=due, next_full=due)
    next_poll = slots.next_health(now.clock)
    read_at = status.patches_read_at
    stale = read_at is None or (now.wall - read_at).total_seconds() > cadence.patches
    # Why a yellow host is yellow is not stored in parts, so everything is read again.
    full_first = stale or status.health is not Health.HEALTHY
    return HostState(record, status, slots, next_poll, next_poll if full_first else slots.next_full(now.clock))


def handle(state: HostState, event: Message | None, now: Now) -> Step:
    """What follows from an event; None is "the deadline has come"."""
    match event:
        case None:
            return _due(state, now)
        case PollEnded():
            if state.poll is None or state.poll.number != event.number:
                return state, ()  # overtaken by a later poll
            return _ended(state, state.poll, event.outcome, now)
        case PollWaiting():
            if state.poll is None or state.poll.number != event.number:
                return state, ()
            return replace(state, waiting=event.waiting), ((Publish(),) if state.announced else ())
        case RefreshNow():
            return _refresh(state, now)
        case RecordChanged():
            return _record(state, event, now)
        case CertificatesChanged():
            if state.poll is None and (state.status.failures or state.trouble):
                return _start(state, PollKind.FULL, now)
            return state, ()
        case PatchesStored():
            return _stored(state, event)
        case RunJob():
            if state.job_running:
                return state, ()
            return replace(state, job_running=True), (StartJob(event.due), Publish())
        case AskAgent():
            return state, (StartAsking(event),)
        case JobReported():
            return replace(state, job=event.job), (Publish(),)
        case JobEnded():
            # Whatever the job did: read everything again.
            ended = replace(state, job=None, job_running=False, next_poll=now.clock, next_full=now.clock)
            return ended, (Publish(),)
        case Observed():
            return _observed(state, event, now)
        case Retire():
            return state, ()  # the shell's to obey
        case _:
            assert_never(event)


# Deadlines


def _due(state: HostState, now: Now) -> Step:
    if state.poll is not None:
        if state.announced or now.clock < state.deadline:
            return state, ()
        return replace(state, announced=True), (Publish(),)
    if now.clock < state.deadline - _SAME_MOMENT:
        return state, ()
    if state.job is not None and state.job.state == _REBOOTING:
        # The job watches the host come back; a poll meanwhile would only paint a planned absence red.
        later = now.clock + min(_LOCAL_WAIT, state.slots.cadence.health)
        return replace(state, next_poll=later, next_full=max(later, state.next_full)), ()
    full = now.clock >= state.next_full - _SAME_MOMENT or bool(state.status.failures)
    return _start(state, PollKind.FULL if full else PollKind.HEALTH, now)


def _start(state: HostState, kind: PollKind, now: Now, *, operator: bool = False) -> Step:
    number = state.polls + 1
    poll = Poll(number, kind, operator, state.status.failures > 0, now.clock)
    first_contact = state.status.health is Health.UNKNOWN
    announced = operator or first_contact
    begun = replace(state, poll=poll, polls=number, announced=announced, waiting=False, hold="")
    return begun, ((StartPoll(poll), Publish()) if announced else (StartPoll(poll),))


def _refresh(state: HostState, now: Now) -> Step:
    if state.poll is not None and state.poll.operator:
        return state, ()  # joins the refresh under way
    begun, commands = _start(state, PollKind.FULL, now, operator=True)
    # A scheduled poll may be stuck behind a limiter or a slow answer: the refresh does not wait to learn which.
    return begun, ((CancelPoll(), *commands) if state.poll is not None else commands)


def _record(state: HostState, event: RecordChanged, now: Now) -> Step:
    old, new = state.record, event.record
    moved = replace(state, record=new)
    if (old.address, old.port) == (new.address, new.port):
        return moved, (Publish(),)
    operator = state.poll is not None and state.poll.operator
    begun, commands = _start(moved, PollKind.FULL, now, operator=operator)
    return begun, ((CancelPoll(),) if state.poll is not None else ()) + (NewAgent(), *commands, Publish())


def _stored(state: HostState, event: PatchesStored) -> Step:
    status = state.status
    if status.patches_digest != event.digest:
        return state, ()  # a newer list is on its way
    summary = replace(status.patches, oldest_security_at=event.oldest_security_at)
    return replace(state, status=replace(status, patches=summary)), (Publish(force=True),)


# Ends of polls


def _ended(state: HostState, poll: Poll, outcome: PollOutcome, now: Now) -> Step:
    state = replace(state, poll=None, waiting=False, announced=False, hold="")
    if outcome.health is None:
        failure = outcome.failure or PollFailure(FailureKind.UNREADABLE, "the poll ended without an answer")
        state, commands = _not_answered(state, poll, failure, now)
    else:
        state, commands = _answered(state, poll, outcome.health, outcome, now)
    return state, ((*commands, AnswerRefresh()) if poll.operator else commands)


def _not_answered(state: HostState, poll: Poll, failure: PollFailure, now: Now) -> Step:
    if failure.kind in health_rules.NOT_THE_HOSTS_FAULT:
        return _held(state, poll, failure, now)
    status, clock = state.status, now.clock
    if poll.operator and status.failures and status.failures <= health_rules.RETRIES and state.next_poll > clock:
        # An operator's look between two retries is none of them: it must not turn the host red early.
        failures, next_poll = status.failures, state.next_poll
    else:
        failures = health_rules.count(status.failures)
        next_poll = clock + health_rules.backoff(state.record.id, failures, state.slots.cadence.health)
    health, reason = health_rules.health_after(failures), health_rules.reason_after(failures, failure.reason)
    after = _with_health(replace(status, failures=failures), health, reason, now)
    state = replace(state, status=after, next_poll=next_poll, next_full=next_poll)
    return state, _told(status, after)


def _held(state: HostState, poll: Poll, failure: PollFailure, now: Now) -> Step:
    """Not the host's fault: its health stays, and the poll comes again when it may."""
    wait = failure.retry_after if failure.retry_after is not None else _LOCAL_WAIT
    wait = min(max(wait, 1.0), health_rules.LONGEST)
    if failure.kind is FailureKind.LOCAL_RESOURCES:
        wait = min(wait, state.slots.cadence.health)
    again = now.clock + wait
    status = state.status
    if status.health is Health.UNKNOWN:
        status = replace(status, health_reason=failure.reason)
    state = replace(
        state,
        status=status,
        hold=failure.reason,
        next_poll=again,
        next_full=again if poll.kind is PollKind.FULL else max(state.next_full, again),
    )
    return state, (Publish(),)


def _answered(state: HostState, poll: Poll, said: AgentHealth, outcome: PollOutcome, now: Now) -> Step:
    before, slots, clock = state.status, state.slots, now.clock
    uptime = outcome.info.uptime_seconds if outcome.info and outcome.info.uptime_seconds else said.uptime_seconds
    listed, failure = outcome.patches, outcome.failure
    trouble, trouble_count, hold = state.trouble, state.trouble_count, ""
    next_full = slots.next_full(clock) if poll.kind is PollKind.FULL else state.next_full
    if failure is not None and failure.kind in health_rules.NOT_THE_HOSTS_FAULT:
        hold = failure.reason
        next_full = clock + min(max(failure.retry_after or _LOCAL_WAIT, 1.0), health_rules.LONGEST)
    elif failure is not None:
        trouble, trouble_count = failure.reason, health_rules.count(trouble_count)
        next_full = clock + health_rules.backoff(state.record.id, trouble_count, slots.cadence.health)
    elif listed is not None:
        trouble, trouble_count = "", 0
        if not listed.complete:
            trouble = f"the agent lists only {len(listed.patches)} of {listed.total} patches"
    status = replace(before, failures=0, last_seen_at=now.wall, facts=facts_with(before.facts, said, outcome.info))
    says = None if listed is None else listed.requires_reboot
    status = _with_mark(status, reboot_mark(status, outcome.info, says, uptime, now.wall))
    status, stored = _with_list(status, None if listed is None else listed.patches, now.wall)
    health, reason = health_of(said, trouble)
    status = _with_health(status, health, reason, now)
    if poll.kind is PollKind.HEALTH and _changed_life(state, before, said.uptime_seconds, said.version):
        next_full = clock
    state = replace(
        state,
        status=status,
        trouble=trouble,
        trouble_count=trouble_count,
        hold=hold,
        uptime=said.uptime_seconds if said.uptime_seconds is not None else state.uptime,
        next_poll=slots.next_health(clock),
        next_full=next_full,
    )
    return state, _told(before, status, stored)


def _changed_life(state: HostState, before: HostStatus, uptime: int | None, version: str | None) -> bool:
    """The host rebooted, its agent was replaced, or it is back: what was read before may not hold any more."""
    fell = uptime is not None and state.uptime is not None and uptime < state.uptime
    return fell or before.failures > 0 or (version is not None and version != before.facts.agent_version)


def _with_mark(status: HostStatus, mark: bool) -> HostStatus:
    return status if mark == status.reboot_required else replace(status, reboot_required=mark)


def _with_list(
    status: HostStatus, patches: tuple[Patch, ...] | None, read_at: datetime
) -> tuple[HostStatus, tuple[Patch, ...] | None]:
    """The status with a list that was read, and the list itself when it has to be stored."""
    if patches is None:
        return status, None
    digest = digest_of(patches)
    new = digest != status.patches_digest
    return with_patches(status, patches, digest, read_at), (patches if new else None)


def _observed(state: HostState, seen: Observed, now: Now) -> Step:
    """What a job read on its way counts like a poll, without moving the schedule."""
    before = state.status
    status, uptime = before, state.uptime
    if seen.health is not None:
        health, reason = health_of(seen.health, state.trouble)
        status = replace(status, failures=0, last_seen_at=now.wall, facts=facts_with(status.facts, seen.health, None))
        status = _with_health(status, health, reason, now)
        uptime = seen.health.uptime_seconds if seen.health.uptime_seconds is not None else uptime
    if seen.info is not None:
        status = replace(status, last_seen_at=now.wall, facts=facts_with(status.facts, None, seen.info))
        status = _with_mark(status, reboot_mark(status, seen.info, None, uptime, now.wall))
    status, stored = _with_list(status, seen.patches, seen.read_at or now.wall)
    if before.failures and not status.failures:
        slots = state.slots
        state = replace(state, next_poll=slots.next_health(now.clock), next_full=slots.next_full(now.clock))
    return replace(state, status=status, uptime=uptime), _told(before, status, stored)


def _with_health(status: HostStatus, health: Health, reason: str, now: Now) -> HostStatus:
    since = status.health_since if health is status.health and status.health_since is not None else now.wall
    return replace(status, health=health, health_reason=reason, health_since=since)


def _told(before: HostStatus, after: HostStatus, patches: tuple[Patch, ...] | None = None) -> tuple[CoreCommand, ...]:
    """Publish and store what moved; a poll that changed nothing stores nothing but when the host was seen."""
    settled = replace(after, last_seen_at=before.last_seen_at, patches_read_at=before.patches_read_at)
    change = None
    if after.health is not before.health and after.health_since is not None:
        change = HealthChange(after.health_since, after.health, after.health_reason)
    first_read = before.patches_read_at is None and after.patches_read_at is not None
    row = settled != before or first_read
    return Publish(), Store(row=row, patches=patches, change=change)
