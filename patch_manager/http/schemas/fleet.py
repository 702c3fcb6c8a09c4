"""A host's row, one schema in lists, live deltas and detail; totals; patches."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from patch_manager.http.schemas.base import Answer, Line, Request

HealthWord = Literal["unknown", "healthy", "degraded", "unreachable"]
SeverityWord = Literal["critical", "high", "medium", "low", "unknown"]
ActorWord = Literal["starting", "idle", "waiting", "polling", "backing_off", "working", "quarantined", "stopped"]


_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def _host_name(value: str) -> str:
    name = value.lower()
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ValueError("must be a host name as RFC 1123 has them, for example web-1.example.com")
    return name


HostName = Annotated[str, Field(max_length=253), AfterValidator(_host_name)]
"""A name that a certificate of the internal CA can carry (``pki.policy``), in lower case."""


class SeverityCounts(Answer):
    """Pending patches by severity."""

    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    unknown: int = 0


class JobInHandOut(Answer):
    """The host's active job, null when none."""

    id: UUID
    deployment_id: UUID | None
    state: str
    progress: int


class HostRow(Answer):
    """A host. ``patches_read_at`` null means its patches were never read: unknown, not compliant."""

    id: UUID
    address: str
    port: int
    fqdn: str | None
    display_name: str
    health: HealthWord
    health_reason: str
    health_since: datetime | None
    os_name: str | None
    os_version: str | None
    kernel: str | None
    architecture: str | None
    agent_version: str | None
    last_seen_at: datetime | None
    reboot_required: bool
    reboot_hold: bool = Field(description="no job reboots the host until somebody lifts the hold")
    reboot_hold_reason: str | None
    reboot_hold_by: str | None
    reboot_hold_at: datetime | None
    pending_patches: int
    pending_security: int
    pending_by_severity: SeverityCounts
    pending_reboots: int = Field(description="pending patches that ask for a reboot")
    cve_count: int
    max_severity: SeverityWord | None
    oldest_security_at: datetime | None
    patches_read_at: datetime | None
    actor_state: ActorWord
    activity: str = Field(description="what the actor does right now, in words")
    next_poll_at: datetime | None
    job: JobInHandOut | None
    group_ids: list[UUID]
    created_at: datetime
    revision: int


class FleetTotals(Answer):
    """Running totals over the hosts somebody may see."""

    hosts: int
    by_health: dict[str, int]
    by_actor_state: dict[str, int]
    reboot_required: int
    pending_patches: int
    pending_security: int
    with_critical: int = Field(description="hosts with at least one critical patch pending")
    overdue_critical: int = Field(description="hosts whose oldest critical or security patch waits over 7 days")
    never_polled: int
    working: int = Field(description="hosts with a job in hand")


class Fleet(Answer):
    """The whole fleet of the caller's scope at one revision."""

    revision: int
    totals: FleetTotals
    hosts: list[HostRow]


class HostCreate(Request):
    """A host to manage; ``display_name`` defaults to the address."""

    address: str = Field(min_length=2, max_length=64, description="IPv4 or IPv6 address; agents are dialled by address")
    display_name: Line | None = Field(default=None, max_length=200)
    fqdn: HostName | None = None
    port: int | None = Field(default=None, ge=1, le=65535, description="default: the agent port of the settings")
    group_ids: list[UUID] = Field(default_factory=list, max_length=200)


class HostPatch(Request):
    """Changes of a host; absent fields stay. Null: the address as name, no FQDN, the settings' agent port."""

    display_name: Line | None = Field(default=None, max_length=200)
    fqdn: HostName | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    group_ids: list[UUID] = Field(default_factory=list, max_length=200, description="all groups of the host")
    reboot_hold: bool = Field(default=False, description="true: no job reboots the host until this is false again")
    reboot_hold_reason: Line = Field(default="", max_length=500, description="why; only while the host is on hold")


class PriorityOut(Answer):
    """Order of a patch: 0 to 100, larger first, and why."""

    score: int
    reason: str


class PatchExcluded(Answer):
    """The standing exclusion that keeps a patch out of every deployment."""

    id: UUID
    package: str = Field(description="the name or pattern that excludes it")
    owner: str
    reason: str
    expires_at: datetime


class PatchOut(Answer):
    """One pending patch of a host."""

    name: str
    current_version: str | None
    available_version: str | None
    severity: SeverityWord
    cve_ids: list[str]
    requires_reboot: bool
    description: str
    priority: int = Field(description="0 to 100, larger first")
    priority_reason: str
    first_seen_at: datetime
    excluded: PatchExcluded | None = Field(description="why deployments leave it out; null: they do not")


class HealthChange(Answer):
    """A change of health and why."""

    at: datetime
    health: HealthWord
    reason: str


class GroupOut(Answer):
    """A group of hosts and users."""

    id: UUID
    name: str
    description: str
    max_unavailable: int | None = Field(description="hosts of the group that may reboot at once; null: no limit")
    host_count: int
    user_count: int
    created_at: datetime


class GroupCreate(Request):
    """A new group; names are unique without regard to case."""

    name: Line = Field(min_length=1, max_length=100)
    description: str = Field(default="", max_length=1000)


class GroupPatch(Request):
    """Changes of a group; absent fields stay, ``max_unavailable`` null takes the limit off."""

    name: Line | None = Field(default=None, min_length=1, max_length=100)
    description: str | None = Field(default=None, max_length=1000)
    max_unavailable: int | None = Field(
        default=None, ge=1, le=1_000_000, description="hosts of the group that may reboot at once"
    )
