"""What the services of jobs share: what they are made of, refusals that undo a unit of work, how events are worded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from patch_manager.domain.audit import AuditEvent
from patch_manager.domain.deployments import IdempotencyConflict, Origin
from patch_manager.domain.principal import Principal
from patch_manager.storage import deployments as stored
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.database import Database
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.live import LiveJobs
from patch_manager.supervisor.jobs.planning import Planner


class Refusal(Exception):
    """Leaves a unit of work so that nothing it did is kept."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__(str(value))


@dataclass(frozen=True, slots=True)
class Outside:
    """What a service tells after a commit; none of it may block."""

    jobs_changed: Callable[[], None]
    """The scheduler's hint: look now."""
    news: Callable[[Iterable[UUID], Iterable[UUID]], None]
    """Jobs and deployments that changed, for the live stream."""


@dataclass(frozen=True, slots=True)
class Service:
    """What every service is made of. ``now`` is the wall clock (UTC)."""

    database: Database
    audit: AuditLog
    live: LiveJobs
    outside: Outside
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def planner(self, connection: Connection, hosts: Sequence[stored.TargetHost]) -> Planner:
        """Windows and freezes of hosts that are locked; they stay as they are until the jobs are queued."""
        await hold_calendar(connection)
        return await Planner.read(connection, [host.id for host in hosts], self.now())


def event_of(
    principal: Principal,
    origin: Origin,
    action: str,
    target_type: str,
    target_id: UUID | None,
    groups: frozenset[UUID],
    detail: dict[str, Any],
) -> AuditEvent:
    """What somebody did."""
    return AuditEvent(
        action=action,
        actor=principal.username,
        actor_id=principal.user_id,
        session=principal.session_id,
        ip=origin.ip or None,
        target_type=target_type,
        target_id=target_id,
        groups=groups,
        request_id=origin.request_id or None,
        detail=detail,
    )


def same_request(before: tuple[UUID, bytes], digest: bytes) -> UUID:
    """What was made under the same idempotency key before; refused when it was asked for in other words."""
    made, its_digest = before
    if its_digest != digest:
        raise Refusal(IdempotencyConflict())
    return made
