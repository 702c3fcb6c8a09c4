"""What opens when over the fleet, and which hosts nothing ever opens on; read from memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.pages import PageQuery, decode_cursor, encode_cursor, time_in_cursor, uuid_in_cursor
from patch_manager.http.routing import Routes
from patch_manager.http.schemas import windows as schemas
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.windows import UncoveredHost, UpcomingQuery, UpcomingWindows
from patch_manager.http.services import services
from patch_manager.supervisor.jobs.upcoming import UpcomingWindow, upcoming

routes = Routes("fleet")


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
    begin = query.after or now
    hosts = list(current.supervisor.picture.hosts(principal.scope))
    found = upcoming(hosts, current.calendar, begin, begin + timedelta(hours=query.hours))
    rows = sorted(found.windows, key=_place)
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
        total=len(found.windows),
        hosts=len(hosts),
        hosts_without_window=len(found.hosts_without_window),
    )


def _place(row: UpcomingWindow) -> tuple[datetime, str, UUID]:
    return row.opens_at, row.host_name, row.window.id


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
    page = rows[: query.limit]
    cursor = encode_cursor("uncovered", page[-1].display_name, str(page[-1].id)) if len(rows) > query.limit else None
    items = [UncoveredHost.model_validate(row) for row in page]
    return Page[UncoveredHost](items=items, next_cursor=cursor, total=len(hosts))
