"""Following one job on an agent to its end: the stream for speed, ``GET /jobs/{id}`` for the truth (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from patch_manager.actors.agent.connection import AgentConnection
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.job_stream import JobStream, OnHint, WebSocketUnavailable
from patch_manager.actors.agent.models import AgentJob, JobHint

__all__ = ["Following", "JobSource", "Pace", "WebSocketUnavailable", "follow_job", "stream_hints"]


class JobSource(Protocol):
    """The truth about a job; ``AgentClient`` is one, and keeps inside the agent's read budget."""

    async def job(self, job_id: str) -> AgentJob | None:
        """The job, or None when the agent does not know it; raises ``AgentFailure``."""
        ...


Listen = Callable[[str, OnHint], Awaitable[None]]
"""Opens a stream for a job id and calls back with hints until it raises ``WebSocketUnavailable``."""


def stream_hints(
    connect: Callable[[], Awaitable[AgentConnection]], budget_read: Callable[[], Awaitable[None]]
) -> Listen:
    """Make a ``Listen`` of a connection factory; an upgrade is a GET and costs a read of the agent's budget."""

    async def listen(job_id: str, on_hint: OnHint) -> None:
        await budget_read()
        try:
            connection = await connect()
        except AgentFailure as failure:
            # Away for now (a reboot, a restart): worth another try, so it counts as a stream that was cut.
            raise WebSocketUnavailable(str(failure), established=True) from failure
        await JobStream(connection, job_id, on_hint).run()

    return listen


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls: ``part`` of the time that the job has been followed, ``shortest`` at least and ``longest``
    at most; ``reconnect`` between streams.

    So the end is seen late by a tenth of the job's time at most, and the connection of a job that takes less than
    ``shortest`` tenfold is kept: agents close theirs 5 s after a request.
    """

    shortest: float = 3.2
    part: float = 0.1
    longest: float = 12.0
    reconnect: float = 15.0


def _ignore(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Following:
    """Who is told while a job is followed. Called from the following task; must neither block nor raise."""

    on_job: Callable[[AgentJob], None] = _ignore
    """The truth, after every poll that found the job."""
    on_hint: OnHint = _ignore
    """A hint of the stream, for progress only."""
    on_failure: Callable[[AgentFailure], None] = _ignore
    """A poll failed; following goes on."""


async def follow_job(
    source: JobSource, job_id: str, told: Following, *, listen: Listen | None = None, pace: Pace | None = None
) -> AgentJob | None:
    """Follow until the agent says that the job is final, and return it; None when the agent does not know it.

    Polls at once, at every hint of a final status, and at its pace. Never gives up by itself, because an
    agent may be away for minutes during a reboot: the caller bounds the time.
    """
    pace = pace or Pace()
    wake = _Wake()

    def on_hint(hint: JobHint) -> None:
        told.on_hint(hint)
        if hint.status.final:
            wake.now()

    result: AgentJob | None = None
    async with trio.open_nursery() as nursery:
        if listen is not None:
            nursery.start_soon(_listen, listen, job_id, on_hint, pace.reconnect)
        began = trio.current_time()
        while True:
            try:
                result = await source.job(job_id)
            except AgentFailure as failure:
                told.on_failure(failure)
            else:
                if result is None:
                    break
                told.on_job(result)
                if result.status.final:
                    break
            followed = trio.current_time() - began
            await wake.wait(min(max(pace.shortest, followed * pace.part), pace.longest))
        nursery.cancel_scope.cancel()
    return result


async def _listen(listen: Listen, job_id: str, on_hint: OnHint, reconnect: float) -> None:
    while True:
        try:
            await listen(job_id, on_hint)
        except WebSocketUnavailable as gone:
            if not gone.established:
                return  # this agent has no usable stream: polling carries the job
        await trio.sleep(reconnect)


class _Wake:
    """Cuts the current or the next pause short, once."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def now(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._event.wait()
        self._event = trio.Event()
