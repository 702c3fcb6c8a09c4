"""Freezes: times in which nothing starts. Everybody sees those that concern them; only administrators make them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http import after_commit
from patch_manager.http.errors import Failure, FieldError, Invalid, NotFound
from patch_manager.http.pages import by_time, cut, time_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.windows import FreezeCreate, FreezeOut, FreezePatch, FreezeQuery
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import freezes, groups, host_registry
from patch_manager.storage.connecting import Connection
from patch_manager.storage.freezes import FreezeRow
from patch_manager.storage.job_plans import WaitingJob
from patch_manager.supervisor.jobs.planning import replan

routes = Routes("freezes")


@routes.route("GET", "/freezes", permission=Permission.FLEET_READ, query=FreezeQuery, answer=Page[FreezeOut])
async def list_freezes(principal: Principal, query: FreezeQuery) -> Page[FreezeOut]:
    """Freezes of all hosts and of the caller's groups, by their begin; those that are over only if asked for."""
    now = services().calendar.now()
    after = by_time(query.cursor, "freezes")
    rows, total = await services().db.read(
        freezes.list_freezes, principal.scope, now, query.limit + 1, after, past=query.past
    )
    page, cursor = cut(rows, query.limit, lambda row: time_cursor("freezes", row.starts_at, row.id))
    return Page[FreezeOut](items=[_out(row, now) for row in page], next_cursor=cursor, total=total)


@routes.route("POST", "/freezes", permission=Permission.ADMIN, body=FreezeCreate, answer=FreezeOut, status=201)
async def create_freeze(principal: Principal, body: FreezeCreate) -> Reply | Failure:
    """Stop every start on all hosts, or on those of a group, for a time. Jobs that it holds say so and wait.

    What already runs on an agent goes on; a reboot that would follow is not requested. An administrator's deployment
    may override freezes.
    """
    now = services().calendar.now()
    starts_at, ends_at = (body.starts_at or now).astimezone(UTC), body.ends_at.astimezone(UTC)
    if ends_at <= max(starts_at, now):
        detail = "must be later than its begin" if ends_at <= starts_at else "is over already"
        return Invalid("the freeze cannot be used", errors=(FieldError("/ends_at", detail),))
    row = FreezeRow(uuid4(), body.group_id, None, starts_at, ends_at, body.reason, principal.username, now)
    done = await change(principal, _create, principal, row)
    if isinstance(done, Failure):
        return done
    made, replanned = done
    await after_commit.calendar_changed(None, replanned)
    return Reply(_out(made, now), headers={"Location": f"/api/v1/freezes/{made.id}"})


async def _create(
    connection: Connection, principal: Principal, row: FreezeRow
) -> Changed[tuple[FreezeRow, tuple[WaitingJob, ...]]] | Failure:
    if row.group_id is not None and not await host_registry.known_groups(connection, [row.group_id]):
        return Invalid(errors=(FieldError("/group_id", "no such group"),))
    await freezes.insert_freeze(connection, row, principal.user_id)
    replanned = await _replan(connection, row.group_id, row.created_at)
    made = await freezes.get_freeze(connection, row.id)
    if made is None:
        return NotFound()
    return Changed((made, replanned), (_act("created", row, replanned),))


@routes.route("PATCH", "/freezes/<uuid:freeze_id>", permission=Permission.ADMIN, body=FreezePatch, answer=FreezeOut)
async def change_freeze(principal: Principal, freeze_id: UUID, body: FreezePatch) -> FreezeOut | Failure:
    """Move, end or reword a freeze. Jobs that it holds, or will hold, are planned anew."""
    now = services().calendar.now()
    done = await change(principal, _change, freeze_id, body, now)
    if isinstance(done, Failure):
        return done
    after, replanned = done
    await after_commit.calendar_changed(None, replanned)
    return _out(after, now)


async def _change(
    connection: Connection, freeze_id: UUID, body: FreezePatch, now: datetime
) -> Changed[tuple[FreezeRow, tuple[WaitingJob, ...]]] | Failure:
    before = await freezes.get_freeze(connection, freeze_id)
    if before is None:
        return NotFound()
    after = replace(
        before,
        starts_at=(body.starts_at or before.starts_at).astimezone(UTC),
        ends_at=(body.ends_at or before.ends_at).astimezone(UTC),
        reason=body.reason or before.reason,
    )
    if after.ends_at <= after.starts_at:
        return Invalid("the freeze cannot be used", errors=(FieldError("/ends_at", "must be later than its begin"),))
    if after == before:
        return Changed((before, ()), ())
    await freezes.update_freeze(connection, after)
    replanned = await _replan(connection, after.group_id, now)
    return Changed((after, replanned), (_act("changed", after, replanned),))


@routes.route("DELETE", "/freezes/<uuid:freeze_id>", permission=Permission.ADMIN)
async def delete_freeze(principal: Principal, freeze_id: UUID) -> Failure | None:
    """Lift a freeze. Jobs that it held start as their windows allow."""
    replanned = await change(principal, _delete, freeze_id, services().calendar.now())
    if isinstance(replanned, Failure):
        return replanned
    await after_commit.calendar_changed(None, replanned)
    return None


async def _delete(connection: Connection, freeze_id: UUID, now: datetime) -> Changed[tuple[WaitingJob, ...]] | Failure:
    before = await freezes.get_freeze(connection, freeze_id)
    if before is None or not await freezes.delete_freeze(connection, freeze_id):
        return NotFound()
    replanned = await _replan(connection, before.group_id, now)
    return Changed(replanned, (_act("deleted", before, replanned),))


async def _replan(connection: Connection, group_id: UUID | None, now: datetime) -> tuple[WaitingJob, ...]:
    """The change above holds the calendar's lock: jobs queued meanwhile wait for it, and see it."""
    hosts = None if group_id is None else await groups.hosts_of(connection, group_id)
    return await replan(connection, hosts, now)


def _act(what: str, row: FreezeRow, replanned: tuple[WaitingJob, ...]) -> Act:
    of_group = () if row.group_id is None else (str(row.group_id),)
    detail = {
        "group_id": None if row.group_id is None else str(row.group_id),
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "reason": row.reason,
        "jobs_replanned": len(replanned),
    }
    return Act(f"freeze.{what}", str(row.id), of_group, detail=detail)


def _out(row: FreezeRow, now: datetime) -> FreezeOut:
    return FreezeOut(
        id=row.id,
        group_id=row.group_id,
        group_name=row.group_name,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        reason=row.reason,
        active=row.starts_at <= now < row.ends_at,
        created_by=row.created_by_name,
        created_at=row.created_at,
    )
