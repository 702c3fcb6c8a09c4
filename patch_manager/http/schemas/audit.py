"""The audit log as administrators read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from patch_manager.http.pages import PageQuery
from patch_manager.http.schemas.base import Answer


class AuditQuery(PageQuery):
    """Which events, newest first."""

    action: str | None = Field(default=None, max_length=100, description="for example host.added")
    actor: str | None = Field(default=None, max_length=200, description="the user name as recorded")
    target: str | None = Field(default=None, max_length=300)
    from_: AwareDatetime | None = Field(default=None, alias="from", description="not before, RFC 3339 with offset")
    to: AwareDatetime | None = Field(default=None, description="before, RFC 3339 with offset")


class AuditEventOut(Answer):
    """One event: who did what to what, and whether it succeeded."""

    seq: int
    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
    session: UUID | None
    ip: str | None
    request_id: str | None
    groups: list[str]
    detail: dict[str, Any]


class AuditVerification(Answer):
    """The result of checking the whole chain (TRUST 20); there is no repair."""

    ok: bool
    checked: int = Field(description="events whose hashes were recomputed")
    first_bad_seq: int | None
    problems: list[str]
