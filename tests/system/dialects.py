"""What agents of different releases say: the *code* and the *documentation* dialect of the agent's contract."""

from __future__ import annotations

from typing import Any

from tests.system.host import Host, Job, Patch, boot_stamp, stamp

Json = dict[str, Any]


class CodeDialect:
    """Releases as their source has them. ``release`` decides which fields and paths exist."""

    websocket = "code"
    health_paths: tuple[str, ...] = ("/health", "/api/v1/health")

    def __init__(self, release: tuple[int, int, int] = (2, 5, 5)) -> None:
        self.release = release

    def health(self, host: Host) -> Json:
        answer: Json = {"status": "healthy", "uptime_seconds": host.uptime, "version": host.version}
        if self.release >= (2, 5, 5):
            answer |= {
                "last_cache_update": stamp(host.cache_read, nanoseconds=True),
                "cache_status": "fresh",
                "crl_status": "valid",
                "crl_age_seconds": 60,
                "crl_next_update": None,
                "gpg_key_status": "valid",
                "gpg_key_expires_at": None,
            }
        return answer

    def info(self, host: Host) -> Json:
        return {
            "hostname": host.hostname,
            "os": host.os,
            "os_version": host.os_version,
            "kernel": host.kernel,
            "architecture": host.architecture,
            "last_update_check": stamp(host.cache_read, nanoseconds=True),
            "last_update_apply": None,
            "pending_reboot": host.pending_reboot,
        }

    def patch(self, patch: Patch) -> Json:
        return {
            "name": patch.name,
            "current_version": patch.current,
            "available_version": patch.available,
            "severity": patch.severity,
            "description": f"update of {patch.name}",
            "cve_ids": list(patch.cves),
            "requires_reboot": patch.reboot and self.release >= (2, 5, 5),
        }

    def patches(self, host: Host, limit: int | None, offset: int | None) -> Json:
        """``limit`` and ``offset`` are ignored, as in the source."""
        rows = [self.patch(patch) for patch in host.patches]
        return {
            "patches": rows,
            "total": len(rows),
            "security_updates": sum(patch.severity in ("critical", "high") for patch in host.patches),
            "requires_reboot": any(row["requires_reboot"] for row in rows),
        }

    def package(self, name: str, version: str) -> Json:
        return {"name": name, "version": version, "status": "Installed", "upgradable": False, "latest_version": None}

    def job(self, job: Job) -> Json:
        return {
            "job_id": job.id,
            "operation": job.operation.replace("_", ""),
            "status": job.status,
            "progress": job.progress,
            "message": job.status,
            "created_at": stamp(job.created, nanoseconds=True),
            "completed_at": None if job.ended is None else stamp(job.ended, nanoseconds=True),
            "packages": job.packages or [],
            "logs": [],
            "error": None if job.failure is None or job.ended is None else job.failure.message,
            "error_code": None if job.failure is None or job.ended is None else job.failure.code,
            "exit_code": None if job.ended is None else (job.failure.exit_code if job.failure else 0),
            "command_stdout": "",
            "command_stderr": job.failure.stderr if job.failure and job.ended else "",
            "rollback_job_id": None,
            "exclusive_mode": True,
        }

    def event(self, job: Job) -> Json:
        return {
            "event": "job_status",
            "job_id": job.id,
            "status": job.status,
            "progress": job.progress,
            "message": job.status,
            "timestamp": stamp(),
        }


class OldDialect(CodeDialect):
    """Before ``/api/v1/health``: health is ``ok``, nothing else is said, the stream is no WebSocket."""

    websocket = "raw"
    health_paths = ("/health",)

    def __init__(self) -> None:
        super().__init__((1, 4, 0))

    def health(self, host: Host) -> Json:
        return {"status": "ok", "uptime_seconds": host.uptime, "version": host.version}


class DocumentationDialect(CodeDialect):
    """What the documentation shows: nested facts, advisories in pages, its own words."""

    websocket = "documentation"
    page_size = 2

    def health(self, host: Host) -> Json:
        return {
            "status": "healthy",
            "version": host.version,
            "uptime_seconds": host.uptime,
            "checks": {"package_manager": "ok", "disk": "ok"},
        }

    def info(self, host: Host) -> Json:
        return {
            "hostname": host.hostname,
            "os": {
                "name": host.os,
                "version": host.os_version,
                "codename": "noble",
                "architecture": host.architecture,
            },
            "kernel": {"version": host.kernel, "architecture": host.architecture},
            "uptime_seconds": host.uptime,
            "last_boot": boot_stamp(host),
            "package_manager": "apt",
            "api_version": "v1",
        }

    def patch(self, patch: Patch) -> Json:
        return {
            "id": f"ADV-{patch.name}",
            "name": patch.name,
            "severity": patch.severity,
            "status": "available",
            "published_date": stamp(),
            "description": f"advisory for {patch.name}",
            "cve_ids": list(patch.cves),
            "affected_packages": [patch.name],
            "requires_reboot": patch.reboot,
        }

    def patches(self, host: Host, limit: int | None, offset: int | None) -> Json:
        size, start = limit or self.page_size, offset or 0
        rows = [self.patch(patch) for patch in host.patches]
        return {"patches": rows[start : start + size], "total": len(rows), "limit": size, "offset": start}

    def package(self, name: str, version: str) -> Json:
        return {"name": name, "version": version, "status": "installed", "upgradable": False, "available_version": None}

    def job(self, job: Job) -> Json:
        answer = super().job(job)
        answer["operation"] = job.operation
        answer["progress_percent"] = answer.pop("progress")
        del answer["error_code"], answer["exit_code"]
        if job.failure is not None and job.ended is not None:
            answer["error"] = {"code": job.failure.code, "message": job.failure.message}
        return answer

    def event(self, job: Job) -> Json:
        kind = "job_status" if job.ended is None else "job_complete"
        progress = {"job_id": job.id, "status": job.status, "progress_percent": job.progress, "updated_at": stamp()}
        return {"type": kind, "payload": progress}
