"""Answers that are written by hand say what their models say."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import orjson

from patch_manager.domain.deployments import AttemptView, JobView, ListPage, TransitionView
from patch_manager.domain.jobs import JobState, Operation, PackageOutcome, PackageResult, RebootPolicy, When
from patch_manager.http.large_answers import job_page_json
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.jobs import JobOut

AT = datetime(2031, 3, 4, 22, 0, 1, 500, tzinfo=UTC)


def a_job() -> JobView:
    return JobView(
        id=uuid4(),
        host_id=uuid4(),
        host_name="web-1",
        host_address="10.0.0.1",
        deployment_id=None,
        operation=Operation.ROLLBACK,
        state=JobState.OUTCOME_UNKNOWN,
        progress=40,
        message="“quoted” <b>\u2028",
        reboot=RebootPolicy.NEVER,
        attempts=(AttemptView(1, "job-1", "failed", 1, True, "X", "no", 100, "out", "err", AT, None),),
        packages=(PackageOutcome("bash", PackageResult.EXCLUDED, "1", None, "vendor pin"),),
        created_at=AT,
        started_at=AT,
        finished_at=None,
        version=7,
        transitions=(TransitionView(AT, JobState.QUEUED, "queued"),),
        when=When.WINDOW,
        not_before=AT,
        rollback_of=uuid4(),
    )


def test_a_page_of_jobs_is_what_its_model_says() -> None:
    page = ListPage((a_job(), a_job()), "next", 3)
    written = orjson.loads(job_page_json(page))
    items = [JobOut.model_validate(view) for view in page.items]
    assert written == Page[JobOut](items=items, next_cursor="next", total=3).model_dump(mode="json")
