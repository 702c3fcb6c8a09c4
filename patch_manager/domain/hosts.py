"""A managed host as published by its actor: one frozen snapshot, read by everybody, changed by nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patch_manager.domain.health import ActorState, Health
from patch_manager.domain.holds import RebootHold
from patch_manager.domain.patches import Patch, Severity


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What an operator decided about a host (the database's row); facts read from the agent are apart."""

    id: UUID
    address: str
    port: int
    fqdn: str | None
    display_name: str
    group_ids: frozenset[UUID]
    created_at: datetime
    reboot_hold: RebootHold | None = None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the agent said of its host; None where it never did."""

    os_name: str | None = None
    os_version: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    agent_version: str | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class PatchSummary:
    """Numbers over a host's pending patches; the list itself stays in PostgreSQL (12 KiB per idle host)."""

    pending: int = 0
    security: int = 0
    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    unknown: int = 0
    cve_count: int = 0
    max_severity: Severity | None = None
    needs_reboot: int = 0  # pending patches that will ask for a reboot
    oldest_security_at: datetime | None = None

    @staticmethod
    def of(patches: tuple[Patch, ...], oldest_security_at: datetime | None = None) -> PatchSummary:
        """Count a complete patch list."""
        by = dict.fromkeys(Severity, 0)
        cves: set[str] = set()
        for patch in patches:
            by[patch.severity] += 1
            cves.update(patch.cve_ids)
        return PatchSummary(
            pending=len(patches),
            security=sum(p.is_security for p in patches),
            critical=by[Severity.CRITICAL],
            high=by[Severity.HIGH],
            medium=by[Severity.MEDIUM],
            low=by[Severity.LOW],
            unknown=by[Severity.UNKNOWN],
            cve_count=len(cves),
            max_severity=max((p.severity for p in patches), key=lambda s: s.rank, default=None),
            needs_reboot=sum(p.requires_reboot for p in patches),
            oldest_security_at=oldest_security_at,
        )


@dataclass(frozen=True, slots=True)
class JobInHand:
    """The active job of a host, for its row: state as in ``domain.jobs.JobState``, progress 0 to 100."""

    id: UUID
    deployment_id: UUID | None
    state: str
    progress: int


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """All that a list, a live delta or a detail shows of a host. ``last_seen_at`` moves at every poll and is
    outside the revision: the fleet picture sends it in bulk (DESIGN §3).
    """

    record: HostRecord
    facts: HostFacts
    health: Health
    health_reason: str
    health_since: datetime | None
    patches: PatchSummary
    patches_read_at: datetime | None  # None: never read, so "0 pending" is *unknown*, not compliant (TRUST 22)
    reboot_required: bool
    actor_state: ActorState
    activity: str  # what the actor does right now, in words: "backing off, next try in 2 min"
    next_poll_at: datetime | None
    last_seen_at: datetime | None
    job: JobInHand | None = None
