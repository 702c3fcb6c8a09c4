"""From what happens to what arrives, on a real database: nothing lost, nothing twice without its mark, nothing to whom
it does not concern.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
import trio

from patch_manager.domain.notifications import DeliveryState, EventKind, OwnCertificate
from patch_manager.storage import Database, notification_deliveries
from tests.notifications.house import ORIGIN, House
from tests.notifications.servers import Receiver, listening

HOUR = timedelta(hours=1)


@pytest.fixture
async def house(db: Database) -> AsyncIterator[House]:
    receiver = Receiver()
    async with listening(receiver.serve) as receiver.port:
        yield House(db, receiver)


async def test_500_failed_jobs_of_a_deployment_are_one_message(house: House) -> None:
    await house.rule(EventKind.JOB_FAILED, EventKind.OUTCOME_UNKNOWN, EventKind.DEPLOYMENT_FINISHED)
    await house.add_hosts(5)
    deployment, jobs = await house.deployment(list(house.by_name.values()) * 100)
    for first in range(0, 500, 100):
        await house.end_jobs(jobs[first : first + 100], "failed")
        assert await house.pump(seconds=5) == []
    message, finished = await house.settle()  # what went wrong comes first
    assert (message.json["event"], message.json["count"]) == ("job_failed", 500)
    assert message.json["title"] == "500 jobs failed"
    assert finished.json["totals"] == {"failed": 500}
    assert message.json["url"] == f"{ORIGIN}/jobs/{deployment}"
    assert (finished.json["event"], finished.json["title"]) == (
        "deployment_finished",
        "Deployment finished: 500 failed",
    )
    assert await house.settle() == []


async def test_early_failures_are_told_and_the_rest_at_the_end(house: House) -> None:
    await house.rule(EventKind.JOB_FAILED)
    await house.add_hosts(4)
    _, jobs = await house.deployment(house.by_name.values())
    await house.end_jobs(jobs[:1], "failed")
    assert [got.json["title"] for got in await house.settle()] == ["Job failed on host-000"]
    await house.end_jobs(jobs[1:3], "failed")
    assert await house.settle() == []  # told a moment ago, and more may come
    await house.end_jobs(jobs[3:], "succeeded")
    assert [got.json["count"] for got in await house.settle()] == [2]


async def test_a_stopped_deployment_is_told_with_the_numbers_in_sight(house: House) -> None:
    a = await house.group("a")
    await house.rule(EventKind.DEPLOYMENT_STOPPED, owner=await house.operator(a))
    mine, theirs = await house.add_hosts(2, a, prefix="mine"), await house.add_hosts(3, await house.group("b"))
    deployment, jobs = await house.deployment([*mine, *theirs])
    await house.end_jobs([jobs[0], *jobs[3:]], "failed")
    await house.execute(
        "UPDATE deployments SET stopped_at = $2, stop_reason = '3 of 5 failed' WHERE id = $1", deployment, house.clock()
    )
    (message,) = await house.settle()
    assert message.json["title"] == "Deployment stopped, too many jobs failed: 1 failed"
    assert b"3 of 5" not in message.body


async def test_an_unknown_outcome_is_told_and_what_an_operator_makes_of_it_is_not(house: House) -> None:
    await house.rule(EventKind.JOB_FAILED, EventKind.OUTCOME_UNKNOWN)
    await house.add_hosts(1)
    _, jobs = await house.deployment(house.by_name.values())
    await house.end_jobs(jobs, "outcome_unknown", "the agent lost the job")
    (message,) = await house.settle()
    assert message.json["event"] == "outcome_unknown"
    await house.end_jobs(jobs, "failed", "resolved")
    assert await house.settle() == []


async def test_a_crash_in_the_middle_loses_no_message_and_marks_the_second_copy(house: House) -> None:
    await house.rule(EventKind.JOB_FAILED)
    await house.add_hosts(1)
    _, jobs = await house.deployment(house.by_name.values())
    await house.end_jobs(jobs, "failed")
    house.restart()  # between the step and any look at it
    await house.pump(seconds=11)  # gathered and taken
    (first,) = house.receiver.received
    await house.execute("UPDATE notification_deliveries SET state = 'pending', attempts = 0, next_try_at = created_at")
    house.receiver.answer = None  # it takes the message and says nothing
    with trio.move_on_after(1.0) as killed:
        await house.pump()
    assert killed.cancelled_caught
    (row,) = await house.deliveries()
    assert (row.state, row.attempts) == (DeliveryState.PENDING, 1)
    house.restart()
    house.receiver.answer = Receiver().answer
    (again,) = await house.pump(seconds=90)
    assert again.headers["idempotency-key"] == first.headers["idempotency-key"]
    assert [row.state for row in await house.deliveries()] == [DeliveryState.DELIVERED]


async def test_a_channel_that_fails_is_tried_for_a_day_then_given_up_and_can_be_retried(house: House) -> None:
    await house.rule(EventKind.JOB_FAILED)
    await house.add_hosts(1)
    _, jobs = await house.deployment(house.by_name.values())
    await house.end_jobs(jobs, "failed")
    house.receiver.refuse(500)
    await house.settle()
    (row,) = await house.deliveries()
    assert row.next_try_at is not None
    assert timedelta(seconds=45) <= row.next_try_at - house.clock() <= timedelta(seconds=75)
    assert "answered 500" in row.last_error
    assert await house.pump(seconds=40) == []
    assert len(await house.pump(seconds=40)) == 1
    for _ in range(40):
        await house.pump(hours=1.1)
    (row,) = await house.deliveries()
    assert (row.state, row.next_try_at) == (DeliveryState.FAILED, None)
    assert 20 < row.attempts < 40
    house.receiver.refuse(204)
    await house.db.transaction(notification_deliveries.try_again, row.id, house.clock())
    assert len(await house.pump()) == 1
    assert [row.state for row in await house.deliveries()] == [DeliveryState.DELIVERED]


async def test_an_operator_is_told_of_hosts_in_sight_at_the_moment_of_sending(house: House) -> None:
    a, b = await house.group("a"), await house.group("b")
    operator = await house.operator(a)
    await house.rule(EventKind.JOB_FAILED, EventKind.DEPLOYMENT_FINISHED, owner=operator)
    mine, theirs = await house.add_hosts(2, a, prefix="mine"), await house.add_hosts(3, b, prefix="theirs")
    _, jobs = await house.deployment([*mine, *theirs])
    await house.end_jobs(jobs, "failed")
    messages = await house.settle()
    assert sorted(str(got.json["title"]) for got in messages) == ["2 jobs failed", "Deployment finished: 2 failed"]
    assert not any(b"theirs" in got.body for got in messages)
    # Out of the group between the first attempt and the second: nothing more is sent.
    house.receiver.refuse(500)
    _, jobs = await house.deployment(mine)
    await house.end_jobs(jobs, "failed")
    assert len(await house.settle()) == 1  # the other waits: the channel rests after a failure
    await house.execute("DELETE FROM group_users WHERE user_id = $1", operator)
    assert await house.pump(minutes=2) == []
    dropped = [row for row in await house.deliveries() if row.state is DeliveryState.DROPPED]
    assert [row.last_error for row in dropped] == [
        "its hosts are out of the owner's sight, or of the rule's groups"
    ] * 2
    # And with an account that is disabled, nothing begins.
    await house.execute("INSERT INTO group_users (group_id, user_id) VALUES ($1, $2)", a, operator)
    await house.execute("UPDATE users SET disabled_at = now() WHERE id = $1", operator)
    _, jobs = await house.deployment(mine)
    await house.end_jobs(jobs, "failed")
    assert await house.settle() == []


async def test_a_rule_for_groups_is_about_their_hosts_only(house: House) -> None:
    a = await house.group("a")
    await house.rule(EventKind.HOST_UNREACHABLE, groups=[a])
    (inside,), (outside,) = await house.add_hosts(1, a, prefix="inside"), await house.add_hosts(1, prefix="outside")
    for host_id in (inside, outside):
        await house.health(host_id, "unreachable")
    await house.pump(seconds=31)
    (message,) = await house.settle()
    assert [item["host_name"] for item in message.json["items"]] == ["inside-000"]
    await house.execute("DELETE FROM groups")  # a group that goes does not widen the rule
    await house.add_hosts(1, prefix="later")
    await house.health(house.by_name["later-000"], "unreachable")
    await house.pump(minutes=6)
    assert await house.settle() == []


async def test_a_host_that_stays_unreachable_is_told_once_and_its_recovery(house: House) -> None:
    await house.rule(EventKind.HOST_UNREACHABLE, EventKind.HOST_RECOVERED)
    (host,) = await house.add_hosts(1)
    await house.health(host, "degraded", "a retry is under way")
    await house.pump(minutes=5)
    await house.health(host, "unreachable", "refused")
    assert await house.settle() == []
    await house.pump(minutes=1)
    (message,) = await house.settle()
    assert (message.json["event"], message.json["title"]) == ("host_unreachable", "host-000 is unreachable")
    assert message.json["url"] == f"{ORIGIN}/hosts/{host}"
    house.restart()
    assert await house.pump(hours=3) == []
    await house.health(host, "healthy", "")
    await house.pump()
    await house.pump(minutes=2)
    assert [got.json["event"] for got in await house.settle()] == ["host_recovered"]
    await house.health(host, "unreachable", "refused")
    await house.pump(minutes=2)
    assert await house.settle() == []  # flapping


async def test_windows_are_told_a_day_ahead_in_one_message_and_again_when_moved(house: House) -> None:
    await house.rule(EventKind.WINDOW_OPENING)
    hosts = await house.add_hosts(40)
    windows = [await house.window(host, timedelta(hours=24, minutes=n)) for n, host in enumerate(hosts)]
    await house.window(hosts[0], timedelta(hours=30))
    (message,) = await house.settle()
    assert message.json["count"] == 40  # those that follow within the hour are told with the first
    assert "Europe/Berlin: host-000\n" in message.json["text"]
    assert await house.pump(minutes=30) == []
    moved = house.clock() + timedelta(hours=3)
    await house.execute("UPDATE maintenance_windows SET starts_at = $2 WHERE id = $1", windows[7], moved)
    (message,) = await house.pump(minutes=2) + await house.settle()
    assert message.json["title"] == "Maintenance window of host-007 opens soon"
    house.restart()
    assert await house.pump(minutes=2) + await house.settle() == []
    (later,) = await house.pump(hours=6) + await house.settle()
    assert [item["host_name"] for item in later.json["items"]] == ["host-000"]


async def test_certificates_are_told_once_for_each_threshold(house: House) -> None:
    await house.rule(EventKind.CERTIFICATE_EXPIRING)
    a, b = await house.add_hosts(2)
    await house.certificate(a, 29)
    await house.certificate(b, 20)
    await house.certificate(b, 300)  # replaces the one before
    await house.certificate(None, 29, "manager_client")  # is renewed by itself any day now
    house.own.append(OwnCertificate("the root certificate", "77", house.clock() + timedelta(days=10)))
    (message,) = await house.settle()
    assert sorted(item["days"] for item in message.json["items"]) == [14, 30]
    assert "the root certificate: expires" in str(message.json["text"])
    house.restart()
    assert await house.pump(days=1) == []
    (message,) = await house.pump(days=15) + await house.settle()
    told = {item["subject"]: item["days"] for item in message.json["items"]}
    assert told == {"x": 14, "the manager's certificate for agents": 14, "the root certificate": 0}


async def test_one_channel_that_hangs_holds_up_no_other_and_a_standby_sends_nothing(house: House) -> None:
    hung = Receiver(answer=None)
    async with listening(hung.serve) as hung.port:
        await house.rule(EventKind.HOST_UNREACHABLE)
        there, house.receiver = house.receiver, hung
        await house.rule(EventKind.HOST_UNREACHABLE)
        house.receiver = there
        (host,) = await house.add_hosts(1)
        await house.health(host, "unreachable")
        leader, house.leader = house.leader, None
        await house.pump(minutes=1)
        assert await house.settle() == []
        house.leader = leader
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.room.run)
            while not (hung.received and there.received):
                house.clock.forward(seconds=11)
                house.room.changed()
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    by_state = {row.state for row in await house.deliveries()}
    assert DeliveryState.PENDING in by_state


async def test_a_test_message_goes_out_at_once_and_says_how_it_ended(house: House) -> None:
    channel = await house.channel()
    result = await house.room.test(channel, ())
    assert result is not None
    assert result.ok
    (message,) = house.receiver.received
    assert message.json["event"] == "test"
    house.receiver.refuse(410)
    result = await house.room.test(channel, ())
    assert result is not None
    assert (result.ok, "the webhook was removed" in result.detail) == (False, True)
    assert await house.room.test(UUID(int=1), ()) is None
