"""The audit log as administrators read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from patch_manager.http.pages import PageQuery
from patch_manager.http.schemas.base import Answer

OutcomeWord = Literal["success", "denied", "failure"]


class AuditQuery(PageQuery):
    """Which events, newest first."""

    action: str | None = Field(default=None, max_length=100, description="host.created, or host for all of them")
    actor: str | None = Field(default=None, max_length=200, description="the user name as recorded")
    target_type: str | None = Field(default=None, max_length=100, description="for example host")
    target_id: str | None = Field(default=None, max_length=300)
    outcome: OutcomeWord | None = None
    from_: AwareDatetime | None = Field(default=None, alias="from", description="not before, RFC 3339 with offset")
    to: AwareDatetime | None = Field(default=None, description="before, RFC 3339 with offset")


class AuditEventOut(Answer):
    """One event: who did what to what, and how it ended."""

    seq: int
    at: datetime
    actor: str
    actor_id: str | None
    action: str
    target_type: str | None
    target_id: str | None
    outcome: OutcomeWord
    session: str | None
    ip: str | None
    request_id: str | None
    groups: list[str]
    detail: dict[str, Any]


class AuditVerification(Answer):
    """The result of checking the whole chain (TRUST 20). There is no repair."""

    result: Literal["good", "broken", "unverifiable"]
    rows: int | None = Field(description="rows whose hashes were recomputed, when good")
    exported: int | None = Field(description="exported heads that agree, when good")
    first_bad_seq: int | None = Field(description="the first row that cannot be believed, when broken")
    reason: str
