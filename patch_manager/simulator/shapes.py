"""The agent's answers in both dialects: what its source sends, and what its documentation shows."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import trio

from patch_manager.simulator.catalogue import Patch
from patch_manager.simulator.host import JobEvent, Package, SimulatedHost
from patch_manager.simulator.jobs import Job, Operation, Status
from patch_manager.simulator.specs import Dialect, HostSpec

Json = dict[str, Any]


def moment(spec: HostSpec, when: datetime) -> str:
    """RFC 3339: nanosecond digits and an offset in code, a bare Z in the documentation."""
    if spec.dialect is Dialect.CODE:
        return when.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123+00:00"
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(spec: HostSpec, data: bytes, error: bytes = b"null") -> bytes:
    """The frame around every JSON answer; *data* and *error* are JSON already, so that bodies can be shared."""
    head = f'{{"success":{"true" if error == b"null" else "false"},"request_id":"{uuid.uuid4()}","timestamp":"'
    return b"".join(
        (head.encode(), moment(spec, datetime.now(UTC)).encode(), b'","data":', data, b',"error":', error, b"}")
    )


def failure(code: str, message: str, *, retryable: bool = False) -> bytes:
    return orjson.dumps({"code": code, "message": message, "details": None, "retryable": retryable})


def health(host: SimulatedHost) -> Json:
    spec = host.spec
    well = "ok" if spec.release.only_old_health else "healthy"
    now = datetime.now(UTC)
    data: Json = {
        "status": "degraded" if host.temper.degraded else well,
        "uptime_seconds": host.uptime,
        "version": spec.release.value,
    }
    if spec.dialect is Dialect.DOCUMENTATION:
        data["uptime_seconds"] = int(trio.current_time() - host.agent_started)
        data["checks"] = {"package_manager": "error" if host.temper.degraded else "ok", "disk": "ok"}
    if spec.release.has_cache_fields:
        data |= {
            "last_cache_update": moment(spec, now - timedelta(seconds=1)),
            "cache_status": "failed" if host.temper.degraded else "fresh",
            "crl_status": "valid",
            "crl_age_seconds": 3600,
            "crl_next_update": moment(spec, now + timedelta(days=6)),
            "gpg_key_status": "valid",
            "gpg_key_expires_at": moment(spec, now + timedelta(days=400)),
        }
    return data


def system_info(host: SimulatedHost) -> Json:
    spec, system = host.spec, host.spec.family.value
    if spec.dialect is Dialect.DOCUMENTATION:
        return {
            "hostname": spec.hostname,
            "os": {
                "name": system.name,
                "version": system.version,
                "codename": system.codename,
                "architecture": "x86_64",
            },
            "kernel": {"version": host.kernel, "architecture": "x86_64"},
            "uptime_seconds": host.uptime,
            "last_boot": moment(spec, host.booted),
            "package_manager": system.package_manager,
            "api_version": "v1",
            "pending_reboot": host.reboot_required,
        }
    return {
        "hostname": spec.hostname,
        "os": system.name,
        "os_version": system.version,
        "kernel": host.kernel,
        "architecture": "x86_64",
        "last_update_check": moment(spec, datetime.now(UTC)),
        "last_update_apply": moment(spec, host.last_apply) if host.last_apply else None,
        "pending_reboot": host.reboot_required,
    }


def package(spec: HostSpec, item: Package) -> Json:
    code = spec.dialect is Dialect.CODE
    latest = item.patch.available_version if item.patch else None
    return {
        "name": item.name,
        "version": item.version,
        "status": "Installed" if code else "installed",
        "upgradable": item.patch is not None,
        "latest_version" if code else "available_version": latest,
        "description": item.patch.description if item.patch else "",
    }


def patches(spec: HostSpec, pending: Sequence[Patch], *, limit: int, offset: int) -> Json:
    """Code ignores *limit* and *offset*. Before the alias no patch ever claimed to need a reboot."""
    knows_reboot = spec.release.has_alias
    if spec.dialect is Dialect.CODE:
        return {
            "patches": [
                {
                    "name": patch.name,
                    "current_version": patch.current_version,
                    "available_version": patch.available_version,
                    "severity": patch.severity,
                    "description": patch.description,
                    "cve_ids": patch.cve_ids,
                    "requires_reboot": patch.requires_reboot and knows_reboot,
                }
                for patch in pending
            ],
            "total": len(pending),
            "security_updates": sum(bool(patch.cve_ids) for patch in pending),
            "requires_reboot": knows_reboot and any(patch.requires_reboot for patch in pending),
        }
    return {
        "patches": [
            {
                "id": f"PATCH-{patch.name}-{patch.available_version}",
                "name": patch.name,
                "severity": patch.severity,
                "status": "available",
                "published_date": "2024-11-05T00:00:00Z",
                "description": patch.description,
                "cve_ids": patch.cve_ids,
                "affected_packages": [patch.name],
                "requires_reboot": patch.requires_reboot and knows_reboot,
            }
            for patch in pending[offset : offset + limit]
        ],
        "total": len(pending),
        "limit": limit,
        "offset": offset,
    }


def operation(spec: HostSpec, value: Operation) -> str:
    """REST job answers of the code lower-case the name without its underscore."""
    return value.value.replace("_", "") if spec.dialect is Dialect.CODE else value.value


def status(spec: HostSpec, value: Status) -> str:
    if value is Status.TIMED_OUT:
        return "timedout" if spec.dialect is Dialect.CODE else "timeout"
    return str(value.value)


def job_row(spec: HostSpec, job: Job) -> Json:
    """A job in the list."""
    row: Json = {
        "job_id": job.job_id,
        "operation": operation(spec, job.operation),
        "status": status(spec, job.status),
        "created_at": moment(spec, job.created_at),
        "completed_at": moment(spec, job.completed_at) if job.completed_at else None,
        "packages": list(job.packages or ()),
    }
    if job.error_code is not None:
        row["error_code"] = job.error_code
    return row


def job_detail(spec: HostSpec, job: Job) -> Json:
    detail = job_row(spec, job) | {
        "progress": job.progress,
        "message": job.message,
        "logs": job.logs,
        "error": job.error,
        "rollback_job_id": job.rollback_job_id,
        "exclusive_mode": job.exclusive,
    }
    if spec.dialect is Dialect.DOCUMENTATION:
        detail["progress_percent"] = job.progress
    if job.exit_code is not None:
        detail |= {"exit_code": job.exit_code, "command_stdout": job.stdout, "command_stderr": job.stderr}
    return detail


def accepted(spec: HostSpec, job: Job) -> Json:
    """The 202 answer spells operations with their underscore in both dialects."""
    data: Json = {
        "job_id": job.job_id,
        "status": "pending",
        "operation": job.operation.value,
        "created_at": moment(spec, job.created_at),
        "exclusive_mode": job.exclusive,
    }
    if job.original is not None:
        data["original_job_id"] = job.original.job_id
    return data


def event(spec: HostSpec, item: JobEvent) -> Json:
    """A message of the event stream."""
    if spec.dialect is Dialect.CODE:
        message: Json = {
            "event": "job_status",
            "job_id": item.job_id,
            "status": item.status.value,
            "progress": item.progress,
            "message": item.message,
            "timestamp": moment(spec, item.at),
        }
        if item.error is not None:
            message |= {"error": item.error, "error_code": item.error_code}
        return message
    return {
        "type": "job_complete" if item.status.is_final else "job_status",
        "payload": {
            "job_id": item.job_id,
            "status": status(spec, item.status),
            "progress_percent": item.progress,
            "updated_at": moment(spec, item.at),
        },
    }


def jobs(spec: HostSpec, table: Iterable[Job], total: int) -> Json:
    return {"jobs": [job_row(spec, job) for job in table], "total": total}
