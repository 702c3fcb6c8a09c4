"""An actor's mailbox: three lanes and one place to wait.

Commands are bounded and refused when full. Children's reports have their own lane, which commands cannot fill; there
are as many as children are. Flags keep the latest value of each kind. Not a Trio channel: one channel cannot be all
three, and three would cost an idle host more than everything else it holds.
"""

from __future__ import annotations

from typing import Final

import trio

from patch_manager.actors.messages import Command, Flag, Message, Report

CAPACITY: Final = 16


class Mailbox:
    """Many senders, one receiver. Sending never waits."""

    __slots__ = ("_commands", "_flags", "_news", "_reports")

    def __init__(self) -> None:
        self._commands: list[Command] = []
        self._reports: list[Report] = []
        self._flags: dict[type[Flag], Flag] | None = None
        self._news: trio.Event | None = None

    def send_nowait(self, command: Command) -> None:
        """Raises ``trio.WouldBlock`` when full: the answer is "busy"."""
        if len(self._commands) >= CAPACITY:
            raise trio.WouldBlock
        self._commands.append(command)
        self._wake()

    def flag(self, flag: Flag) -> None:
        """Replace the flag of this kind."""
        if self._flags is None:
            self._flags = {}
        self._flags[type(flag)] = flag
        self._wake()

    def report(self, report: Report) -> None:
        """A child's word; always taken."""
        self._reports.append(report)
        self._wake()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    def take(self) -> Message | None:
        """The next message: reports first, because they free what commands may want."""
        if self._reports:
            return self._reports.pop(0)
        if self._flags:
            kind = next(iter(self._flags))
            return self._flags.pop(kind)
        if self._commands:
            return self._commands.pop(0)
        return None

    async def next(self, deadline: float) -> Message | None:
        """The next message, or None when Trio's clock reaches ``deadline`` without one."""
        message = self.take()
        if message is not None:
            await trio.lowlevel.checkpoint()
            return message
        self._news = trio.Event()
        try:
            with trio.move_on_at(deadline):
                await self._news.wait()
        finally:
            self._news = None
        return self.take()

    def drain(self) -> list[Message]:
        """All that is left, for an actor that ends."""
        left: list[Message] = []
        while (message := self.take()) is not None:
            left.append(message)
        return left
