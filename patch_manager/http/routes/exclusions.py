"""Standing exclusions: packages that no deployment patches, on one host, a group's hosts, or all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from patch_manager.domain.exclusions import LONGEST, pattern_problem
from patch_manager.domain.principal import Permission, Principal, Role, Scope
from patch_manager.http.errors import Conflict, Failure, FieldError, Forbidden, Invalid, NotFound
from patch_manager.http.pages import by_time, cut, time_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.exclusions import (
    ExclusionCreate,
    ExclusionDetail,
    ExclusionOut,
    ExclusionPatch,
    ExclusionQuery,
)
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import exclusions, groups, host_registry
from patch_manager.storage.connecting import Connection
from patch_manager.storage.exclusions import ExclusionFilter, ExclusionRow, Held

routes = Routes("exclusions")

_OF_ALL = Forbidden("an exclusion on all hosts is the administrators': name a host or a group of yours")


@routes.route("GET", "/exclusions", permission=Permission.FLEET_READ, query=ExclusionQuery, answer=Page[ExclusionOut])
async def list_exclusions(principal: Principal, query: ExclusionQuery) -> Page[ExclusionOut]:
    """Exclusions on all hosts, on the caller's groups and on hosts in their sight, newest first; expired ones too."""
    now = services().calendar.now()
    after = by_time(query.cursor, "exclusions")
    active = None if query.state is None else query.state == "active"
    wanted = ExclusionFilter(active, query.search, query.host_id, query.group_id)
    if query.host_id is not None and services().supervisor.picture.get(query.host_id, principal.scope) is None:
        return Page[ExclusionOut](items=[], total=0)
    rows, total = await services().db.read(
        exclusions.list_exclusions, principal.scope, wanted, now, query.limit + 1, after
    )
    page, cursor = cut(rows, query.limit, lambda row: time_cursor("exclusions", row.created_at, row.id))
    return Page[ExclusionOut](items=[_out(row, now) for row in page], next_cursor=cursor, total=total)


@routes.route(
    "POST", "/exclusions", permission=Permission.FLEET_OPERATE, body=ExclusionCreate, answer=ExclusionOut, status=201
)
async def create_exclusion(principal: Principal, body: ExclusionCreate) -> Reply | Failure:
    """Keep a package from being patched: no deployment or policy touches it there until the exclusion expires.

    It holds for every list of packages that is made from now on. Lists that jobs have begun to work off stay.
    On all hosts: administrators only.
    """
    now = services().calendar.now()
    expires_at = body.expires_at.astimezone(UTC)
    errors = [*_expiry_errors(expires_at, now)]
    problem = pattern_problem(body.package)
    if problem is not None:
        errors.append(FieldError("/package", problem))
    if body.host_id is not None and body.group_id is not None:
        errors.append(FieldError("/group_id", "name a host or a group, not both"))
    if errors:
        return Invalid("the exclusion cannot be used", errors=tuple(errors))
    if body.host_id is None and body.group_id is None and principal.role is not Role.ADMIN:
        return _OF_ALL
    row = ExclusionRow(
        id=uuid4(),
        package=body.package,
        host_id=body.host_id,
        host_name=None,
        group_id=body.group_id,
        group_name=None,
        owner=body.owner,
        reason=body.reason,
        expires_at=expires_at,
        created_by_name=principal.username,
        created_at=now,
        updated_at=now,
    )
    made = await change(principal, _create, principal, row)
    if isinstance(made, Failure):
        return made
    return Reply(_out(made, now), headers={"Location": f"/api/v1/exclusions/{made.id}"})


async def _create(connection: Connection, principal: Principal, row: ExclusionRow) -> Changed[ExclusionRow] | Failure:
    of_groups = await _place(connection, principal.scope, row)
    if isinstance(of_groups, Failure):
        return of_groups
    await exclusions.insert_exclusion(connection, row, principal.user_id)
    made = await exclusions.get_exclusion(connection, row.id)
    if made is None:
        return NotFound()
    return Changed(made, (Act("exclusion.created", str(row.id), of_groups, detail={"after": _settings(row)}),))


@routes.route("GET", "/exclusions/<uuid:exclusion_id>", permission=Permission.FLEET_READ, answer=ExclusionDetail)
async def show_exclusion(principal: Principal, exclusion_id: UUID) -> ExclusionDetail | Failure:
    """One exclusion, with what it holds back now."""
    now = services().calendar.now()
    found = await services().db.read(_held, principal.scope, exclusion_id)
    if isinstance(found, Failure):
        return found
    row, held = found
    fields = _out(row, now).model_dump()
    return ExclusionDetail(**fields, pending_patches=held.patches, pending_hosts=held.hosts)


async def _held(connection: Connection, scope: Scope, exclusion_id: UUID) -> tuple[ExclusionRow, Held] | Failure:
    row = await exclusions.get_exclusion(connection, exclusion_id)
    if row is None or isinstance(await _place(connection, scope, row), Failure):
        return NotFound()
    return row, await exclusions.held_by(connection, scope, exclusion_id)


@routes.route(
    "PATCH",
    "/exclusions/<uuid:exclusion_id>",
    permission=Permission.FLEET_OPERATE,
    body=ExclusionPatch,
    answer=ExclusionOut,
)
async def change_exclusion(principal: Principal, exclusion_id: UUID, body: ExclusionPatch) -> ExclusionOut | Failure:
    """Renew an exclusion, end it early, or hand it to another owner. An expired one may be renewed."""
    now = services().calendar.now()
    if body.expires_at is not None:
        errors = _expiry_errors(body.expires_at.astimezone(UTC), now)
        if errors:
            return Invalid("the exclusion cannot be used", errors=errors)
    after = await change(principal, _change, principal, exclusion_id, body, now)
    return after if isinstance(after, Failure) else _out(after, now)


async def _change(
    connection: Connection, principal: Principal, exclusion_id: UUID, body: ExclusionPatch, now: datetime
) -> Changed[ExclusionRow] | Failure:
    locked = await _locked(connection, principal, exclusion_id)
    if isinstance(locked, Failure):
        return locked
    before, of_groups = locked
    if body.version is not None and body.version != before.version:
        return Conflict(f"the exclusion was changed meanwhile: it is at version {before.version}")
    after = replace(
        before,
        owner=before.owner if body.owner is None else body.owner,
        reason=before.reason if body.reason is None else body.reason,
        expires_at=before.expires_at if body.expires_at is None else body.expires_at.astimezone(UTC),
    )
    if after == before:
        return Changed(before, ())
    after = replace(after, updated_at=now, version=before.version + 1)
    await exclusions.update_exclusion(connection, after)
    detail = {"before": _settings(before), "after": _settings(after)}
    return Changed(after, (Act("exclusion.changed", str(after.id), of_groups, detail=detail),))


@routes.route("DELETE", "/exclusions/<uuid:exclusion_id>", permission=Permission.FLEET_OPERATE)
async def delete_exclusion(principal: Principal, exclusion_id: UUID) -> Failure | None:
    """Lift an exclusion: the next deployment or window patches what it held back."""
    done = await change(principal, _delete, principal, exclusion_id)
    return done if isinstance(done, Failure) else None


async def _delete(connection: Connection, principal: Principal, exclusion_id: UUID) -> Changed[None] | Failure:
    locked = await _locked(connection, principal, exclusion_id)
    if isinstance(locked, Failure):
        return locked
    before, of_groups = locked
    await exclusions.delete_exclusion(connection, exclusion_id)
    detail = {"before": _settings(before)}
    return Changed(None, (Act("exclusion.deleted", str(exclusion_id), of_groups, detail=detail),))


async def _locked(
    connection: Connection, principal: Principal, exclusion_id: UUID
) -> tuple[ExclusionRow, tuple[str, ...]] | Failure:
    """An exclusion that the caller may change, locked, with the groups it concerns."""
    row = await exclusions.lock_exclusion(connection, exclusion_id)
    if row is None:
        return NotFound()
    of_groups = await _place(connection, principal.scope, row)
    if isinstance(of_groups, Failure):
        return of_groups
    if row.host_id is None and row.group_id is None and principal.role is not Role.ADMIN:
        return _OF_ALL
    return row, of_groups


async def _place(connection: Connection, scope: Scope, row: ExclusionRow) -> tuple[str, ...] | Failure:
    """The groups that an exclusion concerns; 404 where its host or group is out of ``scope`` or does not exist."""
    if row.host_id is not None:
        host = await host_registry.get_host(connection, row.host_id)
        if host is None or not scope.sees(host.group_ids):
            return NotFound()
        return tuple(sorted(str(group) for group in host.group_ids))
    if row.group_id is None:
        return ()
    mine = scope.group_ids is None or row.group_id in scope.group_ids
    if not mine or await groups.get_group(connection, row.group_id) is None:
        return NotFound()
    return (str(row.group_id),)


def _expiry_errors(expires_at: datetime, now: datetime) -> tuple[FieldError, ...]:
    if expires_at <= now:
        return (FieldError("/expires_at", "is over already"),)
    if expires_at > now + LONGEST:
        return (FieldError("/expires_at", f"is more than {LONGEST.days} days ahead: renew it when it is still needed"),)
    return ()


def _settings(row: ExclusionRow) -> dict[str, object]:
    return {
        "package": row.package,
        "host_id": None if row.host_id is None else str(row.host_id),
        "group_id": None if row.group_id is None else str(row.group_id),
        "owner": row.owner,
        "reason": row.reason,
        "expires_at": row.expires_at,
    }


def _out(row: ExclusionRow, now: datetime) -> ExclusionOut:
    return ExclusionOut(
        id=row.id,
        package=row.package,
        host_id=row.host_id,
        host_name=row.host_name,
        group_id=row.group_id,
        group_name=row.group_name,
        owner=row.owner,
        reason=row.reason,
        expires_at=row.expires_at,
        state="active" if now < row.expires_at else "expired",
        created_by=row.created_by_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )
