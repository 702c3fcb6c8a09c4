"""Maintenance windows: of a host, over the fleet, previewed, copied. A change plans anew the jobs that wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from patch_manager.domain.hosts import HostRecord
from patch_manager.domain.occurrences import occurrences
from patch_manager.domain.principal import Permission, Principal, Scope
from patch_manager.domain.windows import Window
from patch_manager.http import after_commit
from patch_manager.http.errors import Conflict, Failure, Invalid, NotFound, Unprocessable
from patch_manager.http.pages import by_time, cut, time_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.windows import (
    CopiedWindows,
    OccurrenceOut,
    Occurrences,
    WindowCopy,
    WindowCreate,
    WindowOut,
    WindowPatch,
    WindowPreview,
    WindowQuery,
)
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.http.window_rules import (
    RULE_FIELDS,
    Following,
    changed_rule,
    instant,
    over,
    rule_fields,
    window_of,
    window_out,
)
from patch_manager.storage import deployments, host_registry, windows
from patch_manager.storage.connecting import Connection
from patch_manager.storage.job_plans import WaitingJob
from patch_manager.storage.windows import WindowFilter, WindowRow
from patch_manager.supervisor.jobs.planning import replan

routes = Routes("windows")

MOST_PER_HOST = 50
"""A host with more is a mistake, and each check before a call looks at all of them."""


@dataclass(frozen=True, slots=True)
class _Done:
    """Windows after a change, and the waiting jobs that it planned anew."""

    rows: tuple[WindowRow, ...]
    replanned: tuple[WaitingJob, ...]
    unchanged: int = 0


@routes.route("GET", "/hosts/<uuid:host_id>/windows", permission=Permission.FLEET_READ, answer=Page[WindowOut])
async def windows_of_host(principal: Principal, host_id: UUID) -> Page[WindowOut] | Failure:
    """The windows of a host, oldest first, disabled ones too."""
    host = services().supervisor.picture.get(host_id, principal.scope)
    if host is None:
        return NotFound()
    rows = (await services().db.read(windows.windows_of, [host_id])).get(host_id, [])
    return Page[WindowOut](items=[_out(row) for row in rows], total=len(rows))


@routes.route(
    "POST",
    "/hosts/<uuid:host_id>/windows",
    permission=Permission.FLEET_OPERATE,
    body=WindowCreate,
    answer=WindowOut,
    status=201,
)
async def add_window(principal: Principal, host_id: UUID, body: WindowCreate) -> Reply | Failure:
    """Give a host a window. Jobs that wait for one are planned at once."""
    now = services().calendar.now()
    window = window_of(body)
    if isinstance(window, Failure):
        return window
    refused = over(window, now)
    if refused is not None:
        return refused
    row = WindowRow(uuid4(), host_id, body.name, body.enabled, window, principal.username, now, now)
    done = await change(principal, _add, principal, row)
    if isinstance(done, Failure):
        return done
    await after_commit.calendar_changed([host_id], done.replanned)
    return Reply(_out(row), headers={"Location": f"/api/v1/windows/{row.id}"})


async def _add(connection: Connection, principal: Principal, row: WindowRow) -> Changed[_Done] | Failure:
    host = await host_registry.lock_host(connection, row.host_id)
    if host is None or not principal.scope.sees(host.group_ids):
        return NotFound()
    before = (await windows.windows_of(connection, [row.host_id])).get(row.host_id, [])
    if len(before) >= MOST_PER_HOST:
        return Unprocessable(f"a host has at most {MOST_PER_HOST} windows")
    await windows.insert_windows(connection, [row], principal.user_id)
    replanned = await replan(connection, [row.host_id], row.created_at)
    return Changed(_Done((row,), replanned), (_act("created", row, host, replanned, {"after": _settings(row)}),))


@routes.route("GET", "/windows", permission=Permission.FLEET_READ, query=WindowQuery, answer=Page[WindowOut])
async def list_windows(principal: Principal, query: WindowQuery) -> Page[WindowOut]:
    """The windows of all hosts in the caller's sight, newest first."""
    after = by_time(query.cursor, "windows")
    wanted = WindowFilter(query.group_id or None, query.enabled, query.search)
    rows, total = await services().db.read(windows.list_windows, principal.scope, wanted, query.limit + 1, after)
    page, cursor = cut(rows, query.limit, lambda row: time_cursor("windows", row.created_at, row.id))
    return Page[WindowOut](items=_all_out(page), next_cursor=cursor, total=total)


@routes.route("POST", "/windows/preview", permission=Permission.SIGNED_IN, body=WindowPreview, answer=Occurrences)
async def preview_window(body: WindowPreview) -> Occurrences | Failure:
    """The next openings of a window, as the scheduler will open it. Nothing is stored."""
    window = window_of(body)
    if isinstance(window, Failure):
        return window
    after = instant(body.after, body.timezone) or services().calendar.now()
    found = occurrences(window, after, body.count)
    return Occurrences(items=[OccurrenceOut(opens_at=each.opens_at, closes_at=each.closes_at) for each in found])


@routes.route("GET", "/windows/<uuid:window_id>", permission=Permission.FLEET_READ, answer=WindowOut)
async def show_window(principal: Principal, window_id: UUID) -> WindowOut | Failure:
    """One window of a host in the caller's sight."""
    row = await services().db.read(windows.get_window, window_id)
    if row is None or services().supervisor.picture.get(row.host_id, principal.scope) is None:
        return NotFound()
    return _out(row)


@routes.route(
    "PATCH", "/windows/<uuid:window_id>", permission=Permission.FLEET_OPERATE, body=WindowPatch, answer=WindowOut
)
async def change_window(principal: Principal, window_id: UUID, body: WindowPatch) -> WindowOut | Failure:
    """Move, rename, enable or disable a window. Jobs that wait for it are planned anew, and say so.

    With ``version`` a change that was decided on an older state is answered 409.
    """
    done = await change(principal, _change, principal.scope, window_id, body, services().calendar.now())
    if isinstance(done, Failure):
        return done
    (row,) = done.rows
    await after_commit.calendar_changed([row.host_id], done.replanned)
    return _out(row)


async def _change(
    connection: Connection, scope: Scope, window_id: UUID, body: WindowPatch, now: datetime
) -> Changed[_Done] | Failure:
    locked = await _locked(connection, scope, window_id)
    if isinstance(locked, Failure):
        return locked
    before, host = locked
    if body.version is not None and body.version != before.version:
        return Conflict(f"the window was changed meanwhile: it is at version {before.version}")
    window = before.window
    if body.model_fields_set & RULE_FIELDS:
        found = _new_rule(before.window, body, now)
        if isinstance(found, Failure):
            return found
        window = found
    after = replace(
        before,
        name=before.name if body.name is None else body.name,
        enabled=before.enabled if body.enabled is None else body.enabled,
        window=window,
    )
    if after == before:
        return Changed(_Done((before,), ()), ())
    after = replace(after, updated_at=now, version=before.version + 1)
    await windows.update_window(connection, after)
    replanned = await replan(connection, [after.host_id], now)
    detail = {"before": _settings(before), "after": _settings(after)}
    return Changed(_Done((after,), replanned), (_act("changed", after, host, replanned, detail),))


def _new_rule(before: Window, body: WindowPatch, now: datetime) -> Window | Invalid:
    rule = changed_rule(before, body)
    if isinstance(rule, Invalid):
        return rule
    window = window_of(rule)
    if isinstance(window, Invalid) or window == before:
        return window
    return over(window, now) or window


@routes.route("DELETE", "/windows/<uuid:window_id>", permission=Permission.FLEET_OPERATE)
async def delete_window(principal: Principal, window_id: UUID) -> Failure | None:
    """Remove a window. Nothing is sent in it any more once this is answered; waiting jobs are planned anew."""
    done = await change(principal, _delete, principal.scope, window_id, services().calendar.now())
    if isinstance(done, Failure):
        return done
    await after_commit.calendar_changed([row.host_id for row in done.rows], done.replanned)
    return None


async def _delete(connection: Connection, scope: Scope, window_id: UUID, now: datetime) -> Changed[_Done] | Failure:
    locked = await _locked(connection, scope, window_id)
    if isinstance(locked, Failure):
        return locked
    before, host = locked
    await windows.delete_window(connection, window_id)
    replanned = await replan(connection, [before.host_id], now)
    act = _act("deleted", before, host, replanned, {"before": _settings(before)})
    return Changed(_Done((before,), replanned), (act,))


async def _locked(connection: Connection, scope: Scope, window_id: UUID) -> tuple[WindowRow, HostRecord] | Failure:
    """A window in sight with its host, which is locked."""
    found = await windows.get_window(connection, window_id)
    host = None if found is None else await host_registry.lock_host(connection, found.host_id)
    # Read again: it may have been changed while the lock was waited for.
    row = None if host is None else await windows.get_window(connection, window_id)
    if host is None or row is None or not scope.sees(host.group_ids):
        return NotFound()
    return row, host


@routes.route(
    "POST",
    "/windows/<uuid:window_id>/copy",
    permission=Permission.FLEET_OPERATE,
    body=WindowCopy,
    answer=CopiedWindows,
    status=201,
)
async def copy_window(principal: Principal, window_id: UUID, body: WindowCopy) -> CopiedWindows | Failure:
    """Give many hosts a copy of a window, all or none: one host out of the caller's sight refuses the whole (404)."""
    done = await change(principal, _copy, principal, window_id, body, services().calendar.now())
    if isinstance(done, Failure):
        return done
    await after_commit.calendar_changed([row.host_id for row in done.rows], done.replanned)
    return CopiedWindows(items=_all_out(done.rows), unchanged=done.unchanged)


async def _copy(
    connection: Connection, principal: Principal, window_id: UUID, body: WindowCopy, now: datetime
) -> Changed[_Done] | Failure:
    locked = await _locked(connection, principal.scope, window_id)
    if isinstance(locked, Failure):
        return locked
    source, _ = locked
    hosts = await deployments.target_hosts(connection, principal.scope, body.host_ids, body.group_ids, lock=True)
    if hosts is None:
        return NotFound()
    if not hosts:
        return Unprocessable("name at least one host, or a group that has one")
    present = await windows.windows_of(connection, [host.id for host in hosts])
    without = [host for host in hosts if not _has(present.get(host.id, ()), source)]
    if any(len(present.get(host.id, ())) >= MOST_PER_HOST for host in without):
        return Unprocessable(f"a host has at most {MOST_PER_HOST} windows")
    made = [
        replace(
            source,
            id=uuid4(),
            host_id=host.id,
            created_by_name=principal.username,
            created_at=now,
            updated_at=now,
            version=1,
        )
        for host in without
    ]
    if not made:
        return Changed(_Done((), (), len(hosts)), ())
    await windows.insert_windows(connection, made, principal.user_id)
    replanned = await replan(connection, [host.id for host in without], now)
    detail = {
        "window": _settings(source),
        "hosts": len(made),
        "host_ids": [str(host.id) for host in without[:100]],
        "jobs_replanned": len(replanned),
    }
    groups = tuple(sorted({str(group) for host in without for group in host.group_ids}))
    act = Act("window.copied", str(window_id), groups, detail=detail)
    return Changed(_Done(tuple(made), replanned, len(hosts) - len(made)), (act,))


def _has(present: Collection[WindowRow], source: WindowRow) -> bool:
    return any((row.name, row.window, row.enabled) == (source.name, source.window, source.enabled) for row in present)


def _act(
    what: str, row: WindowRow, host: HostRecord, replanned: Collection[WaitingJob], detail: Mapping[str, object]
) -> Act:
    groups = tuple(sorted(str(group) for group in host.group_ids))
    full = {"host": str(host.id), "address": host.address, **detail, "jobs_replanned": len(replanned)}
    return Act(f"window.{what}", str(row.id), groups, detail=full)


def _settings(row: WindowRow) -> dict[str, object]:
    return {"name": row.name, "enabled": row.enabled, **rule_fields(row.window)}


def _out(row: WindowRow, openings: Following | None = None) -> WindowOut:
    host = services().supervisor.picture.get(row.host_id)
    name = "" if host is None else host.record.display_name
    return window_out(row, name, openings or Following(services().calendar.now()))


def _all_out(rows: Iterable[WindowRow]) -> list[WindowOut]:
    openings = Following(services().calendar.now())
    return [_out(row, openings) for row in rows]
