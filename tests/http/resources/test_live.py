"""The live stream over a real TLS socket."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import trio

from patch_manager.domain.health import Health
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.principal import Principal
from patch_manager.http import sockets
from patch_manager.http.routes import live as live_routes
from patch_manager.http.services import Services
from tests.http.resources.live_client import Closed, LiveClient, Rejected, live
from tests.http.resources.world import NOW, World
from tests.http.tls_client import TlsServer


def shown(world: World, host: str) -> HostSnapshot:
    snapshot = world.fleet.picture.get(world.hosts[host])
    assert snapshot is not None
    return snapshot


def change(world: World, host: str, **fields: Any) -> None:
    world.fleet.picture.publish(replace(shown(world, host), **fields))


async def signed_in(world: World, stream: LiveClient, who: str, **more: Any) -> Any:
    await stream.send({"type": "auth", "token": world.tokens[who], **more})
    return await stream.receive()


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1:8443"])
async def test_a_foreign_or_absent_origin_is_refused_before_the_stream_opens(
    server: TlsServer, origin: str | None
) -> None:
    with pytest.raises(Rejected) as refused:
        async with live(server, origin=origin):
            pass
    assert (refused.value.status, refused.value.problem["status"]) == (403, 403)


async def test_the_configured_public_origin_is_ours(server: TlsServer, services: Services) -> None:
    async with live(server, origin=services.settings.origin):
        pass


@pytest.mark.parametrize(
    "first", [{"type": "auth", "token": "x"}, {"type": "hello"}, "not json", {"type": "auth", "token": "x", "more": 1}]
)
async def test_a_first_message_that_signs_nobody_in_ends_the_stream(server: TlsServer, first: object) -> None:
    async with live(server) as stream:
        await stream.send(first)
        assert await stream.closed() == 4401


async def test_who_does_not_sign_in_in_time_is_cut_off(server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "SIGN_IN_SECONDS", 0.05)
    async with live(server) as stream:
        assert await stream.closed() == 4401


async def test_the_snapshot_holds_the_scope_and_deltas_follow(server: TlsServer, world: World) -> None:
    async with live(server) as stream:
        snapshot = await signed_in(world, stream, "op_a")
        assert snapshot["type"] == "snapshot"
        assert {row["display_name"] for row in snapshot["hosts"]} == {"a1", "ab", "free"}
        assert snapshot["totals"]["hosts"] == 3
        change(world, "a1", health=Health.HEALTHY, health_reason="")
        delta = await stream.receive()
        assert delta["type"] == "delta"
        assert [(row["display_name"], row["health"]) for row in delta["hosts"]] == [("a1", "healthy")]
        assert delta["revision"] > snapshot["revision"]
        assert (delta["totals"]["by_health"]["healthy"], delta["removed"]) == (1, [])
        assert (await world.get("op_a", f"/hosts/{world.hosts['a1']}")) == delta["hosts"][0]


async def test_another_groups_host_is_never_spoken_of(server: TlsServer, world: World) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        moment = NOW + timedelta(seconds=5)
        change(world, "b1", health=Health.HEALTHY, last_seen_at=moment)
        job = {"id": uuid4(), "host_id": world.hosts["b1"], "state": "running"}
        world.fleet.hub.publish_jobs([job])
        world.fleet.hub.publish_deployments([({"id": uuid4()}, [world.hosts["a1"], world.hosts["b1"]])])
        change(world, "a1", last_seen_at=moment)
        message = await stream.receive()  # whatever comes first is of a1
        assert (message["type"], list(message["items"])) == ("seen", [str(world.hosts["a1"])])


async def test_a_removed_hosts_job_is_told_to_administrators_only(server: TlsServer, world: World) -> None:
    async with live(server) as of_operator, live(server) as of_admin:
        await signed_in(world, of_operator, "op_a")
        await signed_in(world, of_admin, "admin")
        world.fleet.picture.remove(world.hosts["b1"])
        gone = {"id": uuid4(), "host_id": world.hosts["b1"], "state": "failed"}
        mine = {"id": uuid4(), "host_id": world.hosts["a1"], "state": "failed"}
        world.fleet.hub.publish_jobs([gone, mine])
        assert [item["id"] for item in (await of_operator.receive_of("jobs"))["items"]] == [str(mine["id"])]
        assert len((await of_admin.receive_of("jobs"))["items"]) == 2


async def test_a_host_that_leaves_the_scope_is_removed_from_the_page(server: TlsServer, world: World) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        path = f"/groups/{world.group_a}/hosts/{world.hosts['ab']}"
        assert (await world.ask("admin", "DELETE", path))[0] == 204
        delta = await stream.receive_of("delta")
        assert (delta["removed"], delta["hosts"], delta["totals"]["hosts"]) == ([str(world.hosts["ab"])], [], 2)


async def test_without_a_snapshot_deltas_go_on_from_the_revision_told(server: TlsServer, world: World) -> None:
    async with live(server) as stream:
        hello = await signed_in(world, stream, "op_a", snapshot=False)
        fleet = await world.get("op_a", "/fleet")
        assert hello == {"type": "hello", "revision": fleet["revision"]}
        change(world, "free", reboot_required=True)
        delta = await stream.receive()
        assert (delta["type"], [row["display_name"] for row in delta["hosts"]]) == ("delta", ["free"])


@pytest.mark.parametrize("how", ["group", "logout", "disabled"])
async def test_a_change_of_what_somebody_may_see_ends_their_stream(server: TlsServer, world: World, how: str) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        user_id = world.users["op_a"]
        if how == "group":
            result = await world.ask("admin", "DELETE", f"/groups/{world.group_a}/users/{user_id}")
        elif how == "logout":
            result = await world.ask("op_a", "POST", "/auth/logout")
        else:
            result = await world.ask("admin", "PATCH", f"/users/{user_id}", body={"disabled": True})
        assert result[0] in (200, 204)
        with trio.fail_after(5):
            assert await stream.closed() == 4401


async def test_a_renewed_token_is_taken_and_anybody_elses_ends_the_stream(server: TlsServer, world: World) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        await stream.send({"type": "auth", "token": world.tokens["op_a"]})
        change(world, "a1", reboot_required=True)
        assert (await stream.receive())["type"] == "delta"
        await stream.send({"type": "auth", "token": world.tokens["admin"]})
        assert await stream.closed() == 4401


@pytest.mark.parametrize("message", ["not json", {"type": "ping"}, {"type": "auth", "token": "x" * 9000}])
async def test_a_browser_has_nothing_else_to_say(server: TlsServer, world: World, message: object) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        await stream.send(message)
        assert await stream.closed() == 1008


async def test_a_quiet_stream_is_pinged(server: TlsServer, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_routes, "PING_SECONDS", 0.05)
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        assert await stream.receive() == {"type": "ping"}


async def test_a_stopping_server_says_goodbye(server: TlsServer, world: World, services: Services) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        services.stopping.set()
        assert await stream.closed() == 1001


async def test_a_browser_that_does_not_read_is_cut_off(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_routes, "SEND_SECONDS", 0.05)
    found = await services.auth.watch.principal_of(world.tokens["op_a"])
    assert isinstance(found, Principal)

    class Stalled(sockets.LiveSocket):
        async def send(self, message: str | bytes) -> None:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        hello = sockets.AuthMessage(type="auth", token="")
        socket = Stalled(found, hello, nursery.cancel_scope)
        with trio.fail_after(5):
            await live_routes.Outbox(socket).send(b"{}")
            await trio.sleep(60)
    assert socket.goodbye[0] == live_routes.STALLED


async def test_a_closed_stream_leaves_nothing_behind(server: TlsServer, world: World) -> None:
    async with live(server) as stream:
        await signed_in(world, stream, "op_a")
        assert world.fleet.hub.subscribers == 1
    with trio.fail_after(5):
        while world.fleet.hub.subscribers:  # noqa: ASYNC110  # the hub tells nobody that a reader left
            await trio.sleep(0.01)
    with pytest.raises((Closed, trio.ClosedResourceError)):
        await stream.receive()
