"""What polling concluded of a host: the part of an actor's state that outlives the program."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from patch_manager.domain.health import Health
from patch_manager.domain.hosts import HostFacts, HostRecord, PatchSummary
from patch_manager.domain.patches import Patch

NOT_POLLED = "not polled yet"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """``failures`` are consecutive failed polls; ``patches_digest`` identifies the stored list of patches."""

    facts: HostFacts = field(default_factory=HostFacts)
    health: Health = Health.UNKNOWN
    health_reason: str = NOT_POLLED
    health_since: datetime | None = None
    failures: int = 0
    last_seen_at: datetime | None = None
    reboot_required: bool = False
    patches: PatchSummary = field(default_factory=PatchSummary)
    patches_read_at: datetime | None = None
    patches_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredHost:
    """A host as an actor starts from it: the operators' record and the last status."""

    record: HostRecord
    status: HostStatus


@dataclass(frozen=True, slots=True)
class HealthChange:
    """One change of health for the history strip."""

    at: datetime
    health: Health
    reason: str


@dataclass(frozen=True, slots=True)
class HostWrite:
    """What a poll leaves to be written: ``row`` when the host's row changed, ``patches`` when the list did.

    When the host was seen, and its patches read, is written in any case.
    """

    host_id: UUID
    status: HostStatus
    row: bool
    patches: tuple[Patch, ...] | None = None
    changes: tuple[HealthChange, ...] = ()
