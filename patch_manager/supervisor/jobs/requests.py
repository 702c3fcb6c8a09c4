"""A deployment's request: its digest for the idempotency key, its words for the audit log."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson

from patch_manager.domain.deployments import DeploymentRequest, DeploymentView
from patch_manager.domain.rollouts import RingSpec, Rollout


def digest_of(request: DeploymentRequest) -> bytes:
    """SHA-256 of what the request means: the order in which hosts and packages are named does not matter."""
    canonical = {
        "host_ids": sorted({str(host_id) for host_id in request.host_ids}),
        "group_ids": sorted({str(group_id) for group_id in request.group_ids}),
        **summary_of(request),
        **({} if request.rollout is None else {"rollout": _canonical(request.rollout)}),
    }
    return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).digest()


def summary_of(request: DeploymentRequest) -> dict[str, Any]:
    """What to do, without where."""
    return {
        "packages": None if request.packages is None else sorted(set(request.packages)),
        "security_only": request.security_only,
        "when": request.when.value,
        "reboot": request.reboot.value,
        **({"override_freeze": True} if request.override_freeze else {}),
        **({"exclude": _excluded(request)} if request.exclude else {}),
        **({} if request.rollout is None else {"rollout": rollout_summary(request.rollout)}),
    }


def _excluded(request: DeploymentRequest) -> list[dict[str, str]]:
    excluded = sorted(request.exclude, key=lambda each: (each.package, each.reason))
    return [{"package": each.package, "reason": each.reason} for each in excluded]


def rollout_summary(rollout: Rollout) -> dict[str, Any]:
    """A rollout in a few words: hosts and groups as their numbers, since a ring may name thousands."""
    return {**asdict(rollout), "rings": [_ring_summary(ring) for ring in rollout.rings]}


def _ring_summary(ring: RingSpec) -> dict[str, Any]:
    numbers = {"host_ids": len(ring.host_ids), "group_ids": len(ring.group_ids)}
    return {key: value for key, value in {**asdict(ring), **numbers}.items() if value}


def _canonical(rollout: Rollout) -> dict[str, Any]:
    rings = [
        {**asdict(ring), "host_ids": _sorted(ring.host_ids), "group_ids": _sorted(ring.group_ids)}
        for ring in rollout.rings
    ]
    return {**asdict(rollout), "rings": rings}


def _sorted(ids: tuple[UUID, ...]) -> list[str]:
    return sorted({str(each) for each in ids})


def request_of(view: DeploymentView) -> DeploymentRequest:
    """What a deployment asked for, without its hosts."""
    return DeploymentRequest(
        packages=view.packages,
        security_only=view.security_only,
        when=view.when,
        reboot=view.reboot,
        override_freeze=view.override_freeze,
        exclude=view.exclude,
        rollout=view.rollout,
    )
