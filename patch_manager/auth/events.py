"""Writes sign-in events to the audit log, inside the transaction that they tell of (TRUST 19)."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from patch_manager.auth.model import Client
from patch_manager.domain.audit import AuditEvent, Outcome
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.users import UserRecord

NOBODY = "(unknown)"


class Recorder(Protocol):
    """Appends one event about a user (None: nobody of that name) to the audit log; ``actor`` None: they themselves."""

    async def __call__(
        self,
        connection: Connection,
        action: str,
        user: UserRecord | None,
        client: Client,
        /,
        *,
        session_id: UUID | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        actor: str | None = None,
    ) -> None:
        """Append it; raises what the database says."""
        ...


class AuditRecorder:
    """The `Recorder` over the audit log."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def __call__(
        self,
        connection: Connection,
        action: str,
        user: UserRecord | None,
        client: Client,
        /,
        *,
        session_id: UUID | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        actor: str | None = None,
    ) -> None:
        event = AuditEvent(
            action=action,
            actor=actor or (user.username if user is not None else NOBODY),
            outcome=outcome,
            actor_id=user.id if user is not None and actor is None else None,
            session=session_id,
            ip=client.ip,
            target_type="user",
            target_id=user.id if user is not None else None,
            request_id=client.request_id,
            detail={"username": user.username} if user is not None else {},
        )
        await self._audit.append(connection, [event])
