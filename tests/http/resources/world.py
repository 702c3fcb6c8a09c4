"""A small fleet with two groups, for tests of who sees and may do what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import trio
from quart.typing import TestClientProtocol

from patch_manager.domain.health import ActorState
from patch_manager.domain.host_status import StoredHost
from patch_manager.domain.hosts import HostRecord, HostSnapshot
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.notifications import Attempt
from patch_manager.domain.principal import Role
from patch_manager.storage import Database, host_registry
from patch_manager.storage.connecting import Connection
from patch_manager.storage.hosts import load_hosts
from patch_manager.supervisor.answers import Busy, JobAnswer, NoSuchHost, PackagesResult, RefreshResult, ServiceResult
from patch_manager.supervisor.counters import PollCounters
from patch_manager.supervisor.hub import EventHub
from patch_manager.supervisor.limits import LimiterStatistics
from patch_manager.supervisor.picture import FleetPicture
from tests.people import People, add_group

NOW = datetime(2030, 5, 17, 9, 0, 0, tzinfo=UTC)


def snapshot_of(stored: StoredHost) -> HostSnapshot:
    """What an actor shows at its start."""
    status = stored.status
    return HostSnapshot(
        record=stored.record,
        facts=status.facts,
        health=status.health,
        health_reason=status.health_reason,
        health_since=status.health_since,
        patches=status.patches,
        patches_read_at=status.patches_read_at,
        reboot_required=status.reboot_required,
        actor_state=ActorState.IDLE,
        activity="idle",
        next_poll_at=None,
        last_seen_at=status.last_seen_at,
    )


class ActorlessFleet:
    """The supervisor's facade with the real picture and hub, and no actors: hosts are shown as stored."""

    def __init__(self, db: Database) -> None:
        self.picture = FleetPicture(lambda: NOW)
        self.hub = EventHub(self.picture, window=0.01, seen_window=0.05)
        self.counters = PollCounters()
        self.refreshed: RefreshResult = Busy()
        self.installed: PackagesResult = Busy()
        self.told_service: ServiceResult = Busy()
        self.known_job: bool | None = None
        self.restarted: list[UUID] = []
        self._db = db

    def limiter_statistics(self) -> Mapping[str, LimiterStatistics]:
        return {}

    async def refresh(self, host_id: UUID, timeout: float) -> RefreshResult:  # noqa: ASYNC109  # as the facade has it
        return self.refreshed if host_id in self.picture else NoSuchHost()

    async def packages(self, host_id: UUID, timeout: float) -> PackagesResult:  # noqa: ASYNC109  # as the facade has it
        return self.installed if host_id in self.picture else NoSuchHost()

    async def service(self, host_id: UUID, name: str, timeout: float) -> ServiceResult:  # noqa: ASYNC109  # as the facade has it
        return self.told_service if host_id in self.picture else NoSuchHost()

    async def knows_job(self, host_id: UUID, agent_job_id: str, timeout: float) -> bool | None:  # noqa: ASYNC109
        return self.known_job

    async def hosts_changed(self, host_ids: Iterable[UUID]) -> None:
        wanted = list(host_ids)
        found = {stored.record.id: stored for stored in await self._db.read(load_hosts, wanted)}
        for host_id in wanted:
            if host_id in found:
                self.picture.publish(snapshot_of(found[host_id]))
            else:
                self.picture.remove(host_id)

    async def settled(self, host_ids: Iterable[UUID], timeout: float) -> None:  # noqa: ASYNC109  # as the facade has it
        await trio.lowlevel.checkpoint()

    async def restart(self, host_id: UUID) -> bool:
        self.restarted.append(host_id)
        return host_id in self.picture

    def run_job(self, due: DueJob) -> JobAnswer:
        return JobAnswer.ACCEPTED

    def certificates_changed(self, host_ids: Iterable[UUID] | None = None) -> None:
        return None


class QuietNotifier:
    """Sends nothing: each test of a channel ends as said here."""

    def __init__(self) -> None:
        self.result: Attempt | None = Attempt(True, "taken")
        self.tested: list[tuple[UUID, tuple[str, ...]]] = []

    async def test(self, channel_id: UUID, recipients: Sequence[str]) -> Attempt | None:
        await trio.lowlevel.checkpoint()
        self.tested.append((channel_id, tuple(recipients)))
        return self.result

    def changed(self) -> None:
        return None


@dataclass
class World:
    """An administrator, an operator for each of the groups ``a`` and ``b``, and a host of each kind."""

    db: Database
    people: People
    fleet: ActorlessFleet
    client: TestClientProtocol
    group_a: UUID
    group_b: UUID
    users: dict[str, UUID] = field(default_factory=dict)
    hosts: dict[str, UUID] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def add_host(self, name: str, address: str, *groups: UUID) -> UUID:
        """A managed host."""
        record = HostRecord(uuid4(), address, 12443, None, name, frozenset(groups), NOW)
        await self.db.transaction(_add_host, record)
        await self.fleet.hosts_changed([record.id])
        self.hosts[name] = record.id
        return record.id

    async def ask(
        self,
        who: str,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Call the API as somebody: the status and the decoded answer (bytes where it is no JSON)."""
        given = {"Authorization": f"Bearer {self.tokens[who]}", **(headers or {})}
        full = path if path.startswith("/api") else f"/api/v1{path}"
        answer = await self.client.open(full, method=method, json=body, query_string=dict(query or {}), headers=given)
        if "json" in (answer.content_type or ""):
            return answer.status_code, await answer.get_json(force=True)
        return answer.status_code, await answer.get_data(as_text=False)

    async def get(self, who: str, path: str, **query: Any) -> Any:
        """The answer of a GET that must succeed."""
        status, answer = await self.ask(who, "GET", path, query=query)
        assert status == 200, answer
        return answer


async def _add_host(connection: Connection, record: HostRecord) -> None:
    assert await host_registry.add_host(connection, record, created_by=None) is None


async def make_world(people: People, fleet: ActorlessFleet, client: TestClientProtocol) -> World:
    """Groups a and b; hosts ``a1`` in a, ``b1`` in b, ``ab`` in both, ``free`` in none."""
    db = people.db
    group_a = await db.transaction(add_group, "group a")
    group_b = await db.transaction(add_group, "group b")
    world = World(db, people, fleet, client, group_a, group_b)
    for name, role, groups in (
        ("admin", Role.ADMIN, ()),
        ("op_a", Role.OPERATOR, (group_a,)),
        ("op_b", Role.OPERATOR, (group_b,)),
    ):
        world.users[name] = await people.add(name, role, groups=groups)
        world.tokens[name] = await people.token(world.users[name])
    await world.add_host("a1", "127.1.0.1", group_a)
    await world.add_host("b1", "127.66.77.88", group_b)
    await world.add_host("ab", "127.1.0.3", group_a, group_b)
    await world.add_host("free", "127.1.0.4")
    return world
