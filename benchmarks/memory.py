"""Memory per idle host: actors in the real supervisor above the program without hosts, each in a fresh process."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, cast

import trio

from benchmarks.children import child, python
from benchmarks.measuring import in_turns
from benchmarks.model import Bench, Row
from benchmarks.polls import known_host, wall
from patch_manager.actors.agent.address_policy import AddressPolicy
from patch_manager.actors.agents import agent_factory
from patch_manager.domain.host_status import StoredHost
from patch_manager.domain.settings import AgentSettings, LimitSettings, PollingSettings
from patch_manager.simulator.specs import addresses
from patch_manager.storage.hosts import load_page
from patch_manager.supervisor.fleet import FleetSupervisor
from patch_manager.supervisor.limits import Limits

_NEVER = 1e9  # seconds: nobody is polled here
_SETTLE = 0.5


class _Stored:
    """Stands where the database is and has ``count`` hosts: the rows of a real one would be in the memory measured."""

    def __init__(self, count: int) -> None:
        self._hosts = [known_host(number, address, 12443) for number, address in enumerate(addresses(count), start=1)]
        self._hosts.sort(key=lambda stored: stored.record.id)

    async def read(self, unit: Callable[..., Awaitable[Any]], *_: Any) -> list[StoredHost]:
        await trio.lowlevel.checkpoint()
        assert unit is load_page
        page, self._hosts = self._hosts, []
        return page

    async def transaction(self, *_: Any) -> dict[Any, Any]:
        await trio.lowlevel.checkpoint()
        return {}


async def _program(count: int) -> None:
    fleet = FleetSupervisor(
        cast(Any, _Stored(count)),
        agents=agent_factory(lambda: cast(Any, None), AddressPolicy(True, frozenset()), AgentSettings()),
        jobs=cast(Any, None),
        polling=PollingSettings(health_seconds=_NEVER, patches_seconds=_NEVER),
        limits=Limits.of(LimitSettings()),
        wall_clock=wall,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(fleet.run)
        await trio.sleep(_SETTLE)
        _print_rss()
        for host_id in fleet.picture.rows_to_encode():
            fleet.picture.row(host_id)
        _print_rss()
        nursery.cancel_scope.cancel()


async def _tasks(count: int) -> None:
    channels = []

    async def wait(receive: trio.MemoryReceiveChannel[object]) -> None:
        await receive.receive()

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            send, receive = trio.open_memory_channel[object](16)
            channels.append(send)
            nursery.start_soon(wait, receive)
        await trio.sleep(_SETTLE)
        _print_rss()
        nursery.cancel_scope.cancel()


def _print_rss() -> None:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    sys.stdout.write(f"{pages * os.sysconf('SC_PAGE_SIZE') / 1024}\n")
    sys.stdout.flush()


async def _rss(kind: str, count: int) -> list[float]:
    """KiB resident in a fresh process; of the program two numbers, the second once its rows were shown."""
    await trio.lowlevel.checkpoint()
    with child(python("benchmarks.memory", kind, count)) as process:
        return [float(process.line()) for _ in range(2 if kind == "program" else 1)]


@dataclass(slots=True)
class _Found:
    """What runs saw besides what they return."""

    shown: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)


async def _ours(hosts: int, found: _Found) -> float:
    full, empty = await _rss("program", hosts), await _rss("program", 0)
    found.shown.append((full[1] - empty[1]) / hosts)
    found.empty.append(empty[0] / 1024)
    return (full[0] - empty[0]) / hosts


async def _floor(hosts: int) -> float:
    return ((await _rss("tasks", hosts))[0] - (await _rss("tasks", 0))[0]) / hosts


def measure(bench: Bench) -> list[Row]:
    """KiB a host, ours and a bare task's."""
    hosts, found = bench.scale.hosts, _Found()
    turns = trio.run(in_turns, min(bench.scale.runs, 3), partial(_ours, hosts, found), partial(_floor, hosts))
    shown = tuple(found.shown[1:])  # the first turn does not count
    extra = {"hosts": float(hosts), "MiB of the program without hosts and pages": round(median(found.empty), 1)}
    floor = tuple(turns.floor)
    return [
        Row("memory", "idle host, above the empty program", "KiB", tuple(turns.ours), floor, "<= 6 (12 KiB)", extra),
        Row("memory-shown", "the same once a page showed it (row kept encoded)", "KiB", shown, floor),
    ]


def main() -> None:
    """The fresh process: prints its resident KiB."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("program", "tasks"))
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    trio.run(_program if given.kind == "program" else _tasks, given.count)


if __name__ == "__main__":
    main()
