"""Polling one agent: which limiter its connection waits for, and what becomes of the answers.

The limiter for connecting is found through a context variable, because connections are opened deep inside the agent
client and one host's client serves polls, refreshes and jobs, each with a limiter of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Protocol

import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.actors.agent.models import AgentHealth, PackageList
from patch_manager.actors.health_rules import NOT_THE_HOSTS_FAULT
from patch_manager.actors.messages import PollFailure, PollKind, PollOutcome
from patch_manager.domain.health import FailureKind
from patch_manager.domain.hosts import HostRecord

SILENCE_SECONDS = 20.0
SECOND_QUESTION_SECONDS = 20.0

LEND_SECONDS = 0.3
"""How long a connection keeps its place in a limiter that others wait for; a handshake takes a tenth of it."""

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
    """Hold the current task's limiter while connecting and the handshake take, and are quick.

    What is scarce is work, not waiting: a host that is silent for ``LEND_SECONDS`` goes on without its place when
    others wait for it. So a network segment that goes silent all at once delays nobody else's poll by its time-outs.
    """
    turn = _TURN.get(None)
    if turn is None:
        yield
        return
    async with _held(turn, lent=True):
        yield


@dataclass(slots=True, eq=False)  # a limiter knows its borrowers by identity
class _Loan:
    """A place in a limiter. ``since`` on Trio's clock; infinite for one that is not taken back."""

    since: float = inf
    taken_back: bool = False


@asynccontextmanager
async def _held(turn: Turn, *, lent: bool = False) -> AsyncIterator[None]:
    loan = _Loan()
    try:
        turn.limiter.acquire_on_behalf_of_nowait(loan)
    except trio.WouldBlock:
        turn.waiting(True)
        try:
            await _acquire(turn.limiter, loan)
        finally:
            turn.waiting(False)
    if lent:
        loan.since = trio.current_time()
    try:
        yield
    finally:
        if not loan.taken_back:
            turn.limiter.release_on_behalf_of(loan)


async def _acquire(limiter: trio.CapacityLimiter, loan: _Loan) -> None:
    """Wait for a place; those who wait take back the places of those who are silent."""
    while True:
        with trio.move_on_at(_take_back(limiter)):
            await limiter.acquire_on_behalf_of(loan)
            return


def _take_back(limiter: trio.CapacityLimiter) -> float:
    """Free the places held for too long; when the next one will have been."""
    now = trio.current_time()
    loans = [each for each in limiter.statistics().borrowers if isinstance(each, _Loan)]
    for loan in loans:
        if loan.since + LEND_SECONDS <= now:
            loan.taken_back = True
            limiter.release_on_behalf_of(loan)
    # Whoever got a place just now does not know yet since when: look again.
    return min((now, *(loan.since for loan in loans if not loan.taken_back))) + LEND_SECONDS


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


async def read_packages(agent: AgentClient) -> PackageList | PollFailure:
    """All packages of the host, or why they could not be read."""
    try:
        return await agent.packages()
    except AgentFailure as failure:
        return PollFailure(failure.kind, reason(failure), failure.retry_after)


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
