"""Polling one agent: which limiter its connection waits for, and what becomes of the answers.

The limiter for connecting is found through a context variable, because connections are opened deep inside the agent
client and one host's client serves polls, refreshes and jobs, each with a limiter of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeVar

import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.actors.health_rules import NOT_THE_HOSTS_FAULT
from patch_manager.actors.messages import PollFailure, PollKind, PollOutcome
from patch_manager.actors.silence import unless_silent
from patch_manager.domain.hosts import HostRecord

LEND_SECONDS = 0.3
"""How long a connection keeps its place in a limiter that others wait for; a handshake takes a tenth of it."""
LOOK_SECONDS = 0.1
LONGEST_PASS_SECONDS = 0.05
"""A pass of the event loop that takes longer says that this process is the slow one, and nothing of the hosts."""

T = TypeVar("T")
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
            await turn.limiter.acquire_on_behalf_of(loan)
        finally:
            turn.waiting(False)
    if lent:
        loan.since = trio.current_time()
    try:
        yield
    finally:
        if not loan.taken_back:
            turn.limiter.release_on_behalf_of(loan)


async def lend_forever(limiters: Sequence[trio.CapacityLimiter]) -> None:
    """Free places of ``limiters`` that connections hold for too long while others wait. One task for the fleet.

    Only while a pass of the event loop is short: when the processor is, every handshake is slow, and letting more begin
    would starve pages and the database of what is left.
    """
    while True:
        await trio.sleep(LOOK_SECONDS)
        if any(limiter.statistics().tasks_waiting for limiter in limiters):
            before = trio.current_time()
            # Twice: tasks of a pass run in any order, so that one checkpoint may miss whoever is slow.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            if trio.current_time() - before < LONGEST_PASS_SECONDS:
                for limiter in limiters:
                    _take_back(limiter)


def _take_back(limiter: trio.CapacityLimiter) -> None:
    now, numbers = trio.current_time(), limiter.statistics()
    if not numbers.tasks_waiting:
        return
    for loan in numbers.borrowers:
        if isinstance(loan, _Loan) and loan.since + LEND_SECONDS <= now:
            loan.taken_back = True
            limiter.release_on_behalf_of(loan)


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
        health = await unless_silent(agent, agent.health)
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


async def ask(agent: AgentClient, question: Callable[[AgentClient], Awaitable[T]]) -> T | PollFailure:
    """What the agent answers, or why it gives no answer."""
    try:
        return await question(agent)
    except AgentFailure as failure:
        return PollFailure(failure.kind, reason(failure), failure.retry_after)


def _after_health(failure: AgentFailure, what: str) -> PollFailure:
    words = reason(failure)
    if failure.kind not in NOT_THE_HOSTS_FAULT:
        words = f"the agent answers, but its {what} could not be read: {words}"
    return PollFailure(failure.kind, words, failure.retry_after)
