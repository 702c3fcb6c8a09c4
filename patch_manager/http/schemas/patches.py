"""Pending patches over the fleet: which packages, and on which hosts."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from patch_manager.http.pages import Query
from patch_manager.http.schemas.base import Answer
from patch_manager.http.schemas.fleet import SeverityWord


class FleetPatchQuery(Query):
    """Which pending patches."""

    search: str = Field(min_length=1, max_length=200, description="part of a package's name or of a CVE")
    limit: int = Field(default=20, ge=1, le=200)


class FleetPatch(Answer):
    """A package with pending patches that match, over the caller's hosts."""

    name: str
    hosts: int
    severity: SeverityWord = Field(description="the worst of them")
    cve_ids: list[str]
    requires_reboot: bool


class FleetPatches(Answer):
    """Those on the most hosts first."""

    items: list[FleetPatch]


class PatchedHostQuery(Query):
    """Pending patches whose hosts are wanted."""

    search: str = Field(min_length=1, max_length=200, description="part of a package's name or of a CVE")
    package: str | None = Field(default=None, max_length=255, description="of this package only")


class PatchedHosts(Answer):
    """Hosts on which such a patch is pending."""

    host_ids: list[UUID]
