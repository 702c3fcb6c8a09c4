"""Standing policies: kept, previewed, and how they are doing. An operator's reach groups and hosts in their sight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from patch_manager.domain.policies import Policy, differences
from patch_manager.domain.principal import Permission, Principal, Role, Scope
from patch_manager.http.deployment_rules import refused
from patch_manager.http.errors import Conflict, Failure, Forbidden, NotFound
from patch_manager.http.pages import by_time, cut, time_cursor
from patch_manager.http.policy_rules import (
    changed,
    policy_fields,
    policy_of,
    preview_out,
    rings_in_sight,
    settings,
    uncovered,
)
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.policies import (
    PolicyConflict,
    PolicyCreate,
    PolicyDetail,
    PolicyOut,
    PolicyPatch,
    PolicyPreview,
    PolicyPreviewIn,
    PolicyQuery,
)
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import deployments, policies
from patch_manager.storage.connecting import Connection
from patch_manager.supervisor.policies.coverage import Coverer, members
from patch_manager.supervisor.policies.keeper import cancel_stale
from patch_manager.supervisor.policies.previewing import preview_policy, rings_of, status_of

routes = Routes("policies")

Jobs = Mapping[UUID, UUID]
"""Jobs that were cancelled, with their deployments."""

_MOST_CONFLICTS = 100
_OF_ALL = Forbidden("a policy for all hosts is the administrators'")


@routes.route("GET", "/policies", permission=Permission.FLEET_READ, query=PolicyQuery, answer=Page[PolicyOut])
async def list_policies(principal: Principal, query: PolicyQuery) -> Page[PolicyOut]:
    """Policies of which all groups and hosts are in the caller's sight, and those for all hosts; newest first."""
    after = by_time(query.cursor, "policies")
    rows, total = await services().db.read(_list, principal.scope, query, after)
    page, cursor = cut(rows, query.limit, lambda row: time_cursor("policies", row.created_at, row.id))
    now = services().calendar.now()
    coverer = Coverer(services().calendar, now)
    return Page[PolicyOut](
        items=[await _out(principal, row, coverer, now) for row in page], next_cursor=cursor, total=total
    )


async def _list(
    connection: Connection, scope: Scope, query: PolicyQuery, after: tuple[datetime, UUID] | None
) -> tuple[tuple[Policy, ...], int]:
    return await policies.list_policies(
        connection, scope, query.limit + 1, after, search=query.search, enabled=query.enabled
    )


@routes.route("POST", "/policies", permission=Permission.FLEET_OPERATE, body=PolicyCreate, answer=PolicyOut, status=201)
async def create_policy(principal: Principal, body: PolicyCreate) -> Reply | Failure:
    """From now on, apply in every window of these hosts: each opening once, the one that is open now included.

    A host in several policies gets what any of them applies, one job after the other. One group or host out of the
    caller's sight refuses the whole (404).
    """
    now = services().calendar.now()
    policy = policy_of(body, uuid4(), principal, now)
    if isinstance(policy, Failure):
        return policy
    made = await change(principal, _create, principal, policy)
    if isinstance(made, Failure):
        return made
    answer = await _out(principal, made, Coverer(services().calendar, now), now)
    return Reply(answer, headers={"Location": f"/api/v1/policies/{made.id}"})


async def _create(connection: Connection, principal: Principal, policy: Policy) -> Changed[Policy] | Failure:
    refusal = await _places(connection, principal.scope, policy)
    if refusal is not None:
        return refusal
    await policies.insert_policy(connection, policy, principal.user_id)
    return Changed(policy, (_act("created", policy, {"after": settings(policy)}),))


async def _places(connection: Connection, scope: Scope, policy: Policy) -> Failure | None:
    """Why a policy cannot be for what it names, which stays as it is until the transaction ends."""
    if not rings_in_sight(policy, scope):
        return NotFound()
    if policy.all_hosts:
        return None
    await policies.hold_groups(connection, policy.group_ids)
    hosts = await deployments.target_hosts(connection, scope, policy.host_ids, policy.group_ids, lock=True)
    if hosts is None:
        return NotFound()
    if policy.rollout is not None:
        # A group may be empty today; a host that a ring names and the policy does not have is a mistake.
        rings = rings_of(policy, {host.id: host.group_ids for host in hosts})
        foreign = () if rings is None else tuple(each for each in rings.problems if "/host_ids/" in each.pointer)
        if foreign:
            return refused(foreign)
    return None


@routes.route(
    "POST", "/policies/preview", permission=Permission.FLEET_OPERATE, body=PolicyPreviewIn, answer=PolicyPreview
)
async def preview_policy_(principal: Principal, body: PolicyPreviewIn) -> PolicyPreview | Failure:
    """What a policy would do: its hosts, their next openings, what would be applied now. Nothing is kept."""
    current = services()
    now = current.calendar.now()
    policy = policy_of(body, body.policy_id or uuid4(), principal, now)
    if isinstance(policy, Failure):
        return policy
    hosts = members(policy, current.supervisor.picture.hosts(principal.scope))
    if not rings_in_sight(policy, principal.scope) or not await current.db.read(_in_sight, principal.scope, policy):
        return NotFound()
    coverage = await Coverer(current.calendar, now).of(policy, hosts)
    preview = await current.db.read(preview_policy, policy, [host.record.id for host in hosts], now)
    rings = rings_of(policy, {host.record.id: host.record.group_ids for host in hosts})
    return preview_out(preview, coverage, rings, await _conflicts(principal, policy), now)


async def _in_sight(connection: Connection, scope: Scope, policy: Policy) -> bool:
    if policy.all_hosts:
        return True
    found = await deployments.target_hosts(connection, scope, policy.host_ids, policy.group_ids, lock=False)
    return found is not None


async def _conflicts(principal: Principal, policy: Policy) -> list[PolicyConflict]:
    """Other policies in force and in sight that share hosts with this one."""
    query = PolicyQuery(enabled=True, limit=_MOST_CONFLICTS)
    others, _ = await services().db.read(_list, principal.scope, query, None)
    everybody = list(services().supervisor.picture.hosts(principal.scope))
    mine = {host.record.id for host in members(policy, everybody)}
    found: list[PolicyConflict] = []
    for other in others:
        shared = 0 if other.id == policy.id else sum(host.record.id in mine for host in members(other, everybody))
        if shared:
            more = list(differences(policy, other))
            found.append(PolicyConflict(policy_id=other.id, name=other.name, hosts=shared, differences=more))
    return found


@routes.route("GET", "/policies/<uuid:policy_id>", permission=Permission.FLEET_READ, answer=PolicyDetail)
async def show_policy(principal: Principal, policy_id: UUID) -> PolicyDetail | Failure:
    """One policy, what it did and what is left to do on the hosts in the caller's sight."""
    current = services()
    now = current.calendar.now()
    policy = await current.db.read(policies.get_policy, principal.scope, policy_id)
    if policy is None:
        return NotFound()
    hosts = members(policy, current.supervisor.picture.hosts(principal.scope))
    coverage = await Coverer(current.calendar, now).of(policy, hosts)
    ids = [host.record.id for host in hosts]
    status = await current.db.read(status_of, principal.scope, policy, ids, now)
    return PolicyDetail.model_validate(
        {
            **policy_fields(policy, coverage, principal, now),
            "pending_hosts": status.pending,
            "up_to_date_hosts": len(ids) - status.pending,
            "last_runs": status.last_runs,
            "rings": status.rings,
            "held_hosts": status.held,
            "hosts_without_window": uncovered(coverage),
        }
    )


@routes.route(
    "PATCH", "/policies/<uuid:policy_id>", permission=Permission.FLEET_OPERATE, body=PolicyPatch, answer=PolicyOut
)
async def change_policy(principal: Principal, policy_id: UUID, body: PolicyPatch) -> PolicyOut | Failure:
    """Change a policy. Its jobs that have not begun on hosts that it is not for any more are cancelled, and say why.

    With ``version`` a change that was decided on an older state is answered 409.
    """
    now = services().calendar.now()
    done = await change(principal, _change, principal, policy_id, body, now)
    if isinstance(done, Failure):
        return done
    after, cancelled = done
    _tell(cancelled)
    return await _out(principal, after, Coverer(services().calendar, now), now)


async def _change(
    connection: Connection, principal: Principal, policy_id: UUID, body: PolicyPatch, now: datetime
) -> Changed[tuple[Policy, Jobs]] | Failure:
    before = await _locked(connection, principal, policy_id)
    if isinstance(before, Failure):
        return before
    if body.version is not None and body.version != before.version:
        return Conflict(f"the policy was changed meanwhile: it is at version {before.version}")
    after = changed(before, body, principal)
    if isinstance(after, Failure):
        return after
    if after == before:
        return Changed((before, {}), ())
    refusal = await _places(connection, principal.scope, after)
    if refusal is not None:
        return refusal
    after = replace(after, updated_at=now, version=before.version + 1)
    await policies.update_policy(connection, after)
    cancelled = await cancel_stale(connection, services().audit, policy_id, now)
    detail = {"before": settings(before), "after": settings(after), "jobs_cancelled": len(cancelled)}
    return Changed((after, cancelled), (_act("changed", after, detail),))


@routes.route("DELETE", "/policies/<uuid:policy_id>", permission=Permission.FLEET_OPERATE)
async def delete_policy(principal: Principal, policy_id: UUID) -> Failure | None:
    """Remove a policy: nothing of it starts any more. Its jobs that have not begun are cancelled; what runs goes on."""
    done = await change(principal, _delete, principal, policy_id, services().calendar.now())
    if isinstance(done, Failure):
        return done
    _tell(done)
    return None


async def _delete(
    connection: Connection, principal: Principal, policy_id: UUID, now: datetime
) -> Changed[Jobs] | Failure:
    before = await _locked(connection, principal, policy_id)
    if isinstance(before, Failure):
        return before
    await policies.delete_policy(connection, policy_id)
    cancelled = await cancel_stale(connection, services().audit, policy_id, now)
    detail = {"before": settings(before), "jobs_cancelled": len(cancelled)}
    return Changed(cancelled, (_act("deleted", before, detail),))


def _tell(cancelled: Jobs) -> None:
    services().deployments.outside.news(cancelled, set(cancelled.values()))


async def _locked(connection: Connection, principal: Principal, policy_id: UUID) -> Policy | Failure:
    """A policy that the caller may change, locked."""
    policy = await policies.lock_policy(connection, principal.scope, policy_id)
    if policy is None:
        return NotFound()
    return _OF_ALL if policy.all_hosts and principal.role is not Role.ADMIN else policy


def _act(what: str, policy: Policy, detail: dict[str, object]) -> Act:
    return Act(f"policy.{what}", str(policy.id), tuple(str(group) for group in policy.group_ids), detail=detail)


async def _out(principal: Principal, policy: Policy, coverer: Coverer, now: datetime) -> PolicyOut:
    hosts = members(policy, services().supervisor.picture.hosts(principal.scope))
    return PolicyOut.model_validate(policy_fields(policy, await coverer.of(policy, hosts), principal, now))
