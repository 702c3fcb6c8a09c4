"""The log of what was sent by rules of notifications, or waits to be."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from patch_manager.domain.notifications import DeliveryState
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import Conflict, Failure, NotFound
from patch_manager.http.notification_access import may_change, owner_filter
from patch_manager.http.pages import by_time, cut, time_cursor
from patch_manager.http.routing import Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.notifications import DeliveryOut, DeliveryQuery
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import notification_deliveries
from patch_manager.storage.connecting import Connection
from patch_manager.storage.notification_deliveries import DeliveryFilter, DeliveryRow

routes = Routes("notifications")


@routes.route(
    "GET", "/notifications/deliveries", permission=Permission.SIGNED_IN, query=DeliveryQuery, answer=Page[DeliveryOut]
)
async def list_deliveries(principal: Principal, query: DeliveryQuery) -> Page[DeliveryOut]:
    """What was sent by the caller's rules, or waits to be, newest first; administrators see all. Kept for 90 days."""
    after = by_time(query.cursor, "notification-deliveries")
    states = tuple(DeliveryState(word) for word in query.state)
    wanted = DeliveryFilter(owner_filter(principal), states, query.rule_id, query.channel_id)
    rows, total = await services().db.read(notification_deliveries.list_deliveries, wanted, query.limit + 1, after)
    page, cursor = cut(rows, query.limit, lambda row: time_cursor("notification-deliveries", row.created_at, row.id))
    return Page[DeliveryOut](items=[_out(row) for row in page], next_cursor=cursor, total=total)


@routes.route(
    "POST",
    "/notifications/deliveries/<uuid:delivery_id>/retry",
    permission=Permission.SIGNED_IN,
    answer=DeliveryOut,
    status=202,
)
async def retry_delivery(principal: Principal, delivery_id: UUID) -> DeliveryOut | Failure:
    """Try a delivery at once, and for another day; also one that was given up. 409 when it has arrived."""
    again = await change(principal, _retry, principal, delivery_id, datetime.now(UTC))
    if isinstance(again, Failure):
        return again
    services().notifier.changed()
    return _out(again)


async def _retry(
    connection: Connection, principal: Principal, delivery_id: UUID, now: datetime
) -> Changed[DeliveryRow] | Failure:
    row = await notification_deliveries.lock_delivery(connection, delivery_id)
    if row is None or not may_change(principal, row.owner_id):
        return NotFound()
    if row.state is DeliveryState.DELIVERED:
        return Conflict("it has arrived already")
    if row.rule_id is None:
        return Conflict("its rule was deleted: nobody is to get it any more")
    again = await notification_deliveries.try_again(connection, delivery_id, now)
    act = Act("notification_delivery.retried", str(delivery_id), detail={"rule": row.rule_name, "about": row.summary})
    return Changed(again, (act,))


def _out(row: DeliveryRow) -> DeliveryOut:
    return DeliveryOut(
        id=row.id,
        event=row.kind.value,
        summary=row.summary,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        shared=row.shared,
        channel_id=row.channel_id,
        channel_name=row.channel_name,
        state=row.state.value,
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=row.created_at,
        last_attempt_at=row.last_attempt_at,
        next_try_at=row.next_try_at,
        give_up_at=row.give_up_at,
        finished_at=row.finished_at,
    )
