"""Operations on one host: reboot, packages, rollback, services."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from patch_manager.http.schemas.base import Answer, Line, Request

WhenWord = Literal["now", "window"]


class _Terms(Request):
    when: WhenWord = "now"
    reason: Line = Field(default="", max_length=500, description="why, for whoever reads the job later")
    override_freeze: bool = Field(default=False, description="start inside freezes too: an administrator's word")


class RebootRequest(_Terms):
    """A reboot alone, now or in the host's next maintenance window."""

    may_be_absent = True


class PackageWanted(Request):
    """A package; ``version`` null means the newest."""

    name: str = Field(min_length=1, max_length=256)
    version: str | None = Field(default=None, min_length=1, max_length=256)


class PackageOperation(_Terms):
    """Install some packages, or update or remove exactly one: agents take one name a call there."""

    operation: Literal["install", "update", "remove"]
    packages: list[PackageWanted] = Field(max_length=500)
    purge: bool = Field(default=False, description="a removal takes the configuration too")
    reboot: Literal["never", "if_required"] = "never"


class RollbackRequest(_Terms):
    """The rollback of a finished job."""

    may_be_absent = True

    confirm_adopted: bool = Field(default=False, description="an adopted job is rolled back only with this")


class RollbackPackage(Answer):
    """A package as the rollback would change it, as far as known: null versions are not known, or not installed."""

    name: str
    from_version: str | None
    to_version: str | None
    change: Literal["downgrade", "remove", "reinstall"]


class RollbackPreview(Answer):
    """What a rollback would undo. ``why_not`` says why it cannot be asked for."""

    job_id: UUID
    host_id: UUID
    host_name: str
    operation: str
    possible: bool
    why_not: str | None
    agent_job_id: str | None
    agent_knows_job: bool | None = Field(description="asked of the agent just now; null when it gave no answer")
    adopted: bool
    needs_confirmation: bool = Field(description="send confirm_adopted true: the job may be somebody else's work")
    packages: list[RollbackPackage]
    warnings: list[str]


class ServiceStatus(Answer):
    """A service as the host's agent tells it; null where it does not say."""

    name: str
    display_name: str | None
    active_state: str | None
    sub_state: str | None
    load_state: str | None
    enabled_state: str | None
    main_pid: int | None
    healthy: bool | None
