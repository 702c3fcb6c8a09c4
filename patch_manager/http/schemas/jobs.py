"""Deployments, previews and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from patch_manager.http.schemas.base import Answer, Request
from patch_manager.http.schemas.excluding import ExcludeIn, ExcludeOut, PackagePattern, PreviewExcluded
from patch_manager.http.schemas.rollouts import PreviewRing, RingStateWord, RolloutIn, RolloutOut

JobStateWord = Literal[
    "queued", "dispatching", "running", "rebooting", "verifying", "succeeded", "failed", "cancelled", "outcome_unknown"
]
DeploymentStateWord = Literal["queued", "running", "stopped", "succeeded", "failed", "cancelled"]


class DeploymentCreate(Request):
    """What to patch: hosts and/or groups; ``packages`` null means all that is pending when the job starts."""

    host_ids: list[UUID] = Field(default_factory=list, max_length=25_000)
    group_ids: list[UUID] = Field(default_factory=list, max_length=200)
    packages: list[str] | None = Field(default=None, max_length=5_000)
    security_only: bool = False
    when: Literal["now", "window"] = "now"
    reboot: Literal["never", "if_required"] = "never"
    override_freeze: bool = Field(default=False, description="start inside freezes too: an administrator's word")
    exclude: list[ExcludeIn | PackagePattern] = Field(
        default_factory=list,
        max_length=200,
        description="left out of this deployment, beside standing exclusions; a plain text is a package without reason",
    )
    rollout: RolloutIn | None = Field(default=None, description="in rings; null: all hosts at once")


class PreviewPackage(Answer):
    """One package a deployment would update."""

    name: str
    current_version: str | None
    available_version: str | None
    severity: str
    cve_ids: list[str]
    requires_reboot: bool


class PreviewHost(Answer):
    """What a deployment would do on one host; ``problem`` says why it may not work (unreachable, busy, unknown)."""

    host_id: UUID
    display_name: str
    address: str
    packages: list[PreviewPackage]
    will_reboot: bool
    runs: str = Field(description="when it will run, in words")
    runs_at: datetime | None = Field(description="when it may start; null while nobody knows")
    ring: int = Field(description="which ring it is in, 0 first; 0 without a rollout")
    problem: str | None
    reboot_hold: str | None = Field(default=None, description="why it will not be rebooted although it needs to be")
    excluded: list[PreviewExcluded]
    outside_windows: bool = Field(description="would be touched now though no window of its is open")


class DeploymentPreview(Answer):
    """A deployment before it is made: totals over all hosts, rows for each."""

    host_count: int
    package_count: int
    cve_count: int
    reboot_count: int
    problem_count: int
    outside_windows_count: int = Field(description="hosts touched now though no window of theirs is open; 0 for window")
    excluded_count: int = Field(description="pending packages left out, over all hosts")
    rings: list[PreviewRing] = Field(description="in their order; empty without a rollout")
    hosts: list[PreviewHost]


class JobTotals(Answer):
    """Jobs of a deployment by state; they always add up to ``total``."""

    total: int
    queued: int
    dispatching: int
    running: int
    rebooting: int
    verifying: int
    succeeded: int
    failed: int
    cancelled: int
    outcome_unknown: int


class RingOut(Answer):
    """One ring of a deployment: its hosts in the caller's sight, and how far they are."""

    name: str
    hosts: int
    state: RingStateWord
    totals: JobTotals
    soak_until: datetime | None = Field(description="when the next ring starts; null unless this one is soaking")


class DeploymentOut(Answer):
    """A deployment and how far it is."""

    id: UUID
    state: DeploymentStateWord
    totals: JobTotals
    packages: list[str] | None
    security_only: bool
    when: Literal["now", "window"]
    reboot: Literal["never", "if_required"]
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    override_freeze: bool
    exclude: list[ExcludeOut]
    policy_id: UUID | None = Field(description="the standing policy that made it")
    rollout: RolloutOut | None = Field(description="as asked for; null: all hosts at once")
    rings: list[RingOut] = Field(description="in their order; empty without a rollout")
    stopped_at: datetime | None = Field(description="when too many jobs had failed; null unless it is stopped")
    stop_reason: str | None


class AttemptOut(Answer):
    """One attempt of a job (at most two: first and one retry) and what the agent said."""

    number: int
    agent_job_id: str | None
    state: str
    sends: int
    adopted: bool
    error_code: str | None
    error: str | None
    exit_code: int | None
    stdout: str | None
    stderr: str | None
    started_at: datetime
    finished_at: datetime | None


class PackageOut(Answer):
    """A package of a job and its verified result."""

    name: str
    result: str
    from_version: str | None
    to_version: str | None
    reason: str | None = Field(description="why it was left out (result: excluded or not_accepted)")


class TransitionOut(Answer):
    """One change of a job's state: when, to what, why."""

    at: datetime
    state: JobStateWord
    reason: str


class JobOut(Answer):
    """A job: one host's part of a deployment, or an operation on one host."""

    id: UUID
    host_id: UUID
    host_name: str
    deployment_id: UUID | None
    operation: str
    state: JobStateWord
    progress: int
    message: str
    reboot: Literal["never", "if_required"]
    when: Literal["now", "window"]
    not_before: datetime | None = Field(description="when a queued job may start; null while nobody knows")
    ring: int = Field(description="its ring in its deployment's rollout, 0 first; it never changes")
    reason: str = Field(default="", description="why somebody asked for a job without a deployment")
    created_by: str | None = Field(default=None, description="who did; a deployment's jobs are its creator's")
    rollback_of: UUID | None = Field(default=None, description="the job that a rollback undoes")
    attempts: list[AttemptOut]
    packages: list[PackageOut]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobDetail(JobOut):
    """A job with its history."""

    transitions: list[TransitionOut]
