"""User accounts; all of it is the administrators' (DESIGN §4b)."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from patch_manager.auth.accounts import AccountError, check_password, check_username, new_user
from patch_manager.domain.principal import Permission, Principal, Role
from patch_manager.http import after_commit
from patch_manager.http.errors import Conflict, Failure, FieldError, NotFound, Unprocessable
from patch_manager.http.host_rules import unknown_groups
from patch_manager.http.pages import by_name, cut, name_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.users import UserCreate, UserOut, UserPatch, UserQuery
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import host_registry, sessions, user_admin, users
from patch_manager.storage.connecting import Connection
from patch_manager.storage.user_admin import UserRow
from patch_manager.storage.users import UserRecord

routes = Routes("users")

_LAST_ADMIN = Conflict("this is the last administrator who can sign in: make another one first")


def _out(row: UserRow) -> UserOut:
    return UserOut(
        id=row.id,
        username=row.username,
        role=Role(row.role).value,
        disabled=row.disabled_at is not None,
        disabled_at=row.disabled_at,
        mfa_enrolled=row.mfa_enrolled,
        group_ids=list(row.group_ids),
        created_at=row.created_at,
    )


@routes.route("GET", "/users", permission=Permission.ADMIN, query=UserQuery, answer=Page[UserOut])
async def list_users(query: UserQuery) -> Page[UserOut]:
    """Accounts by name."""
    rows, total = await services().db.read(_page, query)
    page, cursor = cut(rows, query.limit, lambda row: name_cursor(row.username_key, row.id))
    return Page[UserOut](items=[_out(row) for row in page], next_cursor=cursor, total=total)


async def _page(connection: Connection, query: UserQuery) -> tuple[tuple[UserRow, ...], int]:
    return await user_admin.list_users(
        connection, search=query.search, role=query.role, after=by_name(query.cursor), limit=query.limit + 1
    )


@routes.route("POST", "/users", permission=Permission.ADMIN, body=UserCreate, answer=UserOut, status=201)
async def create_user(principal: Principal, body: UserCreate) -> Reply | Failure:
    """Make an account. Its user enrols a second factor at the first sign-in. 409 when the name is taken."""
    password = body.password.get_secret_value()
    try:
        check_username(body.username)
    except AccountError as error:
        return Unprocessable(str(error), errors=(FieldError("/username", str(error)),))
    try:
        check_password(password)
    except AccountError as error:
        return Unprocessable(str(error), errors=(FieldError("/password", str(error)),))
    current = services()
    hashed = await current.auth.passwords.hash(password)
    record = new_user(
        uuid4(), body.username, Role(body.role), hashed, vault=current.vault, secret=None, now=datetime.now(UTC)
    )
    made = await change(principal, _create, record, frozenset(body.group_ids))
    if isinstance(made, Failure):
        return made
    return Reply(_out(made), headers={"Location": f"/api/v1/users/{made.id}"})


async def _create(connection: Connection, record: UserRecord, group_ids: frozenset[UUID]) -> Changed[UserRow] | Failure:
    if await host_registry.known_groups(connection, group_ids) != group_ids:
        return unknown_groups()
    if not await users.insert(connection, record):
        return Conflict("a user of that name exists")
    await user_admin.set_groups(connection, record.id, group_ids)
    made = await user_admin.get_user(connection, record.id)
    return NotFound() if made is None else Changed(made, (_act("user.created", made, after=made),))


@routes.route("GET", "/users/<uuid:user_id>", permission=Permission.ADMIN, answer=UserOut)
async def show_user(user_id: UUID) -> UserOut | Failure:
    """One account."""
    found = await services().db.read(user_admin.get_user, user_id)
    return NotFound() if found is None else _out(found)


@routes.route("PATCH", "/users/<uuid:user_id>", permission=Permission.ADMIN, body=UserPatch, answer=UserOut)
async def change_user(principal: Principal, user_id: UUID, body: UserPatch) -> UserOut | Failure:
    """Change role or groups, or disable or enable an account; absent and null fields stay.

    Disabling ends the user's sessions and open streams. The last administrator can be neither disabled nor demoted.
    """
    changed = await change(principal, _change, user_id, body)
    if isinstance(changed, Failure):
        return changed
    after_commit.users_changed([user_id])
    return _out(changed)


async def _change(connection: Connection, user_id: UUID, body: UserPatch) -> Changed[UserRow] | Failure:
    wanted = None if body.group_ids is None else frozenset(body.group_ids)
    # Locks in one order everywhere: groups, then administrators, then the account.
    known = await host_registry.known_groups(connection, wanted or ())
    admins = await user_admin.lock_active_admins(connection)
    before = await user_admin.lock_user(connection, user_id)
    if before is None:
        return NotFound()
    if wanted is not None and known != wanted:
        return unknown_groups()
    role = body.role or before.role
    disabled = before.disabled_at is not None if body.disabled is None else body.disabled
    if admins == {user_id} and (disabled or role != Role.ADMIN.value):
        return _LAST_ADMIN
    now = datetime.now(UTC)
    await user_admin.set_account(connection, user_id, role=role, disabled_at=now if disabled else None)
    if disabled:
        await sessions.revoke_all(connection, user_id, "the account was disabled", now)
    if wanted is not None:
        await user_admin.set_groups(connection, user_id, wanted)
    after = await user_admin.get_user(connection, user_id)
    if after is None:
        return NotFound()
    return Changed(after, () if after == before else (_act("user.changed", before, before=before, after=after),))


@routes.route("DELETE", "/users/<uuid:user_id>", permission=Permission.ADMIN)
async def delete_user(principal: Principal, user_id: UUID) -> Failure | None:
    """Remove an account and end its sessions; what it did stays in the audit log. Never the last administrator."""
    deleted = await change(principal, _delete, user_id)
    if isinstance(deleted, Failure):
        return deleted
    after_commit.users_changed([user_id])
    return None


async def _delete(connection: Connection, user_id: UUID) -> Changed[None] | Failure:
    admins = await user_admin.lock_active_admins(connection)
    before = await user_admin.lock_user(connection, user_id)
    if before is None:
        return NotFound()
    if admins == {user_id}:
        return _LAST_ADMIN
    await user_admin.delete_user(connection, user_id)
    return Changed(None, (_act("user.deleted", before, before=before),))


def _act(action: str, user: UserRow, **states: UserRow) -> Act:
    """Groups in the event are all that the user had or has: that is what the log is searched by."""
    groups = {str(group) for state in states.values() for group in state.group_ids}
    detail = {
        moment: {
            "username": state.username,
            "role": state.role,
            "disabled": state.disabled_at is not None,
            "group_ids": [str(group) for group in state.group_ids],
        }
        for moment, state in states.items()
    }
    return Act(action, str(user.id), tuple(sorted(groups)), detail=detail)
