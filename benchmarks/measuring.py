"""Processor time per process, and two sides measured in turns."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psutil

from patch_manager.logs import configure_logging

Side = Callable[[], Awaitable[float]]


class CpuMeter:
    """Processor seconds of this process, all threads, since it was made."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def seconds(self) -> float:
        """So far."""
        return time.process_time() - self._began


@dataclass(slots=True)
class Turns:
    """The results of two sides, run A B A B so that what disturbs the machine disturbs both."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


async def in_turns(runs: int, ours: Side, floor: Side) -> Turns:
    """Run both ``runs`` times in turns, after one turn that does not count. Garbage is collected before each."""
    turns = Turns()
    for number in range(runs + 1):
        for side, kept in ((ours, turns.ours), (floor, turns.floor)):
            gc.collect()
            result = await side()
            if number:
                kept.append(result)
    return turns


def cpu_seconds(pids: list[int]) -> float:
    """Processor seconds of other processes, their ended children included; one that is gone counts nothing."""
    total = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def log_like_the_program() -> None:
    """Log at the program's default level, so that its cost counts, to nowhere."""
    configure_logging("info", readable=False)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
