"""Standing policies: in every window of their hosts, apply."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from patch_manager.http.pages import PageQuery
from patch_manager.http.schemas.base import Answer, Line, Request
from patch_manager.http.schemas.excluding import ExcludeIn, ExcludeOut, PackagePattern
from patch_manager.http.schemas.jobs import DeploymentOut
from patch_manager.http.schemas.rollouts import RolloutIn, RolloutOut
from patch_manager.http.schemas.windows import UncoveredHost

WhatWord = Literal["security", "all"]
RebootWord = Literal["never", "if_required"]


class PolicyRule(Request):
    """Where a policy holds (groups and hosts, or all hosts: an administrator's) and what it does there."""

    all_hosts: bool = Field(default=False, description="all hosts, also those that come later: administrators only")
    group_ids: list[UUID] = Field(default_factory=list, max_length=200)
    host_ids: list[UUID] = Field(default_factory=list, max_length=25_000)
    what: WhatWord = "security"
    exclude: list[ExcludeIn | PackagePattern] = Field(
        default_factory=list,
        max_length=200,
        description="left out by this policy; another policy may apply it, a standing exclusion keeps it from all",
    )
    reboot: RebootWord = "never"
    rollout: RolloutIn | None = Field(default=None, description="in rings; null: every host in its own next window")


class PolicyCreate(PolicyRule):
    """A policy. It starts with the next opening of each host; one that is open now counts."""

    name: Line = Field(min_length=1, max_length=100)
    enabled: bool = True


class PolicyPreviewIn(PolicyRule):
    """A policy before it is kept, or as it would be after a change: ``policy_id`` leaves it out of the conflicts."""

    name: Line = Field(default="", max_length=100)
    enabled: bool = True
    policy_id: UUID | None = None


class PolicyPatch(Request):
    """Changes of a policy; absent fields stay. ``rollout`` null takes the rings away."""

    name: Line | None = Field(default=None, min_length=1, max_length=100)
    enabled: bool | None = None
    all_hosts: bool | None = None
    group_ids: list[UUID] | None = Field(default=None, max_length=200)
    host_ids: list[UUID] | None = Field(default=None, max_length=25_000)
    what: WhatWord | None = None
    exclude: list[ExcludeIn | PackagePattern] | None = Field(default=None, max_length=200)
    reboot: RebootWord | None = None
    rollout: RolloutIn | None = None
    version: int | None = Field(default=None, description="the version this was decided on; 409 when there is a newer")


class Compliance(Answer):
    """Hosts of a policy in the caller's sight."""

    hosts: int
    covered: int = Field(description="with an enabled window")
    without_window: int = Field(description="without: the policy never starts there")
    paused: int = Field(description="under a freeze now; all while the policy is disabled")
    open_now: int = Field(description="in an opening in which work may start")


class PolicyOpening(Answer):
    """A moment at which windows of a policy's hosts open, and when the last of them closes."""

    opens_at: datetime
    closes_at: datetime
    hosts: int


class PolicyOut(Answer):
    """A standing policy."""

    id: UUID
    name: str
    enabled: bool
    all_hosts: bool
    group_ids: list[UUID]
    host_ids: list[UUID]
    what: WhatWord
    exclude: list[ExcludeOut]
    reboot: RebootWord
    rollout: RolloutOut | None
    compliance: Compliance
    next_openings: list[PolicyOpening] = Field(description="up to five; those that are open now begin now")
    editable: bool = Field(description="whether the caller may change it")
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int


class PolicyRing(Answer):
    """A ring of a policy over all its hosts; ``held`` says why they do not start now."""

    name: str
    hosts: int
    held: str | None


class PolicyHeldHost(Answer):
    """A host that its ring keeps from starting in the opening that it is in."""

    host_id: UUID
    host_name: str
    reason: str
    at: datetime


class PolicyDetail(PolicyOut):
    """A policy with what it did and what is left to do."""

    pending_hosts: int = Field(description="hosts on which it would apply something, or whose patches were never read")
    up_to_date_hosts: int
    last_runs: list[DeploymentOut] = Field(description="its latest deployments, newest first")
    rings: list[PolicyRing] = Field(description="empty without rings")
    held_hosts: list[PolicyHeldHost]
    hosts_without_window: list[UncoveredHost]


class HostOpening(Answer):
    """An opening of a host: of one window, or of several that overlap or meet."""

    opens_at: datetime
    closes_at: datetime
    window: str
    timezone: str


class PolicyPreviewHost(Answer):
    """What a policy would do on one host if its window were open now, and when that is."""

    host_id: UUID
    display_name: str
    address: str
    ring: str | None
    next_openings: list[HostOpening] = Field(description="up to five; the first may be open")
    open_now: bool
    package_count: int
    excluded_count: int
    will_reboot: bool
    problem: str | None


class PolicyPreviewRing(Answer):
    """A ring of a policy before it is kept."""

    name: str
    hosts: int


class PolicyConflict(Answer):
    """Another policy in force on some of the same hosts: these get what either applies, one job after the other."""

    policy_id: UUID
    name: str
    hosts: int
    differences: list[str] = Field(description="what these hosts get beyond this policy; empty: nothing")


class PolicyPreview(Answer):
    """A policy before it is kept."""

    compliance: Compliance
    next_openings: list[PolicyOpening]
    package_count: int
    excluded_count: int
    reboot_count: int
    hosts: list[PolicyPreviewHost]
    hosts_without_window: list[UncoveredHost]
    rings: list[PolicyPreviewRing]
    conflicts: list[PolicyConflict]


class PolicyQuery(PageQuery):
    """Which policies, newest first."""

    enabled: bool | None = None
    search: str | None = Field(default=None, max_length=200, description="part of the name")
