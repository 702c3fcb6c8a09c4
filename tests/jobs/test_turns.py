"""Reboots under a limit: never more at once than a group allows, whatever happens to the manager."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import trio

from patch_manager.actors.jobs import rules
from patch_manager.domain.deployments import JobFilter
from patch_manager.domain.jobs import JobState, RebootPolicy
from patch_manager.domain.principal import Principal
from patch_manager.domain.rollouts import Rollout
from patch_manager.storage import Database
from patch_manager.storage.connecting import Connection
from tests.jobs.model import Temper
from tests.jobs.scripted import FreeBudget, ScriptedFleet, everything, make_group


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that come back within half a second are looked for as often."""
    monkeypatch.setattr(rules, "REBOOT_STEP", 0.2)
    monkeypatch.setattr(rules, "TURN_STEP", 0.1)


async def rebooting_host(fleet: ScriptedFleet, group: UUID | None = None) -> UUID:
    """A host that needs a reboot after its updates."""
    host_id = await fleet.add(Temper(duration=0.1, reboot_takes=1.0), group=group)
    agent = fleet.links[host_id].agent
    agent.budget = FreeBudget()
    agent.host.reboot_names = frozenset({"openssl"})
    return host_id


async def test_one_after_the_other_also_across_a_restart(fleet: ScriptedFleet, admin: Principal, db: Database) -> None:
    group = await make_group(db, "web")
    await db.transaction(_limit, group, 1)
    hosts = [await rebooting_host(fleet, group) for _ in range(3)]
    free = await rebooting_host(fleet)
    made = await fleet.service.create(admin, everything(*hosts, free, reboot=RebootPolicy.IF_REQUIRED))
    async with fleet.running():
        with trio.fail_after(30):
            while not await db.read(_sent):  # noqa: ASYNC110 - only the database knows
                await trio.sleep(0.02)
    # kill -9 with one host of the group away: the others must know of it.
    fleet.new_room()
    await fleet.lead()
    async with fleet.running():
        with trio.fail_after(60):
            done = await fleet.ended(admin, made)
    assert done.totals.succeeded == 4
    times = await db.read(_away_times)
    assert len(times) == 4
    assert _most_at_once([times[host_id] for host_id in hosts]) == 1
    for host_id in (*hosts, free):
        assert fleet.links[host_id].agent.host.reboots_asked == 1


async def test_a_deployments_own_limit_holds_for_hosts_without_a_group(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    hosts = [await rebooting_host(fleet) for _ in range(4)]
    rollout = Rollout(max_unavailable=2)
    made = await fleet.service.create(admin, everything(*hosts, reboot=RebootPolicy.IF_REQUIRED, rollout=rollout))
    async with fleet.running():
        with trio.fail_after(60):
            done = await fleet.ended(admin, made)
    assert done.totals.succeeded == 4
    assert _most_at_once(list((await db.read(_away_times)).values())) <= 2


async def test_a_window_that_closes_while_a_job_waits_is_kept(
    fleet: ScriptedFleet, admin: Principal, db: Database
) -> None:
    group = await make_group(db, "web")
    await db.transaction(_limit, group, 1)
    gone, other = await rebooting_host(fleet, group), await rebooting_host(fleet, group)
    fleet.links[gone].agent.host.temper.reboot_takes = 10_000.0
    await fleet.service.create(admin, everything(gone, reboot=RebootPolicy.IF_REQUIRED))
    async with fleet.running():
        with trio.fail_after(30):
            while not await db.read(_sent):  # noqa: ASYNC110 - only the database knows
                await trio.sleep(0.02)
        made = await fleet.service.create(admin, everything(other, reboot=RebootPolicy.IF_REQUIRED))
        await _some_job_waits(fleet, admin)
        await fleet.add_freeze(-1, 3600)
        with trio.fail_after(30):
            done = await fleet.ended(admin, made)
    assert done.totals.failed == 1
    (job,) = (await fleet.service.list_jobs(admin, JobFilter(host_id=other))).items
    assert job.message.startswith("the reboot was not requested: the host is frozen until")
    assert fleet.links[other].agent.host.reboots_asked == 0


async def _some_job_waits(fleet: ScriptedFleet, admin: Principal) -> None:
    wanted = JobFilter(states=(JobState.REBOOTING,), search="waiting to reboot: 1 host of its group is rebooting")
    with trio.fail_after(30):
        while not (await fleet.service.list_jobs(admin, wanted)).total:  # noqa: ASYNC110 - only the database knows
            await trio.sleep(0.02)


def _most_at_once(times: list[tuple[datetime, datetime]]) -> int:
    moments = sorted([(begin, 1) for begin, _ in times] + [(end, -1) for _, end in times])
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


async def _limit(connection: Connection, group_id: UUID, limit: int) -> None:
    await connection.execute("UPDATE groups SET max_unavailable = $2 WHERE id = $1", group_id, limit)


async def _sent(connection: Connection) -> bool:
    sql = "SELECT EXISTS (SELECT 1 FROM job_sends s JOIN jobs j ON j.id = s.job_id JOIN group_hosts USING (host_id) "
    return bool(await connection.fetchval(sql + "WHERE s.operation = 'reboot' AND s.outcome = 'accepted')"))


async def _away_times(connection: Connection) -> dict[UUID, tuple[Any, Any]]:
    """From the intent of each reboot to its proof."""
    rows = await connection.fetch(
        "SELECT j.host_id, min(s.intent_at) AS begin, j.rebooted_at AS end FROM jobs j "
        "JOIN job_sends s ON s.job_id = j.id AND s.operation = 'reboot' GROUP BY j.id"
    )
    return {row["host_id"]: (row["begin"], row["end"]) for row in rows}
