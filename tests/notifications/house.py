"""A room on a real database with a webhook that is listened to, and a clock that tests set."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import trio

from patch_manager.domain.notifications import (
    ChannelKind,
    EventKind,
    OwnCertificate,
    WebhookFormat,
    WebhookSettings,
    seal_name,
    sealed_part,
    shown_part,
)
from patch_manager.domain.openings import Freeze, HostWindow
from patch_manager.domain.principal import Role
from patch_manager.notifications.reaching import Reach
from patch_manager.notifications.room import Notifications
from patch_manager.pki.vault import Vault
from patch_manager.storage import Connection, Database, notification_channels, notification_rules
from patch_manager.storage.freezes import Freezes, coming_freezes
from patch_manager.storage.leadership import Leader
from patch_manager.storage.notification_channels import ChannelRow
from patch_manager.storage.notification_deliveries import DeliveryFilter, DeliveryRow, list_deliveries
from patch_manager.storage.notification_rules import RuleRow
from patch_manager.storage.windows import enabled_windows
from tests.notifications.servers import Received, Receiver
from tests.people import WallClock, add_group

VAULT = Vault(bytes(32))
ORIGIN = "https://patch.example.com"


@dataclass
class House:
    """``room`` is replaced by ``restart``, as a new process would."""

    db: Database
    receiver: Receiver
    clock: WallClock = field(default_factory=WallClock)
    leader: Leader | None = field(default_factory=lambda: Leader(0))
    own: list[OwnCertificate] = field(default_factory=list)
    by_name: dict[str, UUID] = field(default_factory=dict)
    known_windows: Mapping[UUID, Sequence[HostWindow]] = field(default_factory=dict)
    known_freezes: Freezes = field(default_factory=Freezes)
    room: Notifications = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew with what the database holds."""
        reach = Reach(lambda address: None, ssl.create_default_context())
        self.room = Notifications(
            self.db,
            lambda: self.leader,
            VAULT.open,
            reach,
            origin=ORIGIN,
            wall=self.clock,
            calendar=self,
            own_certificates=lambda: self.own,
        )

    def windows(self, host_id: UUID) -> Sequence[HostWindow]:
        """The room's calendar, as of the last ``pump``."""
        return self.known_windows.get(host_id, ())

    def freezes(self, host_id: UUID) -> Sequence[Freeze]:
        """The same."""
        return self.known_freezes.of(host_id)

    def hosts(self) -> Iterable[tuple[UUID, str]]:
        """The same."""
        return ((host_id, name) for name, host_id in self.by_name.items())

    async def pump(self, **forward: float) -> list[Received]:
        """Move the clock, do one round and all that it starts; what arrived meanwhile."""
        self.clock.forward(**forward)
        self.known_windows = await self.db.read(enabled_windows)
        self.known_freezes = await self.db.read(coming_freezes, self.clock())
        before = len(self.receiver.received)
        self.room.changed()
        async with trio.open_nursery() as nursery:
            await self.room.round(nursery)
        return self.receiver.received[before:]

    async def settle(self) -> list[Received]:
        """What is told of all that has happened: long enough for events to be gathered, and nothing more."""
        return [*await self.pump(), *await self.pump(seconds=11)]

    async def execute(self, statement: str, *values: Any) -> None:
        """Change the database past the program."""

        async def run(connection: Connection) -> None:
            await connection.execute(statement, *values)

        await self.db.transaction(run)

    async def deliveries(self) -> tuple[DeliveryRow, ...]:
        """The log, newest first."""
        return (await self.db.read(list_deliveries, DeliveryFilter(), 1000, None))[0]

    async def channel(self) -> UUID:
        """A channel to the receiver."""
        settings = WebhookSettings(f"http://127.0.0.1:{self.receiver.port}/hook", WebhookFormat.JSON)
        channel_id, now = uuid4(), self.clock()
        sealed = VAULT.seal(seal_name(channel_id), orjson.dumps(sealed_part(settings)))
        row = ChannelRow(
            channel_id, f"chat {channel_id}", "", ChannelKind.WEBHOOK, shown_part(settings), sealed, "admin", now, now
        )
        await self.db.transaction(notification_channels.insert_channel, row)
        return channel_id

    async def rule(
        self, *events: EventKind, owner: UUID | None = None, groups: Sequence[UUID] = (), channel: UUID | None = None
    ) -> RuleRow:
        """A rule; shared without an owner."""
        now = self.clock()
        row = RuleRow(
            id=uuid4(),
            name="rule",
            enabled=True,
            owner_id=owner,
            owner_name=None,
            channel_id=channel or await self.channel(),
            channel_name="",
            channel_kind=ChannelKind.WEBHOOK,
            events=events,
            group_ids=tuple(groups),
            recipients=(),
            created_by_name="admin",
            created_at=now,
            updated_at=now,
        )
        await self.db.transaction(notification_rules.insert_rule, row)
        return row

    async def group(self, name: str) -> UUID:
        """A group."""
        return await self.db.transaction(add_group, name)

    async def operator(self, *groups: UUID) -> UUID:
        """An operator."""
        user_id = uuid4()
        await self.execute(
            "INSERT INTO users (id, username, role, password_hash) VALUES ($1, $2, $3, '')",
            user_id,
            f"op {user_id}",
            Role.OPERATOR.value,
        )
        for group_id in groups:
            await self.execute("INSERT INTO group_users (group_id, user_id) VALUES ($1, $2)", group_id, user_id)
        return user_id

    async def add_hosts(self, count: int, *groups: UUID, prefix: str = "host") -> list[UUID]:
        """Healthy hosts."""
        made = []
        for n in range(count):
            host_id = uuid4()
            address, name = f"10.{len(self.by_name) // 250}.0.{len(self.by_name) % 250 + 1}", f"{prefix}-{n:03}"
            self.by_name[name] = host_id
            await self.execute(
                "INSERT INTO hosts (id, address, port, display_name, health) VALUES ($1, $2, 12443, $3, 'healthy')",
                host_id,
                address,
                name,
            )
            for group_id in groups:
                await self.execute("INSERT INTO group_hosts (group_id, host_id) VALUES ($1, $2)", group_id, host_id)
            made.append(host_id)
        return made

    async def deployment(self, hosts: Iterable[UUID]) -> tuple[UUID, list[UUID]]:
        """A deployment whose jobs wait; its id and theirs."""
        deployment_id, host_ids = uuid4(), list(hosts)
        await self.execute(
            "INSERT INTO deployments (id, created_at, created_by_name, request_digest, security_only, starts, reboot) "
            "VALUES ($1, $2, 'alice', '', false, 'now', 'never')",
            deployment_id,
            self.clock(),
        )
        job_ids = [uuid4() for _ in host_ids]
        await self.execute(
            "INSERT INTO jobs (id, deployment_id, host_id, host_name, host_address, operation, state, starts, reboot, "
            "created_at) SELECT u.id, $3, u.host_id, coalesce(h.display_name, 'gone'), '', 'patchapply', 'queued', "
            "'now', 'never', $4 FROM unnest($1::uuid[], $2::uuid[]) AS u (id, host_id) "
            "LEFT JOIN hosts h ON h.id = u.host_id",
            job_ids,
            host_ids,
            deployment_id,
            self.clock(),
        )
        return deployment_id, job_ids

    async def end_jobs(self, job_ids: Sequence[UUID], state: str, reason: str = "no space left on device") -> None:
        """A step of jobs, as the committer writes it: the job, its version, the transition, in one transaction."""

        async def step(connection: Connection) -> None:
            await connection.execute(
                "UPDATE jobs SET state = $2, version = version + 1 WHERE id = ANY ($1)", list(job_ids), state
            )
            await connection.execute(
                "INSERT INTO job_transitions (id, job_id, version, at, state, reason) "
                "SELECT gen_random_uuid(), j.id, j.version, $2, j.state, $3 FROM jobs j WHERE j.id = ANY ($1)",
                list(job_ids),
                self.clock(),
                reason,
            )

        await self.db.transaction(step)

    async def health(self, host_id: UUID, health: str, reason: str = "refused") -> None:
        """What polling concluded now."""
        await self.execute(
            "UPDATE hosts SET health = $2, health_since = $3, health_reason = $4 WHERE id = $1",
            host_id,
            health,
            self.clock(),
            reason,
        )

    async def certificate(self, host_id: UUID | None, days: float, profile: str = "agent_server") -> str:
        """A certificate that ends in so many days."""
        serial = uuid4().hex
        await self.execute(
            "INSERT INTO certificates (serial, profile, subject, sans, host_id, not_before, not_after, fingerprint, "
            "certificate_pem) VALUES ($1, $2, 'x', '{}', $3, $4, $5, '', '')",
            serial,
            profile,
            host_id,
            self.clock() - timedelta(days=60),
            self.clock() + timedelta(days=days),
        )
        return serial

    async def window(self, host_id: UUID, opens_in: timedelta) -> UUID:
        """A window that opens once, for an hour."""
        window_id, now = uuid4(), self.clock()
        await self.execute(
            "INSERT INTO maintenance_windows (id, host_id, name, kind, starts_at, timezone, duration_minutes, "
            "created_by_name, created_at, updated_at) "
            "VALUES ($1, $2, 'night', 'once', $3, 'Europe/Berlin', 60, 'x', $4, $4)",
            window_id,
            host_id,
            now + opens_in,
            now,
        )
        return window_id
