"""Jobs: one host's part of a deployment, its attempts and what the agent said."""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from patch_manager.domain.deployments import JobFilter, JobView, NotPossible, Resolution
from patch_manager.domain.deployments import NotFound as NoSuchJob
from patch_manager.domain.jobs import JobState
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import Conflict, Failure, NotFound
from patch_manager.http.large_answers import job_page_json
from patch_manager.http.pages import refuse
from patch_manager.http.routes.deployments import origin
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.job_queries import JobQuery, JobResolve
from patch_manager.http.schemas.jobs import JobDetail, JobOut
from patch_manager.http.services import services

routes = Routes("jobs")


@routes.route("GET", "/jobs", permission=Permission.FLEET_READ, query=JobQuery, answer=Page[JobOut])
async def list_jobs(principal: Principal, query: JobQuery) -> Reply:
    """Jobs of hosts in the caller's sight, newest first."""
    states = tuple(JobState(word) for word in query.state) or None
    return await job_page(
        principal,
        JobFilter(
            states,
            query.host_id,
            query.deployment_id,
            query.limit,
            query.cursor,
            query.search,
            query.ring,
            tuple(query.operation) or None,
            query.since,
            query.until,
        ),
    )


async def job_page(principal: Principal, wanted: JobFilter) -> Reply:
    """A page of jobs in sight. Raises `Refused` (400) for a cursor of another list."""
    page = await services().deployments.list_jobs(principal, wanted)
    if isinstance(page, NotPossible):
        raise refuse("/cursor", page.reason)
    return Reply(job_page_json(page))


@routes.route("GET", "/jobs/<uuid:job_id>", permission=Permission.FLEET_READ, answer=JobDetail)
async def show_job(principal: Principal, job_id: UUID) -> JobDetail | Failure:
    """One job with its attempts, packages and every step it took."""
    return _answer(await services().deployments.get_job(principal, job_id))


@routes.route("POST", "/jobs/<uuid:job_id>/cancel", permission=Permission.FLEET_OPERATE, answer=JobDetail)
async def cancel_job(principal: Principal, job_id: UUID) -> JobDetail | Failure:
    """Cancel a job that has sent nothing to its agent yet; else 409."""
    return _answer(await services().deployments.cancel_job(principal, job_id, origin()))


@routes.route(
    "POST", "/jobs/<uuid:job_id>/resolve", permission=Permission.FLEET_OPERATE, body=JobResolve, answer=JobDetail
)
async def resolve_job(principal: Principal, job_id: UUID, body: JobResolve) -> JobDetail | Failure:
    """End a job whose outcome nobody knows, as somebody who looked at the host; 409 for any other job."""
    return _answer(await services().deployments.resolve_job(principal, job_id, Resolution(body.outcome), origin()))


def _answer(result: JobView | NoSuchJob | NotPossible) -> JobDetail | Failure:
    match result:
        case JobView():
            return JobDetail.model_validate(result)
        case NoSuchJob():
            return NotFound()
        case NotPossible(reason):
            return Conflict(reason)
        case _:
            assert_never(result)
