"""Deployments before they are made: what each host would get, and what not; the shapes behind ``http.schemas.jobs``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PreviewPackage:
    """One package a deployment would update, as last read from the host."""

    name: str
    current_version: str | None
    available_version: str | None
    severity: str
    cve_ids: tuple[str, ...]
    requires_reboot: bool


@dataclass(frozen=True, slots=True)
class PreviewExcluded:
    """A pending package that would be left out; ``standing``: for every deployment, not this one only."""

    name: str
    package: str  # the name or pattern that excludes it
    owner: str
    reason: str
    expires_at: datetime | None
    standing: bool


@dataclass(frozen=True, slots=True)
class PreviewHost:
    """What a deployment would do on one host; ``problem`` says why it may not work."""

    host_id: UUID
    display_name: str
    address: str
    packages: tuple[PreviewPackage, ...]
    will_reboot: bool
    runs: str
    runs_at: datetime | None  # None: nobody knows
    problem: str | None
    excluded: tuple[PreviewExcluded, ...] = ()
    outside_windows: bool = False
    ring: int = 0
    reboot_hold: str | None = None  # why it will not be rebooted although it needs to be


@dataclass(frozen=True, slots=True)
class PreviewRing:
    """One ring of a deployment before it is made."""

    name: str
    host_count: int
    package_count: int
    reboot_count: int
    problem_count: int


@dataclass(frozen=True, slots=True)
class DeploymentPreview:
    """A deployment before it is made.

    ``outside_windows_count``: hosts that it would touch at once though no window of theirs is open.
    """

    host_count: int
    package_count: int
    cve_count: int
    reboot_count: int
    problem_count: int
    outside_windows_count: int
    excluded_count: int
    hosts: tuple[PreviewHost, ...]
    rings: tuple[PreviewRing, ...] = ()
