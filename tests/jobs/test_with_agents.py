"""The whole path over real mTLS: service, scan, actors, agent client, simulated agents of both dialects, PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patch_manager.actors.agent.address_policy import AddressPolicy
from patch_manager.actors.agents import agent_factory
from patch_manager.actors.jobs import rules
from patch_manager.actors.jobs.clock import system_clock
from patch_manager.domain.deployments import DeploymentState, DeploymentView, JobFilter, JobView, ListPage
from patch_manager.domain.job_record import Moment
from patch_manager.domain.jobs import JobState, PackageResult, RebootPolicy, When
from patch_manager.domain.principal import Principal
from patch_manager.domain.rollouts import RingSpec, Rollout
from patch_manager.domain.settings import AgentSettings, LimitSettings, PollingSettings
from patch_manager.domain.windows import Window, WindowKind
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.identities import manager_client_request
from patch_manager.pki.tls import AgentTls
from patch_manager.pki.upkeep import key_pair
from patch_manager.pki.vault import Vault
from patch_manager.simulator.certificates import AuthorityCertificates
from patch_manager.simulator.fleet import Fleet, open_fleet
from patch_manager.simulator.specs import Dialect, HostSpec, Release
from patch_manager.simulator.temper import LostAnswer, Temper
from patch_manager.storage import Database
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.leadership import Leader
from patch_manager.storage.signed_note import NoteSigner
from patch_manager.storage.windows import WindowRow, insert_windows
from patch_manager.supervisor.fleet import FleetSupervisor
from patch_manager.supervisor.jobs.calendar import Calendar
from patch_manager.supervisor.jobs.deployments import Deployments
from patch_manager.supervisor.jobs.operations import HostOperations
from patch_manager.supervisor.jobs.room import JobRoom
from patch_manager.supervisor.limits import Limits
from tests.jobs.scripted import everything

APPLY = re.compile(r"/api/v1/patches/apply$")


class WallClock:
    """The machine's clocks, with a wall clock that tests set forward."""

    def __init__(self) -> None:
        self.forward = timedelta()
        self._real = system_clock()

    def __call__(self) -> Moment:
        now = self._real()
        return replace(now, wall=now.wall + self.forward)

    def wall(self) -> datetime:
        """The wall clock alone."""
        return self().wall


@dataclass(frozen=True, slots=True)
class Manager:
    """What a test talks to."""

    service: Deployments
    operations: HostOperations
    calendar: Calendar
    db: Database
    clock: WallClock
    agents: Fleet
    host_ids: dict[str, UUID]

    async def ended(self, principal: Principal, deployment: object) -> DeploymentView:
        """The deployment once all its jobs have ended."""
        assert isinstance(deployment, DeploymentView), deployment
        while True:
            view = await self.service.get(principal, deployment.id)
            assert isinstance(view, DeploymentView)
            if view.finished_at is not None:
                return view
            await trio.sleep(0.1)

    async def view(self, principal: Principal, deployment: object) -> DeploymentView:
        """The deployment as it is now."""
        assert isinstance(deployment, DeploymentView), deployment
        view = await self.service.get(principal, deployment.id)
        assert isinstance(view, DeploymentView)
        return view

    async def jobs(self, principal: Principal, wanted: JobFilter) -> tuple[JobView, ...]:
        """The first page of jobs."""
        page = await self.service.list_jobs(principal, wanted)
        assert isinstance(page, ListPage), page
        return page.items

    async def open_daily(self, address: str, begin: timedelta, minutes: int) -> None:
        """Give a host a daily window that opens so long after now, told as http tells it."""
        start = (self.clock.wall() + begin).time()
        window = Window(WindowKind.DAILY, "UTC", minutes, start)
        now, host_id = self.calendar.now(), self.host_ids[address]
        row = WindowRow(uuid4(), host_id, "nightly", True, window, "somebody", now, now)
        await self.db.transaction(_add_window, row)
        await self.calendar.changed([host_id], ())

    def applies(self, address: str) -> list[dict[str, object]]:
        """Bodies of all apply calls that a host saw."""
        seen = self.agents.host(address).requests
        return [json.loads(call.body) for call in seen if call.method == "POST" and APPLY.search(call.path)]


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.load_or_create(tmp_path / "pki", Vault(b"v" * 32))


@asynccontextmanager
async def managing(db: Database, authority: CertificateAuthority, specs: Sequence[HostSpec]) -> AsyncIterator[Manager]:
    """A leading manager of these simulated hosts."""
    tls = AgentTls(authority.root_pem, authority.crl_path, key_pair(authority.sign(manager_client_request())))
    audit = AuditLog(NoteSigner("tests", Ed25519PrivateKey.generate()))
    await db.transaction(audit.initialise)
    leader = Leader(await db.transaction(_next_epoch))
    limits = Limits.of(LimitSettings())
    clock = WallClock()
    room = JobRoom(
        db,
        audit,
        lambda: leader,
        beginning=limits.jobs_beginning,
        dispatch=limits.dispatch,
        followed_jobs=limits.followed_jobs,
        clock=clock,
    )
    async with open_fleet(specs, AuthorityCertificates(authority), port=0) as agents:
        ids = {spec.address: uuid4() for spec in specs}
        await db.transaction(_add_hosts, ids, agents.port)
        settings = AgentSettings(port=agents.port, allow_loopback=True)
        fleet = FleetSupervisor(
            db,
            agents=agent_factory(lambda: tls.context, AddressPolicy(True, frozenset()), settings),
            jobs=room.runner,
            polling=PollingSettings(),
            limits=limits,
            wall_clock=lambda: datetime.now(UTC),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(fleet.run)
            await nursery.start(room.run, fleet)
            yield Manager(room.deployments, room.operations, room.calendar, db, clock, agents, ids)
            nursery.cancel_scope.cancel()


def spec(number: int, **changes: Any) -> HostSpec:
    """A quick host with six patches."""
    quick: dict[str, Any] = {"patch_count": 6, "job_seconds": 0.5, "reboot_seconds": 1.0}
    return HostSpec.at(f"127.33.0.{number}", **quick | changes)


async def test_every_dialect_is_patched_by_exactly_one_apply(
    db: Database, authority: CertificateAuthority, admin: Principal
) -> None:
    kinds = [(dialect, release) for dialect in Dialect for release in Release]
    specs = [spec(i + 1, dialect=dialect, release=release) for i, (dialect, release) in enumerate(kinds)]
    async with managing(db, authority, specs) as manager:
        made = await manager.service.create(admin, everything(*manager.host_ids.values()))
        with trio.fail_after(60):
            done = await manager.ended(admin, made)
        jobs = await manager.jobs(admin, JobFilter())
        assert done.state is DeploymentState.SUCCEEDED, [job.message for job in jobs]
        for each in specs:
            (body,) = manager.applies(each.address)
            assert body["packages"]
            assert body["reboot"] is False
            assert "allow_reboot" not in body
        assert manager.agents.rate_limited == 0
        for job in jobs:
            assert {package.result for package in job.packages} == {PackageResult.UPDATED}


async def test_a_lost_answer_is_decided_by_evidence(
    db: Database, authority: CertificateAuthority, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "EVIDENCE_AFTER", 4.0)
    monkeypatch.setattr(rules, "LOOKS_APART", 1.0)
    before = spec(1, temper=Temper(lost_answer=LostAnswer.BEFORE_ACCEPTANCE))
    after = spec(2, temper=Temper(lost_answer=LostAnswer.AFTER_ACCEPTANCE))
    async with managing(db, authority, [before, after]) as manager:
        made = await manager.service.create(admin, everything(*manager.host_ids.values()))
        with trio.fail_after(110):
            done = await manager.ended(admin, made)
        assert done.state is DeploymentState.SUCCEEDED
        (adopted,) = await manager.jobs(admin, JobFilter(host_id=manager.host_ids[after.address]))
        assert [(attempt.adopted, attempt.sends) for attempt in adopted.attempts] == [(True, 1)]
        (sent_again,) = await manager.jobs(admin, JobFilter(host_id=manager.host_ids[before.address]))
        assert [(attempt.adopted, attempt.sends) for attempt in sent_again.attempts] == [(False, 2)]
        assert len(manager.applies(after.address)) == 1


async def test_reboot_lost_job_and_kept_back_package_are_told_as_they_are(
    db: Database, authority: CertificateAuthority, admin: Principal
) -> None:
    newest: dict[str, Any] = {"release": Release.NEWEST, "dialect": Dialect.CODE}
    reboots = spec(1, **newest)
    lost = spec(2, **newest, temper=Temper(lose_jobs=1))
    kept = spec(3, **newest, temper=Temper(kept_back=("*",)))
    async with managing(db, authority, [reboots, lost, kept]) as manager:
        request = everything(*manager.host_ids.values(), reboot=RebootPolicy.IF_REQUIRED)
        made = await manager.service.create(admin, request)
        with trio.fail_after(150):
            done = await manager.ended(admin, made)
        assert (done.totals.succeeded, done.totals.failed) == (2, 1)
        (job,) = await manager.jobs(admin, JobFilter(host_id=manager.host_ids[kept.address]))
        assert {package.result for package in job.packages} == {PackageResult.KEPT_BACK}


async def test_agents_are_asked_inside_their_own_windows_only(
    db: Database, authority: CertificateAuthority, admin: Principal
) -> None:
    specs = [spec(1), spec(2), spec(3)]
    is_open, opens, never = [each.address for each in specs]
    async with managing(db, authority, specs) as manager:
        await manager.open_daily(is_open, timedelta(minutes=-30), 60)
        await manager.open_daily(opens, timedelta(hours=3), 60)
        made = await manager.service.create(admin, everything(*manager.host_ids.values(), when=When.WINDOW))
        with trio.fail_after(20):
            while not manager.applies(is_open):  # noqa: ASYNC110 - the agent is asked
                await trio.sleep(0.1)
        await trio.sleep(2)
        assert [len(manager.applies(address)) for address in (is_open, opens, never)] == [1, 0, 0]
        (waiting,) = await manager.jobs(admin, JobFilter(host_id=manager.host_ids[opens]))
        assert waiting.not_before is not None
        manager.clock.forward = waiting.not_before - datetime.now(UTC)  # now it opens
        with trio.fail_after(2):
            while not manager.applies(opens):  # noqa: ASYNC110 - the agent is asked
                await trio.sleep(0.05)
        with trio.fail_after(30):
            while len(await manager.jobs(admin, JobFilter(states=(JobState.SUCCEEDED,)))) < 2:  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert [len(manager.applies(address)) for address in (is_open, opens, never)] == [1, 1, 0]
        assert isinstance(made, DeploymentView)
        view = await manager.service.get(admin, made.id)
        assert isinstance(view, DeploymentView)
        assert (view.totals.queued, view.totals.succeeded) == (1, 2)


async def test_a_failed_canary_keeps_every_other_agent_from_being_asked(
    db: Database, authority: CertificateAuthority, admin: Principal
) -> None:
    newest: dict[str, Any] = {"release": Release.NEWEST, "dialect": Dialect.CODE}
    broken = Temper(fail_jobs=9, error_code="GPG_ERROR")
    specs = [spec(number + 1, **newest, **({"temper": broken} if number == 11 else {})) for number in range(30)]
    async with managing(db, authority, specs) as manager:
        canaries = [manager.host_ids[each.address] for each in specs[10:13]]
        rings = (RingSpec("canary", host_ids=tuple(canaries)), RingSpec(percent=50))
        rollout = Rollout(rings, stop_after_failures=0)
        made = await manager.service.create(admin, everything(*manager.host_ids.values(), rollout=rollout))
        with trio.fail_after(60):
            view = await manager.view(admin, made)
            # The other canaries go on to their end.
            while view.state is not DeploymentState.STOPPED or view.totals.succeeded < 2:
                await trio.sleep(0.1)
                view = await manager.view(admin, made)
        assert (view.totals.failed, view.totals.succeeded, view.totals.queued) == (1, 2, 27)
        cancelled = await manager.service.cancel(admin, view.id)
        assert isinstance(cancelled, DeploymentView)
        assert (cancelled.state, cancelled.totals.cancelled, cancelled.totals.total) == (DeploymentState.FAILED, 27, 30)
        asked = [len(manager.applies(each.address)) for each in specs]
        assert asked == [0] * 10 + [1] * 3 + [0] * 17


async def _add_window(connection: Connection, row: WindowRow) -> None:
    await insert_windows(connection, [row], None)


async def _next_epoch(connection: Connection) -> int:
    return int(await connection.fetchval("UPDATE leadership SET epoch = epoch + 1, holder = 'tests' RETURNING epoch"))


async def _add_hosts(connection: Connection, ids: dict[str, UUID], port: int) -> None:
    await connection.executemany(
        "INSERT INTO hosts (id, address, port, display_name) VALUES ($1, $2, $3, $2)",
        [(host_id, address, port) for address, host_id in ids.items()],
    )
