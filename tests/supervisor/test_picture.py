"""The fleet picture: totals equal the rows, scopes never leak, changes since a revision are complete."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from uuid import UUID

import orjson
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.domain.health import ActorState, Health
from patch_manager.domain.hosts import HostFacts, HostSnapshot, JobInHand, PatchSummary
from patch_manager.domain.principal import EVERYTHING, Scope
from patch_manager.http.schemas.fleet import Fleet, FleetTotals, HostRow
from patch_manager.supervisor.fleet_bytes import FleetBlobs
from patch_manager.supervisor.picture import FleetPicture
from patch_manager.supervisor.rows import encode_row
from patch_manager.supervisor.tally import Tally
from tests.actors.hosts import NOW, record

A, B, C = (UUID(int=number) for number in (101, 102, 103))
SCOPES = (EVERYTHING, Scope(frozenset({A})), Scope(frozenset({A, B})), Scope(frozenset()))


def shown(number: int = 1, *, groups: frozenset[UUID] = frozenset(), health: Health = Health.HEALTHY) -> HostSnapshot:
    return HostSnapshot(
        record=record(number, groups=groups),
        facts=HostFacts(),
        health=health,
        health_reason="",
        health_since=NOW,
        patches=PatchSummary(),
        patches_read_at=None,
        reboot_required=False,
        actor_state=ActorState.IDLE,
        activity="idle",
        next_poll_at=None,
        last_seen_at=None,
    )


def picture() -> FleetPicture:
    return FleetPicture(lambda: NOW)


def counted(fleet: FleetPicture, scope: Scope) -> object:
    tally = Tally()
    for snapshot in fleet.hosts(scope):
        tally.add(snapshot)
    return tally.totals(NOW)


_snapshots = st.builds(
    lambda number, groups, health, state, pending, critical, days, reboot, job, read: replace(
        shown(number, groups=groups, health=health),
        actor_state=state,
        patches=PatchSummary(
            pending=pending,
            critical=critical,
            oldest_security_at=None if days is None else NOW - timedelta(days=days),
        ),
        reboot_required=reboot,
        patches_read_at=NOW if read else None,
        job=JobInHand(A, None, "running", 1) if job else None,
    ),
    st.integers(1, 6),
    st.frozensets(st.sampled_from([A, B, C])),
    st.sampled_from(Health),
    st.sampled_from(ActorState),
    st.integers(0, 9),
    st.integers(0, 2),
    st.none() | st.integers(0, 20),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
_steps = st.lists(st.one_of(_snapshots, st.integers(1, 6)), max_size=60)


@given(_steps)
def test_totals_always_equal_the_rows(steps: list[HostSnapshot | int]) -> None:
    fleet = picture()
    for step in steps:
        if isinstance(step, int):
            fleet.remove(record(step).id)
        else:
            fleet.publish(step)
        for scope in SCOPES:
            assert fleet.totals(scope) == counted(fleet, scope)


@settings(max_examples=200)
@given(before=_steps, after=_steps, scope=st.sampled_from(SCOPES))
def test_a_reader_that_applies_changes_sees_exactly_its_scope_and_never_more(
    before: list[HostSnapshot | int], after: list[HostSnapshot | int], scope: Scope
) -> None:
    fleet = picture()

    def play(steps: list[HostSnapshot | int]) -> None:
        for step in steps:
            if isinstance(step, int):
                fleet.remove(record(step).id)
            else:
                fleet.publish(step)

    play(before)
    mine = {host.record.id for host in fleet.hosts(scope)}
    known = set(mine)
    revision = fleet.revision
    play(after)
    changes = fleet.changes_since(revision, scope, limit=100)
    assert changes is not None
    ever = known | {step.record.id for step in after if not isinstance(step, int) and scope.sees(step.record.group_ids)}
    assert set(changes.removed) <= ever, "an id that the scope never saw is not told"
    mine = (mine | set(changes.changed)) - set(changes.removed)
    assert mine == {host.record.id for host in fleet.hosts(scope)}
    assert changes.revision == fleet.revision


def test_scope_never_leaks() -> None:
    fleet = picture()
    fleet.publish(shown(1, groups=frozenset({A})))
    fleet.publish(shown(2, groups=frozenset({B})))
    fleet.publish(shown(3))
    of_a = Scope(frozenset({A}))
    assert {host.record.id for host in fleet.hosts(of_a)} == {record(1).id, record(3).id}
    assert fleet.get(record(2).id, of_a) is None
    assert fleet.totals(of_a).hosts == 2
    changes = fleet.changes_since(0, of_a, limit=10)
    assert changes is not None
    assert set(changes.changed) == {record(1).id, record(3).id}


def test_a_host_that_left_the_scope_is_told_as_removed() -> None:
    fleet = picture()
    fleet.publish(shown(1, groups=frozenset({A})))
    revision = fleet.revision
    fleet.publish(shown(1, groups=frozenset({B})))
    of_a, of_b = Scope(frozenset({A})), Scope(frozenset({B}))
    for_a, for_b = (fleet.changes_since(revision, scope, limit=9) for scope in (of_a, of_b))
    assert for_a is not None
    assert for_b is not None
    assert (for_a.changed, for_a.removed) == ((), (record(1).id,))
    assert (for_b.changed, for_b.removed) == ((record(1).id,), ())


def test_when_a_host_was_seen_is_outside_the_revision() -> None:
    fleet = picture()
    fleet.publish(replace(shown(), last_seen_at=NOW))
    revision, seen = fleet.revision, fleet.seen_number
    fleet.publish(replace(shown(), last_seen_at=NOW + timedelta(seconds=5), next_poll_at=NOW))
    assert fleet.revision == revision
    assert [host.record.id for host in fleet.seen_since(seen, EVERYTHING)] == [record().id]
    assert orjson.loads(fleet.row(record().id))["last_seen_at"] == "2026-03-01T12:00:05Z"


def test_a_reader_too_far_behind_starts_over() -> None:
    fleet = picture()
    for number in range(1, 20):
        fleet.publish(shown(number))
    assert fleet.changes_since(0, EVERYTHING, limit=5) is None
    assert fleet.changes_since(fleet.revision + 1, EVERYTHING, limit=5) is None, "a revision of another run"


def test_rows_are_what_the_schema_says() -> None:
    snapshot = replace(shown(groups=frozenset({A})), job=JobInHand(A, None, "running", 3))
    row = orjson.loads(encode_row(snapshot, 7))
    assert set(row) == set(HostRow.model_fields)
    assert HostRow.model_validate(row).revision == 7
    assert set(asdict(Tally().totals(NOW))) == set(FleetTotals.model_fields)


async def test_the_fleet_is_compressed_once_per_revision_and_scope(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    for number in range(1, 1200):
        fleet.publish(shown(number, groups=frozenset({A if number % 2 else B})))
    blobs = FleetBlobs(fleet)
    everything, of_a = await blobs.get(EVERYTHING), await blobs.get(Scope(frozenset({A})))
    assert await blobs.get(EVERYTHING) is everything
    assert everything.etag != of_a.etag
    body = Fleet.model_validate_json(everything.plain())
    assert (len(body.hosts), body.totals.hosts, body.revision) == (1199, 1199, fleet.revision)
    assert len(Fleet.model_validate_json(of_a.plain()).hosts) == 600
    fleet.publish(shown(5, health=Health.UNREACHABLE))
    assert (await blobs.get(EVERYTHING)).etag != everything.etag


async def test_an_old_answer_is_made_anew_for_what_was_seen_since(autojump_clock: trio.testing.MockClock) -> None:
    fleet = picture()
    fleet.publish(shown())
    blobs = FleetBlobs(fleet)
    first = await blobs.get(EVERYTHING)
    fleet.publish(replace(shown(), last_seen_at=NOW))
    assert await blobs.get(EVERYTHING) is first
    await trio.sleep(20)
    assert b"2026-03-01T12:00:00Z" in (await blobs.get(EVERYTHING)).plain()


async def test_waiting_for_a_revision_ends_with_the_next_change() -> None:
    fleet = picture()
    async with trio.open_nursery() as nursery:

        async def waiter() -> None:
            assert await fleet.wait_beyond(0) == 1

        for _ in range(3):
            nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        fleet.publish(shown())
