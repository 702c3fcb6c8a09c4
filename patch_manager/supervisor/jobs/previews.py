"""A deployment before it is made: per host what it would update, whether it would reboot, and what may go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from patch_manager.domain.deployments import DeploymentRequest
from patch_manager.domain.exclusions import Exclusion, exclusion_of
from patch_manager.domain.jobs import RebootPolicy, When
from patch_manager.domain.openings import Plan
from patch_manager.domain.previews import DeploymentPreview, PreviewExcluded, PreviewHost, PreviewPackage, PreviewRing
from patch_manager.domain.ring_rules import ring_words
from patch_manager.domain.rollouts import Assignment
from patch_manager.storage.holds import hold_of
from patch_manager.supervisor.jobs.planning import Planner


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What is left out: on each host by standing exclusions, and by the deployment itself."""

    standing: Mapping[UUID, Sequence[Exclusion]]
    own: Sequence[Exclusion]
    now: datetime

    def apart(
        self, host_id: UUID, patches: Sequence[Mapping[str, Any]]
    ) -> tuple[tuple[PreviewExcluded, ...], Sequence[Mapping[str, Any]]]:
        """The patches of a host that are left out, and those that are not."""
        exclusions = (*self.standing.get(host_id, ()), *self.own)
        if not exclusions:
            return (), patches
        excluded: list[PreviewExcluded] = []
        left: list[Mapping[str, Any]] = []
        for patch in patches:
            found = exclusion_of(patch["name"], exclusions, self.now)
            if found is None:
                left.append(patch)
            else:
                excluded.append(_left_out(patch["name"], found))
        return tuple(excluded), left


def _left_out(name: str, by: Exclusion) -> PreviewExcluded:
    return PreviewExcluded(name, by.package, by.owner, by.reason, by.expires_at, by.expires_at is not None)


def preview_of(
    request: DeploymentRequest,
    hosts: Sequence[Mapping[str, Any]],
    patches: Mapping[UUID, Sequence[Mapping[str, Any]]],
    planner: Planner,
    rings: Assignment,
    exclusions: Exclusions,
) -> DeploymentPreview:
    """Put together what storage read; see ``storage.deployments.preview_rows`` for the rows."""
    rows = tuple(_host(request, host, patches.get(host["id"], ()), planner, rings, exclusions) for host in hosts)
    return DeploymentPreview(
        host_count=len(rows),
        package_count=sum(len(row.packages) for row in rows),
        cve_count=len({cve for row in rows for package in row.packages for cve in package.cve_ids}),
        reboot_count=sum(row.will_reboot for row in rows),
        problem_count=sum(row.problem is not None for row in rows),
        outside_windows_count=sum(row.outside_windows for row in rows),
        excluded_count=sum(len(row.excluded) for row in rows),
        hosts=rows,
        rings=tuple(_ring(name, [row for row in rows if row.ring == ring]) for ring, name in enumerate(rings.names)),
    )


def _ring(name: str, rows: Sequence[PreviewHost]) -> PreviewRing:
    return PreviewRing(
        name=name,
        host_count=len(rows),
        package_count=sum(len(row.packages) for row in rows),
        reboot_count=sum(row.will_reboot for row in rows),
        problem_count=sum(row.problem is not None for row in rows),
    )


def _host(
    request: DeploymentRequest,
    host: Mapping[str, Any],
    patches: Sequence[Mapping[str, Any]],
    planner: Planner,
    rings: Assignment,
    exclusions: Exclusions,
) -> PreviewHost:
    excluded, patches = exclusions.apart(host["id"], patches)
    ring = rings.ring_of.get(host["id"], 0)
    plan = planner.of(host["id"], request.when, request.override_freeze)
    packages = tuple(
        PreviewPackage(
            name=patch["name"],
            current_version=patch["current_version"],
            available_version=patch["available_version"],
            severity=patch["severity"],
            cve_ids=tuple(patch["cve_ids"]),
            requires_reboot=patch["requires_reboot"],
        )
        for patch in patches
    )
    asks = host["reboot_required"] or any(package.requires_reboot for package in packages)
    reboots = request.reboot is RebootPolicy.IF_REQUIRED and bool(packages) and asks
    hold = hold_of(host) if reboots else None
    return PreviewHost(
        host_id=host["id"],
        display_name=host["display_name"],
        address=host["address"],
        packages=packages,
        will_reboot=reboots and hold is None,
        runs=_behind(request, rings, ring) + _runs(plan, host),
        runs_at=None if ring else plan.not_before,
        problem=_problem(plan, host) or _all_excluded(request, packages, excluded),
        ring=ring,
        reboot_hold=None if hold is None else hold.words,
        excluded=excluded,
        outside_windows=request.when is When.NOW and not planner.open(host["id"]),
    )


def _all_excluded(
    request: DeploymentRequest, packages: Sequence[PreviewPackage], excluded: Sequence[PreviewExcluded]
) -> str | None:
    if packages or not excluded or request.packages is None:
        return None
    return "all that was chosen is excluded here: nothing would be sent"


def _behind(request: DeploymentRequest, rings: Assignment, ring: int) -> str:
    if not ring:
        return ""
    soak = 0 if request.rollout is None else request.rollout.soak_minutes
    soaked = f" and soaked for {soak} min" if soak else ""
    return f"after {ring_words(ring - 1, rings.names[ring - 1])} has ended{soaked}: "


def _runs(plan: Plan, host: Mapping[str, Any]) -> str:
    if not plan.starts_now:
        return plan.words
    return "when the job at work has ended" if host["busy"] else "at once"


def _problem(plan: Plan, host: Mapping[str, Any]) -> str | None:
    if plan.not_before is None:
        return "no maintenance window: its job would wait until it has one"
    if host["busy"] == "outcome_unknown":
        return "a job with an unknown outcome must be resolved first"
    if host["health"] == "unreachable":
        return f"unreachable: {host['health_reason']}"
    if host["patches_read_at"] is None:
        return "its patches were never read: the list is made when the job starts"
    return None
