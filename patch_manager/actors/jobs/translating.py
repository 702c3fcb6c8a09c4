"""From the client's words to the protocol's."""

from __future__ import annotations

from patch_manager.actors.agent.models import AgentJob
from patch_manager.actors.jobs import messages as m


def found_job(job: AgentJob) -> m.FoundJob:
    """A job on the agent, as the protocol needs it."""
    return m.FoundJob(
        id=job.job_id,
        operation=job.operation,
        status=job.status.value,
        created_at=job.created_at,
        completed_at=job.completed_at,
        packages=job.packages,
        original_job_id=job.original_job_id,
        progress=job.progress,
        message=job.message,
        error_code=job.error_code,
        error=job.error,
        exit_code=job.exit_code,
        stdout=job.stdout,
        stderr=job.stderr,
    )
