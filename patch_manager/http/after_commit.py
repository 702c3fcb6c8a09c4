"""What must be told once a change is in the database. A browser that goes away meanwhile does not keep it from being
told: the hosts of a group that somebody lost must leave their sight at once, not at the next reconcile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

import structlog
import trio

from patch_manager.http.services import services
from patch_manager.storage.errors import DatabaseUnavailable
from patch_manager.storage.job_plans import WaitingJob

_log = structlog.get_logger(__name__)
_DEADLINE = 10.0  # seconds; the supervisor's reconcile catches up with what was not told in time


async def hosts_changed(host_ids: Iterable[UUID]) -> None:
    """Hosts were added, changed, regrouped or removed; returns when the fleet picture shows it, as a rule.

    The change is committed whatever happens here, so nothing is raised.
    """
    ids = tuple(host_ids)
    if not ids:
        return
    with trio.move_on_after(_DEADLINE, shield=True) as scope:
        try:
            await services().supervisor.hosts_changed(ids)
        except DatabaseUnavailable as error:
            _log.warning("http.hosts_not_told", hosts=len(ids), error=str(error))
    if scope.cancelled_caught:
        _log.warning("http.hosts_not_told", hosts=len(ids), error="no answer in time")


async def calendar_changed(host_ids: Collection[UUID] | None, replanned: Collection[WaitingJob]) -> None:
    """Windows of hosts (None: freezes) changed: returns when the check before each call knows it, as a rule.

    Where it cannot be told, nothing is sent until the supervisor has read the change.
    """
    with trio.move_on_after(_DEADLINE, shield=True) as scope:
        try:
            await services().calendar.changed(host_ids, replanned)
        except DatabaseUnavailable as error:
            _log.warning("http.calendar_not_told", error=str(error))
    if scope.cancelled_caught:
        _log.warning("http.calendar_not_told", error="no answer in time")


def users_changed(user_ids: Iterable[UUID]) -> None:
    """Roles, groups or sessions of users changed: their requests and open streams see it at once (TRUST 3)."""
    for user_id in user_ids:
        services().auth.watch.forget(user_id=user_id)
