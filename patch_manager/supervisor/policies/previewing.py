"""What a policy would apply on its hosts if their windows were open now, and how far its rings are. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patch_manager.domain.deployments import DeploymentView
from patch_manager.domain.exclusions import own
from patch_manager.domain.policies import Policy, held_because
from patch_manager.domain.previews import DeploymentPreview
from patch_manager.domain.principal import Scope
from patch_manager.domain.rollouts import Assignment, assign
from patch_manager.storage import deployments as stored
from patch_manager.storage import policies, policy_runs
from patch_manager.storage.connecting import Connection
from patch_manager.storage.exclusions import in_force
from patch_manager.storage.policy_runs import HeldHost
from patch_manager.supervisor.jobs.planning import NO_RINGS, Planner
from patch_manager.supervisor.jobs.previews import Exclusions, preview_of

LAST_RUNS = 10
MOST_HELD = 200


@dataclass(frozen=True, slots=True)
class RingStatus:
    """A ring of a policy: its hosts in sight, and why they do not start now (None: they may)."""

    name: str
    hosts: int
    held: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """What a policy did and what is left. ``pending``: hosts on which it would apply something, or that were never
    read.
    """

    last_runs: tuple[DeploymentView, ...]
    pending: int
    rings: tuple[RingStatus, ...]
    held: tuple[HeldHost, ...]


async def preview_policy(
    connection: Connection, policy: Policy, host_ids: Collection[UUID], now: datetime
) -> DeploymentPreview:
    """Per host, what the policy would apply."""
    ids = list(host_ids)
    request = policy.request
    rows, patches = await stored.preview_rows(connection, ids, None, request.security_only)
    exclusions = Exclusions(await in_force(connection, ids, now), own(policy.exclude, policy.words), now)
    return preview_of(request, rows, patches, await Planner.read(connection, ids, now), NO_RINGS, exclusions)


def rings_of(policy: Policy, hosts: Mapping[UUID, Collection[UUID]]) -> Assignment | None:
    """The rings of a policy over hosts with their groups; None: it has none."""
    if policy.rollout is None or not policy.rollout.rings:
        return None
    return assign(policy.rollout, hosts)


async def status_of(
    connection: Connection, scope: Scope, policy: Policy, host_ids: Collection[UUID], now: datetime
) -> Status:
    """How a policy is doing on the hosts in ``scope``, which are these."""
    runs = [
        await stored.get_deployment(connection, scope, deployment_id)
        for deployment_id in await policy_runs.deployments_of(connection, policy.id, LAST_RUNS)
    ]
    pending = await policy_runs.applicable(connection, policy, host_ids, now)
    everybody = await policies.members_of(connection, policy.id)
    rings = rings_of(policy, everybody)
    statuses: tuple[RingStatus, ...] = ()
    if rings is not None and policy.rollout is not None:
        history = await policy_runs.history_of(connection, policy.id, everybody)
        reasons = held_because(policy.rollout, rings, history, now)
        in_sight = [rings.ring_of[host_id] for host_id in host_ids if host_id in rings.ring_of]
        counts = [in_sight.count(index) for index in range(len(rings.names))]
        statuses = tuple(map(RingStatus, rings.names, counts, reasons))
    held = await policy_runs.held_hosts(connection, scope, policy.id, now, MOST_HELD)
    return Status(tuple(run for run in runs if run is not None), len(pending), statuses, held)
