"""What a policy does about hosts whose window is open: decided and written in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from patch_manager.domain.audit import AuditEvent
from patch_manager.domain.jobs import When
from patch_manager.domain.openings import Opening
from patch_manager.domain.policies import Policy, RunResult, held_because, opening_at
from patch_manager.domain.principal import EVERYTHING
from patch_manager.domain.rollouts import assign
from patch_manager.storage import deployments as stored
from patch_manager.storage import policies, policy_runs
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.connecting import Connection
from patch_manager.storage.leadership import assert_epoch
from patch_manager.storage.policy_runs import PolicyRun
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.planning import Planner
from patch_manager.supervisor.jobs.requests import digest_of, summary_of

_NOTHING = "nothing is pending that the policy applies"


class Doubled(Exception):
    """A job had been started for one of these openings already: nothing of this transaction is kept."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was decided, per host; ``deployment_id`` None: nothing was started. ``changed``: the policy or its hosts are
    not what the scan took them for.
    """

    runs: tuple[PolicyRun, ...] = ()
    deployment_id: UUID | None = None
    changed: bool = False


async def decide(
    connection: Connection, policy: Policy, due: Mapping[UUID, Opening], now: datetime
) -> tuple[PolicyRun, ...]:
    """Per host, whether to start it now, and if not, why. Hosts to start have no job yet."""
    members = await policies.members_of(connection, policy.id)
    hosts = [host_id for host_id in due if host_id in members]
    queued = await policy_runs.queued_jobs(connection, policy.id, hosts)
    applicable = await policy_runs.applicable(connection, policy, hosts, now)
    held = await _held(connection, policy, members, now)

    def run(host_id: UUID) -> PolicyRun:
        opening = due[host_id]
        if host_id in queued:
            reason = "its job of an earlier opening has not started yet"
            return PolicyRun(host_id, opening.opens_at, opening.closes_at, RunResult.WAITING, reason, queued[host_id])
        if host_id not in applicable:
            result, reason = RunResult.NOTHING_TO_DO, _NOTHING
        elif host_id in held:
            result, reason = RunResult.HELD, held[host_id]
        else:
            result, reason = RunResult.STARTED, ""
        return PolicyRun(host_id, opening.opens_at, opening.closes_at, result, reason)

    return tuple(run(host_id) for host_id in hosts)


async def _held(
    connection: Connection, policy: Policy, members: Mapping[UUID, tuple[UUID, ...]], now: datetime
) -> dict[UUID, str]:
    """The hosts that their ring keeps from starting, and why."""
    if policy.rollout is None or not policy.rollout.rings:
        return {}
    rings = assign(policy.rollout, members)
    reasons = held_because(policy.rollout, rings, await policy_runs.history_of(connection, policy.id, members), now)
    return {host_id: reason for host_id, ring in rings.ring_of.items() if (reason := reasons[ring]) is not None}


@dataclass(frozen=True, slots=True)
class Starting:
    """The transaction. ``now`` is the wall clock at its begin."""

    audit: AuditLog
    policy: Policy
    due: Mapping[UUID, Opening]
    deployment_id: UUID
    now: datetime

    async def __call__(self, connection: Connection, epoch: int) -> Done:
        """Queue a job for each host that is to start, once for its opening.

        Raises:
            Doubled: see there.
        """
        if not await assert_epoch(connection, epoch):
            return Done()
        if not await policies.hold_policy(connection, self.policy):
            return Done(changed=True)
        hosts = await stored.target_hosts(connection, EVERYTHING, list(self.due), (), lock=True)
        if hosts is None:
            return Done(changed=True)
        await hold_calendar(connection)
        planner = await Planner.read(connection, [host.id for host in hosts], self.now)
        openings = _openings(planner, hosts)
        settled = await policy_runs.settled_runs(
            connection, self.policy.id, [(host_id, opening.opens_at) for host_id, opening in openings.items()]
        )
        due = {host_id: opening for host_id, opening in openings.items() if host_id not in settled}
        runs = await decide(connection, self.policy, due, self.now)
        targets = {host.id: host for host in hosts}
        runs, deployed = await self._queue(connection, runs, targets, planner)
        if not await policy_runs.write_runs(connection, self.policy.id, runs, self.now):
            raise Doubled
        before = tuple(
            PolicyRun(host_id, openings[host_id].opens_at, openings[host_id].closes_at, result, "", self.deployment_id)
            for host_id, result in settled.items()
        )
        changed = len(due) + len(settled) < len(self.due) or len(runs) < len(due)
        return Done((*runs, *before), self.deployment_id if deployed else None, changed)

    async def _queue(
        self,
        connection: Connection,
        runs: tuple[PolicyRun, ...],
        targets: Mapping[UUID, stored.TargetHost],
        planner: Planner,
    ) -> tuple[tuple[PolicyRun, ...], bool]:
        jobs = {
            run.host_id: stored.NewJob(uuid4(), targets[run.host_id], planner.of(run.host_id, When.WINDOW, False))
            for run in runs
            if run.result is RunResult.STARTED
        }
        if not jobs:
            return runs, False
        request = self.policy.request
        new = stored.NewDeployment(
            id=self.deployment_id,
            created_at=self.now,
            created_by=None,
            created_by_name=self.policy.words,
            idempotency_key=None,
            digest=digest_of(request),
            request=request,
            policy_id=self.policy.id,
        )
        await stored.insert_deployment(connection, new, tuple(jobs.values()))
        await self.audit.append(connection, [self._event(jobs)])
        with_jobs = tuple(
            PolicyRun(run.host_id, run.opens_at, run.closes_at, run.result, run.reason, jobs[run.host_id].id)
            if run.host_id in jobs
            else run
            for run in runs
        )
        return with_jobs, True

    def _event(self, jobs: Mapping[UUID, stored.NewJob]) -> AuditEvent:
        groups = frozenset(group for job in jobs.values() for group in job.host.group_ids)
        detail: dict[str, Any] = {
            "policy_id": self.policy.id,
            "policy": self.policy.name,
            **summary_of(self.policy.request),
            "hosts": len(jobs),
            "host_ids": list(jobs)[:100],
        }
        return AuditEvent(
            "deployment.created",
            "system",
            target_type="deployment",
            target_id=self.deployment_id,
            groups=groups,
            detail=detail,
        )


def _openings(planner: Planner, hosts: tuple[stored.TargetHost, ...]) -> dict[UUID, Opening]:
    """The hosts that may be touched now by what this transaction sees, with the openings they are in."""
    found: dict[UUID, Opening] = {}
    for host in hosts:
        if not planner.of(host.id, When.WINDOW, False).starts_now:
            continue
        opening = opening_at(planner.windows.get(host.id, ()), planner.now)
        if opening is not None:
            found[host.id] = opening
    return found
