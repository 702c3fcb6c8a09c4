"""What belongs to one host, and what can be asked of its actor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never
from uuid import UUID

from patch_manager.domain.deployments import JobFilter
from patch_manager.domain.exclusions import Exclusion, longest
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.patches import Severity, priority_of
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import Conflict, Failure, NotFound, Unavailable
from patch_manager.http.pages import Column, PageQuery, Tie, sort_order
from patch_manager.http.routes.jobs import job_page
from patch_manager.http.routes.pki import certificate_page
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.fleet import HealthChange, HostRow, PatchExcluded, PatchOut
from patch_manager.http.schemas.hosts import HistoryQuery, PackageQuery, PackageRow, PatchQuery
from patch_manager.http.schemas.jobs import JobOut
from patch_manager.http.schemas.pki import CertificateOut
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import exclusions, host_registry, patches
from patch_manager.storage.connecting import Connection
from patch_manager.storage.host_registry import HealthEntry
from patch_manager.storage.patches import PendingPatch
from patch_manager.supervisor.answers import (
    Busy,
    NoSuchHost,
    PackagesUnread,
    Quarantined,
    Refreshed,
    RefreshResult,
    StillRefreshing,
)

routes = Routes("hosts")

_REFRESH_SECONDS = 4.0  # many clients give up after five
_SETTLE_SECONDS = 2.0
"""A row is shown a moment before what it counts is stored; a list read meanwhile must not contradict it."""
_HISTORY_LIMIT = 10_000
_PACKAGES_SECONDS = 60.0


def seen(principal: Principal, host_id: UUID) -> HostSnapshot | None:
    """A host in the caller's sight."""
    found: HostSnapshot | None = services().supervisor.picture.get(host_id, principal.scope)
    return found


@routes.route("POST", "/hosts/<uuid:host_id>/refresh", permission=Permission.FLEET_OPERATE, answer=HostRow)
async def refresh_host(principal: Principal, host_id: UUID) -> Reply | Failure:
    """Read a host's agent now, before all scheduled polls.

    200 with the row once the answer (or its absence) is stored; 202 when the agent needs longer than 4 seconds: the
    refresh goes on and shows up live. 503 when the host's actor is busy, 409 when it is quarantined.
    """
    if seen(principal, host_id) is None:
        return NotFound()
    current = services()
    result: RefreshResult = await current.supervisor.refresh(host_id, _REFRESH_SECONDS)
    match result:
        case Refreshed():
            return _row_reply(host_id, 200)
        case StillRefreshing():
            return _row_reply(host_id, 202)
        case Busy() | NoSuchHost() | Quarantined():
            return not_now(result)
        case _:
            assert_never(result)


def not_now(answer: Busy | NoSuchHost | Quarantined) -> Failure:
    """Answers what an actor cannot be asked just now."""
    match answer:
        case Busy():
            return Unavailable("the host's actor is busy, try again in a moment", retry_after=2)
        case NoSuchHost():
            return NotFound()
        case Quarantined(reason):
            return Conflict(f"the host's actor is quarantined: {reason}; an admin may restart it")


def _row_reply(host_id: UUID, status: int) -> Reply | Failure:
    picture = services().supervisor.picture
    if host_id not in picture:  # removed while its agent was asked
        return NotFound()
    return Reply(picture.row(host_id), status=status)


@routes.route("POST", "/hosts/<uuid:host_id>/restart", permission=Permission.ADMIN, answer=HostRow)
async def restart_actor(principal: Principal, host_id: UUID) -> Reply | Failure:
    """Restart a host's actor, out of quarantine too. Its job, if any, is adopted again."""
    found = seen(principal, host_id)
    if found is None:
        return NotFound()
    noted = await change(principal, _note_restart, found)
    if isinstance(noted, Failure):
        return noted
    if not await services().supervisor.restart(host_id):
        return NotFound()
    return _row_reply(host_id, 200)


async def _note_restart(_: Connection, found: HostSnapshot) -> Changed[None]:
    detail = {"actor_state": found.actor_state.value}
    groups = tuple(sorted(str(group) for group in found.record.group_ids))
    return Changed(None, (Act("host.actor_restarted", str(found.record.id), groups, detail=detail),))


PATCH_COLUMNS: Final[dict[str, Column[PatchOut]]] = {
    "priority": Column(lambda patch: patch.priority),
    "name": Column(lambda patch: patch.name, text=True),
    "severity": Column(lambda patch: Severity(patch.severity).rank),
    "first_seen_at": Column(lambda patch: patch.first_seen_at.timestamp()),
}
PATCH_TIE: Final[Tie[PatchOut]] = Tie(lambda patch: patch.name)


@routes.route(
    "GET", "/hosts/<uuid:host_id>/patches", permission=Permission.FLEET_READ, query=PatchQuery, answer=Page[PatchOut]
)
async def list_patches(principal: Principal, host_id: UUID, query: PatchQuery) -> Page[PatchOut] | Failure:
    """Pending patches of a host as last read, most urgent first, each with its priority and why."""
    if seen(principal, host_id) is None:
        return NotFound()
    order = sort_order(query.sort, PATCH_COLUMNS, PATCH_TIE)
    await services().supervisor.settled([host_id], _SETTLE_SECONDS)
    now = datetime.now(UTC)
    pending, standing = await services().db.read(_pending, host_id, services().calendar.now())
    severities, search = frozenset(query.severity), (query.search or "").casefold()
    rows = [
        row
        for row in (_patch(each, now, standing) for each in pending)
        if (not severities or row.severity in severities) and (not search or _mentions(row, search))
    ]
    page, cursor = order.page(rows, limit=query.limit, cursor=query.cursor)
    return Page[PatchOut](items=page, next_cursor=cursor, total=len(rows))


async def _pending(
    connection: Connection, host_id: UUID, now: datetime
) -> tuple[tuple[PendingPatch, ...], tuple[Exclusion, ...]]:
    standing = (await exclusions.in_force(connection, [host_id], now)).get(host_id, ())
    return await patches.patches_of(connection, host_id), standing


def _patch(pending: PendingPatch, now: datetime, standing: Sequence[Exclusion]) -> PatchOut:
    patch = pending.patch
    by = longest(patch.name, standing)
    priority = priority_of(patch, pending.first_seen_at, now)
    return PatchOut(
        name=patch.name,
        current_version=patch.current_version,
        available_version=patch.available_version,
        severity=patch.severity.value,
        cve_ids=list(patch.cve_ids),
        requires_reboot=patch.requires_reboot,
        description=patch.description,
        priority=priority.score,
        priority_reason=priority.reason,
        first_seen_at=pending.first_seen_at,
        excluded=None if by is None else PatchExcluded.model_validate(by),
    )


def _mentions(patch: PatchOut, text: str) -> bool:
    return text in patch.name.casefold() or any(text in cve.casefold() for cve in patch.cve_ids)


PACKAGE_COLUMNS: Final[dict[str, Column[PackageRow]]] = {
    "name": Column(lambda package: package.name, text=True),
    "upgradable": Column(lambda package: package.upgradable),
}
PACKAGE_TIE: Final[Tie[PackageRow]] = Tie(lambda package: package.name)


@routes.route(
    "GET",
    "/hosts/<uuid:host_id>/packages",
    permission=Permission.FLEET_READ,
    query=PackageQuery,
    answer=Page[PackageRow],
)
async def list_packages(principal: Principal, host_id: UUID, query: PackageQuery) -> Page[PackageRow] | Failure:
    """All packages of a host, asked of its agent now; nothing is kept. 503 says why they could not be read."""
    if seen(principal, host_id) is None:
        return NotFound()
    order = sort_order(query.sort, PACKAGE_COLUMNS, PACKAGE_TIE)
    found = await services().supervisor.packages(host_id, _PACKAGES_SECONDS)
    match found:
        case PackagesUnread(reason):
            return Unavailable(f"the packages could not be read: {reason}", retry_after=30)
        case Busy() | NoSuchHost() | Quarantined():
            return not_now(found)
    search = (query.search or "").casefold()
    rows = [
        PackageRow.model_validate(package)
        for package in found.packages
        if query.upgradable in (None, package.upgradable) and search in package.name.casefold()
    ]
    page, cursor = order.page(rows, limit=query.limit, cursor=query.cursor)
    return Page[PackageRow](items=page, next_cursor=cursor, total=len(rows))


@routes.route(
    "GET",
    "/hosts/<uuid:host_id>/health-history",
    permission=Permission.FLEET_READ,
    query=HistoryQuery,
    answer=Page[HealthChange],
)
async def list_health(principal: Principal, host_id: UUID, query: HistoryQuery) -> Page[HealthChange] | Failure:
    """Changes of a host's health, newest first; the oldest is the one in force when the time asked for began."""
    if seen(principal, host_id) is None:
        return NotFound()
    await services().supervisor.settled([host_id], _SETTLE_SECONDS)
    since = datetime.now(UTC) - timedelta(days=query.days)
    found = await services().db.read(_history, host_id, since)
    items = [HealthChange.model_validate(entry) for entry in found]
    return Page[HealthChange](items=items, total=len(items))


async def _history(connection: Connection, host_id: UUID, since: datetime) -> tuple[HealthEntry, ...]:
    return await host_registry.health_history(connection, host_id, since=since, limit=_HISTORY_LIMIT)


@routes.route(
    "GET", "/hosts/<uuid:host_id>/jobs", permission=Permission.FLEET_READ, query=PageQuery, answer=Page[JobOut]
)
async def list_host_jobs(principal: Principal, host_id: UUID, query: PageQuery) -> Reply | Failure:
    """Jobs of a host, newest first."""
    if seen(principal, host_id) is None:
        return NotFound()
    return await job_page(principal, JobFilter(host_id=host_id, limit=query.limit, cursor=query.cursor))


@routes.route(
    "GET",
    "/hosts/<uuid:host_id>/certificates",
    permission=Permission.FLEET_READ,
    query=PageQuery,
    answer=Page[CertificateOut],
)
async def list_host_certificates(
    principal: Principal, host_id: UUID, query: PageQuery
) -> Page[CertificateOut] | Failure:
    """Certificates issued for a host, newest first; they can be downloaded any time, their keys never."""
    if seen(principal, host_id) is None:
        return NotFound()
    return await certificate_page(host_id=host_id, profile=None, query=query)
