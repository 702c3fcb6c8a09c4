"""Polling one agent: which limiter its connection waits for, and what becomes of the answers.

The limiter for connecting is found through a context variable, because connections are opened deep inside the agent
client and one host's client serves polls, refreshes and jobs, each with a limiter of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.actors.agent.models import AgentHealth
from patch_manager.actors.health_rules import NOT_THE_HOSTS_FAULT
from patch_manager.actors.messages import PollFailure, PollKind, PollOutcome
from patch_manager.domain.health import FailureKind
from patch_manager.domain.hosts import HostRecord

SILENCE_SECONDS = 20.0
SECOND_QUESTION_SECONDS = 20.0

Connecting = Callable[[], AbstractAsyncContextManager[None]]


class AgentFactory(Protocol):
    """Makes the client of a host's agent; the client opens every connection inside ``connecting()``."""

    def __call__(self, record: HostRecord, connecting: Connecting) -> AgentClient:
        """Called once for each address an actor has."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """The limiter that connections of the current task wait for, and who is told of the waiting."""

    limiter: trio.CapacityLimiter
    waiting: Callable[[bool], None]


_TURN: ContextVar[Turn] = ContextVar("turn")


def take_turns(turn: Turn) -> None:
    """From now on connections of this task wait for ``turn``."""
    _TURN.set(turn)


@asynccontextmanager
async def connecting() -> AsyncIterator[None]:
    """Hold the current task's limiter, as long as connecting and the handshake take."""
    turn = _TURN.get(None)
    if turn is None:
        yield
        return
    async with _held(turn):
        yield


@asynccontextmanager
async def _held(turn: Turn) -> AsyncIterator[None]:
    borrower = object()
    try:
        turn.limiter.acquire_on_behalf_of_nowait(borrower)
    except trio.WouldBlock:
        turn.waiting(True)
        try:
            await turn.limiter.acquire_on_behalf_of(borrower)
        finally:
            turn.waiting(False)
    try:
        yield
    finally:
        turn.limiter.release_on_behalf_of(borrower)


@asynccontextmanager
async def in_flight(limiter: trio.CapacityLimiter | None, waiting: Callable[[bool], None]) -> AsyncIterator[None]:
    """Hold the wide limiter of polls in flight; None: not limited."""
    if limiter is None:
        yield
        return
    async with _held(Turn(limiter, waiting)):
        yield


async def read_host(agent: AgentClient, kind: PollKind) -> PollOutcome:
    """Ask for health and, for a full poll, everything else; one connection where the agent keeps it open.

    What fails after health says so in words and does not hide what was read.
    """
    try:
        health = await _health(agent)
    except AgentFailure as failure:
        return PollOutcome(failure=PollFailure(failure.kind, reason(failure), failure.retry_after))
    if kind is PollKind.HEALTH:
        return PollOutcome(health)
    info, patches, trouble = None, None, None
    try:
        info = await agent.system_info()
    except AgentFailure as failure:
        trouble = _after_health(failure, "system information")
    if trouble is None or trouble.kind not in NOT_THE_HOSTS_FAULT:
        try:
            patches = await agent.patches()
        except AgentFailure as failure:
            trouble = _after_health(failure, "patches")
    return PollOutcome(health, info, patches, trouble)


async def _health(agent: AgentClient) -> AgentHealth:
    """Health, which may take minutes while the agent refreshes its package cache (AGENT_API "Endpoints").

    An agent that works on it still tells its system information at once. So silence is told from slowness by asking
    for that on a second connection: operators learn of a hanging agent in well under a minute, not after five.
    """
    result: AgentHealth | AgentFailure | None = None
    async with trio.open_nursery() as nursery:

        async def ask_again() -> None:
            nonlocal result
            await trio.sleep(SILENCE_SECONDS)
            with trio.move_on_after(SECOND_QUESTION_SECONDS) as waiting:
                try:
                    await agent.system_info()
                except AgentFailure as failure:
                    result = failure
            if waiting.cancelled_caught:
                seconds = SILENCE_SECONDS + SECOND_QUESTION_SECONDS
                detail = f"connected, but silent for {seconds:.0f} s, also to a second question"
                result = AgentFailure(FailureKind.TIMED_OUT, detail)
            if result is not None:
                nursery.cancel_scope.cancel()

        nursery.start_soon(ask_again)
        try:
            result = await agent.health()
        except AgentFailure as failure:
            result = failure
        nursery.cancel_scope.cancel()
    if isinstance(result, AgentFailure):
        raise result
    assert result is not None  # noqa: S101 - cancelled from outside leaves by Cancelled
    return result


def _after_health(failure: AgentFailure, what: str) -> PollFailure:
    words = reason(failure)
    if failure.kind not in NOT_THE_HOSTS_FAULT:
        words = f"the agent answers, but its {what} could not be read: {words}"
    return PollFailure(failure.kind, words, failure.retry_after)
