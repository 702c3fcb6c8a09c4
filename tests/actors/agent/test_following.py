"""Following a job: the stream hurries, the poll decides. Scripts and a mock clock, no sockets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import trio
import trio.testing

from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.following import Following, Pace, follow_job
from patch_manager.actors.agent.job_stream import OnHint, WebSocketUnavailable
from patch_manager.actors.agent.models import AgentJob, AgentJobStatus, JobHint
from patch_manager.domain.health import FailureKind

RUNNING = AgentJob("j", "patchapply", AgentJobStatus.RUNNING, 10)
DONE = AgentJob("j", "patchapply", AgentJobStatus.COMPLETED, 100)
AWAY = AgentFailure(FailureKind.REFUSED)


class Script:
    """Polls answer one after another, the last one for ever; remembers when each came."""

    def __init__(self, *replies: AgentJob | AgentFailure | None) -> None:
        self._replies: Sequence[AgentJob | AgentFailure | None] = replies
        self.polled_at: list[float] = []

    async def job(self, job_id: str) -> AgentJob | None:
        await trio.lowlevel.checkpoint()
        reply = self._replies[min(len(self.polled_at), len(self._replies) - 1)]
        self.polled_at.append(round(trio.current_time(), 1))
        if isinstance(reply, AgentFailure):
            raise reply
        return reply


class Clocked:
    """Moments relative to the start of the mock clock."""

    def __init__(self, source: Script) -> None:
        self.start = trio.current_time()
        self.source = source

    @property
    def polls(self) -> list[float]:
        return [round(at - self.start, 1) for at in self.source.polled_at]


async def test_polls_at_once_and_then_ever_slower(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[AgentJob] = []
    source = Script(*[RUNNING] * 40, DONE)
    clocked = Clocked(source)
    assert await follow_job(source, "j", Following(on_job=seen.append)) is DONE
    gaps = [round(b - a, 1) for a, b in itertools.pairwise(clocked.polls)]
    assert clocked.polls[0] == 0
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (3.2, 12.0)
    assert all(gap <= max(3.2, at / 10) + 0.1 for gap, at in zip(gaps, clocked.polls[1:], strict=True)), (
        "late by a tenth"
    )
    assert seen == [RUNNING] * 40 + [DONE]


async def test_a_hint_of_the_end_is_checked_at_once(autojump_clock: trio.testing.MockClock) -> None:
    hints: list[JobHint] = []

    async def listen(job_id: str, on_hint: OnHint) -> None:
        await trio.sleep(0.5)
        on_hint(JobHint(job_id, AgentJobStatus.RUNNING, 50, ""))
        await trio.sleep(0.5)
        on_hint(JobHint(job_id, AgentJobStatus.COMPLETED, 100, ""))
        await trio.sleep_forever()

    source = Script(RUNNING, DONE)
    clocked = Clocked(source)
    pace = Pace(shortest=60, longest=60)
    assert await follow_job(source, "j", Following(on_hint=hints.append), listen=listen, pace=pace) is DONE
    assert clocked.polls == [0.0, 1.0]
    assert [hint.progress for hint in hints] == [50, 100]


async def test_a_hint_is_not_the_truth(autojump_clock: trio.testing.MockClock) -> None:
    async def listen(job_id: str, on_hint: OnHint) -> None:
        await trio.sleep(1)
        on_hint(JobHint(job_id, AgentJobStatus.COMPLETED, 100, ""))
        await trio.sleep_forever()

    failed = AgentJob("j", "patchapply", AgentJobStatus.FAILED)
    source = Script(RUNNING, RUNNING, failed)
    assert await follow_job(source, "j", Following(), listen=listen) is failed


async def test_a_job_the_agent_does_not_know_ends_the_following(autojump_clock: trio.testing.MockClock) -> None:
    assert await follow_job(Script(RUNNING, None), "j", Following()) is None


async def test_an_agent_that_is_away_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    failures: list[AgentFailure] = []
    source = Script(RUNNING, *[AWAY] * 20, DONE)
    assert await follow_job(source, "j", Following(on_failure=failures.append)) is DONE
    assert failures == [AWAY] * 20


async def test_an_agent_without_streams_is_asked_for_one_once(autojump_clock: trio.testing.MockClock) -> None:
    asked = 0

    async def listen(job_id: str, on_hint: OnHint) -> None:
        nonlocal asked
        asked += 1
        raise WebSocketUnavailable("plain JSON")

    await follow_job(Script(*[RUNNING] * 30, DONE), "j", Following(), listen=listen)
    assert asked == 1


async def test_a_stream_that_was_cut_is_opened_again_after_a_pause(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[float] = []

    async def listen(job_id: str, on_hint: OnHint) -> None:
        asked.append(trio.current_time())
        raise WebSocketUnavailable("cut", established=True)

    await follow_job(Script(*[RUNNING] * 10, DONE), "j", Following(), listen=listen)
    assert len(asked) > 2
    assert all(b - a >= 15 for a, b in itertools.pairwise(asked))
