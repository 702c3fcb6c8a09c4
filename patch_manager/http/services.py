"""What handlers reach: one frozen record attached to the app, and the one way to change anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple, cast
from uuid import UUID

import trio
from prometheus_client import CollectorRegistry
from quart import current_app

from patch_manager.auth import Auth
from patch_manager.domain.audit import AuditEvent, Outcome
from patch_manager.domain.notifications import Notifier
from patch_manager.domain.principal import Principal
from patch_manager.domain.settings import AgentSettings, LimitSettings
from patch_manager.http.call import call
from patch_manager.http.errors import Failure, Refused
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.vault import Vault
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.supervisor.facade import Fleet
from patch_manager.supervisor.fleet_bytes import FleetBlobs
from patch_manager.supervisor.jobs.calendar import Calendar
from patch_manager.supervisor.jobs.deployments import Deployments
from patch_manager.supervisor.jobs.operations import HostOperations

if TYPE_CHECKING:
    from patch_manager.http.operations import Readiness

_EXTENSION = "patch_manager.services"
Value = TypeVar("Value")
Args = TypeVarTuple("Args")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What the HTTP room needs of the settings file. ``origin`` is what browsers see, e.g. ``https://localhost:8443``."""

    origin: str
    agent: AgentSettings = field(default_factory=AgentSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)


@dataclass(frozen=True)
class Services:
    """Everything a handler may use; made once by the composition root.

    ``stopping`` is set when the program begins to stop. ``forbidden_address`` says why a host may not have that
    address, None when it may (TRUST 15); the rule is the agents room's.
    """

    db: Database
    audit: AuditLog
    auth: Auth
    supervisor: Fleet
    deployments: Deployments
    operations: HostOperations
    calendar: Calendar
    notifier: Notifier
    vault: Vault
    authority: CertificateAuthority
    settings: HttpSettings
    readiness: Readiness
    started_at: datetime
    forbidden_address: Callable[[str], str | None]
    exported_heads: Path | None = None
    """``audit-heads.log``, which `POST audit/verify` compares the log with; None: not exported."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stopping: trio.Event = field(default_factory=trio.Event)

    @cached_property
    def fleet_blobs(self) -> FleetBlobs:
        """The answers of ``GET fleet``, kept per scope."""
        return FleetBlobs(self.supervisor.picture)


def attach(app: Any, services: Services) -> None:
    """Give an app its services."""
    app.extensions[_EXTENSION] = services


def services() -> Services:
    """The services of the app that handles the request in hand."""
    return cast(Services, current_app.extensions[_EXTENSION])


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did, for the audit log; who, from where and in which request are added by `change`.

    ``action`` is a static dotted name whose first word is the kind of thing (``host.created``), ``target`` its id,
    ``groups`` the ids of its groups, so that the log can be read by group.
    """

    action: str
    target: str
    groups: tuple[str, ...] = ()
    outcome: str = "success"
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changed(Generic[Value]):
    """The result of a unit of work and what it did; no acts means that nothing was changed."""

    value: Value
    acts: tuple[Act, ...]


async def change(
    principal: Principal,
    unit: Callable[[Connection, *Args], Awaitable[Changed[Value] | Failure]],
    *args: *Args,
) -> Value | Failure:
    """Run a unit of work and write its audit events in one transaction (TRUST 19).

    ``unit`` is an asyncio coroutine function, called as ``unit(connection, *args)``. When it returns a `Failure`, or
    when the audit log cannot be written, nothing is changed.
    """
    current = services()
    try:
        return await current.db.transaction(_audited, current.audit, _signer(principal), unit, args)
    except Refused as refused:
        return refused.failure


def _signer(principal: Principal) -> Callable[[Act], AuditEvent]:
    sender = call()

    def sign(act: Act) -> AuditEvent:
        return AuditEvent(
            action=act.action,
            actor=principal.username,
            outcome=Outcome(act.outcome),
            actor_id=principal.user_id,
            session=principal.session_id,
            ip=sender.ip,
            target_type=act.action.partition(".")[0],
            target_id=act.target.rpartition(":")[2],
            groups=frozenset(UUID(group) for group in act.groups),
            request_id=sender.request_id,
            detail=act.detail,
        )

    return sign


async def _audited(
    connection: Connection,
    audit: AuditLog,
    sign: Callable[[Act], AuditEvent],
    unit: Callable[..., Awaitable[Changed[Value] | Failure]],
    args: tuple[Any, ...],
) -> Value:
    result = await unit(connection, *args)
    if isinstance(result, Failure):
        raise Refused(result)  # rolls back whatever the unit had begun
    if result.acts:
        await audit.append(connection, [sign(act) for act in result.acts])
    return result.value
