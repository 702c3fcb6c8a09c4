"""Answers and events about jobs, in both dialects."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError

from patch_manager.actors.agent import models, tolerant
from patch_manager.actors.agent.envelope import Json, Wire, page
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.tolerant import Lines, Message, Moment, Names, Number, Output, Percent, Text
from patch_manager.domain.health import FailureKind


def _valid_job_id(value: object) -> str:
    if not isinstance(value, str) or not models.is_job_id(value):
        raise ValueError("not a job id")
    return value


JobId = Annotated[str, BeforeValidator(_valid_job_id)]


class _Job(Wire):
    job_id: JobId = Field(validation_alias=AliasChoices("job_id", "id"))
    operation: Text = None
    status: Any = None
    progress: Percent = Field(None, validation_alias=AliasChoices("progress", "progress_percent"))
    message: Message = None
    created_at: Moment = None
    completed_at: Moment = None
    packages: Names = None
    logs: Lines = ()
    error: Any = None
    error_code: Text = None
    exit_code: Number = None
    command_stdout: Output = None
    command_stderr: Output = None
    rollback_job_id: Text = None
    original_job_id: Text = None


def job(data: Json) -> models.AgentJob:
    """Normalise one job; raises UNREADABLE without a usable id."""
    try:
        return _job_of(data)
    except ValidationError as error:
        raise AgentFailure(FailureKind.UNREADABLE, "a job without a usable id") from error


def _job_of(row: Any) -> models.AgentJob:
    wire = _Job.model_validate(row)
    status = models.job_status(wire.status)
    code = wire.error_code
    if code is None and isinstance(wire.error, dict):
        code = tolerant.text_or_none(wire.error.get("code"), 64)
    progress = wire.progress
    if progress is None:
        progress = 100 if status is models.AgentJobStatus.COMPLETED else 0
    return models.AgentJob(
        job_id=wire.job_id,
        operation=models.squeeze(wire.operation or ""),
        status=status,
        progress=progress,
        message=wire.message or "",
        created_at=wire.created_at,
        completed_at=wire.completed_at,
        packages=wire.packages,
        logs=wire.logs,
        error=tolerant.message_or_none(wire.error),
        error_code=code,
        exit_code=wire.exit_code,
        stdout=wire.command_stdout,
        stderr=wire.command_stderr,
        rollback_job_id=wire.rollback_job_id,
        original_job_id=wire.original_job_id,
    )


def jobs(data: Json) -> models.JobList:
    """Normalise ``GET /jobs``."""
    found = page(data, "jobs", _job_of)
    return models.JobList(found.items, found.total, found.skipped)


def accepted(data: Json) -> models.AcceptedJob | None:
    """The job of a 202 answer; None without a usable id."""
    try:
        found = _job_of(data)
    except ValidationError:
        return None
    return models.AcceptedJob(found.job_id, found.operation or None, found.status)


def hint(frame: Json) -> models.JobHint | None:
    """One event of the job stream in either dialect; None for one that tells nothing of a job."""
    payload = frame.get("payload")
    event = payload if isinstance(payload, dict) else frame
    if event_name(frame) in ("connected", "error", "subscribed", "ping", "pong"):
        return None
    try:
        found = _job_of(event)
    except ValidationError:
        return None
    status = found.status
    if status is models.AgentJobStatus.UNKNOWN and event_name(frame) == "jobcomplete":
        status = models.AgentJobStatus.COMPLETED
    told = "progress" in event or "progress_percent" in event
    return models.JobHint(
        job_id=found.job_id,
        status=status,
        progress=found.progress if told else None,
        message=found.message,
        error_code=found.error_code,
    )


def event_name(frame: Json) -> str:
    """The event's name in either dialect, without separators: ``jobstatus``, ``connected``, ``error``."""
    word = frame.get("event", frame.get("type"))
    return models.squeeze(word[:64]) if isinstance(word, str) else ""
