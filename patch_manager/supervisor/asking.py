"""Questions to a host's agent while somebody waits: through its actor, inside its budget, and bounded in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.messages import AskAgent, PollFailure, Reply
from patch_manager.domain.health import FailureKind
from patch_manager.supervisor.answers import Busy, NoSuchHost, Quarantined, Unanswered
from patch_manager.supervisor.keeping import ActorKeeper

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answered(Generic[T]):
    """An answer, which may be None; a reply that is None was never answered."""

    value: T


_LATE = frozenset({FailureKind.TIMED_OUT, FailureKind.TOO_SLOW})


async def ask_agent(
    keeper: ActorKeeper | None,
    question: Callable[[AgentClient], Awaitable[T]],
    timeout: float,  # noqa: ASYNC109 - late is an answer
) -> T | Unanswered | Busy | NoSuchHost | Quarantined:
    """The agent's answer, or why there is none."""
    if keeper is None:
        return NoSuchHost()
    if keeper.quarantined is not None:
        return Quarantined(keeper.quarantined)
    if keeper.actor is None:
        return Busy()
    reply: Reply[_Answered[T] | PollFailure] = Reply()

    async def asked(agent: AgentClient) -> _Answered[T]:
        return _Answered(await question(agent))

    try:
        keeper.actor.mailbox.send_nowait(AskAgent(asked, reply))
    except trio.WouldBlock:
        return Busy()
    with trio.move_on_after(timeout):
        match await reply.wait():
            case PollFailure(kind, reason, retry_after):
                return Unanswered(reason, kind in _LATE, retry_after)
            case None:
                return NoSuchHost() if keeper.retired else Busy()
            case answered:
                return answered.value
    return Unanswered(f"the agent needs longer than {timeout:.0f} seconds for its answer", late=True)
