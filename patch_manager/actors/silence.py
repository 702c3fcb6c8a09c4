"""Telling an agent that hangs from one that is slow (AGENT_API "Endpoints")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.models import AgentInfo
from patch_manager.domain.health import FailureKind

SILENCE_SECONDS = 20.0
SECOND_QUESTION_SECONDS = 20.0

Answer = TypeVar("Answer")


class Asked(Protocol):
    """The part of ``AgentClient`` that the second question needs."""

    async def system_info(self) -> AgentInfo: ...


async def unless_silent(agent: Asked, question: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask ``question``, whose answer may take minutes while the agent refreshes its package cache.

    An agent that works on it still tells its system information at once. So silence is told from slowness by asking
    for that on a second connection: operators learn of a hanging agent in well under a minute, not after five.
    Raises ``AgentFailure``.
    """
    results: list[Answer] = []
    failure: AgentFailure | None = None
    async with trio.open_nursery() as nursery:

        async def ask_again() -> None:
            nonlocal failure
            await trio.sleep(SILENCE_SECONDS)
            with trio.move_on_after(SECOND_QUESTION_SECONDS) as waiting:
                try:
                    await agent.system_info()
                except AgentFailure as raised:
                    failure = raised
            if waiting.cancelled_caught:
                seconds = SILENCE_SECONDS + SECOND_QUESTION_SECONDS
                detail = f"connected, but silent for {seconds:.0f} s, also to a second question"
                failure = AgentFailure(FailureKind.TIMED_OUT, detail)
            if failure is not None:
                nursery.cancel_scope.cancel()

        nursery.start_soon(ask_again)
        try:
            results.append(await question())
        except AgentFailure as raised:
            failure = raised
        nursery.cancel_scope.cancel()
    if results:
        return results[0]
    if failure is None:
        raise RuntimeError("neither an answer nor a failure")  # cancelled from outside leaves by Cancelled
    raise failure
