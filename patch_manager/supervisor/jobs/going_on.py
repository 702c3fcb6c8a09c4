"""What operators decide about a rollout under way: go on despite of failures, and go on before a soak is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from patch_manager.domain.deployments import (
    DeploymentView,
    InvalidRollout,
    NotFound,
    NotPossible,
    NotWholly,
    Origin,
)
from patch_manager.domain.jobs import When
from patch_manager.domain.principal import Principal
from patch_manager.domain.ring_rules import ring_words, soak_until
from patch_manager.domain.rollouts import stop_rule_problems
from patch_manager.storage import rollouts
from patch_manager.storage.connecting import Connection
from patch_manager.storage.deployments import hosts_of
from patch_manager.storage.job_ledger import groups_by_host
from patch_manager.storage.job_plans import NewPlan
from patch_manager.storage.windows import hold_calendar
from patch_manager.supervisor.jobs.planning import Planner
from patch_manager.supervisor.jobs.reading import Reading
from patch_manager.supervisor.jobs.requests import rollout_summary
from patch_manager.supervisor.jobs.service import Refusal, event_of

GoingOnRefusal = NotFound | NotPossible | NotWholly | InvalidRollout


class GoingOn(Reading):
    """A rollout concerns all of its hosts: whoever sees only some of them decides nothing about it."""

    __slots__ = ()

    async def resume(
        self,
        principal: Principal,
        deployment_id: UUID,
        rule: Mapping[str, Any],
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> DeploymentView | GoingOnRefusal:
        """Go on with a stopped deployment: what failed until now counts no more.

        ``rule`` may have ``stop_after_failures`` and ``stop_after_failed_percent``: new limits, None for none.
        """
        problems = tuple(stop_rule_problems(rule.get("stop_after_failures"), rule.get("stop_after_failed_percent")))
        if problems:
            return InvalidRollout(problems)
        return await self._decided(principal, deployment_id, self._resume, rule, origin)

    async def _resume(
        self,
        connection: Connection,
        principal: Principal,
        rolling: rollouts.Rolling,
        rule: Mapping[str, Any],
        origin: Origin,
    ) -> tuple[UUID, ...]:
        progress = rolling.progress
        if not progress.stopped:
            raise Refusal(NotPossible("the deployment is not stopped"))
        if not any(ring.totals.unended for ring in progress.rings):
            raise Refusal(NotPossible("all of its jobs have ended: retry those that failed"))
        rollout = replace(progress.rollout, **rule)
        rolling = replace(rolling, progress=replace(progress, rollout=rollout))
        await rollouts.resume_rollout(connection, rolling.id, rolling)
        freed = await set_free(connection, rolling.id, progress.released, self.now())
        detail = {"despite": rolling.stop_reason, "jobs": len(freed), "rollout": rollout_summary(rollout)}
        groups = await groups_of_deployment(connection, rolling.id)
        event = event_of(principal, origin, "deployment.resumed", "deployment", rolling.id, groups, detail)
        await self.audit.append(connection, [event])
        return freed

    async def release(
        self,
        principal: Principal,
        deployment_id: UUID,
        origin: Origin = Origin(),  # noqa: B008
    ) -> DeploymentView | GoingOnRefusal:
        """End the present soak: the next ring is released at once."""
        return await self._decided(principal, deployment_id, self._release, {}, origin)

    async def _release(
        self,
        connection: Connection,
        principal: Principal,
        rolling: rollouts.Rolling,
        _: Mapping[str, Any],
        origin: Origin,
    ) -> tuple[UUID, ...]:
        progress = rolling.progress
        if progress.stopped:
            raise Refusal(NotPossible("the deployment is stopped: resume it first"))
        if progress.released >= len(progress.rings):
            raise Refusal(NotPossible("its last ring was released already"))
        index, present = progress.released - 1, progress.at_work[-1]
        due = soak_until(progress)
        if due is None:
            working = f"{ring_words(index, present.name)} is at work: only its soak can be skipped"
            raise Refusal(NotPossible("the next ring is being released" if progress.ended else working))
        await rollouts.skip_soak(connection, rolling.id)
        detail = {"ring": index, "name": present.name, "soak_until": due.isoformat()}
        groups = await groups_of_deployment(connection, rolling.id)
        event = event_of(principal, origin, "deployment.soak_skipped", "deployment", rolling.id, groups, detail)
        await self.audit.append(connection, [event])
        return ()

    async def _decided(
        self, principal: Principal, deployment_id: UUID, work: Any, rule: Mapping[str, Any], origin: Origin
    ) -> DeploymentView | GoingOnRefusal:
        before = await self.get(principal, deployment_id)
        if isinstance(before, NotFound):
            return before
        try:
            freed = await self.database.transaction(self._locked, principal, deployment_id, work, rule, origin)
        except Refusal as refused:
            return refused.value  # type: ignore[no-any-return]  # raised here with one of these
        self.outside.jobs_changed()
        self.outside.news(freed, (deployment_id,))
        return await self.get(principal, deployment_id)

    async def _locked(
        self,
        connection: Connection,
        principal: Principal,
        deployment_id: UUID,
        work: Any,
        rule: Mapping[str, Any],
        origin: Origin,
    ) -> tuple[UUID, ...]:
        await hold_calendar(connection)
        rolling = await rollouts.lock_rollout(connection, deployment_id)
        if rolling is None:
            raise Refusal(NotPossible("the deployment has no rollout"))
        seen = await rollouts.rollouts_of(connection, [deployment_id], principal.scope)
        if seen[deployment_id].progress != rolling.progress:
            raise Refusal(NotWholly())
        freed: tuple[UUID, ...] = await work(connection, principal, rolling, rule, origin)
        return freed


async def set_free(connection: Connection, deployment_id: UUID, released: int, now: datetime) -> tuple[UUID, ...]:
    """Plan the jobs of the rings below ``released`` that are held back. The calendar and the deployment are locked."""
    jobs = await rollouts.held_jobs(connection, deployment_id, released)
    planner = await Planner.read(connection, {job.host_id for job in jobs}, now)
    plans = [planner.of(job.host_id, job.when, job.override_freeze) for job in jobs]
    anew = [NewPlan(job, plan.not_before, plan.words) for job, plan in zip(jobs, plans, strict=True)]
    by_calendar = [job.when is When.WINDOW or not plan.starts_now for job, plan in zip(jobs, plans, strict=True)]
    await rollouts.set_free(connection, anew, by_calendar, now)
    return tuple(job.id for job in jobs)


async def groups_of_deployment(connection: Connection, deployment_id: UUID) -> frozenset[UUID]:
    """The groups of all hosts of a deployment, for audit events."""
    by_host = await groups_by_host(connection, await hosts_of(connection, deployment_id))
    return frozenset(group for groups in by_host.values() for group in groups)
