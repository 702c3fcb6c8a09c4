"""The supervisor over a real database: start, changes, refresh, crashes, jobs, stop."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import trio

from patch_manager.actors.ports import HostLink
from patch_manager.domain.health import ActorState, FailureKind, Health
from patch_manager.domain.hosts import JobInHand
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.principal import Scope
from patch_manager.domain.settings import PollingSettings
from patch_manager.storage import Database
from patch_manager.supervisor.answers import Busy, JobAnswer, NoSuchHost, Quarantined, Refreshed, StillRefreshing
from patch_manager.supervisor.facade import Fleet as Facade
from tests.actors.hosts import Fleet, due_job, failure, listing, patch, record
from tests.supervisor.fleets import fetch, insert_hosts, run_sql, running_fleet, until

A, B = UUID(int=201), UUID(int=202)


async def test_all_hosts_are_shown_before_their_first_poll_and_polled_then(db: Database) -> None:
    await db.transaction(insert_hosts, [record(number) for number in range(1, 51)])
    agents = Fleet()
    for number in range(1, 51):
        agents.at(number).answer_seconds = 0.5
    async with running_fleet(db, agents) as fleet:
        facade: Facade = fleet
        assert len(facade.picture) == 50
        assert facade.picture.totals().by_health["unknown"] == 50
        for number in range(1, 51):
            await until(fleet, record(number).id, lambda host: host.health is Health.HEALTHY)
        assert facade.picture.totals().never_polled == 0
        assert fleet.counters.polls["full", "ok"] == 50


async def test_what_was_found_outlives_a_restart(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    agents = Fleet()
    agents.at(1).listed = listing(patch("openssl", cve_ids=("CVE-2026-1", "CVE-2026-2")))
    agents.at(1).info = replace(agents.at(1).info, pending_reboot=True)
    agents.at(2).fail = failure(FailureKind.CERTIFICATE_EXPIRED)
    async with running_fleet(db, agents) as fleet:
        await until(fleet, record(1).id, lambda host: host.health is Health.HEALTHY)
        await until(fleet, record(2).id, lambda host: host.health is Health.DEGRADED)
    quiet = Fleet()
    async with running_fleet(db, quiet) as fleet:
        first, second = fleet.picture.get(record(1).id), fleet.picture.get(record(2).id)
        assert first is not None
        assert second is not None
        assert (first.health, first.patches.cve_count, first.reboot_required) == (Health.HEALTHY, 2, True)
        assert first.last_seen_at is not None
        assert first.facts.kernel == "6.1"
        assert second.health is Health.DEGRADED
        assert "certificate expired" in second.health_reason
    assert not quiet.at(1).calls, "a polled host waits for its slot"


async def test_a_refresh_answers_when_the_patches_can_be_read_from_the_database(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    agents = Fleet()
    async with running_fleet(db, agents) as fleet:
        await until(fleet, record(1).id, lambda host: host.health is Health.HEALTHY)
        agents.at(1).listed = listing(patch("bash"), patch("zsh"))
        answer = await fleet.refresh(record(1).id, 5)
        assert isinstance(answer, Refreshed)
        assert answer.snapshot.patches.pending == 2
        names = await db.read(fetch, "SELECT name FROM host_patches ORDER BY name")
        assert [row["name"] for row in names] == ["bash", "zsh"]


async def test_answers_to_a_refresh_that_cannot_be_had_now(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    agents = Fleet()
    agents.at(1).answer_seconds = 3600
    agents.at(2).fail = ZeroDivisionError("ours")
    async with running_fleet(db, agents) as fleet:
        assert isinstance(await fleet.refresh(uuid4(), 1), NoSuchHost)
        assert isinstance(await fleet.refresh(record(1).id, 0.05), StillRefreshing)
        await until(fleet, record(2).id, lambda host: host.actor_state is ActorState.QUARANTINED)
        assert isinstance(await fleet.refresh(record(2).id, 1), Quarantined)
        answers = []
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                answers.append(await fleet.refresh(record(1).id, 0.2))

            for _ in range(40):
                nursery.start_soon(ask)
        assert sum(isinstance(answer, Busy) for answer in answers) > 0
        assert all(isinstance(answer, Busy | StillRefreshing) for answer in answers)


async def test_one_actors_crash_never_touches_another(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    agents = Fleet()
    agents.at(1).fail = ZeroDivisionError("a fault of ours")
    async with running_fleet(db, agents) as fleet:
        ill = await until(fleet, record(1).id, lambda host: host.actor_state is ActorState.QUARANTINED)
        assert "ZeroDivisionError: a fault of ours" in ill.health_reason
        assert "ZeroDivisionError" in ill.activity
        assert ill.health is Health.UNKNOWN
        await until(fleet, record(2).id, lambda host: host.health is Health.HEALTHY)
        assert isinstance(await fleet.refresh(record(2).id, 5), Refreshed)
        assert len(agents.at(2).called("health")) == 2
        assert fleet.counters.actor_crashes == 3
        assert fleet.counters.quarantined == 1


async def test_an_admin_restarts_a_quarantined_actor(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    agents = Fleet()
    agents.at(1).fail = ZeroDivisionError("a fault of ours")
    async with running_fleet(db, agents) as fleet:
        await until(fleet, record(1).id, lambda host: host.actor_state is ActorState.QUARANTINED)
        agents.at(1).fail = None
        assert await fleet.restart(record(1).id)
        await until(fleet, record(1).id, lambda host: host.health is Health.HEALTHY)
        assert not await fleet.restart(uuid4())


async def test_a_crash_or_two_restart_the_actor_from_what_is_stored(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    agents = Fleet()
    agents.at(1).listed = listing(patch())
    async with running_fleet(db, agents) as fleet:
        await until(fleet, record(1).id, lambda host: host.patches.pending == 1)
        agents.at(1).fail = ZeroDivisionError("once")
        assert isinstance(await fleet.refresh(record(1).id, 5), Busy)
        agents.at(1).fail = None
        await until(fleet, record(1).id, lambda host: host.actor_state is ActorState.IDLE)
        assert isinstance(await fleet.refresh(record(1).id, 5), Refreshed)


async def test_hosts_come_change_and_go(db: Database) -> None:
    agents = Fleet()
    async with running_fleet(db, agents) as fleet:
        assert len(fleet.picture) == 0
        await db.transaction(insert_hosts, [record(1, groups=frozenset({A})), record(2, groups=frozenset({B}))])
        await fleet.hosts_changed([record(1).id, record(2).id])
        assert len(fleet.picture) == 2
        await until(fleet, record(1).id, lambda host: host.health is Health.HEALTHY)
        await db.transaction(run_sql, "UPDATE group_hosts SET group_id = $1 WHERE host_id = $2", B, record(1).id)
        await fleet.hosts_changed([record(1).id])
        assert fleet.picture.get(record(1).id, Scope(frozenset({A}))) is None
        assert fleet.picture.totals(Scope(frozenset({B}))).hosts == 2
        await db.transaction(run_sql, "DELETE FROM hosts WHERE id = $1", record(1).id)
        await fleet.hosts_changed([record(1).id])
        assert record(1).id not in fleet.picture
        assert isinstance(await fleet.refresh(record(1).id, 1), NoSuchHost)


async def test_a_deleted_host_in_the_middle_of_a_poll_does_not_come_back(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    agents = Fleet()
    agents.at(1).answer_seconds = 0.2
    async with running_fleet(db, agents) as fleet:
        await trio.testing.wait_all_tasks_blocked(0.02)
        await db.transaction(run_sql, "DELETE FROM hosts WHERE id = $1", record(1).id)
        await fleet.hosts_changed([record(1).id])
        await until(fleet, record(2).id, lambda host: host.health is Health.HEALTHY)
        await trio.sleep(0.3)
        assert record(1).id not in fleet.picture


async def test_reconcile_catches_up_with_what_nobody_told(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1), record(2)])
    async with running_fleet(db, Fleet()) as fleet:
        await db.transaction(run_sql, "DELETE FROM hosts WHERE id = $1", record(1).id)
        await db.transaction(insert_hosts, [record(3)])
        await fleet.reconcile()
        assert {host.record.id for host in fleet.picture.hosts()} == {record(2).id, record(3).id}


async def test_a_job_is_handed_to_its_host_and_shown(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    finish = trio.Event()

    async def job(due: DueJob, link: HostLink) -> None:
        link.report_job(JobInHand(due.key.id, due.deployment_id, "running", 50))
        await finish.wait()

    async with running_fleet(db, Fleet(), jobs=job) as fleet:
        await until(fleet, record(1).id, lambda host: host.health is Health.HEALTHY)
        assert fleet.run_job(due_job(uuid4())) is JobAnswer.NO_ACTOR
        assert fleet.run_job(due_job(record(1).id)) is JobAnswer.ACCEPTED
        working = await until(fleet, record(1).id, lambda host: host.job is not None)
        assert working.actor_state is ActorState.WORKING
        assert fleet.run_job(due_job(record(1).id)) is JobAnswer.BUSY
        finish.set()
        await until(fleet, record(1).id, lambda host: host.job is None and host.actor_state is ActorState.IDLE)


async def test_renewed_certificates_are_tried_at_once(db: Database) -> None:
    await db.transaction(insert_hosts, [record(1)])
    agents = Fleet()
    agents.at(1).fail = failure(FailureKind.CERTIFICATE_EXPIRED)
    async with running_fleet(db, agents) as fleet:
        await until(fleet, record(1).id, lambda host: host.health is Health.DEGRADED)
        agents.at(1).fail = None
        fleet.certificates_changed()
        await until(fleet, record(1).id, lambda host: host.health is Health.HEALTHY)


async def test_stop_is_quick_with_polls_in_flight_and_loses_no_result(db: Database) -> None:
    await db.transaction(insert_hosts, [record(number) for number in range(1, 101)])
    agents = Fleet()
    for number in range(1, 51):
        agents.at(number).answer_seconds = 3600
    with trio.fail_after(10):
        async with running_fleet(db, agents) as fleet:
            for number in range(51, 101):
                await until(fleet, record(number).id, lambda host: host.health is Health.HEALTHY)
    rows = await db.read(
        fetch, "SELECT health, last_seen_at IS NOT NULL AS seen, count(*) FROM hosts GROUP BY 1, 2 ORDER BY 1"
    )
    assert rows == [
        {"health": "healthy", "seen": True, "count": 50},
        {"health": "unknown", "seen": False, "count": 50},
    ]


@pytest.mark.parametrize("count", [2500])
async def test_a_fleet_of_2500_is_ready_within_a_second_or_so(db: Database, count: int) -> None:
    await db.transaction(insert_hosts, [record(number) for number in range(1, count + 1)])
    await db.transaction(run_sql, "UPDATE hosts SET last_seen_at = now(), patches_read_at = now(), health = 'healthy'")
    with trio.fail_after(5):
        async with running_fleet(db, Fleet(), polling=PollingSettings()) as fleet:
            assert fleet.picture.totals().by_health["healthy"] == count
