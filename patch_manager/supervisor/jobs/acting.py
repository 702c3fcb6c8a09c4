"""What the services of jobs share: a refusal that undoes a unit of work, its audit event, and whom they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patch_manager.domain.audit import AuditEvent
from patch_manager.domain.deployments import Origin
from patch_manager.domain.principal import Principal


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
