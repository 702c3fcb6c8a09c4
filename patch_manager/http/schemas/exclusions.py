"""Standing exclusions: packages that must not be patched."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from patch_manager.http.pages import PageQuery
from patch_manager.http.schemas.base import Answer, Line, Request
from patch_manager.http.schemas.excluding import PackagePattern


class ExclusionCreate(Request):
    """A package that must not be patched, on one host, on those of a group, or (without both) on all."""

    package: PackagePattern
    host_id: UUID | None = None
    group_id: UUID | None = None
    owner: Line = Field(min_length=1, max_length=200, description="who answers for it: a person or a team")
    reason: Line = Field(min_length=1, max_length=500)
    expires_at: AwareDatetime = Field(
        description="at most 366 days ahead: what nobody looks at again would leave a hole open; renewing is one call"
    )


class ExclusionPatch(Request):
    """Changes of an exclusion; absent fields stay. Another package or place is another exclusion."""

    owner: Line | None = Field(default=None, min_length=1, max_length=200)
    reason: Line | None = Field(default=None, min_length=1, max_length=500)
    expires_at: AwareDatetime | None = Field(default=None, description="at most 366 days ahead")
    version: int | None = Field(default=None, description="the version this was decided on; 409 when there is a newer")


class ExclusionOut(Answer):
    """A standing exclusion; without host and group it is for all hosts."""

    id: UUID
    package: str
    host_id: UUID | None
    host_name: str | None
    group_id: UUID | None
    group_name: str | None
    owner: str
    reason: str
    expires_at: datetime
    state: Literal["active", "expired"]
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int


class ExclusionDetail(ExclusionOut):
    """An exclusion, and what it is about on the hosts in the caller's sight."""

    pending_patches: int = Field(description="pending patches that it matches, as last read")
    pending_hosts: int = Field(description="hosts that they are on")


class ExclusionQuery(PageQuery):
    """Which exclusions, newest first."""

    state: Literal["active", "expired"] | None = Field(default=None, description="default: both")
    host_id: UUID | None = Field(default=None, description="all that concern this host")
    group_id: UUID | None = None
    search: str | None = Field(default=None, max_length=200, description="part of the package, owner or reason")
