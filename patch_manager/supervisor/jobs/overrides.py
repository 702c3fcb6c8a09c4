"""What a deployment for *now* passes over: the hosts that it touches outside their windows, told in its audit event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patch_manager.domain.deployments import DeploymentRequest
from patch_manager.domain.jobs import RebootPolicy
from patch_manager.storage.connecting import Connection
from patch_manager.storage.deployments import TargetHost, reboots_at_most
from patch_manager.supervisor.jobs.planning import Planner


async def window_override(
    connection: Connection, request: DeploymentRequest, hosts: Sequence[TargetHost], planner: Planner
) -> dict[str, Any]:
    """How many of these hosts no window of theirs allows to be touched now, and how many may be rebooted so."""
    outside = [host.id for host in hosts if not planner.open(host.id)]
    detail: dict[str, Any] = {"window_override": bool(outside), "outside_windows": len(outside)}
    if outside and request.reboot is RebootPolicy.IF_REQUIRED:
        detail["outside_windows_reboots"] = await reboots_at_most(connection, outside, request)
    elif outside:
        detail["outside_windows_reboots"] = 0
    return detail
