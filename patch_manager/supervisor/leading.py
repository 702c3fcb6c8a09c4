"""Holds the leadership of the database for as long as the program runs, through outages of the database."""

from __future__ import annotations

import structlog
import trio

from patch_manager.storage.leadership import Holder, Leader, Leadership

log = structlog.get_logger(__name__)


class AnotherManagerLeads(Exception):
    """This manager led, lost the database, and found another one in its place: it must end."""


class Leading:
    """The leadership held right now. While there is none nothing is dispatched; actors and pages go on."""

    def __init__(self, leadership: Leadership, name: str) -> None:
        """``name`` is the one ``leadership`` asks under."""
        self._leadership = leadership
        self._name = name
        self._current: Leader | None = None
        self._led = False

    def now(self) -> Leader | None:
        """The leadership, or None between losing one and winning the next."""
        return self._current if self._current is not None and self._current.is_leader else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wait as standby, lead (started), and after an outage lead again under a new epoch.

        :raises AnotherManagerLeads: somebody else took over during the outage.
        """
        while True:
            async with self._leadership.acquire(self._on_standby) as leader:
                self._current = leader
                log.info("leading", epoch=leader.epoch)
                if not self._led:
                    self._led = True
                    task_status.started()
                await leader.lost.wait()
            self._current = None

    def _on_standby(self, holder: Holder) -> None:
        if self._led and holder.name != self._name:
            raise AnotherManagerLeads(f"another manager leads this database now: {holder.name}")
        # Our own name: PostgreSQL has not noticed yet that our old session is gone.
        log.warning("standby", leader=holder.name, since=holder.acquired_at.isoformat())
