"""A hanging agent is told from one that refreshes its package cache (AGENT_API "Endpoints")."""

from __future__ import annotations

from typing import cast

import pytest
import trio
from trio.testing import MockClock

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.models import AgentHealth, AgentInfo, AgentStatus
from patch_manager.actors.messages import PollKind
from patch_manager.actors.polling import read_host
from patch_manager.actors.silence import SECOND_QUESTION_SECONDS, SILENCE_SECONDS
from patch_manager.domain.health import FailureKind


class Agent:
    """Answers health after ``health`` seconds and system information after ``info`` seconds."""

    def __init__(self, health: float, info: float | AgentFailure) -> None:
        self._health, self._info = health, info
        self.questions: list[str] = []

    async def health(self) -> AgentHealth:
        self.questions.append("health")
        await trio.sleep(self._health)
        return AgentHealth(AgentStatus.HEALTHY)

    async def system_info(self) -> AgentInfo:
        self.questions.append("info")
        if isinstance(self._info, AgentFailure):
            raise self._info
        await trio.sleep(self._info)
        return AgentInfo()


def client(agent: Agent) -> AgentClient:
    return cast(AgentClient, agent)


async def test_a_prompt_answer_asks_no_second_question(autojump_clock: MockClock) -> None:
    agent = Agent(health=0.1, info=0.1)
    assert (await read_host(client(agent), PollKind.HEALTH)).failure is None
    assert agent.questions == ["health"]


async def test_a_slow_cache_refresh_is_waited_for(autojump_clock: MockClock) -> None:
    agent = Agent(health=280, info=0.1)
    assert (await read_host(client(agent), PollKind.HEALTH)).failure is None
    assert agent.questions == ["health", "info"]


async def test_silence_to_both_questions_is_a_time_out_in_under_a_minute(autojump_clock: MockClock) -> None:
    outcome = await read_host(client(Agent(health=9_999, info=9_999)), PollKind.FULL)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.TIMED_OUT
    assert trio.current_time() <= SILENCE_SECONDS + SECOND_QUESTION_SECONDS + 1 < 60


async def test_a_second_question_that_fails_explains_the_silence(autojump_clock: MockClock) -> None:
    gone = AgentFailure(FailureKind.REFUSED, "connection refused")
    outcome = await read_host(client(Agent(health=9_999, info=gone)), PollKind.HEALTH)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.REFUSED


async def test_cancelling_the_poll_ends_both_questions(autojump_clock: MockClock) -> None:
    with trio.move_on_after(SILENCE_SECONDS + 5) as scope:
        await read_host(client(Agent(health=9_999, info=9_999)), PollKind.HEALTH)
    assert scope.cancelled_caught


@pytest.mark.parametrize("kind", list(PollKind))
async def test_a_failure_of_health_itself_is_the_failure_of_the_poll(kind: PollKind) -> None:
    class Broken(Agent):
        async def health(self) -> AgentHealth:
            raise AgentFailure(FailureKind.DROPPED, "closed")

    outcome = await read_host(client(Broken(0, 0)), kind)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.DROPPED
