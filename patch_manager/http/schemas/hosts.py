"""Queries over hosts; the host itself is in ``schemas.fleet``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from patch_manager.http.pages import PageQuery, Query, Words
from patch_manager.http.schemas.base import Answer
from patch_manager.http.schemas.fleet import ActorWord, HealthWord, SeverityWord


class HostQuery(PageQuery):
    """Which hosts, and in which order. Different filters must all hold; words of one filter are alternatives."""

    sort: str = Field(default="display_name", max_length=200, description="for example -pending_security,display_name")
    health: Annotated[list[HealthWord], Words] = Field(default_factory=list)
    group_id: Annotated[list[UUID], Words] = Field(default_factory=list, max_length=200)
    ungrouped: bool | None = Field(default=None, description="true: hosts in no group only")
    reboot_required: bool | None = None
    reboot_hold: bool | None = Field(default=None, description="true: hosts that no job may reboot")
    max_severity: Annotated[list[SeverityWord], Words] = Field(
        default_factory=list, description="severity of the worst pending patch"
    )
    actor_state: Annotated[list[ActorWord], Words] = Field(default_factory=list)
    overdue_critical: bool | None = Field(
        default=None, description="true: the oldest critical or security patch waits over 7 days"
    )
    os: str | None = Field(default=None, max_length=100, description="part of the system's name and version")
    search: str | None = Field(default=None, max_length=200, description="part of name, address, FQDN or system")


class PackageQuery(PageQuery):
    """Which packages of a host."""

    sort: str = Field(default="name", max_length=200)
    upgradable: bool | None = Field(default=None, description="true: only those with a newer version")
    search: str | None = Field(default=None, max_length=200, description="part of a package's name")


class PackageRow(Answer):
    """A package as the agent lists it; ``status`` in the agent's word, lower case."""

    name: str
    version: str | None
    status: str | None
    upgradable: bool
    latest_version: str | None
    description: str


class HistoryQuery(Query):
    """How far back."""

    days: int = Field(default=30, ge=1, le=366)


class PatchQuery(PageQuery):
    """Which patches of a host, and in which order."""

    sort: str = Field(default="-priority", max_length=200)
    severity: Annotated[list[SeverityWord], Words] = Field(default_factory=list)
    search: str | None = Field(default=None, max_length=200, description="part of a package name or CVE")
