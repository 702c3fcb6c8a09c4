"""What an agent said, normalised: one shape for both dialects and all releases (AGENT_API "Endpoints").

Frozen dataclasses only; the ``wire_*`` modules make them from answers. None stands for "the agent did not say".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from patch_manager.domain.patches import Patch

_PACKAGE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,255}")
_JOB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_package_name(name: str) -> bool:
    """Whether agents accept this package name; one that they do not makes them refuse the whole request."""
    return _PACKAGE_NAME.fullmatch(name) is not None


def is_job_id(text: str) -> bool:
    """Whether a job's id is safe to put into a path; agents use UUIDs, the dialects allow more."""
    return _JOB_ID.fullmatch(text) is not None


class AgentStatus(StrEnum):
    """The agent's own word on its health; words not understood count as degraded."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """``GET /health``. ``reasons`` say in words what is not well; ``checks`` are the documentation dialect's.

    ``agent_time`` is what the agent's clock said when it answered: all its other moments are on that clock.
    """

    status: AgentStatus
    reasons: tuple[str, ...] = ()
    uptime_seconds: int | None = None
    version: str | None = None
    cache_status: str | None = None
    last_cache_update: datetime | None = None
    crl_status: str | None = None
    crl_next_update: datetime | None = None
    gpg_key_status: str | None = None
    gpg_key_expires_at: datetime | None = None
    checks: tuple[tuple[str, str], ...] = ()
    agent_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """``GET /system/info``, flat or nested."""

    hostname: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    pending_reboot: bool | None = None
    uptime_seconds: int | None = None
    last_boot: datetime | None = None
    last_update_check: datetime | None = None
    last_update_apply: datetime | None = None


@dataclass(frozen=True, slots=True)
class PatchList:
    """``GET /patches``: pending patches by package name, each name once.

    ``total`` is the agent's own count; ``skipped`` items could not be read; not ``complete``: the agent pages its list
    and a part is missing. Before release 2.5.5 ``requires_reboot`` is always false.
    """

    patches: tuple[Patch, ...]
    total: int
    security_updates: int | None
    requires_reboot: bool
    skipped: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """One row of ``GET /packages``; ``status`` in lower case."""

    name: str
    version: str | None
    status: str | None
    upgradable: bool
    latest_version: str | None
    description: str = ""


@dataclass(frozen=True, slots=True)
class PackageList:
    """``GET /packages``; see ``PatchList`` for ``skipped`` and ``complete``."""

    packages: tuple[AgentPackage, ...]
    total: int
    skipped: int = 0
    complete: bool = True


class AgentJobStatus(StrEnum):
    """A job's state on the agent, its several spellings merged."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """The agent will not change it any more."""
        return self in _FINAL


_FINAL: Final = frozenset(
    {AgentJobStatus.COMPLETED, AgentJobStatus.FAILED, AgentJobStatus.CANCELLED, AgentJobStatus.TIMED_OUT}
)

_STATUS_WORDS: Final = {
    "pending": AgentJobStatus.PENDING,
    "queued": AgentJobStatus.PENDING,
    "running": AgentJobStatus.RUNNING,
    "inprogress": AgentJobStatus.RUNNING,
    "completed": AgentJobStatus.COMPLETED,
    "succeeded": AgentJobStatus.COMPLETED,
    "success": AgentJobStatus.COMPLETED,
    "failed": AgentJobStatus.FAILED,
    "error": AgentJobStatus.FAILED,
    "cancelled": AgentJobStatus.CANCELLED,
    "canceled": AgentJobStatus.CANCELLED,
    "timedout": AgentJobStatus.TIMED_OUT,
    "timeout": AgentJobStatus.TIMED_OUT,
}


def squeeze(word: str) -> str:
    """Lower case without separators: ``Patch_Apply``, ``patch-apply`` and ``patchapply`` are one word."""
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def job_status(word: object) -> AgentJobStatus:
    """Map a job status of any dialect; anything not understood is ``unknown``."""
    return _STATUS_WORDS.get(squeeze(word), AgentJobStatus.UNKNOWN) if isinstance(word, str) else AgentJobStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class AgentJob:
    """One job as the agent tells it.

    ``operation`` is in REST form (``patchapply``), ``progress`` 0 to 100, ``packages`` None where the agent does not
    say (an apply of everything looks so too). Outputs keep their last 64 KiB.
    """

    job_id: str
    operation: str
    status: AgentJobStatus
    progress: int = 0
    message: str = ""
    created_at: datetime | None = None
    completed_at: datetime | None = None
    packages: tuple[str, ...] | None = None
    logs: tuple[str, ...] = ()
    error: str | None = None
    error_code: str | None = None
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    rollback_job_id: str | None = None
    original_job_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    """``GET /jobs``, newest first as the agent gives them. ``skipped`` items could not be read."""

    jobs: tuple[AgentJob, ...]
    total: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class AgentService:
    """``GET /system/services/{name}``."""

    name: str
    display_name: str | None = None
    active_state: str | None = None
    sub_state: str | None = None
    load_state: str | None = None
    enabled_state: str | None = None
    main_pid: int | None = None
    healthy: bool | None = None


@dataclass(frozen=True, slots=True)
class AcceptedJob:
    """The 202 answer of a mutating call."""

    job_id: str
    operation: str | None
    status: AgentJobStatus


@dataclass(frozen=True, slots=True)
class JobHint:
    """One event of the job stream. It may be lost or late: ``GET /jobs/{id}`` is the truth."""

    job_id: str
    status: AgentJobStatus
    progress: int | None
    message: str
    error_code: str | None = None
