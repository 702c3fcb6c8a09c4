"""Queries over jobs and what is asked of one; the job itself is in ``schemas.jobs``."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from patch_manager.domain.jobs import Operation
from patch_manager.http.pages import PageQuery, Words
from patch_manager.http.schemas.base import Request
from patch_manager.http.schemas.jobs import JobStateWord


class JobQuery(PageQuery):
    """Which jobs, newest first. Different filters must all hold; words of one filter are alternatives."""

    state: Annotated[list[JobStateWord], Words] = Field(default_factory=list)
    host_id: UUID | None = None
    deployment_id: UUID | None = None
    operation: Annotated[list[Operation], Words] = Field(default_factory=list)
    since: AwareDatetime | None = Field(default=None, description="created at that moment or later")
    until: AwareDatetime | None = Field(default=None, description="created before that moment")
    ring: int | None = Field(default=None, ge=0, le=1000, description="of its deployment's rollout, 0 first")
    search: str | None = Field(
        default=None, max_length=200, description="part of the host's name or address, or of the message"
    )


class JobResolve(Request):
    """What somebody who looked at the host says became of a job whose outcome is unknown."""

    outcome: Literal["succeeded", "failed"]
