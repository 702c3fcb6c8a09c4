"""Keeping one host's actor alive: restart with backoff, quarantine after too many crashes, end when retired.

Crashes are counted per host, never per fleet: one host's never touches another's (DESIGN §3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import structlog
import trio

from patch_manager.actors.host_actor import HostActor
from patch_manager.actors.messages import Retire
from patch_manager.actors.surroundings import Surroundings
from patch_manager.domain.health import ActorState, Health
from patch_manager.domain.host_status import StoredHost
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.supervisor.counters import PollCounters

log = structlog.get_logger(__name__)

_EXCEPTION_WORDS: Final = 300


@dataclass(frozen=True, slots=True)
class CrashRules:
    """``most`` crashes within ``window`` seconds quarantine an actor; restarts wait from ``first`` to ``longest`` s."""

    most: int = 5
    window: float = 600.0
    first: float = 1.0
    longest: float = 60.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """What all keepers share. ``load`` reads a host anew, None when it is no more; ``show`` publishes."""

    shared: Surroundings
    load: Callable[[UUID], Awaitable[StoredHost | None]]
    show: Callable[[HostSnapshot, bool], None]
    latest: Callable[[UUID], HostSnapshot | None]
    counters: PollCounters
    rules: CrashRules


class ActorKeeper:
    """One host's place in the supervisor. ``actor`` is None between a crash and the restart."""

    __slots__ = ("_common", "_crashes", "_ended", "_retired", "_wake", "actor", "host_id", "quarantined")

    def __init__(self, stored: StoredHost, common: Keeping) -> None:
        self.host_id = stored.record.id
        self.actor: HostActor | None = None
        self.quarantined: str | None = None
        self._common = common
        self._crashes: list[float] | None = None
        self._retired = False
        self._ended: trio.Event | None = None
        self._wake: trio.Event | None = None
        self._try_to_make(stored, at_once=False)

    @property
    def retired(self) -> bool:
        """The host is no longer managed; nothing of it is shown any more."""
        return self._retired

    def retire(self) -> None:
        """End for good."""
        self._retired = True
        self._nudge()

    def restart(self) -> None:
        """Begin anew from what is stored, out of quarantine too; crashes so far are forgiven."""
        self._crashes = None
        self._nudge()

    def _nudge(self) -> None:
        if self.actor is not None:
            self.actor.mailbox.flag(Retire())
        if self._wake is not None:
            self._wake.set()

    async def ended(self) -> None:
        """Wait until a retired actor and all its children are gone."""
        if self._ended is None:
            self._ended = trio.Event()
        await self._ended.wait()

    async def run(self) -> None:
        """Keep the actor running until it is retired or everything is cancelled."""
        try:
            while not self._retired:
                error = await self._run_once()
                self.actor = None
                if error is not None:
                    await self._after_crash(error)
                if not self._retired and not await self._make_again(at_once=True):
                    return
        finally:
            self.actor = None
            if self._ended is not None:
                self._ended.set()

    async def _run_once(self) -> BaseException | None:
        """Run the actor; what it raised, if it did. A group mixed with cancellation keeps the cancellation."""
        if self.actor is None:
            return None
        failed: BaseException | None = None
        try:
            await self.actor.run()
        except* Exception as group:
            failed = group
        return failed

    async def _after_crash(self, error: BaseException) -> None:
        common, rules = self._common, self._common.rules
        now = trio.current_time()
        crashes = [at for at in self._crashes or () if now - at < rules.window] + [now]
        self._crashes = crashes
        common.counters.actor_crashes += 1
        words = _words(error)
        log.error("actor_crashed", host_id=str(self.host_id), crashes=len(crashes), exc_info=error)
        if len(crashes) < rules.most:
            self._show(ActorState.BACKING_OFF, f"the actor crashed and restarts: {words}")
            await self._pause(min(rules.first * 2.0 ** (len(crashes) - 1), rules.longest))
            return
        self.quarantined = f"quarantined after {len(crashes)} crashes, an admin may restart it: {words}"
        common.counters.quarantined += 1
        try:
            self._show(ActorState.QUARANTINED, self.quarantined, unknown=True)
            await self._pause(float("inf"))
        finally:
            self.quarantined = None
            common.counters.quarantined -= 1

    async def _pause(self, seconds: float) -> None:
        self._wake = trio.Event()
        try:
            with trio.move_on_after(seconds):
                await self._wake.wait()
        finally:
            self._wake = None

    async def _make_again(self, *, at_once: bool) -> bool:
        """A new actor from what is stored; False when the host is no more."""
        delay = self._common.rules.first
        while not self._retired:
            try:
                stored = await self._common.load(self.host_id)
            except Exception as error:
                if not isinstance(error, DatabaseUnavailable):
                    log.exception("host_not_read", host_id=str(self.host_id))
                await self._pause(delay)
                delay = min(delay * 2, self._common.rules.longest)
                continue
            if stored is None:
                return False
            if self._try_to_make(stored, at_once=at_once):
                return True
            await self._pause(self._common.rules.longest)
        return False

    def _try_to_make(self, stored: StoredHost, *, at_once: bool) -> bool:
        try:
            self.actor = HostActor(stored, self._common.shared, at_once=at_once)
        except Exception:
            log.exception("actor_not_made", host_id=str(self.host_id))
            return False
        return True

    def _show(self, state: ActorState, activity: str, *, unknown: bool = False) -> None:
        latest = self._common.latest(self.host_id)
        if latest is None or self._retired:
            return
        shown = replace(latest, actor_state=state, activity=activity, next_poll_at=None, job=None)
        if unknown:
            # Nobody looks at the host any more, so nothing may be claimed of it.
            shown = replace(shown, health=Health.UNKNOWN, health_reason=activity)
        self._common.show(shown, False)


def _words(error: BaseException) -> str:
    """The innermost exception in one bounded line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text[:_EXCEPTION_WORDS]
