"""Policies between the API's shape and the domain's; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from patch_manager.domain.exclusions import pattern_problem
from patch_manager.domain.jobs import RebootPolicy
from patch_manager.domain.policies import Policy, What
from patch_manager.domain.previews import DeploymentPreview
from patch_manager.domain.principal import Principal, Role, Scope
from patch_manager.domain.rollouts import Assignment, Rollout, problems_of
from patch_manager.http.deployment_rules import excluded, refused, rollout_of
from patch_manager.http.errors import Failure, FieldError, Forbidden, Invalid, Unprocessable
from patch_manager.http.schemas import policies as schemas
from patch_manager.http.schemas.windows import UncoveredHost
from patch_manager.supervisor.policies.coverage import Coverage

_NEVER_NULL = ("name", "enabled", "all_hosts", "group_ids", "host_ids", "what", "exclude", "reboot")
_ALL_HOSTS = Forbidden("a policy for all hosts is the administrators': name groups or hosts of yours")


def policy_of(
    body: schemas.PolicyCreate | schemas.PolicyPreviewIn, policy_id: UUID, principal: Principal, now: datetime
) -> Policy | Failure:
    """The policy that a body states, or what is wrong with it."""
    return checked(
        Policy(
            id=policy_id,
            name=body.name,
            enabled=body.enabled,
            all_hosts=body.all_hosts,
            group_ids=tuple(dict.fromkeys(body.group_ids)),
            host_ids=tuple(dict.fromkeys(body.host_ids)),
            what=What(body.what),
            exclude=excluded(body.exclude),
            reboot=RebootPolicy(body.reboot),
            rollout=rollout_of(body.rollout),
            created_by=principal.username,
            created_at=now,
            updated_at=now,
        ),
        principal,
    )


def changed(before: Policy, body: schemas.PolicyPatch, principal: Principal) -> Policy | Failure:
    """A policy after a change: given fields over those that are kept."""
    missing = [name for name in _NEVER_NULL if name in body.model_fields_set and getattr(body, name) is None]
    if missing:
        return Invalid(errors=tuple(FieldError(f"/{name}", "cannot be null") for name in missing))
    fields = body.model_fields_set
    given: dict[str, Any] = {name: getattr(body, name) for name in fields & {"name", "enabled", "all_hosts"}}
    for name in fields & {"group_ids", "host_ids"}:
        given[name] = tuple(dict.fromkeys(getattr(body, name)))
    if body.what is not None:
        given["what"] = What(body.what)
    if body.exclude is not None:
        given["exclude"] = excluded(body.exclude)
    if body.reboot is not None:
        given["reboot"] = RebootPolicy(body.reboot)
    if "rollout" in fields:
        given["rollout"] = rollout_of(body.rollout)
    return checked(replace(before, **given), principal)


def checked(policy: Policy, principal: Principal) -> Policy | Failure:
    """The policy, or why it cannot be kept whatever its hosts are."""
    if policy.all_hosts and (policy.group_ids or policy.host_ids):
        return Invalid("the policy cannot be used", errors=(FieldError("/all_hosts", "name groups and hosts, or all"),))
    if policy.all_hosts and principal.role is not Role.ADMIN:
        return _ALL_HOSTS
    if not policy.all_hosts and not policy.group_ids and not policy.host_ids:
        return Unprocessable("name at least one group or host that the policy is for")
    errors = tuple(
        FieldError(f"/exclude/{index}", problem)
        for index, each in enumerate(policy.exclude)
        if (problem := pattern_problem(each.package)) is not None
    )
    if errors:
        return Unprocessable("the exclusions cannot be used", errors=errors)
    problems = () if policy.rollout is None else problems_of(policy.rollout)
    return refused(problems) if problems else policy


def rings_in_sight(policy: Policy, scope: Scope) -> bool:
    """Whether the groups that its rings name are in ``scope``; its hosts are looked at with the policy's."""
    rings = () if policy.rollout is None else policy.rollout.rings
    return scope.group_ids is None or all(scope.group_ids.issuperset(ring.group_ids) for ring in rings)


def _without_places(rollout: Rollout) -> Rollout:
    """A rollout for somebody who may not see all that its rings name."""
    return replace(rollout, rings=tuple(replace(ring, host_ids=(), group_ids=()) for ring in rollout.rings))


def settings(policy: Policy) -> dict[str, Any]:
    """A policy as the audit log keeps it."""
    return {
        "name": policy.name,
        "enabled": policy.enabled,
        "all_hosts": policy.all_hosts,
        "group_ids": [str(group_id) for group_id in policy.group_ids],
        "hosts": len(policy.host_ids),
        "host_ids": [str(host_id) for host_id in policy.host_ids[:100]],
        "what": policy.what.value,
        "exclude": [each.package for each in policy.exclude],
        "reboot": policy.reboot.value,
        "rings": 0 if policy.rollout is None else len(policy.rollout.rings),
    }


def compliance(coverage: Coverage) -> schemas.Compliance:
    """A coverage in numbers."""
    return schemas.Compliance(
        hosts=coverage.hosts,
        covered=coverage.covered,
        without_window=len(coverage.without_window),
        paused=coverage.paused,
        open_now=coverage.open_now,
    )


def uncovered(coverage: Coverage) -> list[UncoveredHost]:
    """The hosts without a window, by name."""
    found = sorted(coverage.without_window, key=lambda host: (host.record.display_name, host.record.id))
    return [UncoveredHost.model_validate(host.record) for host in found]


def policy_fields(policy: Policy, coverage: Coverage, principal: Principal, now: datetime) -> dict[str, Any]:
    """A policy as answered."""
    editable = principal.role is Role.ADMIN or not policy.all_hosts
    rollout = policy.rollout
    return {
        "id": policy.id,
        "name": policy.name,
        "enabled": policy.enabled,
        "all_hosts": policy.all_hosts,
        "group_ids": policy.group_ids,
        "host_ids": policy.host_ids,
        "what": policy.what.value,
        "exclude": policy.exclude,
        "reboot": policy.reboot.value,
        "rollout": rollout if editable or rollout is None else _without_places(rollout),
        "compliance": compliance(coverage),
        "next_openings": coverage.next_openings(now),
        "editable": editable,
        "created_by": policy.created_by,
        "created_at": policy.created_at,
        "updated_at": policy.updated_at,
        "version": policy.version,
    }


def preview_out(
    preview: DeploymentPreview,
    coverage: Coverage,
    rings: Assignment | None,
    conflicts: list[schemas.PolicyConflict],
    now: datetime,
) -> schemas.PolicyPreview:
    """What a policy would do, as answered."""
    ring_of: Mapping[UUID, int] = {} if rings is None else rings.ring_of
    names = () if rings is None else rings.names

    def host(row: Any) -> schemas.PolicyPreviewHost:
        following = coverage.openings.get(row.host_id, ())
        ring = ring_of.get(row.host_id)
        return schemas.PolicyPreviewHost(
            host_id=row.host_id,
            display_name=row.display_name,
            address=row.address,
            ring=None if ring is None else names[ring],
            next_openings=[
                schemas.HostOpening(
                    opens_at=each.opens_at,
                    closes_at=each.closes_at,
                    window=each.window.name,
                    timezone=each.window.window.timezone,
                )
                for each in following
            ],
            open_now=bool(following) and following[0].opens_at <= now < following[0].start_until,
            package_count=len(row.packages),
            excluded_count=len(row.excluded),
            will_reboot=row.will_reboot,
            problem=row.problem,
        )

    counts = [sum(ring == index for ring in ring_of.values()) for index in range(len(names))]
    return schemas.PolicyPreview(
        compliance=compliance(coverage),
        next_openings=[schemas.PolicyOpening.model_validate(each) for each in coverage.next_openings(now)],
        package_count=preview.package_count,
        excluded_count=preview.excluded_count,
        reboot_count=preview.reboot_count,
        hosts=[host(row) for row in preview.hosts],
        hosts_without_window=uncovered(coverage),
        rings=[schemas.PolicyPreviewRing(name=name, hosts=count) for name, count in zip(names, counts, strict=True)],
        conflicts=conflicts,
    )
