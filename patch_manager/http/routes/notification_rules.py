"""Rules of notifications: everybody's own, and the administrators' shared ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from patch_manager.domain.notifications import ChannelKind, EventKind
from patch_manager.domain.principal import Permission, Principal, Role
from patch_manager.http.errors import Conflict, Failure, FieldError, Forbidden, Invalid, NotFound
from patch_manager.http.host_rules import unknown_groups
from patch_manager.http.notification_access import may_change, owner_filter
from patch_manager.http.pages import PageQuery, by_time, cut, time_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.notifications import RuleCreate, RuleOut, RulePatch
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import host_registry, notification_channels, notification_rules
from patch_manager.storage.connecting import Connection
from patch_manager.storage.notification_rules import RuleRow

routes = Routes("notifications")

_MOST_RULES = 100
"""Of one user, or shared: each is looked at for every event."""


@routes.route("GET", "/notifications/rules", permission=Permission.SIGNED_IN, query=PageQuery, answer=Page[RuleOut])
async def list_rules(principal: Principal, query: PageQuery) -> Page[RuleOut]:
    """The caller's own rules, newest first; administrators see everybody's and the shared ones."""
    after = by_time(query.cursor, "notification-rules")
    owner = owner_filter(principal)
    rows, total = await services().db.read(notification_rules.list_rules, owner, query.limit + 1, after)
    page, cursor = cut(rows, query.limit, lambda row: time_cursor("notification-rules", row.created_at, row.id))
    return Page[RuleOut](items=[_out(row, principal) for row in page], next_cursor=cursor, total=total)


@routes.route(
    "POST", "/notifications/rules", permission=Permission.SIGNED_IN, body=RuleCreate, answer=RuleOut, status=201
)
async def create_rule(principal: Principal, body: RuleCreate) -> Reply | Failure:
    """Ask to be told. A rule of one's own is about hosts in one's sight at the moment of sending; ``shared`` ones are
    the administrators'. Of many events at once one message tells, with numbers and first causes.
    """
    if body.shared and principal.role is not Role.ADMIN:
        return Forbidden("shared rules are the administrators'")
    made = await change(principal, _create, principal, body, datetime.now(UTC))
    if isinstance(made, Failure):
        return made
    services().notifier.changed()
    return Reply(_out(made, principal), headers={"Location": f"/api/v1/notifications/rules/{made.id}"})


async def _create(
    connection: Connection, principal: Principal, body: RuleCreate, now: datetime
) -> Changed[RuleRow] | Failure:
    row = RuleRow(
        id=uuid4(),
        name=body.name,
        enabled=body.enabled,
        owner_id=None if body.shared else principal.user_id,
        owner_name=None if body.shared else principal.username,
        channel_id=body.channel_id,
        channel_name="",
        channel_kind=ChannelKind.SMTP,
        events=_events(body.events),
        group_ids=tuple(dict.fromkeys(body.group_ids)),
        recipients=tuple(dict.fromkeys(body.recipients)),
        created_by_name=principal.username,
        created_at=now,
        updated_at=now,
    )
    if await notification_rules.count_rules(connection, row.owner_id) >= _MOST_RULES:
        return Conflict(f"{_MOST_RULES} rules are the most: change or delete one")
    refusal = await _refusal(connection, principal, row)
    if refusal is not None:
        return refusal
    await notification_rules.insert_rule(connection, row)
    made = await notification_rules.get_rule(connection, row.id)
    return NotFound() if made is None else Changed(made, (_act("created", made),))


@routes.route(
    "PATCH",
    "/notifications/rules/<uuid:rule_id>",
    permission=Permission.SIGNED_IN,
    body=RulePatch,
    answer=RuleOut,
)
async def change_rule(principal: Principal, rule_id: UUID, body: RulePatch) -> RuleOut | Failure:
    """Change a rule; absent and null fields stay. What waits is sent by the rule as it is then, or not at all."""
    changed = await change(principal, _change, principal, rule_id, body, datetime.now(UTC))
    if isinstance(changed, Failure):
        return changed
    services().notifier.changed()
    return _out(changed, principal)


async def _change(
    connection: Connection, principal: Principal, rule_id: UUID, body: RulePatch, now: datetime
) -> Changed[RuleRow] | Failure:
    before = await notification_rules.lock_rule(connection, rule_id)
    if before is None or not may_change(principal, before.owner_id):
        return NotFound()
    after = replace(
        before,
        name=before.name if body.name is None else body.name,
        enabled=before.enabled if body.enabled is None else body.enabled,
        channel_id=before.channel_id if body.channel_id is None else body.channel_id,
        events=before.events if body.events is None else _events(body.events),
        group_ids=before.group_ids if body.group_ids is None else tuple(dict.fromkeys(body.group_ids)),
        recipients=before.recipients if body.recipients is None else tuple(dict.fromkeys(body.recipients)),
        updated_at=now,
    )
    refusal = await _refusal(connection, principal, after, before)
    if refusal is not None:
        return refusal
    await notification_rules.update_rule(connection, after)
    changed = await notification_rules.get_rule(connection, rule_id)
    return NotFound() if changed is None else Changed(changed, (_act("changed", changed),))


@routes.route("DELETE", "/notifications/rules/<uuid:rule_id>", permission=Permission.SIGNED_IN)
async def delete_rule(principal: Principal, rule_id: UUID) -> Failure | None:
    """Delete a rule. What waits to be sent by it is not sent."""
    deleted = await change(principal, _delete, principal, rule_id)
    return deleted if isinstance(deleted, Failure) else None


async def _delete(connection: Connection, principal: Principal, rule_id: UUID) -> Changed[None] | Failure:
    row = await notification_rules.lock_rule(connection, rule_id)
    if row is None or not may_change(principal, row.owner_id):
        return NotFound()
    await notification_rules.delete_rule(connection, rule_id)
    return Changed(None, (_act("deleted", row),))


def _events(words: Sequence[str]) -> tuple[EventKind, ...]:
    return tuple(kind for kind in EventKind if kind.value in words)


async def _refusal(
    connection: Connection, principal: Principal, row: RuleRow, before: RuleRow | None = None
) -> Failure | None:
    """Why the rule cannot be so. Groups that were there before may stay, whatever became of them."""
    channel = await notification_channels.lock_channel(connection, row.channel_id)
    if channel is None:
        return Invalid(errors=(FieldError("/channel_id", "no such channel"),))
    new = frozenset(row.group_ids) - frozenset(() if before is None else before.group_ids)
    known = await host_registry.known_groups(connection, new) if new else new
    scope = principal.scope.group_ids
    if new - known or (scope is not None and new - scope):
        return unknown_groups()
    if channel.kind is ChannelKind.WEBHOOK and row.recipients:
        return Invalid(errors=(FieldError("/recipients", "recipients are for mail: this channel is a webhook"),))
    if channel.kind is ChannelKind.SMTP and not row.recipients and not channel.shown["recipients"]:
        return Invalid(errors=(FieldError("/recipients", "the channel names no recipient: name at least one"),))
    return None


def _act(what: str, row: RuleRow) -> Act:
    detail = {
        "name": row.name,
        "enabled": row.enabled,
        "owner": row.owner_name,
        "channel": row.channel_name,
        "events": [event.value for event in row.events],
        "group_ids": [str(group_id) for group_id in row.group_ids],
        "recipients": list(row.recipients),
    }
    return Act(f"notification_rule.{what}", str(row.id), detail=detail)


def _out(row: RuleRow, principal: Principal) -> RuleOut:
    return RuleOut(
        id=row.id,
        name=row.name,
        enabled=row.enabled,
        shared=row.owner_id is None,
        owner=row.owner_name,
        mine=row.owner_id == principal.user_id,
        channel_id=row.channel_id,
        channel_name=row.channel_name,
        channel_kind=row.channel_kind.value,
        events=[event.value for event in row.events],
        group_ids=list(row.group_ids),
        recipients=list(row.recipients),
        created_by=row.created_by_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
