"""Channels, rules and the log of deliveries: who may do what, and that secrets never come out."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from patch_manager.domain.notifications import Attempt, EventKind, WebhookSettings, joined, seal_name
from patch_manager.http.services import Services
from patch_manager.storage import notification_channels, notification_deliveries, notification_rules
from patch_manager.storage.connecting import Connection
from tests.http.resources.world import NOW, QuietNotifier, World
from tests.people import actions

CANARY = "canary-7f3a9c"
WEBHOOK: dict[str, Any] = {
    "name": "Chat",
    "kind": "webhook",
    "webhook": {
        "url": f"https://chat.example.com/hooks/{CANARY}-url?key={CANARY}-key",
        "format": "json",
        "bearer_token": f"{CANARY}-token",
        "signing_secret": f"{CANARY}-signing",
        "headers": {"X-Room": f"{CANARY}-header"},
    },
}
SMTP: dict[str, Any] = {
    "name": "Mail",
    "kind": "smtp",
    "smtp": {
        "host": "mail.example.com",
        "username": "patches",
        "password": f"{CANARY}-password",
        "sender": "patches@example.com",
        "recipients": ["ops@example.com"],
    },
}


async def make_channel(world: World, body: dict[str, Any] = WEBHOOK, **changed: Any) -> dict[str, Any]:
    status, made = await world.ask("admin", "POST", "/notifications/channels", body={**body, **changed})
    assert status == 201, made
    return dict(made)


async def delivery_of(world: World, rule_id: UUID) -> UUID:
    """A delivery that waits to be sent by a rule."""
    delivery_id = uuid4()

    async def insert(connection: Connection) -> None:
        rule = await notification_rules.get_rule(connection, rule_id)
        assert rule is not None
        await notification_deliveries.insert_delivery(
            connection, delivery_id, uuid4(), EventKind.HOST_UNREACHABLE, "1 host unreachable", rule, NOW
        )

    await world.db.transaction(insert)
    return delivery_id


async def test_secrets_go_in_and_never_come_out(
    world: World, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mail, chat = await make_channel(world, SMTP), await make_channel(world)
    assert mail["smtp"]["password_set"] is True
    assert chat["webhook"]["origin"] == "https://chat.example.com"
    path = f"/notifications/channels/{chat['id']}"
    answers = [mail, chat, await world.get("admin", "/notifications/channels"), await world.get("admin", "/audit")]
    answers.append(await world.ask("admin", "PATCH", path, body={"webhook": {"format": "slack"}}))
    answers.append(await world.ask("admin", "POST", "/notifications/channels", body=WEBHOOK))  # the name is taken
    bad = {**WEBHOOK, "webhook": {"url": f"ftp://{CANARY}", "bearer_token": f"{CANARY}\n"}}
    answers.append(await world.ask("admin", "POST", "/notifications/channels", body=bad))
    assert [answer[0] for answer in answers[4:]] == [200, 409, 400]
    assert CANARY not in str(answers)
    assert CANARY not in caplog.text

    async def stored(connection: Connection) -> tuple[Any, str]:
        row = await notification_channels.get_channel(connection, UUID(chat["id"]))
        text = await connection.fetch("SELECT c.*::text FROM notification_channels c")
        return row, str(text) + repr(row)

    row, text = await world.db.read(stored)
    assert CANARY not in text
    secret = orjson.loads(services.vault.open(seal_name(row.id), row.sealed))
    settings = joined(row.kind, row.shown, secret)
    assert isinstance(settings, WebhookSettings)
    assert settings.bearer_token == f"{CANARY}-token"  # a change of the format left it
    assert CANARY not in repr(settings)


async def test_a_change_keeps_what_it_does_not_name_and_removes_what_it_names_null(world: World) -> None:
    mail = await make_channel(world, SMTP)
    path = f"/notifications/channels/{mail['id']}"
    status, changed = await world.ask("admin", "PATCH", path, body={"name": "Post", "smtp": {"port": 25}})
    assert (status, changed["name"], changed["smtp"]["port"], changed["smtp"]["password_set"]) == (
        200,
        "Post",
        25,
        True,
    )
    status, changed = await world.ask("admin", "PATCH", path, body={"smtp": {"security": "none"}})
    assert status == 400, "a password in the clear"
    nobody = {"security": "none", "username": None, "password": None}
    status, changed = await world.ask("admin", "PATCH", path, body={"smtp": nobody})
    assert (status, changed["smtp"]["password_set"], changed["smtp"]["username"]) == (200, False, None)
    assert ("notification_channel.changed", "admin", "success") in await actions(world.db)


BAD: tuple[dict[str, Any], ...] = (
    {"kind": "smtp"},
    {**WEBHOOK, "smtp": SMTP["smtp"]},
    {**WEBHOOK, "webhook": {"url": "https://user:password@chat.example.com/x"}},
    {**WEBHOOK, "webhook": {"url": "https://chat.example.com/x\r\nHost: evil"}},
    {**WEBHOOK, "webhook": {"url": "https://chat.example.com", "format": "ntfy"}},
    {**WEBHOOK, "webhook": {"url": "https://chat.example.com/x", "headers": {"Host": "evil"}}},
    {**WEBHOOK, "webhook": {"url": "https://chat.example.com/x", "headers": {"X-A": "b\r\nX-C: d"}}},
    {**SMTP, "smtp": {**SMTP["smtp"], "sender": "a@b.example\r\nBcc: everybody@example.com"}},
    {**SMTP, "smtp": {**SMTP["smtp"], "recipients": ["a b@example.com"]}},
    {**SMTP, "smtp": {**SMTP["smtp"], "password": None}},
    {**SMTP, "unknown": 1},
)


async def test_what_cannot_work_is_refused(world: World) -> None:
    for body in BAD:
        status, problem = await world.ask("admin", "POST", "/notifications/channels", body={"name": "x", **body})
        assert (status, problem["title"]) == (400, "Invalid request"), body


async def test_operators_choose_among_channels_whose_settings_they_do_not_see(world: World) -> None:
    channel = await make_channel(world)
    (seen,) = (await world.get("op_a", "/notifications/channels"))["items"]
    assert (seen["name"], seen["kind"], seen["smtp"], seen["webhook"]) == ("Chat", "webhook", None, None)
    for method, path in (("POST", ""), ("PATCH", f"/{channel['id']}"), ("DELETE", f"/{channel['id']}")):
        assert (await world.ask("op_a", method, f"/notifications/channels{path}", body={}))[0] == 403
    assert (await world.ask("op_a", "POST", f"/notifications/channels/{channel['id']}/test"))[0] == 403


async def test_rules_are_everybodys_own_and_shared_ones_the_administrators(world: World) -> None:
    channel = await make_channel(world)
    rule = {"name": "mine", "channel_id": channel["id"], "events": ["job_failed", "job_failed"]}
    status, mine = await world.ask("op_a", "POST", "/notifications/rules", body=rule)
    assert (status, mine["owner"], mine["mine"], mine["events"]) == (201, "op_a", True, ["job_failed"])
    assert (await world.ask("op_a", "POST", "/notifications/rules", body={**rule, "shared": True}))[0] == 403
    status, shared = await world.ask("admin", "POST", "/notifications/rules", body={**rule, "shared": True})
    assert (status, shared["owner"], shared["shared"]) == (201, None, True)
    assert [row["id"] for row in (await world.get("op_a", "/notifications/rules"))["items"]] == [mine["id"]]
    assert (await world.get("op_b", "/notifications/rules"))["total"] == 0
    assert (await world.get("admin", "/notifications/rules"))["total"] == 2
    assert (await world.ask("op_b", "DELETE", f"/notifications/rules/{mine['id']}"))[0] == 404
    status, problem = await world.ask("admin", "DELETE", f"/notifications/channels/{channel['id']}")
    assert (status, problem["detail"]) == (409, "2 rules use this channel: change or delete those first")
    for rule_id in (mine["id"], shared["id"]):
        assert (await world.ask("admin", "DELETE", f"/notifications/rules/{rule_id}"))[0] == 204
    assert (await world.ask("admin", "DELETE", f"/notifications/channels/{channel['id']}"))[0] == 204


async def test_a_rule_names_groups_in_sight_and_recipients_for_mail_only(world: World) -> None:
    chat = await make_channel(world)
    mail = await make_channel(world, {**SMTP, "smtp": {**SMTP["smtp"], "recipients": []}})
    rule = {"name": "mine", "channel_id": chat["id"], "events": ["job_failed"]}

    async def refused(**changed: Any) -> str:
        status, problem = await world.ask("op_a", "POST", "/notifications/rules", body={**rule, **changed})
        assert status == 400, problem
        return str(problem["errors"][0]["pointer"])

    assert await refused(group_ids=[str(world.group_b)]) == "/group_ids"
    assert await refused(group_ids=[str(uuid4())]) == "/group_ids"
    assert await refused(recipients=["me@example.com"]) == "/recipients"
    assert await refused(channel_id=mail["id"]) == "/recipients"
    assert await refused(channel_id=str(uuid4())) == "/channel_id"
    good = {**rule, "channel_id": mail["id"], "recipients": ["me@example.com"], "group_ids": [str(world.group_a)]}
    status, made = await world.ask("op_a", "POST", "/notifications/rules", body=good)
    assert (status, made["recipients"]) == (201, ["me@example.com"])


async def test_a_test_answers_how_it_really_ended(world: World, services: Services) -> None:
    channel = await make_channel(world, SMTP)
    notifier = services.notifier
    assert isinstance(notifier, QuietNotifier)
    notifier.result = Attempt(False, "mail.example.com refused the connection")
    path = f"/notifications/channels/{channel['id']}/test"
    status, answer = await world.ask("admin", "POST", path, query={"recipient": "me@example.com"})
    assert (status, answer["ok"], answer["detail"]) == (200, False, "mail.example.com refused the connection")
    assert notifier.tested == [(UUID(channel["id"]), ("me@example.com",))]
    assert ("notification_channel.tested", "admin", "failure") in await actions(world.db)


async def test_the_log_of_deliveries_is_each_users_own_and_can_be_retried(world: World) -> None:
    channel = await make_channel(world)
    rule = {"name": "mine", "channel_id": channel["id"], "events": ["host_unreachable"]}
    _, made = await world.ask("op_a", "POST", "/notifications/rules", body=rule)
    deliveries = [await delivery_of(world, UUID(made["id"])) for _ in range(3)]
    page = await world.get("op_a", "/notifications/deliveries", limit=2, state="pending,failed")
    rest = await world.get(
        "op_a", "/notifications/deliveries", limit=2, state="pending,failed", cursor=page["next_cursor"]
    )
    assert {UUID(row["id"]) for row in page["items"] + rest["items"]} == set(deliveries)
    assert (page["total"], rest["next_cursor"]) == (3, None)
    assert (await world.get("op_a", "/notifications/deliveries", state="delivered"))["total"] == 0
    assert (await world.get("op_b", "/notifications/deliveries"))["total"] == 0
    assert (await world.get("admin", "/notifications/deliveries", rule_id=made["id"]))["total"] == 3
    path = f"/notifications/deliveries/{deliveries[0]}/retry"
    assert (await world.ask("op_b", "POST", path))[0] == 404
    status, again = await world.ask("op_a", "POST", path)
    assert (status, again["state"]) == (202, "pending")
    assert ("notification_delivery.retried", "op_a", "success") in await actions(world.db)
