"""One host's actor: a loop over one mailbox and one deadline. State changes only here; children report by message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

import structlog
import trio

from patch_manager.actors import core
from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.models import AgentHealth, AgentInfo
from patch_manager.actors.mailbox import Mailbox
from patch_manager.actors.messages import (
    AskAgent,
    JobEnded,
    JobReported,
    Message,
    Observed,
    PollEnded,
    PollWaiting,
    RefreshNow,
    Reply,
    Retire,
    RunJob,
)
from patch_manager.actors.polling import Turn, ask, connecting, in_flight, read_host, take_turns
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
    snapshot_of,
)
from patch_manager.actors.surroundings import Surroundings
from patch_manager.domain.host_status import HostWrite, StoredHost
from patch_manager.domain.hosts import HostRecord, HostSnapshot, JobInHand
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.patches import Patch


@dataclass(frozen=True, slots=True)
class _Link:
    """The actor as its job sees it (``ports.HostLink``)."""

    actor: HostActor

    @property
    def record(self) -> HostRecord:
        return self.actor.state.record

    @property
    def agent(self) -> AgentClient:
        return self.actor.agent

    def report_job(self, job: JobInHand | None) -> None:
        self.actor.mailbox.report(JobReported(job))

    def observed_health(self, health: AgentHealth) -> None:
        self.actor.mailbox.report(Observed(health=health))

    def observed_info(self, info: AgentInfo) -> None:
        self.actor.mailbox.report(Observed(info=info))

    def observed_patches(self, patches: tuple[Patch, ...], read_at: datetime) -> None:
        self.actor.mailbox.report(Observed(patches=patches, read_at=read_at))


class HostActor:
    """Runs until retired or cancelled; raises when something is wrong with it, for its supervisor to see."""

    __slots__ = ("_nursery", "_poll_scope", "_refreshes", "_shared", "agent", "mailbox", "state")

    def __init__(self, stored: StoredHost, shared: Surroundings, *, at_once: bool = False) -> None:
        """``at_once``: poll without waiting for the host's slot, as after a crash."""
        self._shared = shared
        self._nursery: trio.Nursery | None = None
        self._poll_scope: trio.CancelScope | None = None
        self._refreshes: list[Reply[HostSnapshot]] = []
        self.mailbox = Mailbox()
        self.agent = shared.agents(stored.record, connecting)
        self.state: HostState = core.start(stored, shared.cadence, self._now(), at_once=at_once)

    def _now(self) -> Now:
        return Now(trio.current_time(), self._shared.wall_clock())

    def snapshot(self) -> HostSnapshot:
        """The host as it is shown now."""
        return snapshot_of(self.state, self._now())

    async def run(self) -> None:
        """The loop. Children live in a nursery of its own and end with it."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._perform(Publish())
                while not self._is_over(await self.mailbox.next(self.state.deadline)):
                    # No variable here holds the last message: it may be a poll's whole list of patches, and the wait
                    # for the next one is long.
                    pass
                nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            self._leave()

    def _is_over(self, message: Message | None) -> bool:
        """Take a message; True for the one that ends the actor."""
        if isinstance(message, Retire):
            return True
        self._take(message)
        return False

    def _leave(self) -> None:
        """Nobody waits for an actor that is gone."""
        for message in self.mailbox.drain():
            if isinstance(message, RefreshNow):
                self._refreshes.append(message.reply)
            elif isinstance(message, RunJob) and message.reply is not None:
                message.reply.answer(False)
            elif isinstance(message, AskAgent):
                message.reply.answer(None)
        for reply in self._refreshes:
            reply.answer(None)

    def _take(self, message: Message | None) -> None:
        if isinstance(message, RefreshNow):
            self._refreshes.append(message.reply)
        self.state, commands = core.handle(self.state, message, self._now())
        if isinstance(message, RunJob) and message.reply is not None:
            message.reply.answer(any(isinstance(command, StartJob) for command in commands))
        for command in commands:
            self._perform(command)

    def _perform(self, command: CoreCommand) -> None:
        match command:
            case Publish():
                self._shared.publish(self.snapshot(), force=command.force)
            case Store():
                changes = () if command.change is None else (command.change,)
                record, status = self.state.record, self.state.status
                self._shared.store(HostWrite(record.id, status, command.row, command.patches, changes))
            case StartPoll():
                # The scope is made here and not in the child, which may be overtaken before its first step.
                scope = self._poll_scope = trio.CancelScope()
                self._spawn(self._poll, command.poll, scope)
            case CancelPoll():
                if self._poll_scope is not None:
                    self._poll_scope.cancel()
            case NewAgent():
                self.agent = self._shared.agents(self.state.record, connecting)
            case AnswerRefresh():
                replies, self._refreshes = self._refreshes, []
                for reply in replies:
                    reply.answer(self.snapshot())
            case StartJob():
                self._spawn(self._run_job, command.due)
            case StartAsking():
                self._spawn(self._ask, command.asked)
            case _:
                assert_never(command)

    def _spawn(self, child: Callable[..., Awaitable[None]], *arguments: object) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(child, *arguments)

    # Children

    async def _poll(self, poll: Poll, scope: trio.CancelScope) -> None:
        limits = self._shared.limits
        agent, started = self.agent, trio.current_time()

        def waiting(value: bool) -> None:
            self.mailbox.report(PollWaiting(poll.number, value))

        if poll.operator:
            limiter, wide = limits.refresh, None
        elif poll.suspect:
            limiter, wide = limits.polls_suspect, None
        else:
            limiter, wide = limits.polls_connecting, limits.polls_in_flight
        take_turns(Turn(limiter, waiting))
        with scope:
            try:
                async with in_flight(wide, waiting):
                    outcome = await read_host(agent, poll.kind)
            finally:
                if self._poll_scope is scope:
                    self._poll_scope = None
                # A job's connection goes on; what it leaves is closed by the poll that follows its end.
                if not self._shared.keep_connections and not self.state.job_running:
                    await agent.aclose()
            self._shared.polled(poll.kind, outcome, trio.current_time() - started)
            self.mailbox.report(PollEnded(poll.number, outcome))

    async def _ask(self, asked: AskAgent) -> None:
        take_turns(Turn(self._shared.limits.refresh, lambda _waiting: None))
        answer: Any = None
        try:
            answer = await ask(self.agent, asked.question)
        finally:
            asked.reply.answer(answer)
            # What else uses the client may still need its connection.
            if self._poll_scope is None and not self.state.job_running and not self._shared.keep_connections:
                await self.agent.aclose()

    async def _run_job(self, due: DueJob) -> None:
        take_turns(Turn(self._shared.limits.jobs_connecting, lambda _waiting: None))
        with structlog.contextvars.bound_contextvars(host_id=str(self.state.record.id), job_id=str(due.key.id)):
            await self._shared.jobs(due, _Link(self))
        self.mailbox.report(JobEnded())
