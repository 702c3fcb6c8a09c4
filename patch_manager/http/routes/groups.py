"""Groups and who and what is in them (DESIGN §4b): operators read their own, administrators do the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http import after_commit
from patch_manager.http.errors import Conflict, Failure, NotFound
from patch_manager.http.pages import by_name, cut, name_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.fleet import GroupCreate, GroupOut, GroupPatch
from patch_manager.http.schemas.groups import GroupQuery
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import groups, host_registry, user_admin
from patch_manager.storage.connecting import Connection
from patch_manager.storage.groups import DeletedGroup, GroupRow

routes = Routes("groups")

_TAKEN = Conflict("a group of that name exists")


@routes.route("GET", "/groups", permission=Permission.FLEET_READ, query=GroupQuery, answer=Page[GroupOut])
async def list_groups(principal: Principal, query: GroupQuery) -> Page[GroupOut]:
    """Groups by name: all for administrators, their own for operators."""
    rows, total = await services().db.read(_page, principal.scope.group_ids, query)
    page, cursor = cut(rows, query.limit, lambda row: name_cursor(row.name_key, row.id))
    return Page[GroupOut](items=[GroupOut.model_validate(row) for row in page], next_cursor=cursor, total=total)


async def _page(
    connection: Connection, visible: frozenset[UUID] | None, query: GroupQuery
) -> tuple[tuple[GroupRow, ...], int]:
    return await groups.list_groups(
        connection, visible=visible, search=query.search, after=by_name(query.cursor), limit=query.limit + 1
    )


@routes.route("POST", "/groups", permission=Permission.ADMIN, body=GroupCreate, answer=GroupOut, status=201)
async def create_group(principal: Principal, body: GroupCreate) -> Reply | Failure:
    """Make a group. A name that is taken, whatever the case of its letters, is answered 409."""
    made = await change(principal, _create, body)
    if isinstance(made, Failure):
        return made
    return Reply(GroupOut.model_validate(made), headers={"Location": f"/api/v1/groups/{made.id}"})


async def _create(connection: Connection, body: GroupCreate) -> Changed[GroupRow] | Failure:
    group_id, now = uuid4(), datetime.now(UTC)
    if not await groups.create_group(
        connection, group_id, name=body.name, description=body.description, created_at=now
    ):
        return _TAKEN
    made = await groups.get_group(connection, group_id)
    if made is None:
        return NotFound()
    return Changed(made, (Act("group.created", str(group_id), (str(group_id),), detail={"name": body.name}),))


@routes.route("GET", "/groups/<uuid:group_id>", permission=Permission.FLEET_READ, answer=GroupOut)
async def show_group(principal: Principal, group_id: UUID) -> GroupOut | Failure:
    """One group of the caller's."""
    if principal.scope.group_ids is not None and group_id not in principal.scope.group_ids:
        return NotFound()
    found = await services().db.read(groups.get_group, group_id)
    return NotFound() if found is None else GroupOut.model_validate(found)


@routes.route("PATCH", "/groups/<uuid:group_id>", permission=Permission.ADMIN, body=GroupPatch, answer=GroupOut)
async def change_group(principal: Principal, group_id: UUID, body: GroupPatch) -> GroupOut | Failure:
    """Rename or describe a group, or limit how many of its hosts reboot at once.

    Absent fields stay, and null ones too, but for ``max_unavailable`` null, which takes the limit off.
    """
    changed = await change(principal, _change, group_id, body)
    return changed if isinstance(changed, Failure) else GroupOut.model_validate(changed)


async def _change(connection: Connection, group_id: UUID, body: GroupPatch) -> Changed[GroupRow] | Failure:
    before = await groups.lock_group(connection, group_id)
    if before is None:
        return NotFound()
    name = before.name if body.name is None else body.name
    description = before.description if body.description is None else body.description
    limit = body.max_unavailable if "max_unavailable" in body.model_fields_set else before.max_unavailable
    if (name, description, limit) == (before.name, before.description, before.max_unavailable):
        return Changed(before, ())
    try:
        await groups.update_group(connection, group_id, name=name, description=description, max_unavailable=limit)
    except asyncpg.UniqueViolationError:
        return _TAKEN
    after = await groups.get_group(connection, group_id)
    if after is None:
        return NotFound()
    detail = {"before": _audited(before), "after": _audited(after)}
    return Changed(after, (Act("group.changed", str(group_id), (str(group_id),), detail=detail),))


def _audited(group: GroupRow) -> dict[str, object]:
    return {"name": group.name, "max_unavailable": group.max_unavailable}


@routes.route("DELETE", "/groups/<uuid:group_id>", permission=Permission.ADMIN)
async def delete_group(principal: Principal, group_id: UUID) -> Failure | None:
    """Delete a group. Its hosts and users stay; hosts that were in no other group are open to every operator then."""
    deleted = await change(principal, _delete, group_id)
    if isinstance(deleted, Failure):
        return deleted
    after_commit.users_changed(deleted.user_ids)
    await after_commit.hosts_changed(deleted.host_ids)
    return None


async def _delete(connection: Connection, group_id: UUID) -> Changed[DeletedGroup] | Failure:
    before = await groups.lock_group(connection, group_id)
    if before is None:
        return NotFound()
    deleted = await groups.delete_group(connection, group_id)
    detail = {
        "name": before.name,
        "hosts": len(deleted.host_ids),
        "users": len(deleted.user_ids),
        "hosts_now_ungrouped": deleted.opened_hosts,
    }
    return Changed(deleted, (Act("group.deleted", str(group_id), (str(group_id),), detail=detail),))


@routes.route("PUT", "/groups/<uuid:group_id>/hosts/<uuid:host_id>", permission=Permission.ADMIN)
async def add_host(principal: Principal, group_id: UUID, host_id: UUID) -> Failure | None:
    """Put a host into a group; one that is in it already is no error."""
    return await _host_membership(principal, group_id, host_id, True)


@routes.route("DELETE", "/groups/<uuid:group_id>/hosts/<uuid:host_id>", permission=Permission.ADMIN)
async def remove_host(principal: Principal, group_id: UUID, host_id: UUID) -> Failure | None:
    """Take a host out of a group; the last one taken off opens the host to every operator."""
    return await _host_membership(principal, group_id, host_id, False)


async def _host_membership(principal: Principal, group_id: UUID, host_id: UUID, member: bool) -> Failure | None:
    result = await change(principal, _set_host, group_id, host_id, member)
    if isinstance(result, Failure):
        return result
    await after_commit.hosts_changed([host_id])
    return None


async def _set_host(connection: Connection, group_id: UUID, host_id: UUID, member: bool) -> Changed[None] | Failure:
    known = await host_registry.known_groups(connection, [group_id])
    host = await host_registry.lock_host(connection, host_id)
    if not known or host is None:
        return NotFound()
    if (group_id in host.group_ids) is member:
        return Changed(None, ())
    if member:
        await host_registry.join_groups(connection, host_id, [group_id])
    else:
        await host_registry.leave_groups(connection, host_id, [group_id])
    detail = {"host": str(host_id), "address": host.address}
    action = "group.host_added" if member else "group.host_removed"
    return Changed(None, (Act(action, str(group_id), (str(group_id),), detail=detail),))


@routes.route("PUT", "/groups/<uuid:group_id>/users/<uuid:user_id>", permission=Permission.ADMIN)
async def add_user(principal: Principal, group_id: UUID, user_id: UUID) -> Failure | None:
    """Put a user into a group; one who is in it already is no error."""
    return await _user_membership(principal, group_id, user_id, True)


@routes.route("DELETE", "/groups/<uuid:group_id>/users/<uuid:user_id>", permission=Permission.ADMIN)
async def remove_user(principal: Principal, group_id: UUID, user_id: UUID) -> Failure | None:
    """Take a user out of a group; their open streams end within 5 seconds (TRUST 3)."""
    return await _user_membership(principal, group_id, user_id, False)


async def _user_membership(principal: Principal, group_id: UUID, user_id: UUID, member: bool) -> Failure | None:
    result = await change(principal, _set_user, group_id, user_id, member)
    if isinstance(result, Failure):
        return result
    after_commit.users_changed([user_id])
    return None


async def _set_user(connection: Connection, group_id: UUID, user_id: UUID, member: bool) -> Changed[None] | Failure:
    known = await host_registry.known_groups(connection, [group_id])
    user = await user_admin.lock_user(connection, user_id)
    if not known or user is None:
        return NotFound()
    done = await (groups.add_user if member else groups.remove_user)(connection, group_id, user_id)
    if not done:
        return Changed(None, ())
    action = "group.user_added" if member else "group.user_removed"
    detail = {"user": str(user_id), "username": user.username}
    return Changed(None, (Act(action, str(group_id), (str(group_id),), detail=detail),))
