"""A host's row as JSON, the one shape of lists, live deltas and details (``http.schemas.fleet.HostRow``)."""

from __future__ import annotations

from typing import Any

import orjson

from patch_manager.domain.hosts import HostSnapshot


def host_row(snapshot: HostSnapshot, revision: int) -> dict[str, Any]:
    """The row as values that orjson encodes (UUIDs, datetimes)."""
    record, facts, patches, job = snapshot.record, snapshot.facts, snapshot.patches, snapshot.job
    hold = record.reboot_hold
    return {
        "id": record.id,
        "address": record.address,
        "port": record.port,
        "fqdn": record.fqdn,
        "display_name": record.display_name,
        "health": snapshot.health,
        "health_reason": snapshot.health_reason,
        "health_since": snapshot.health_since,
        "os_name": facts.os_name,
        "os_version": facts.os_version,
        "kernel": facts.kernel,
        "architecture": facts.architecture,
        "agent_version": facts.agent_version,
        "last_seen_at": snapshot.last_seen_at,
        "reboot_required": snapshot.reboot_required,
        "reboot_hold": hold is not None,
        "reboot_hold_reason": None if hold is None else hold.reason,
        "reboot_hold_by": None if hold is None else hold.set_by,
        "reboot_hold_at": None if hold is None else hold.set_at,
        "pending_patches": patches.pending,
        "pending_security": patches.security,
        "pending_by_severity": {
            "critical": patches.critical,
            "high": patches.high,
            "medium": patches.medium,
            "low": patches.low,
            "unknown": patches.unknown,
        },
        "pending_reboots": patches.needs_reboot,
        "cve_count": patches.cve_count,
        "max_severity": patches.max_severity,
        "oldest_security_at": patches.oldest_security_at,
        "patches_read_at": snapshot.patches_read_at,
        "actor_state": snapshot.actor_state,
        "activity": snapshot.activity,
        "next_poll_at": snapshot.next_poll_at,
        "job": None
        if job is None
        else {"id": job.id, "deployment_id": job.deployment_id, "state": job.state, "progress": job.progress},
        "group_ids": sorted(record.group_ids),
        "created_at": record.created_at,
        "revision": revision,
    }


def encode(value: object) -> bytes:
    """JSON; UTC is written as ``Z``, as everywhere in the API."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def encode_row(snapshot: HostSnapshot, revision: int) -> bytes:
    """One row's bytes, to be kept: copied, because what orjson returns holds on to 8 KiB for a row of 0.7."""
    return bytes(memoryview(encode(host_row(snapshot, revision))))
