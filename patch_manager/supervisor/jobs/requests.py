"""A deployment's request: its digest for the idempotency key, its words for the audit log."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from patch_manager.domain.deployments import DeploymentRequest, DeploymentView


def digest_of(request: DeploymentRequest) -> bytes:
    """SHA-256 of what the request means: the order in which hosts and packages are named does not matter."""
    canonical = {
        "host_ids": sorted({str(host_id) for host_id in request.host_ids}),
        "group_ids": sorted({str(group_id) for group_id in request.group_ids}),
        **summary_of(request),
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
    }


def _excluded(request: DeploymentRequest) -> list[dict[str, str]]:
    excluded = sorted(request.exclude, key=lambda each: (each.package, each.reason))
    return [{"package": each.package, "reason": each.reason} for each in excluded]


def request_of(view: DeploymentView) -> DeploymentRequest:
    """What a deployment asked for, without its hosts."""
    return DeploymentRequest(
        packages=view.packages,
        security_only=view.security_only,
        when=view.when,
        reboot=view.reboot,
        override_freeze=view.override_freeze,
        exclude=view.exclude,
    )
