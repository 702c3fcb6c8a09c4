"""The whole program at the required cadence: 2,500 hosts, health every 300 s, everything every 1,800 s."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median, quantiles

from benchmarks import polls
from benchmarks.manager import Manager, Page, contact_seconds, install, serving, simulated, wait_for_contact
from benchmarks.measuring import cpu_seconds, rss_mib
from benchmarks.model import Bench, Row
from benchmarks.writes import postgres_pids

HEALTH_SECONDS = 300.0
PATCHES_SECONDS = 1800.0
_ASK_EVERY = 0.25


def measure(bench: Bench) -> list[Row]:
    """Share of one core beside that of bare polls, memory, times until ready, and page answers meanwhile."""
    scale = bench.scale
    made = install(bench.directory, scale.hosts)
    bench.say(f"whole: {scale.hosts} hosts are installed")
    with simulated(made) as agents:
        manager = Manager(made)
        try:
            contact = wait_for_contact(manager, contact_seconds(scale.hosts))
            bench.say(f"whole: ready after {manager.ready_seconds:.1f} s, all hosts reached {contact:.0f} s later")
            time.sleep(scale.settle_seconds)
            bench.say(f"whole: sampling for {scale.sample_seconds:.0f} s")
            ours, database, simulator = _sample(bench, manager, agents.pid)
            memory = rss_mib(manager.pid)
            fleet, hosts = _pages(manager, scale.page_seconds)
            memory_after_pages = rss_mib(manager.pid)
        finally:
            manager.kill()
        with serving(made) as again:
            polled = scale.hosts / HEALTH_SECONDS
            extra = {
                "hosts": float(scale.hosts),
                "polls a second": round(polled, 2),
                "RSS MiB": round(memory, 1),
                "RSS MiB after pages": round(memory_after_pages, 1),
                "PostgreSQL % of a core": round(database, 2),
                "agents' % of a core": round(simulator, 2),
                "ready s": round(manager.ready_seconds, 2),
                "ready s after kill -9": round(again.ready_seconds, 2),
                "GET fleet p50 ms": fleet[0],
                "p99 ms": fleet[1],
                "GET hosts?limit=100 p50 ms": hosts[0],
                "p99 ms ": hosts[1],
            }
    floor, how = _floor(bench, polled)
    note = f"floor: the polls of this cadence at what the bare loops cost in this run ({how})"
    aim = "<= 4 % of a core and 150 MiB at 2,500 hosts"
    return [Row("whole", "the program, all hosts idle", "% of a core", ours, (floor,), aim, extra, note)]


def _sample(bench: Bench, manager: Manager, simulator: int) -> tuple[tuple[float, ...], float, float]:
    """The manager's share of a core in equal parts of the sample, and the average of the others."""
    parts = 4
    seconds = bench.scale.sample_seconds / parts
    database = postgres_pids(manager.made.data_dir)
    others = (cpu_seconds(database), cpu_seconds([simulator]))
    began = time.monotonic()
    shares = []
    for _ in range(parts):
        at, used = time.monotonic(), cpu_seconds([manager.pid])
        time.sleep(seconds)
        shares.append((cpu_seconds([manager.pid]) - used) / (time.monotonic() - at) * 100)
    whole = time.monotonic() - began
    after = (cpu_seconds(database), cpu_seconds([simulator]))
    return tuple(shares), (after[0] - others[0]) / whole * 100, (after[1] - others[1]) / whole * 100


def _pages(manager: Manager, seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """p50 and p99 in milliseconds of two pages' requests, as a client sees them while the fleet is polled."""
    fleet: list[float] = []
    hosts: list[float] = []
    ends = time.monotonic() + seconds
    with manager.signed_in() as page:
        _timed(page, "/api/v1/fleet", {"Accept-Encoding": "zstd"})
        etag = page.etag
        while time.monotonic() < ends:
            fleet.append(_timed(page, "/api/v1/fleet", {"Accept-Encoding": "zstd", "If-None-Match": etag}))
            etag = page.etag
            hosts.append(_timed(page, "/api/v1/hosts?limit=100", {}))
            time.sleep(_ASK_EVERY)
    return _percentiles(fleet), _percentiles(hosts)


def _timed(page: Page, path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    status, _ = page.get(path, headers)
    if status not in (200, 304):
        raise RuntimeError(f"{path} answers {status}")
    return (time.perf_counter() - began) * 1000


def _percentiles(values: list[float]) -> tuple[float, float]:
    cut = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return round(median(values), 1), round(cut[98], 1)


def _floor(bench: Bench, polls_a_second: float) -> tuple[float, str]:
    """Percent of a core that the bare loops would use for the same polls: new connections, one full poll in six."""
    costs = {row.name: median(row.floor) for row in bench.measured if row.floor}
    missing = {"poll-new": polls.new_connection, "poll-full": polls.full_poll}
    for name, run in missing.items():
        if name not in costs:
            place = bench.directory / name
            place.mkdir()
            costs[name] = median(run(replace(bench, scale=replace(bench.scale, runs=2), directory=place))[0].floor)
    full = HEALTH_SECONDS / PATCHES_SECONDS
    milliseconds = costs["poll-new"] * (1 - full) + costs["poll-full"] * full
    return polls_a_second * milliseconds / 10, f"{milliseconds:.2f} ms a poll"
