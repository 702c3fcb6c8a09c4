"""Polls: the real actor up to the published snapshot, beside connect, handshake and GET by hand.

Both sides poll the same hosts at the same moments, spread over the cadence as in the program: idle pauses between two
polls cost caches, and that is no fault of either.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

import trio

from benchmarks.agents import AGENT_VERSION, Responder, responder
from benchmarks.measuring import CpuMeter, cpu_seconds, in_turns
from benchmarks.model import Bench, Row, Scale
from patch_manager.actors.agent.address_policy import AddressPolicy
from patch_manager.actors.agents import agent_factory
from patch_manager.actors.host_actor import HostActor
from patch_manager.actors.messages import PollKind, PollOutcome
from patch_manager.actors.ports import HostLink
from patch_manager.actors.schedule import Cadence
from patch_manager.domain.health import Health
from patch_manager.domain.host_status import HostStatus, StoredHost
from patch_manager.domain.hosts import HostFacts, HostRecord
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.settings import AgentSettings, LimitSettings
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.limits import Limits
from patch_manager.supervisor.picture import FleetPicture
from patch_manager.supervisor.surroundings import ActorSurroundings
from patch_manager.supervisor.writer import ResultWriter

HEALTH = (b"/api/v1/health",)
EVERYTHING = (b"/api/v1/health", b"/api/v1/system/info", b"/api/v1/patches")


def wall() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def known_host(number: int, address: str, port: int) -> StoredHost:
    """A host as it is after its first poll: the same one for the same number."""
    now = wall()
    record = HostRecord(
        UUID(int=random.Random(number).getrandbits(128)),  # noqa: S311 - the same phases in every run
        address,
        port,
        None,
        f"host-{number}",
        frozenset(),
        now,
    )
    facts = HostFacts("Debian GNU/Linux", "12", "6.1.0-18-amd64", "x86_64", AGENT_VERSION, f"host-{number}")
    status = HostStatus(
        facts=facts,
        health=Health.HEALTHY,
        health_reason="",
        health_since=now,
        last_seen_at=now,
        patches_read_at=now,
    )
    return StoredHost(record, status)


class _Counting:
    """Counts polls and says when there were enough."""

    def __init__(self, enough: int) -> None:
        self.polls = 0
        self.failed = 0
        self._enough = enough
        self.reached = trio.Event()

    def one(self) -> None:
        self.polls += 1
        if self.polls == self._enough:
            self.reached.set()


@dataclass(frozen=True, slots=True)
class _CountedSurroundings(ActorSurroundings):
    counting: _Counting

    def polled(self, kind: PollKind, outcome: PollOutcome, seconds: float) -> None:
        ActorSurroundings.polled(self, kind, outcome, seconds)
        self.counting.failed += outcome.failure is not None
        self.counting.one()


async def _no_jobs(due: DueJob, link: HostLink) -> None:
    raise AssertionError("no job is run here")


def _surroundings(
    agents: Responder, cadence: Cadence, counting: _Counting, *, keep_connections: bool
) -> _CountedSurroundings:
    counters = PollCounters()
    picture = FleetPicture(wall)
    # The writer only gathers here: writing is a row of its own.
    writer = ResultWriter(cast(Any, None), lambda _host, _stored: None, counters)
    factory = agent_factory(
        lambda: agents.tls.context,
        AddressPolicy(True, frozenset()),
        AgentSettings(allow_loopback=True),
        keep_connections=keep_connections,
    )
    return _CountedSurroundings(
        agents=factory,
        jobs=_no_jobs,
        limits=Limits.of(LimitSettings()),
        cadence=cadence,
        keep_connections=keep_connections,
        wall_clock=wall,
        writer=writer,
        counters=counters,
        shown=lambda snapshot, force: picture.publish(snapshot, force=force),
        counting=counting,
    )


async def _measured(nursery: trio.Nursery, warm: _Counting, whole: _Counting) -> float:
    """Milliseconds of this process's processor time a poll, between two counts."""
    await warm.reached.wait()
    meter, before = CpuMeter(), whole.polls
    await whole.reached.wait()
    seconds = meter.seconds()
    polls = whole.polls - before
    nursery.cancel_scope.cancel()
    return seconds / polls * 1000


class _Both(_Counting):
    """One count with two marks: warm, and enough."""

    def __init__(self, warm: int, enough: int) -> None:
        super().__init__(enough)
        self.warm = _Counting(warm)

    def one(self) -> None:
        self.warm.one()
        super().one()


async def _ours(scale: Scale, agents: Responder, *, full: bool, kept: bool) -> float:
    hosts, health = scale.poll_hosts, scale.poll_cadence
    counting = _Both(hosts if kept or full else hosts // 4, 2 * hosts if kept or full else hosts // 4 + hosts)
    shared = _surroundings(agents, Cadence(health, health if full else 1800.0), counting, keep_connections=kept)
    actors = [HostActor(known_host(number, agents.address, agents.port), shared) for number in range(hosts)]
    cost = 0.0
    async with trio.open_nursery() as nursery:
        for actor in actors:
            nursery.start_soon(actor.run)
        cost = await _measured(nursery, counting.warm, counting)
    for actor in actors:
        await actor.agent.aclose()
    if counting.failed:
        raise RuntimeError(f"{counting.failed} of {counting.polls} polls failed")
    return cost


async def _floor(scale: Scale, agents: Responder, *, paths: tuple[bytes, ...], kept: bool) -> float:
    hosts, cadence = scale.poll_hosts, scale.poll_cadence
    counting = _Both(hosts if kept else hosts // 4, 2 * hosts if kept else hosts // 4 + hosts)
    requests = [b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, agents.address.encode()) for path in paths]
    context = agents.tls.context

    async def connect() -> trio.SSLStream[trio.SocketStream]:
        sock = trio.socket.socket()
        try:
            await sock.connect((agents.address, agents.port))
            plain = trio.SocketStream(sock)
            stream = trio.SSLStream(plain, context, server_hostname=agents.address, https_compatible=True)
            await stream.do_handshake()
        except BaseException:
            sock.close()
            raise
        return stream

    async def exchange(stream: trio.SSLStream[trio.SocketStream]) -> None:
        for request in requests:
            await stream.send_all(request)
            while not (await stream.receive_some(65_536)).endswith(b"}"):
                pass

    async def poll(stream: trio.SSLStream[trio.SocketStream] | None) -> trio.SSLStream[trio.SocketStream] | None:
        if stream is None:
            stream = await connect()
        try:
            await exchange(stream)
        except BaseException:
            stream.transport_stream.socket.close()
            raise
        if kept:
            return stream
        await trio.aclose_forcefully(stream.transport_stream)
        return None

    async def host(due: float) -> None:
        stream = None
        try:
            while True:
                await trio.sleep_until(due)
                due += cadence
                stream = await poll(stream)
                counting.one()
        finally:
            if stream is not None:
                stream.transport_stream.socket.close()

    cost = 0.0
    async with trio.open_nursery() as nursery:
        now = trio.current_time()
        for number in range(hosts):
            nursery.start_soon(host, now + cadence * number / hosts)
        cost = await _measured(nursery, counting.warm, counting)
    return cost  # noqa: RET504 - mypy takes what follows a cancelled nursery for unreachable otherwise


def _row(bench: Bench, name: str, work: str, aim: str, *, full: bool = False, kept: bool = False) -> Row:
    scale = bench.scale
    with responder(bench.directory) as agents:
        before = cpu_seconds([agents.process.pid])
        turns = trio.run(
            partial(
                in_turns,
                scale.runs,
                partial(_ours, scale, agents, full=full, kept=kept),
                partial(_floor, scale, agents, paths=EVERYTHING if full else HEALTH, kept=kept),
            )
        )
        agent = cpu_seconds([agents.process.pid]) - before
    return Row(
        name,
        work,
        "ms CPU a poll",
        tuple(turns.ours),
        tuple(turns.floor),
        aim,
        extra={"agents' own CPU s in all runs": agent},
    )


def new_connection(bench: Bench) -> list[Row]:
    """A health poll on a new connection."""
    return [_row(bench, "poll-new", "health poll, new connection", "<= 1.4 (1.0 x Prometheus)")]


def kept_connection(bench: Bench) -> list[Row]:
    """A health poll on a kept connection."""
    return [_row(bench, "poll-kept", "health poll, kept connection", "<= 5 (0.5 x Prometheus)", kept=True)]


def full_poll(bench: Bench) -> list[Row]:
    """Health, system information and ten unchanged patches on a new connection."""
    return [_row(bench, "poll-full", "full poll (3 calls), new connection", "", full=True)]
