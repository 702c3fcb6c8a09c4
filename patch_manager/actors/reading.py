"""From what an agent said to a host's status: facts, the reboot mark, the digest of a patch list. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

import orjson

from patch_manager.actors.agent.models import AgentHealth, AgentInfo, AgentStatus
from patch_manager.domain.health import Health
from patch_manager.domain.host_status import HostStatus
from patch_manager.domain.hosts import HostFacts, PatchSummary
from patch_manager.domain.patches import Patch


def digest_of(patches: tuple[Patch, ...]) -> bytes:
    """Identifies a list of patches whatever its order; 16 bytes."""
    rows = sorted(
        (p.name, p.current_version, p.available_version, p.severity, p.cve_ids, p.requires_reboot, p.description)
        for p in patches
    )
    return blake2b(orjson.dumps(rows), digest_size=16).digest()


def health_of(said: AgentHealth, trouble: str) -> tuple[Health, str]:
    """Health and its reason from an agent that answers; ``trouble``: what else of it could not be read."""
    reasons = [*said.reasons, trouble] if trouble else list(said.reasons)
    well = said.status is AgentStatus.HEALTHY and not trouble
    return (Health.HEALTHY if well else Health.DEGRADED), "; ".join(reasons)


def facts_with(facts: HostFacts, health: AgentHealth | None, info: AgentInfo | None) -> HostFacts:
    """What the agent said now, and for what it did not say what it said before."""
    version = (health.version if health is not None else None) or facts.agent_version
    if info is None:
        return facts if version == facts.agent_version else replace(facts, agent_version=version)
    return HostFacts(
        os_name=info.os_name or facts.os_name,
        os_version=info.os_version or facts.os_version,
        kernel=info.kernel or facts.kernel,
        architecture=info.architecture or facts.architecture,
        agent_version=version,
        hostname=info.hostname or facts.hostname,
    )


def reboot_mark(
    status: HostStatus,
    info: AgentInfo | None,
    list_says: bool | None,
    uptime: int | None,
    now: datetime,
) -> bool:
    """Whether the host needs a reboot.

    ``pending_reboot`` decides where the agent states it. Where it does not, the patch list's ``requires_reboot`` sets
    the mark, and only a boot after the last reading takes it away again: a list that is empty since its kernel was
    installed does not say that the new kernel runs.
    """
    if info is not None and info.pending_reboot is not None:
        return info.pending_reboot
    if list_says is None:
        return status.reboot_required
    if list_says:
        return True
    read_at = status.patches_read_at
    booted = uptime is not None and read_at is not None and now - timedelta(seconds=uptime) > read_at
    return status.reboot_required and not booted


def with_patches(status: HostStatus, patches: tuple[Patch, ...], digest: bytes, read_at: datetime) -> HostStatus:
    """The status with a list read at ``read_at``; the age of its oldest security patch is corrected once stored."""
    if digest == status.patches_digest:
        return replace(status, patches_read_at=read_at)
    summary = PatchSummary.of(patches)
    if summary.security:
        summary = replace(summary, oldest_security_at=status.patches.oldest_security_at or read_at)
    return replace(status, patches=summary, patches_digest=digest, patches_read_at=read_at)
