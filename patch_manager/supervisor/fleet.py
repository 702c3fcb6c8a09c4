"""The supervisor: one nursery with an actor for every host, the writer and the event hub (DESIGN §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
import trio

from patch_manager.actors.agent.models import AgentJob
from patch_manager.actors.messages import (
    CertificatesChanged,
    PatchesStored,
    RecordChanged,
    RefreshNow,
    Reply,
    RunJob,
)
from patch_manager.actors.polling import AgentFactory, lend_forever
from patch_manager.actors.ports import JobRunner
from patch_manager.actors.schedule import Cadence
from patch_manager.domain.host_status import StoredHost
from patch_manager.domain.hosts import HostRecord, HostSnapshot
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.settings import PollingSettings
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.hosts import load_hosts, load_page
from patch_manager.supervisor.answers import (
    Busy,
    JobAnswer,
    NoSuchHost,
    NoSuchService,
    PackagesResult,
    PackagesUnread,
    Quarantined,
    Refreshed,
    RefreshResult,
    ServiceResult,
    StillRefreshing,
    Unanswered,
)
from patch_manager.supervisor.asking import ask_agent
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.hub import EventHub
from patch_manager.supervisor.keeping import ActorKeeper, CrashRules, Keeping
from patch_manager.supervisor.limits import LimiterStatistics, Limits
from patch_manager.supervisor.picture import FleetPicture
from patch_manager.supervisor.surroundings import ActorSurroundings
from patch_manager.supervisor.writer import ResultWriter

log = structlog.get_logger(__name__)

_START_PAGE: Final = 5000
_PAGE: Final = 500  # making 500 rows into objects holds the loop for less than 10 ms
_RECONCILE_EVERY: Final = 300.0
_CATCH_UP_AFTER: Final = 5.0
_LAST_WRITE_SECONDS: Final = 5.0
_IN_FLIGHT_SHARE: Final = 20  # one host in twenty may be slow at once before others wait


class FleetSupervisor:
    """Implements ``facade.Fleet``. Made inside ``trio.run``; ``run`` belongs into the main nursery."""

    def __init__(
        self,
        db: Database,
        *,
        agents: AgentFactory,
        jobs: JobRunner,
        polling: PollingSettings,
        limits: Limits,
        wall_clock: Callable[[], datetime],
        crash_rules: CrashRules | None = None,
        gather: float = 0.1,
    ) -> None:
        """``wall_clock`` gives aware moments; ``gather``: seconds of results that one batch writes."""
        self.counters = PollCounters()
        self.limits = limits
        # Milliseconds since the epoch: beyond every revision of an earlier run, and exact in JavaScript.
        self.picture = FleetPicture(wall_clock, first_revision=int(wall_clock().timestamp() * 1000))
        self.hub = EventHub(self.picture)
        self._db = db
        self._writer = ResultWriter(db, self._patches_stored, self.counters, gather=gather)
        self._keepers: dict[UUID, ActorKeeper] = {}
        self._nursery: trio.Nursery | None = None
        self._changing = trio.Lock()
        self._catch_up = trio.Event()
        self._least_in_flight = limits.polls_in_flight.total_tokens
        self._common = Keeping(
            shared=ActorSurroundings(
                agents=agents,
                jobs=jobs,
                limits=limits,
                cadence=Cadence(polling.health_seconds, polling.patches_seconds),
                keep_connections=polling.keep_connections,
                wall_clock=wall_clock,
                writer=self._writer,
                counters=self.counters,
                shown=self._show,
            ),
            load=self._load,
            show=self._show,
            latest=self.picture.get,
            counters=self.counters,
            rules=crash_rules or CrashRules(),
        )

    # Life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start all actors, report started, and run until cancelled or stopped; then write what is left.

        Raises ``DatabaseUnavailable`` when the hosts cannot be read at the start.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.hub.run)
                nursery.start_soon(self._writer.run)
                nursery.start_soon(lend_forever, self.limits.connecting)
                await self._start_all()
                nursery.start_soon(self._reconcile_forever)
                task_status.started()
        finally:
            self._nursery = None
            await self._last_write()

    def stop(self) -> None:
        """End ``run`` in order: children cancelled, results written. Jobs on agents go on (DESIGN §3)."""
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def _last_write(self) -> None:
        with trio.move_on_after(_LAST_WRITE_SECONDS) as scope:
            scope.shield = True
            try:
                await self._writer.flush()
            except Exception as error:
                # Nothing may keep the program from ending; what is lost here is read again at the next start.
                log.warning("poll_results_lost_at_stop", error=str(error), hosts=self._writer.waiting)

    async def _start_all(self) -> None:
        after: UUID | None = None
        while page := await self._db.read(load_page, after, _START_PAGE):
            for stored in page:
                self._start(stored)
            after = page[-1].record.id
            if len(page) < _START_PAGE:
                break
        self._fit_limits()

    def _start(self, stored: StoredHost) -> None:
        if self._nursery is None:
            return
        keeper = ActorKeeper(stored, self._common)
        self._keepers[keeper.host_id] = keeper
        if keeper.actor is not None:
            self.picture.publish(keeper.actor.snapshot())
        self._nursery.start_soon(self._keep, keeper)

    async def _keep(self, keeper: ActorKeeper) -> None:
        await keeper.run()
        if self._keepers.get(keeper.host_id) is keeper:
            del self._keepers[keeper.host_id]
            self.picture.remove(keeper.host_id)

    async def _load(self, host_id: UUID) -> StoredHost | None:
        return next(iter(await self._db.read(load_hosts, [host_id])), None)

    def _show(self, snapshot: HostSnapshot, force: bool) -> None:
        keeper = self._keepers.get(snapshot.record.id)
        if keeper is not None and not keeper.retired:
            self.picture.publish(snapshot, force=force)

    def _patches_stored(self, host_id: UUID, stored: PatchesStored) -> None:
        keeper = self._keepers.get(host_id)
        if keeper is not None and keeper.actor is not None:
            keeper.actor.mailbox.flag(stored)

    def _fit_limits(self) -> None:
        self.limits.polls_in_flight.total_tokens = max(self._least_in_flight, len(self._keepers) // _IN_FLIGHT_SHARE)

    # Hosts come, change and go

    async def hosts_changed(self, host_ids: Iterable[UUID]) -> None:
        """See ``facade.Fleet``."""
        wanted = list(dict.fromkeys(host_ids))
        try:
            async with self._changing:
                for start in range(0, len(wanted), _PAGE):
                    part = wanted[start : start + _PAGE]
                    found = {host.record.id: host for host in await self._db.read(load_hosts, part)}
                    for host_id in part:
                        self._settle(host_id, found.get(host_id))
                self._fit_limits()
        except DatabaseUnavailable:
            self._catch_up.set()
            raise

    def _settle(self, host_id: UUID, stored: StoredHost | None) -> None:
        keeper = self._keepers.get(host_id)
        if stored is None:
            if keeper is not None:
                del self._keepers[host_id]
                keeper.retire()
            self.picture.remove(host_id)
        elif keeper is None:
            self._start(stored)
        else:
            self._tell(keeper, stored.record)

    def _tell(self, keeper: ActorKeeper, record: HostRecord) -> None:
        latest = self.picture.get(keeper.host_id)
        if latest is not None and latest.record != record:
            # Shown before the actor hears of it: who may see the host must never depend on how busy it is.
            self.picture.publish(replace(latest, record=record))
        if keeper.actor is not None and keeper.actor.state.record != record:
            keeper.actor.mailbox.flag(RecordChanged(record))

    async def reconcile(self) -> None:
        """Compare all hosts of the database with the actors that run. Raises ``DatabaseUnavailable``."""
        async with self._changing:
            gone = set(self._keepers)
            after: UUID | None = None
            while page := await self._db.read(load_page, after, _PAGE):
                for stored in page:
                    gone.discard(stored.record.id)
                    self._settle(stored.record.id, stored)
                after = page[-1].record.id
            for host_id in gone:
                self._settle(host_id, None)
            self._fit_limits()

    async def _reconcile_forever(self) -> None:
        """Catches up with changes that could not be read when they were told."""
        while True:
            with trio.move_on_after(_RECONCILE_EVERY):
                await self._catch_up.wait()
                await trio.sleep(_CATCH_UP_AFTER)
            self._catch_up = trio.Event()
            try:
                await self.reconcile()
            except DatabaseUnavailable as error:
                log.warning("reconcile_waits_for_the_database", error=str(error))
                self._catch_up.set()
            except Exception:
                log.exception("reconcile_failed")  # the actors that run are worth more than this comparison

    # Requests

    def limiter_statistics(self) -> dict[str, LimiterStatistics]:
        """By limiter name."""
        return self.limits.statistics()

    @property
    def results_waiting(self) -> int:
        """Hosts whose results are not in the database yet."""
        return self._writer.waiting

    async def refresh(self, host_id: UUID, timeout: float) -> RefreshResult:  # noqa: ASYNC109 - late is an answer
        """See ``facade.Fleet``."""
        keeper = self._keepers.get(host_id)
        if keeper is None:
            return NoSuchHost()
        if keeper.quarantined is not None:
            return Quarantined(keeper.quarantined)
        if keeper.actor is None:
            return Busy()
        reply: Reply[HostSnapshot] = Reply()
        try:
            keeper.actor.mailbox.send_nowait(RefreshNow(reply))
        except trio.WouldBlock:
            return Busy()
        self.counters.operator_refreshes += 1
        with trio.move_on_after(timeout):
            answered = await reply.wait()
            if answered is None:
                return Busy() if host_id in self._keepers else NoSuchHost()
            await self._writer.written(host_id)
            return Refreshed(self.picture.get(host_id) or answered)
        latest = self.picture.get(host_id)
        return NoSuchHost() if latest is None else StillRefreshing(latest)

    async def packages(self, host_id: UUID, timeout: float) -> PackagesResult:  # noqa: ASYNC109 - late is an answer
        """See ``facade.Fleet``."""
        found = await ask_agent(self._keepers.get(host_id), lambda agent: agent.packages(), timeout)
        return PackagesUnread(found.reason) if isinstance(found, Unanswered) else found

    async def service(self, host_id: UUID, name: str, timeout: float) -> ServiceResult:  # noqa: ASYNC109
        """See ``facade.Fleet``."""
        found = await ask_agent(self._keepers.get(host_id), lambda agent: agent.service(name), timeout)
        return NoSuchService() if found is None else found

    async def knows_job(self, host_id: UUID, agent_job_id: str, timeout: float) -> bool | None:  # noqa: ASYNC109
        """See ``facade.Fleet``."""
        found = await ask_agent(self._keepers.get(host_id), lambda agent: agent.job(agent_job_id), timeout)
        return found is not None if found is None or isinstance(found, AgentJob) else None

    async def settled(self, host_ids: Iterable[UUID], timeout: float) -> None:  # noqa: ASYNC109 - late is no error
        """See ``facade.Fleet``."""
        with trio.move_on_after(timeout):
            for host_id in host_ids:
                await self._writer.written(host_id)

    async def restart(self, host_id: UUID) -> bool:
        """See ``facade.Fleet``."""
        keeper = self._keepers.get(host_id)
        if keeper is None:
            return False
        keeper.restart()
        await trio.lowlevel.checkpoint()
        return True

    def run_job(self, due: DueJob) -> JobAnswer:
        """See ``facade.Fleet``."""
        keeper = self._keepers.get(due.key.host_id)
        if keeper is None or keeper.actor is None:
            return JobAnswer.NO_ACTOR
        if keeper.actor.state.job_running:
            return JobAnswer.BUSY
        try:
            keeper.actor.mailbox.send_nowait(RunJob(due))
        except trio.WouldBlock:
            return JobAnswer.BUSY
        return JobAnswer.ACCEPTED

    def certificates_changed(self, host_ids: Iterable[UUID] | None = None) -> None:
        """See ``facade.Fleet``."""
        for host_id in list(self._keepers) if host_ids is None else host_ids:
            keeper = self._keepers.get(host_id)
            if keeper is not None and keeper.actor is not None:
                keeper.actor.mailbox.flag(CertificatesChanged())
