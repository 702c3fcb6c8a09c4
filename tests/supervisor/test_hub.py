"""Live changes: coalesced, shared per scope, filtered by it, and a fresh start for who falls behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import orjson
import trio
import trio.testing

from patch_manager.domain.health import Health
from patch_manager.domain.principal import EVERYTHING, Scope
from patch_manager.supervisor.hub import EventHub, Subscription
from tests.actors.hosts import NOW, record
from tests.supervisor.test_picture import A, B, picture, shown

OF_A = Scope(frozenset({A}))


@asynccontextmanager
async def running(hub: EventHub) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        yield
        nursery.cancel_scope.cancel()


async def batch(subscription: Subscription, within: float = 1.0) -> list[dict[str, Any]]:
    with trio.fail_after(within):
        return [orjson.loads(message) for message in await subscription.next_batch()]


async def test_changes_within_a_window_are_one_batch_with_the_latest_of_each_host(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fleet = picture()
    hub = EventHub(fleet)
    async with running(hub), hub.subscribe(lambda: EVERYTHING) as subscription:
        assert orjson.loads(await subscription.snapshot())["hosts"] == []
        for number in (1, 2, 1, 1):
            fleet.publish(shown(number))
            fleet.publish(shown(number, health=Health.UNREACHABLE))
        messages = await batch(subscription)
        assert [message["type"] for message in messages] == ["delta"]
        assert messages[0]["revision"] == fleet.revision
        assert sorted(host["display_name"] for host in messages[0]["hosts"]) == ["host-1", "host-2"]
        assert messages[0]["totals"]["by_health"]["unreachable"] == 2


async def test_about_ten_batches_a_second(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    hub = EventHub(fleet)
    batches = 0

    async def changes() -> None:
        for number in range(1000):
            fleet.publish(shown(1 + number % 7, health=list(Health)[number % 4]))
            await trio.sleep(0.01)

    async with running(hub), hub.subscribe(lambda: EVERYTHING) as subscription, trio.open_nursery() as nursery:
        await subscription.snapshot()
        nursery.start_soon(changes)
        with trio.move_on_after(10):
            while batches < 1000:
                await subscription.next_batch()
                batches += 1
    assert 80 <= batches <= 130


async def test_fifty_subscribers_share_what_is_encoded(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    hub = EventHub(fleet)
    got: list[bytes] = []
    async with running(hub), trio.open_nursery() as nursery:

        async def browser() -> None:
            async with hub.subscribe(lambda: EVERYTHING) as subscription:
                await subscription.snapshot()
                got.extend(await subscription.next_batch())

        for _ in range(50):
            nursery.start_soon(browser)
        await trio.testing.wait_all_tasks_blocked()
        fleet.publish(shown())
    assert len(got) == 50
    assert len({id(message) for message in got}) == 1


async def test_a_live_delta_never_shows_another_scope(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    hub = EventHub(fleet)
    async with running(hub), hub.subscribe(lambda: OF_A) as subscription:
        await subscription.snapshot()
        foreign = uuid4()
        fleet.publish(shown(2, groups=frozenset({B})))
        hub.publish_jobs([{"id": foreign, "host_id": record(2).id}])
        hub.publish_deployments([({"id": foreign}, [record(2).id])])
        fleet.publish(shown(1, groups=frozenset({A})))
        hub.publish_jobs([{"id": uuid4(), "host_id": str(record(1).id)}])
        messages = await batch(subscription)
        text = orjson.dumps(messages)
        assert [message["type"] for message in messages] == ["delta", "jobs"]
        assert str(record(2).id).encode() not in text
        assert str(foreign).encode() not in text
        assert messages[0]["totals"]["hosts"] == 1


async def test_a_scope_that_changes_starts_over(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    fleet.publish(shown(1, groups=frozenset({A})))
    fleet.publish(shown(2, groups=frozenset({B})))
    hub = EventHub(fleet)
    scope = OF_A
    async with running(hub), hub.subscribe(lambda: scope) as subscription:
        await subscription.snapshot()
        scope = Scope(frozenset({B}))
        hub.wake_all()
        messages = await batch(subscription)
        assert [message["type"] for message in messages] == ["resync", "snapshot"]
        assert [host["display_name"] for host in messages[1]["hosts"]] == ["host-2"]


async def test_a_subscriber_that_falls_behind_starts_over_and_holds_no_queue(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fleet = picture()
    hub = EventHub(fleet, resync_beyond=10)
    async with running(hub), hub.subscribe(lambda: EVERYTHING) as subscription:
        await subscription.snapshot()
        for number in range(1, 100):
            fleet.publish(shown(number))
            await trio.sleep(0.1)
        messages = await batch(subscription)
        assert [message["type"] for message in messages] == ["resync", "snapshot"]
        assert len(messages[1]["hosts"]) == 99


async def test_more_jobs_than_are_remembered_start_over(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    fleet.publish(shown())
    hub = EventHub(fleet)
    async with running(hub), hub.subscribe(lambda: EVERYTHING) as subscription:
        await subscription.snapshot()
        hub.publish_jobs({"id": UUID(int=number), "host_id": record().id} for number in range(1, 6000))
        assert [message["type"] for message in await batch(subscription)] == ["resync", "snapshot"]


async def test_moments_of_polls_travel_in_bulk(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    fleet.publish(shown(1))
    fleet.publish(shown(2, groups=frozenset({B})))
    hub = EventHub(fleet)
    async with running(hub), hub.subscribe(lambda: OF_A) as subscription:
        await subscription.snapshot()
        fleet.publish(replace(shown(1), last_seen_at=NOW))
        fleet.publish(replace(shown(2, groups=frozenset({B})), last_seen_at=NOW))
        messages = await batch(subscription, 5)
        host = str(record(1).id)
        assert messages == [{"type": "seen", "items": {host: "2026-03-01T12:00:00Z"}, "next": {host: None}}]


async def test_jobs_arrive_in_order_with_their_latest_state(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    fleet.publish(shown())
    hub = EventHub(fleet)
    first, second = uuid4(), uuid4()
    async with running(hub), hub.subscribe(lambda: EVERYTHING) as subscription:
        await subscription.snapshot()
        for job, progress in ((first, 1), (second, 2), (first, 3)):
            hub.publish_jobs([{"id": job, "host_id": record().id, "progress": progress}])
        (message,) = await batch(subscription)
        assert [item["progress"] for item in message["items"]] == [2, 3]
