"""Asking for deployments: what one would do, and queueing its jobs.

A deployment, its jobs and its audit event are one transaction (TRUST 19); a batch with one host out of sight queues
nothing (TRUST 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from patch_manager.domain.deployments import (
    CreateRefusal,
    DeploymentRequest,
    DeploymentView,
    HostsNotAvailable,
    IdempotencyConflict,
    InvalidExclusion,
    InvalidPackages,
    InvalidRollout,
    NoHosts,
    OnlyAdmins,
    Origin,
    invalid_package_names,
)
from patch_manager.domain.exclusions import own, pattern_problem
from patch_manager.domain.jobs import When
from patch_manager.domain.previews import DeploymentPreview
from patch_manager.domain.principal import EVERYTHING, Principal, Role
from patch_manager.domain.rollouts import Assignment, assign, problems_of
from patch_manager.storage import deployments as stored
from patch_manager.storage.connecting import Connection
from patch_manager.storage.errors import CommitUnknown
from patch_manager.storage.exclusions import in_force
from patch_manager.supervisor.jobs.overrides import window_override
from patch_manager.supervisor.jobs.planning import NO_RINGS, Planner, planned
from patch_manager.supervisor.jobs.previews import Exclusions, preview_of
from patch_manager.supervisor.jobs.requests import digest_of, summary_of
from patch_manager.supervisor.jobs.service import Refusal, Service, event_of, same_request


class Asking(Service):
    """Previews and new deployments."""

    __slots__ = ()

    async def preview(self, principal: Principal, request: DeploymentRequest) -> DeploymentPreview | CreateRefusal:
        """What ``request`` would do, from the patches as last read; nothing is asked of any agent."""
        refusal = _check(principal, request)
        if refusal is not None:
            return refusal
        try:
            return await self.database.read(self._preview, principal, request)
        except Refusal as refused:
            return refused.value  # type: ignore[no-any-return]  # raised in _resolve with one of these

    async def _preview(
        self, connection: Connection, principal: Principal, request: DeploymentRequest
    ) -> DeploymentPreview:
        hosts = await _resolve(connection, principal, request, lock=False)
        ids = [host.id for host in hosts]
        rows, patches = await stored.preview_rows(connection, ids, request.packages, request.security_only)
        now = self.now()
        exclusions = Exclusions(await in_force(connection, ids, now), own(request.exclude, principal.username), now)
        rings = _assigned(principal, request, hosts)
        return preview_of(request, rows, patches, await Planner.read(connection, ids, now), rings, exclusions)

    async def create(
        self,
        principal: Principal,
        request: DeploymentRequest,
        idempotency_key: str | None = None,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> DeploymentView | CreateRefusal:
        """Queue a job per host. The same key with the same request gives the deployment made before."""
        refusal = _check(principal, request)
        if refusal is not None:
            return refusal
        new = stored.NewDeployment(
            id=uuid4(),
            created_at=self.now(),
            created_by=principal.user_id,
            created_by_name=principal.username,
            idempotency_key=idempotency_key,
            digest=digest_of(request),
            request=request,
        )
        try:
            deployment_id = await self.database.transaction(self._create, principal, new, origin)
        except Refusal as refused:
            return refused.value  # type: ignore[no-any-return]  # raised below with one of these
        except CommitUnknown:
            # Ids are ours: reading tells whether the work is whole or absent.
            if await self.database.read(stored.get_deployment, EVERYTHING, new.id) is None:
                raise
            deployment_id = new.id
        self.outside.jobs_changed()
        self.outside.news((), (deployment_id,))
        view = await self.database.read(stored.get_deployment, principal.scope, deployment_id)
        return HostsNotAvailable() if view is None else view

    async def _create(
        self, connection: Connection, principal: Principal, new: stored.NewDeployment, origin: Origin
    ) -> UUID:
        if new.idempotency_key is not None:
            before = await stored.same_key(connection, principal.user_id, new.idempotency_key)
            if before is not None:
                return same_request(before, new.digest)
        hosts = await _resolve(connection, principal, new.request, lock=True)
        rings = _assigned(principal, new.request, hosts)
        new = replace(new, ring_names=rings.names)
        planner = await self.planner(connection, hosts)
        if not await stored.insert_deployment(connection, new, planned(hosts, new.request, planner, rings)):
            before = await stored.same_key(connection, principal.user_id, new.idempotency_key or "")
            if before is None:
                raise Refusal(IdempotencyConflict())
            return same_request(before, new.digest)
        groups = frozenset(group for host in hosts for group in host.group_ids)
        detail = {**summary_of(new.request), "hosts": len(hosts), "host_ids": [host.id for host in hosts[:100]]}
        if new.request.when is When.NOW:
            detail |= await window_override(connection, new.request, hosts, planner)
        event = event_of(principal, origin, "deployment.created", "deployment", new.id, groups, detail)
        await self.audit.append(connection, [event])
        return new.id


def _check(
    principal: Principal, request: DeploymentRequest
) -> OnlyAdmins | NoHosts | InvalidPackages | InvalidExclusion | InvalidRollout | None:
    if request.override_freeze and principal.role is not Role.ADMIN:
        return OnlyAdmins()
    if not request.host_ids and not request.group_ids:
        return NoHosts()
    if request.packages is not None:
        wrong = invalid_package_names(request.packages)
        if wrong or not request.packages:
            return InvalidPackages(wrong)
    for index, excluded in enumerate(request.exclude):
        problem = pattern_problem(excluded.package)
        if problem is not None:
            return InvalidExclusion(index, problem)
    wrong_with = () if request.rollout is None else problems_of(request.rollout)
    return InvalidRollout(wrong_with) if wrong_with else None


async def _resolve(
    connection: Connection, principal: Principal, request: DeploymentRequest, *, lock: bool
) -> tuple[stored.TargetHost, ...]:
    hosts = await stored.target_hosts(connection, principal.scope, request.host_ids, request.group_ids, lock=lock)
    if hosts is None:
        raise Refusal(HostsNotAvailable())
    if not hosts:
        raise Refusal(NoHosts())
    return hosts


def _assigned(principal: Principal, request: DeploymentRequest, hosts: Sequence[stored.TargetHost]) -> Assignment:
    """Which ring each host is in. A group out of sight looks like one that holds none of the hosts (TRUST 10)."""
    if request.rollout is None:
        return NO_RINGS
    in_sight = principal.scope.group_ids
    groups = {host.id: [each for each in host.group_ids if in_sight is None or each in in_sight] for host in hosts}
    found = assign(request.rollout, groups)
    if found.problems:
        raise Refusal(InvalidRollout(found.problems))
    return found
