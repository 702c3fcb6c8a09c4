"""Steps of 500 jobs through the one committer, audit rows and all, beside one UPDATE by array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import trio

from benchmarks.house import fleet_of, open_base
from benchmarks.measuring import CpuMeter, in_turns
from benchmarks.model import Bench, Row
from benchmarks.polls import wall
from patch_manager.actors.jobs.clock import system_clock
from patch_manager.domain.host_status import StoredHost
from patch_manager.domain.job_record import Attempt, AttemptState, JobRecord, Moment, Send, SendOutcome, Target
from patch_manager.domain.jobs import JobState, Operation, PackageResult, RebootPolicy, When
from patch_manager.foundation import Foundation
from patch_manager.storage.connecting import Connection
from patch_manager.storage.leadership import Leader, Leadership
from patch_manager.supervisor.jobs.committer import Committer

_PACKAGES = tuple(f"package-{number}" for number in range(10))
_INSERT = """
INSERT INTO jobs (id, host_id, host_name, host_address, operation, state, starts, reboot, created_at)
SELECT id, host_id, 'host', 'address', 'patchapply', 'queued', 'now', 'never', $3
FROM unnest($1::uuid[], $2::uuid[]) AS n (id, host_id)
"""
_UPDATE = """
UPDATE jobs j SET state = n.state, version = j.version + 1
FROM unnest($1::uuid[], $2::text[]) AS n (id, state) WHERE j.id = n.id
"""
Step = Callable[[JobRecord, Moment], JobRecord]


def _planned(job: JobRecord, now: Moment) -> JobRecord:
    targets = tuple(Target(name, "1", "2") for name in _PACKAGES)
    attempt = Attempt(1, now.wall)
    return replace(job, state=JobState.DISPATCHING, targets=targets, planned_at=now.wall, attempt=attempt)


def _intended(job: JobRecord, now: Moment) -> JobRecord:
    send = Send(1, 1, Operation.PATCH_APPLY, _PACKAGES, frozenset(), None, now)
    return replace(job.with_attempt(sends=1), send=send)


def _accepted(job: JobRecord, now: Moment) -> JobRecord:
    agent_job = str(uuid4())
    taken = job.with_outcome(SendOutcome.ACCEPTED, agent_job)
    return replace(
        taken.with_attempt(state=AttemptState.RUNNING, agent_job_id=agent_job, accepted_at=now.wall),
        state=JobState.RUNNING,
    )


def _verifying(job: JobRecord, now: Moment) -> JobRecord:
    done = job.with_attempt(state=AttemptState.COMPLETED, finished_at=now.wall)
    return replace(done, state=JobState.VERIFYING, work_done=now)


def _succeeded(job: JobRecord, now: Moment) -> JobRecord:
    targets = tuple(replace(target, result=PackageResult.UPDATED) for target in job.targets or ())
    return replace(job, state=JobState.SUCCEEDED, targets=targets, finished_at=now.wall)


STEPS: tuple[Step, ...] = (_planned, _intended, _accepted, _verifying, _succeeded)


def _queued(job_id: UUID, host: StoredHost) -> JobRecord:
    return JobRecord(
        id=job_id,
        host_id=host.record.id,
        deployment_id=None,
        version=1,
        operation=Operation.PATCH_APPLY,
        state=JobState.QUEUED,
        starts=When.NOW,
        requested=None,
        security_only=False,
        reboot=RebootPolicy.NEVER,
        message="",
        not_before=None,
        created_at=wall(),
    )


async def _new_jobs(base: Foundation, hosts: tuple[StoredHost, ...]) -> list[JobRecord]:
    jobs = [_queued(uuid4(), host) for host in hosts]

    async def insert(connection: Connection) -> None:
        await connection.execute(_INSERT, [job.id for job in jobs], [job.host_id for job in jobs], wall())

    await base.db.transaction(insert)
    return jobs


async def _ours(base: Foundation, leader: Leader, hosts: tuple[StoredHost, ...]) -> float:
    """Milliseconds of this process for one step of all jobs: the mean over a job's whole way."""
    jobs, clock = await _new_jobs(base, hosts), system_clock()
    committer = Committer(base.db, base.audit, lambda: leader, lambda _jobs, _deployments: None)

    async def run(job: JobRecord) -> None:
        for step in STEPS:
            now = clock()
            kept = await committer.commit(job, step(job, now), "measured", now)
            if kept is None:
                raise RuntimeError("a step was refused")
            job = kept.record

    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        meter = CpuMeter()
        async with trio.open_nursery() as runs:
            for job in jobs:
                runs.start_soon(run, job)
        cost = meter.seconds()
        nursery.cancel_scope.cancel()
    return cost / len(STEPS) * 1000


async def _floor(base: Foundation, hosts: tuple[StoredHost, ...]) -> float:
    jobs = await _new_jobs(base, hosts)

    async def update(connection: Connection, state: str) -> None:
        await connection.execute(_UPDATE, [job.id for job in jobs], [state] * len(jobs))

    meter = CpuMeter()
    for state in ("dispatching", "dispatching", "running", "verifying", "succeeded"):
        await base.db.transaction(update, state)
    return meter.seconds() / len(STEPS) * 1000


async def _measure(bench: Bench) -> list[Row]:
    hosts = fleet_of(bench.scale.jobs)
    async with open_base(bench.directory, hosts) as base, Leadership(base.db, "bench").acquire() as leader:
        turns = await in_turns(bench.scale.runs, partial(_ours, base, leader, hosts), partial(_floor, base, hosts))
    work = f"one step of {len(hosts)} jobs: rows, details, audit"
    extra = {"steps of a job": float(len(STEPS)), "packages of a job": float(len(_PACKAGES))}
    return [Row("commits", work, "ms CPU", tuple(turns.ours), tuple(turns.floor), "", extra)]


def measure(bench: Bench) -> list[Row]:
    """The committer."""
    return trio.run(_measure, bench)
