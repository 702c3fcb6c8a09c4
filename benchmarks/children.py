"""Processes of a benchmark: agents, browsers and the manager never share one, so that their costs stay apart."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil

_STOP_SECONDS = 15.0


class Child:
    """A process that speaks in lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next line of its standard output. Raises RuntimeError when it has ended instead."""
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            raise RuntimeError(f"a process of the benchmark ended early, status {self._process.wait(_STOP_SECONDS)}")
        return text.strip()

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """``kill -9``."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when it takes too long."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def child(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Run a command for the length of the block. What it writes to standard error is not kept."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=None if environment is None else dict(environment),
    )
    running = Child(process)
    try:
        yield running
    finally:
        running.stop()


def python(module: str, *arguments: object) -> list[str]:
    """The command for a module of ours under this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def family(pid: int) -> list[int]:
    """A process and its children, grandchildren included."""
    try:
        process = psutil.Process(pid)
        return [pid, *(each.pid for each in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []
