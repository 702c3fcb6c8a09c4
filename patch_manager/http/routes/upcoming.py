"""What opens when over the fleet, and which hosts nothing ever opens on; read from memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.pages import PageQuery, cut, decode_cursor, encode_cursor, time_in_cursor, uuid_in_cursor
from patch_manager.http.routing import Routes
from patch_manager.http.schemas import windows as schemas
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.windows import (
    AgendaOpening,
    AgendaQuery,
    NextOpenings,
    UncoveredHost,
    UpcomingQuery,
    UpcomingWindows,
)
from patch_manager.http.services import services
from patch_manager.storage.job_plans import waiting_starts
from patch_manager.supervisor.jobs.agenda import SharedOpening, agenda
from patch_manager.supervisor.jobs.upcoming import UpcomingWindow, next_openings, upcoming

routes = Routes("fleet")

_DEPLOYMENTS = 20


@routes.route(
    "GET",
    "/fleet/upcoming-windows",
    permission=Permission.FLEET_READ,
    query=UpcomingQuery,
    answer=UpcomingWindows,
)
async def upcoming_windows(principal: Principal, query: UpcomingQuery) -> UpcomingWindows:
    """Windows of the caller's hosts that are open or open within the next 24 hours, or another span, soonest first."""
    current = services()
    now = current.calendar.now()
    begin = query.opens_at or query.after or now
    hosts = _hosts(principal, query)
    found = upcoming(hosts, current.calendar, begin, begin + timedelta(hours=query.hours))
    rows = sorted((row for row in found.windows if _wanted(row, query)), key=_place)
    total = len(rows)
    if query.cursor is not None:
        at, name, key = decode_cursor(query.cursor, "upcoming", 3)
        last = (time_in_cursor(at), str(name), uuid_in_cursor(key))
        rows = [row for row in rows if _place(row) > last]
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        at, name, key = _place(page[-1])
        cursor = encode_cursor("upcoming", at.isoformat(), name, str(key))
    items = [
        schemas.UpcomingWindow(
            host_id=row.host_id,
            host_name=row.host_name,
            window_id=row.window.id,
            name=row.window.name,
            timezone=row.window.window.timezone,
            opens_at=row.opens_at,
            closes_at=row.closes_at,
            open=row.opens_at <= now < row.closes_at,
            frozen=None if row.freeze is None else row.freeze.reason,
        )
        for row in page
    ]
    return UpcomingWindows(
        items=items,
        next_cursor=cursor,
        total=total,
        hosts=len(hosts),
        hosts_without_window=len(found.hosts_without_window),
    )


def _hosts(principal: Principal, query: AgendaQuery) -> Sequence[HostSnapshot]:
    hosts = services().supervisor.picture.hosts(principal.scope)
    groups = set(query.group_id)
    return [host for host in hosts if not groups or groups & host.record.group_ids]


def _wanted(row: UpcomingWindow, query: UpcomingQuery) -> bool:
    return (query.opens_at is None or row.opens_at == query.opens_at) and (
        query.closes_at is None or row.closes_at == query.closes_at
    )


def _place(row: UpcomingWindow) -> tuple[datetime, str, UUID]:
    return row.opens_at, row.host_name, row.window.id


@routes.route("GET", "/fleet/agenda", permission=Permission.FLEET_READ, query=AgendaQuery, answer=Page[AgendaOpening])
async def fleet_agenda(principal: Principal, query: AgendaQuery) -> Page[AgendaOpening]:
    """Openings over the caller's hosts, soonest first; hosts that share one are told together, with what waits for it.

    Which hosts these are, ``fleet/upcoming-windows`` says by ``opens_at`` and ``closes_at``.
    """
    current = services()
    now = current.calendar.now()
    begin = query.after or now
    end = begin + timedelta(hours=query.hours)
    waiting = await current.db.read(waiting_starts, end)
    openings = agenda(_hosts(principal, query), current.calendar, waiting, begin, end)
    rows = openings
    if query.cursor is not None:
        opens_at, closes_at = (time_in_cursor(at) for at in decode_cursor(query.cursor, "agenda", 2))
        rows = [
            row
            for row in openings
            if row.opens_at > opens_at or (row.opens_at == opens_at and row.closes_at < closes_at)
        ]
    page, cursor = cut(
        rows,
        query.limit,
        lambda row: encode_cursor("agenda", row.opens_at.isoformat(), row.closes_at.isoformat()),
    )
    return Page[AgendaOpening](items=[_opening(row, now) for row in page], next_cursor=cursor, total=len(openings))


def _opening(row: SharedOpening, now: datetime) -> AgendaOpening:
    return AgendaOpening(
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        open=row.opens_at <= now < row.closes_at,
        hosts=row.host_count,
        host_names=row.host_names,
        names=sorted(row.names - {""}),
        timezones=sorted(row.timezones),
        frozen_hosts=row.frozen_count,
        frozen=None if row.freeze is None else row.freeze.reason,
        waiting=row.waiting,
        deployment_ids=sorted(row.deployments)[:_DEPLOYMENTS],
    )


@routes.route("GET", "/fleet/next-openings", permission=Permission.FLEET_READ, answer=NextOpenings)
async def list_next_openings(principal: Principal) -> NextOpenings:
    """When each of the caller's hosts may be touched next, from memory; hosts that nothing opens on are left out."""
    current = services()
    hosts = current.supervisor.picture.hosts(principal.scope)
    found = next_openings(hosts, current.calendar, current.calendar.now())
    return NextOpenings(items=[schemas.NextOpening.model_validate(each) for each in found])


@routes.route(
    "GET", "/fleet/hosts-without-window", permission=Permission.FLEET_READ, query=PageQuery, answer=Page[UncoveredHost]
)
async def hosts_without_window(principal: Principal, query: PageQuery) -> Page[UncoveredHost]:
    """The caller's hosts that have no enabled window, by name: what is deployed for windows never starts on them."""
    current = services()
    hosts = [
        host.record
        for host in current.supervisor.picture.hosts(principal.scope)
        if not current.calendar.windows(host.record.id)
    ]
    rows = sorted(hosts, key=lambda host: (host.display_name, host.id))
    if query.cursor is not None:
        name, key = decode_cursor(query.cursor, "uncovered", 2)
        last = (str(name), uuid_in_cursor(key))
        rows = [row for row in rows if (row.display_name, row.id) > last]
    page, cursor = cut(rows, query.limit, lambda row: encode_cursor("uncovered", row.display_name, str(row.id)))
    items = [UncoveredHost.model_validate(row) for row in page]
    return Page[UncoveredHost](items=items, next_cursor=cursor, total=len(hosts))
