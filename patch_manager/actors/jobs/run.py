"""The shell of a job: performs the protocol's commands with the host's agent, the ledger and the clock.

Nothing here decides. What an agent said is translated to events; what the protocol wants written goes through the
ledger, whose one committer writes for all hosts.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar, assert_never

import structlog
import trio

from patch_manager.actors.agent import outcomes
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.actors.agent.following import Following, Listen, follow_job
from patch_manager.actors.agent.job_stream import OnHint
from patch_manager.actors.agent.models import AgentJob
from patch_manager.actors.jobs import messages as m
from patch_manager.actors.jobs.calls import make_call
from patch_manager.actors.jobs.package_reading import read_packages
from patch_manager.actors.jobs.place import Place
from patch_manager.actors.jobs.ports import Agent, Clock, Gate, Ledger, Progress, Turns
from patch_manager.actors.jobs.protocol import Protocol
from patch_manager.actors.jobs.rules import INTENT_MAX_AGE
from patch_manager.actors.jobs.translating import found_job
from patch_manager.actors.ports import HostLink
from patch_manager.actors.silence import unless_silent
from patch_manager.domain.hosts import JobInHand
from patch_manager.domain.job_record import JobRecord, Moment, Send
from patch_manager.domain.jobs import DueJob, JobState

T = TypeVar("T")

BEGINNING_SECONDS: Final = 2.0  # a list of patches that takes longer gives the place among those that begin back
STREAM_AFTER: Final = 8.0  # seconds that a job is polled before its stream is opened; up to twice that, by chance
STREAM_PAUSE: Final = 1.0  # before the next look whether dispatches still wait
FIRST_POLL_AFTER: Final = 0.7  # from the acceptance: asking earlier tells nothing
_BEGINNING = m.AskGate | m.AskTurn | m.Commit | m.ReadPatches | m.ReadPackages | m.ReadExclusions | m.Claim
_UNDER_CLAIM = m.Claim | m.ReadJobs | m.Commit | m.MakeSend
_Read = m.ReadJobs | m.ReadJob | m.ReadPatches | m.ReadPackages | m.ReadHealth | m.Follow


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs; one for the process, called by actors (``actors.ports.JobRunner``).

    ``dispatch`` bounds how many hosts are between baseline and answer at once, ``beginning`` how many come before that.
    """

    ledger: Ledger
    clock: Clock
    gate: Gate
    beginning: trio.CapacityLimiter
    dispatch: trio.CapacityLimiter
    progress: Progress
    turns: Turns

    async def __call__(self, due: DueJob, link: HostLink) -> None:
        """Run ``due`` until it has ended or waits in its queue again.

        A job that has not begun stays in its queue until there is a place for it: of a batch of thousands, those that
        could only wait cost nothing, and are shown, and can be cancelled, as what they are.
        """
        beginning, place = Place(self.beginning), Place(self.dispatch)
        try:
            if due.state in (JobState.QUEUED, JobState.DISPATCHING):
                await beginning.take()
            record = await self.ledger.load(due.key.id)
            now = self.clock()
            if record is None or record.state.terminal or not _is_due(record, now):
                return
            run = _JobRun(self, link, link.agent, record, beginning, place)
            try:
                await run.whole(Protocol(record, now))
            finally:
                self.turns.leave(run.record)
                self.progress.forget(record.id)
                link.report_job(None)
        finally:
            beginning.give_back()
            place.give_back()


def _is_due(record: JobRecord, now: Moment) -> bool:
    """A queued job may have been re-planned since the scan."""
    waits = record.state is JobState.QUEUED and (record.not_before is None or record.not_before > now.wall)
    return not waits


@dataclass(slots=True)
class _JobRun:
    runner: Runner
    link: HostLink
    agent: Agent
    record: JobRecord
    beginning: Place
    place: Place
    epoch: int = -1
    just_accepted: bool = False
    shown: JobInHand | None = field(default=None)

    async def whole(self, protocol: Protocol) -> None:
        log = structlog.get_logger(__name__).bind(job_id=str(self.record.id), host_id=str(self.record.host_id))
        log.info("job_run_began", state=self.record.state.value)
        self.show(0)
        command = protocol.handle(m.Began(), self.runner.clock())
        while command is not None:
            event = await self.perform(command)
            command = protocol.handle(event, self.runner.clock())
        log.info("job_run_ended", state=self.record.state.value, message=self.record.message)

    def show(self, progress: int) -> None:
        """Publish the job with the host's row, when something about it changed."""
        record = self.record
        in_hand = JobInHand(record.id, record.deployment_id, record.state.value, progress)
        if in_hand != self.shown:
            self.shown = in_hand
            self.link.report_job(in_hand)

    async def perform(self, command: m.Command) -> m.Event:
        if not isinstance(command, _BEGINNING):
            self.beginning.give_back()
        if not isinstance(command, _UNDER_CLAIM):
            self.place.give_back()
        match command:
            case m.Commit():
                return await self.commit(command)
            case m.Wait(seconds):
                self.runner.turns.settle(self.record)
                await trio.sleep(seconds)
                return m.Woke()
            case m.Claim():
                return await self.claim()
            case m.AskGate(operation):
                closed = self.runner.gate.refuses(self.record, operation, self.runner.clock())
                return m.GateOpen() if closed is None else m.GateClosed(closed)
            case m.AskTurn():
                words = self.runner.turns.take(self.record, self.link.record.group_ids)
                return m.TurnTaken() if words is None else m.TurnDenied(words)
            case m.MakeSend(send):
                try:
                    return await self.send(send)
                finally:
                    self.place.give_back()
            case m.ReadExclusions():
                return m.ExclusionsRead(await self.runner.ledger.exclusions(self.record, self.runner.clock()))
            case m.ReadJobs() | m.ReadJob() | m.ReadPatches() | m.ReadPackages() | m.ReadHealth() | m.Follow():
                try:
                    return await self.read(command)
                except AgentFailure as failure:
                    return m.ReadFailed(reason(failure), failure.retry_after)
            case _:
                assert_never(command)

    async def commit(self, command: m.Commit) -> m.Event:
        kept = await self.runner.ledger.commit(command.before, command.after, command.reason, self.runner.clock())
        if kept is None:
            return m.Conflict()
        self.record, self.epoch = kept.record, kept.epoch
        self.runner.turns.settle(kept.record)
        self.show(self.shown.progress if self.shown is not None else 0)
        return m.Committed(kept.record)

    async def claim(self) -> m.Event:
        # Before the intent: it would grow old while the agent's budget of writes fills up.
        delay = self.agent.budget.waiting().write_delay_s
        if delay > 0:
            self.place.give_back()
            self.beginning.give_back()
            await trio.sleep(delay)
        await self.place.take()
        self.beginning.give_back()
        return m.Claimed()

    async def slow(self, reading: Callable[[], Awaitable[T]]) -> T:
        """Read a list; an agent that refreshes its package cache meanwhile must not keep its place from others."""
        listed: T | AgentFailure
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.let_go_later)
            try:
                listed = await unless_silent(self.agent, reading)
            except AgentFailure as failure:  # kept out of the nursery, which would wrap it in a group
                listed = failure
            nursery.cancel_scope.cancel()
        if isinstance(listed, AgentFailure):
            raise listed
        return listed

    async def let_go_later(self) -> None:
        await trio.sleep(BEGINNING_SECONDS)
        self.beginning.give_back()

    async def read(self, command: _Read) -> m.Event:
        match command:
            case m.ReadJobs():
                return m.JobsRead(tuple(found_job(job) for job in (await self.agent.jobs()).jobs))
            case m.ReadJob(agent_job_id):
                job = await self.agent.job(agent_job_id)
                return m.JobGone() if job is None else m.JobSeen(found_job(job))
            case m.ReadPatches():
                listed = await self.slow(self.agent.patches)
                complete = listed.complete and not listed.skipped
                if complete:
                    self.link.observed_patches(listed.patches, self.runner.clock().wall)
                return m.PatchesRead(listed.patches, complete)
            case m.ReadPackages(names, patches):
                return await self.slow(partial(read_packages, self.agent, names, patches=patches))
            case m.ReadHealth(facts):
                return await self.health(facts)
            case m.Follow(agent_job_id, seconds):
                return await self.follow(agent_job_id, seconds)
            case _:
                assert_never(command)

    async def health(self, facts: bool) -> m.Event:
        health = await unless_silent(self.agent, self.agent.health)
        self.link.observed_health(health)
        read = m.HealthRead(
            uptime_seconds=health.uptime_seconds,
            cache_status=health.cache_status,
            cache_updated_at=health.last_cache_update,
            agent_time=health.agent_time,
        )
        if not facts:
            return read
        info = await self.agent.system_info()
        self.link.observed_info(info)
        return m.HealthRead(
            uptime_seconds=read.uptime_seconds,
            cache_status=read.cache_status,
            cache_updated_at=read.cache_updated_at,
            agent_time=read.agent_time,
            last_boot=info.last_boot,
            facts_uptime_seconds=info.uptime_seconds,
            pending_reboot=info.pending_reboot,
        )

    async def follow(self, agent_job_id: str, seconds: float) -> m.Event:
        last: m.Event = m.ReadFailed("the agent gave no answer")

        def on_job(job: AgentJob) -> None:
            nonlocal last
            last = m.JobSeen(found_job(job))
            self.runner.progress.update(self.record.id, job.progress, job.message)
            self.show(job.progress)

        def on_failure(failure: AgentFailure) -> None:
            nonlocal last
            last = m.ReadFailed(reason(failure), failure.retry_after)

        def on_hint(hint: object) -> None:
            progress, message = getattr(hint, "progress", None), getattr(hint, "message", "")
            if progress is not None:
                self.runner.progress.update(self.record.id, progress, message)
                self.show(progress)

        with trio.move_on_after(seconds):
            if self.just_accepted:
                self.just_accepted = False
                await trio.sleep(FIRST_POLL_AFTER)
            told = Following(on_job=on_job, on_hint=on_hint, on_failure=on_failure)
            ended = await follow_job(self.agent, agent_job_id, told, listen=self.listen_later())
            return m.JobGone() if ended is None else m.JobSeen(found_job(ended))
        return last

    def listen_later(self) -> Listen | None:
        """The stream, opened once the job has proven to take a while and no dispatch waits: a short one costs no
        connection more, and a batch does not connect twice to each host while others wait to be connected to.
        """
        listen = self.agent.listen
        if listen is None:
            return None

        async def later(agent_job_id: str, on_hint: OnHint) -> None:
            await trio.sleep(STREAM_AFTER * (1.0 + random.random()))  # noqa: S311 - spreads, and guards nothing
            while self.runner.beginning.statistics().tasks_waiting:  # noqa: ASYNC110 - a look a second is cheaper
                await trio.sleep(STREAM_PAUSE)
            await listen(agent_job_id, on_hint)

        return later

    async def send(self, send: Send) -> m.Event:
        denied: list[m.NotSent | m.GateClosed] = []

        def before_send() -> str | None:
            refusal = self.refusal(send)
            if refusal is None:
                return None
            denied.append(refusal)
            return refusal.reason if isinstance(refusal, m.NotSent) else refusal.closed.reason

        outcome = await make_call(self.agent, self.record, send, before_send)
        match outcome:
            case outcomes.Accepted(agent_job_id):
                self.just_accepted = True
                return m.Accepted(agent_job_id)
            case outcomes.NotSent(why):
                return denied[0] if denied else m.NotSent("unreachable", why)
            case outcomes.Refused(retry_after, code, message):
                return m.Refused(retry_after, f"{code} {message}".strip())
            case outcomes.Rejected(_, code, message):
                return m.Rejected(code, message or code)
            case outcomes.Ambiguous(why):
                return m.Ambiguous(why)
            case _:
                assert_never(outcome)

    def refusal(self, send: Send) -> m.NotSent | m.GateClosed | None:
        """The last check, at the moment of the first byte (TRUST "Dispatch" 3)."""
        now = self.runner.clock()
        if not self.runner.ledger.leads(self.epoch):
            return m.NotSent("stale", "this manager does not lead any more")
        if now.boot_id != send.intent.boot_id or now.elapsed(send.intent) > INTENT_MAX_AGE:
            return m.NotSent("stale", f"the intent is older than {INTENT_MAX_AGE:.0f} s")
        closed = self.runner.gate.refuses(self.record, send.operation, now)
        return None if closed is None else m.GateClosed(closed)
