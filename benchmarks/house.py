"""The rooms put together in the benchmark's own process, over a real database, with hosts shown and not polled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import trio

from benchmarks.polls import known_host, wall
from patch_manager.actors.agent.address_policy import AddressPolicy
from patch_manager.actors.agents import agent_factory
from patch_manager.actors.core import start
from patch_manager.actors.schedule import Cadence
from patch_manager.actors.state import Now, snapshot_of
from patch_manager.auth import AuthSettings, make_auth
from patch_manager.auth.accounts import new_user
from patch_manager.auth.tokens import AccessTokens
from patch_manager.config import ServerSettings, Settings
from patch_manager.domain.host_status import StoredHost
from patch_manager.domain.hosts import HostSnapshot, PatchSummary
from patch_manager.domain.patches import Severity
from patch_manager.domain.principal import Role
from patch_manager.domain.settings import AgentSettings, LimitSettings, PollingSettings
from patch_manager.foundation import Foundation, open_foundation
from patch_manager.http.app import create_app
from patch_manager.http.guard import ASGIApp
from patch_manager.http.limits import gate
from patch_manager.http.operations import Readiness, make_registry
from patch_manager.http.routes import all_routes
from patch_manager.http.services import HttpSettings, Services
from patch_manager.pki.identities import https_request
from patch_manager.pki.tls import HttpsTls
from patch_manager.pki.upkeep import key_pair
from patch_manager.pki.vault import sealed_ed25519
from patch_manager.simulator.specs import addresses
from patch_manager.storage import sessions, users
from patch_manager.storage.connecting import Connection
from patch_manager.storage.host_registry import add_host
from patch_manager.supervisor.fleet import FleetSupervisor
from patch_manager.supervisor.limits import Limits

ORIGIN = "https://127.0.0.1:8443"


@dataclass(frozen=True, slots=True)
class House:
    """What rows measure: the app as it is served, the fleet behind it, and an admin's token."""

    base: Foundation
    fleet: FleetSupervisor
    app: ASGIApp
    tls: HttpsTls
    root: Path
    token: str
    hosts: tuple[StoredHost, ...]

    def show(self, number: int, change: int) -> None:
        """Publish a host as it looks after ``change``: another number is a visible change."""
        self.fleet.picture.publish(_shown(self.hosts[number % len(self.hosts)], change))


def fleet_of(count: int) -> tuple[StoredHost, ...]:
    """Hosts after their first poll, with ten patches each."""
    summary = PatchSummary(10, 5, 2, 3, 3, 2, 0, 10, Severity.CRITICAL, 1, wall())
    found = (known_host(number, address, 12443) for number, address in enumerate(addresses(count), start=1))
    return tuple(replace(host, status=replace(host.status, patches=summary)) for host in found)


def _shown(host: StoredHost, change: int) -> HostSnapshot:
    status = replace(host.status, patches=replace(host.status.patches, pending=10 + change))
    state = start(replace(host, status=status), Cadence(300.0, 1800.0), Now(trio.current_time(), wall()))
    return snapshot_of(state, Now(trio.current_time(), wall()))


@asynccontextmanager
async def open_base(directory: Path, hosts: tuple[StoredHost, ...]) -> AsyncIterator[Foundation]:
    """The embedded database with these hosts."""
    settings = Settings(server=ServerSettings(data_dir=directory / "data"))
    async with open_foundation(settings) as base:
        await base.db.transaction(_add_hosts, hosts)
        yield base


@asynccontextmanager
async def open_house(directory: Path, count: int) -> AsyncIterator[House]:
    """Everything that ``serve`` puts together but actors, which are not started."""
    hosts = fleet_of(count)
    async with open_base(directory, hosts) as base:
        keys, limits = base.keys, Limits.of(LimitSettings())
        fleet = FleetSupervisor(
            base.db,
            agents=agent_factory(lambda: cast(Any, None), AddressPolicy(True, frozenset()), AgentSettings()),
            jobs=cast(Any, None),
            polling=PollingSettings(),
            limits=limits,
            wall_clock=wall,
        )
        signing = sealed_ed25519(base.settings.server.data_dir / "auth", "access-tokens", keys.vault)
        auth_settings = AuthSettings(issuer=ORIGIN)
        auth = make_auth(base.db, base.audit, keys.vault, signing, auth_settings, limits.password_hashing)
        session = sessions.SessionRow(uuid4(), wall(), wall(), wall() + timedelta(hours=12), "127.0.0.1", "bench")
        user_id = await base.db.transaction(_add_admin, base, session)
        services = Services(
            db=base.db,
            audit=base.audit,
            auth=auth,
            supervisor=fleet,
            deployments=cast(Any, None),
            operations=cast(Any, None),
            calendar=cast(Any, None),
            notifier=cast(Any, None),
            vault=keys.vault,
            authority=keys.authority,
            settings=HttpSettings(ORIGIN),
            readiness=Readiness(),
            started_at=wall(),
            forbidden_address=lambda _: None,
            registry=make_registry(),
        )
        root = directory / "root.pem"
        root.write_bytes(keys.authority.root_pem)
        house = House(
            base=base,
            fleet=fleet,
            app=gate(create_app(services, all_routes()), services),
            tls=HttpsTls(key_pair(keys.authority.sign(https_request(ORIGIN)))),
            root=root,
            token=AccessTokens(signing, auth_settings, wall).issue(user_id, session.id)[0],
            hosts=hosts,
        )
        for number in range(count):
            house.show(number, 0)
        yield house


async def _add_hosts(connection: Connection, hosts: tuple[StoredHost, ...]) -> None:
    for host in hosts:
        await add_host(connection, host.record, created_by=None)


async def _add_admin(connection: Connection, base: Foundation, session: sessions.SessionRow) -> UUID:
    user = new_user(uuid4(), "bench", Role.ADMIN, "-", vault=base.keys.vault, secret=None, now=wall())
    await users.insert(connection, user)
    await sessions.insert_session(connection, user.id, session)
    return user.id
