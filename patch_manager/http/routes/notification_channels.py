"""Channels of notifications: the administrators', for everybody's rules. Secrets go in and never come out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID, uuid4

import orjson

from patch_manager.domain.notifications import (
    ChannelKind,
    ChannelSettings,
    joined,
    kind_of,
    seal_name,
    sealed_part,
    shown_part,
)
from patch_manager.domain.principal import Permission, Principal, Role
from patch_manager.http.channel_settings import changed_settings, settings_of
from patch_manager.http.errors import Conflict, Failure, NotFound
from patch_manager.http.pages import PageQuery, by_name, cut, name_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.notifications import (
    ChannelCreate,
    ChannelOut,
    ChannelPatch,
    ChannelTest,
    ChannelTestQuery,
    SmtpOut,
    WebhookOut,
)
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.pki.vault import VaultError
from patch_manager.storage import notification_channels
from patch_manager.storage.connecting import Connection
from patch_manager.storage.notification_channels import ChannelRow

routes = Routes("notifications")

_TAKEN = Conflict("a channel of that name exists")
_UNREADABLE = Conflict("the channel's secrets cannot be opened with this manager's key: delete it and make it anew")


@routes.route(
    "GET", "/notifications/channels", permission=Permission.SIGNED_IN, query=PageQuery, answer=Page[ChannelOut]
)
async def list_channels(principal: Principal, query: PageQuery) -> Page[ChannelOut]:
    """Channels by name. Operators, who choose among them for their rules, see names and kinds only."""
    rows, total = await services().db.read(notification_channels.list_channels, query.limit + 1, by_name(query.cursor))
    page, cursor = cut(rows, query.limit, lambda row: name_cursor(row.name_key, row.id))
    return Page[ChannelOut](items=[_out(row, principal) for row in page], next_cursor=cursor, total=total)


@routes.route(
    "POST", "/notifications/channels", permission=Permission.ADMIN, body=ChannelCreate, answer=ChannelOut, status=201
)
async def create_channel(principal: Principal, body: ChannelCreate) -> Reply | Failure:
    """Make a channel. Password, tokens and the webhook's address are kept encrypted. 409 when the name is taken."""
    settings = settings_of(body)
    if isinstance(settings, Failure):
        return settings
    now, channel_id = datetime.now(UTC), uuid4()
    row = _with_settings(
        ChannelRow(channel_id, body.name, "", kind_of(settings), {}, b"", principal.username, now, now), settings
    )
    made = await change(principal, _create, row)
    if isinstance(made, Failure):
        return made
    return Reply(_out(made, principal), headers={"Location": f"/api/v1/notifications/channels/{made.id}"})


async def _create(connection: Connection, row: ChannelRow) -> Changed[ChannelRow] | Failure:
    if not await notification_channels.insert_channel(connection, row):
        return _TAKEN
    return Changed(row, (_act("created", row),))


@routes.route(
    "PATCH",
    "/notifications/channels/<uuid:channel_id>",
    permission=Permission.ADMIN,
    body=ChannelPatch,
    answer=ChannelOut,
)
async def change_channel(principal: Principal, channel_id: UUID, body: ChannelPatch) -> ChannelOut | Failure:
    """Change a channel; absent fields stay, secrets too. What waits for it is tried at once."""
    changed = await change(principal, _change, channel_id, body, datetime.now(UTC))
    if isinstance(changed, Failure):
        return changed
    services().notifier.changed()
    return _out(changed, principal)


async def _change(
    connection: Connection, channel_id: UUID, body: ChannelPatch, now: datetime
) -> Changed[ChannelRow] | Failure:
    before = await notification_channels.lock_channel(connection, channel_id)
    if before is None:
        return NotFound()
    name = before.name if body.name is None else body.name
    if await notification_channels.channel_name_taken(connection, name, by_other_than=channel_id):
        return _TAKEN
    try:
        secret = orjson.loads(services().vault.open(seal_name(channel_id), before.sealed))
    except VaultError:
        return _UNREADABLE
    settings = changed_settings(joined(before.kind, before.shown, secret), body)
    if isinstance(settings, Failure):
        return settings
    after = _with_settings(replace(before, name=name, updated_at=now), settings)
    await notification_channels.update_channel(connection, after)
    return Changed(after, (_act("changed", after, before),))


@routes.route("DELETE", "/notifications/channels/<uuid:channel_id>", permission=Permission.ADMIN)
async def delete_channel(principal: Principal, channel_id: UUID) -> Failure | None:
    """Delete a channel that no rule uses; 409 while one does."""
    deleted = await change(principal, _delete, channel_id)
    return deleted if isinstance(deleted, Failure) else None


async def _delete(connection: Connection, channel_id: UUID) -> Changed[None] | Failure:
    row = await notification_channels.lock_channel(connection, channel_id)
    if row is None:
        return NotFound()
    used = await notification_channels.rules_using(connection, channel_id)
    if used:
        return Conflict(
            f"{used} {'rule uses' if used == 1 else 'rules use'} this channel: change or delete those first"
        )
    await notification_channels.delete_channel(connection, channel_id)
    return Changed(None, (_act("deleted", row),))


@routes.route(
    "POST",
    "/notifications/channels/<uuid:channel_id>/test",
    permission=Permission.ADMIN,
    query=ChannelTestQuery,
    answer=ChannelTest,
)
async def test_channel(principal: Principal, channel_id: UUID, query: ChannelTestQuery) -> ChannelTest | Failure:
    """Send a test message now and answer how that really ended, after 20 seconds at most."""
    started = monotonic()
    result = await services().notifier.test(channel_id, query.recipient)
    if result is None:
        return NotFound()
    tested = await change(principal, _tested, channel_id, result.ok, result.detail)
    if isinstance(tested, Failure):
        return tested
    return ChannelTest(ok=result.ok, detail=result.detail, seconds=round(monotonic() - started, 2))


async def _tested(connection: Connection, channel_id: UUID, ok: bool, detail: str) -> Changed[None] | Failure:
    row = await notification_channels.get_channel(connection, channel_id)
    if row is None:
        return NotFound()
    outcome = "success" if ok else "failure"
    act = Act(
        "notification_channel.tested", str(channel_id), outcome=outcome, detail={"name": row.name, "said": detail}
    )
    return Changed(None, (act,))


def _with_settings(row: ChannelRow, settings: ChannelSettings) -> ChannelRow:
    sealed = services().vault.seal(seal_name(row.id), orjson.dumps(sealed_part(settings)))
    return replace(row, shown=shown_part(settings), sealed=sealed)


def _act(what: str, row: ChannelRow, before: ChannelRow | None = None) -> Act:
    detail = {"name": row.name, "kind": row.kind.value, "settings": dict(row.shown)}
    if before is not None:
        detail["before"] = {"name": before.name, "settings": dict(before.shown)}
    return Act(f"notification_channel.{what}", str(row.id), detail=detail)


def _out(row: ChannelRow, principal: Principal) -> ChannelOut:
    shown = row.shown if principal.role is Role.ADMIN else None
    smtp = webhook = None
    if shown is not None and row.kind is ChannelKind.SMTP:
        smtp = SmtpOut.model_validate(shown)
    elif shown is not None:
        webhook = WebhookOut.model_validate(shown)
    return ChannelOut(
        id=row.id,
        name=row.name,
        kind=row.kind.value,
        smtp=smtp,
        webhook=webhook,
        created_by=row.created_by_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
