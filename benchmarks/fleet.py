"""``GET fleet``: the app with sign-in and scopes, beside a bare ASGI function with the same bytes, served alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
import trio

from benchmarks.children import Child, child, python
from benchmarks.house import House, open_house
from benchmarks.measuring import CpuMeter, Turns, in_turns
from benchmarks.model import Bench, Row, Scale
from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.principal import EVERYTHING
from patch_manager.http.guard import ASGIApp, serve_https
from patch_manager.supervisor.fleet_bytes import FleetBlobs

PATH = "/api/v1/fleet"


@asynccontextmanager
async def served(house: House, app: ASGIApp) -> AsyncIterator[int]:
    """The guarded server around an app; its port."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        _, port = await nursery.start(partial(serve_https, app, "127.0.0.1:0", house.tls.context, shutdown=stop))
        yield port
        stop.set()


def bare(body: bytes, status: int = 200) -> ASGIApp:
    """The least that answers: bytes made before."""
    headers = [(b"content-type", b"application/json"), (b"content-encoding", b"zstd"), (b"etag", b'"x"')]
    headers += [(b"content-length", str(len(body)).encode())] if status == 200 else []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if status == 200 else b""})

    return app


def changing(house: House) -> ASGIApp:
    """The app, before each of whose answers one host changes."""
    number = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal number
        number += 1
        house.show(number, number)
        await house.app(scope, receive, send)

    return app


async def _asked(scale: Scale, browser: Child) -> float:
    """Milliseconds of the server's processor time an answer."""
    meter = CpuMeter()
    browser.tell("go")
    answer = orjson.loads(await trio.to_thread.run_sync(browser.line))
    if answer["status"] not in (200, 304):
        raise RuntimeError(f"the server answered {answer['status']}")
    return meter.seconds() / scale.answers * 1000


async def _compare(bench: Bench, house: House, ours: ASGIApp, floor: ASGIApp, *, revalidate: bool) -> Turns:
    def browser(port: int) -> list[str]:
        headers = [f"Authorization: Bearer {house.token}", "Accept-Encoding: zstd"]
        options = [text for header in headers for text in ("--header", header)]
        command = python("benchmarks.browsers", "ask", "--port", port, "--root", house.root, "--path", PATH)
        return [*command, "--count", str(bench.scale.answers), *options, *(["--revalidate"] if revalidate else [])]

    async with served(house, ours) as our_port, served(house, floor) as floor_port:
        with child(browser(our_port)) as first, child(browser(floor_port)) as second:
            for each in (first, second):
                await trio.to_thread.run_sync(each.line)
            return await in_turns(
                bench.scale.runs, partial(_asked, bench.scale, first), partial(_asked, bench.scale, second)
            )


async def _measure(bench: Bench) -> list[Row]:
    rows = []
    async with open_house(bench.directory, bench.scale.hosts) as house:
        body = (await FleetBlobs(house.fleet.picture).get(EVERYTHING)).zstd
        for name, work, ours, floor, revalidate, aim in (
            ("fleet", "GET fleet, unchanged, zstd", house.app, bare(body), False, "<= 3"),
            ("fleet-304", "GET fleet, If-None-Match, 304", house.app, bare(b"", 304), True, ""),
            ("fleet-made", "GET fleet, one host changed before each", changing(house), bare(body), False, ""),
        ):
            turns = await _compare(bench, house, ours, floor, revalidate=revalidate)
            extra = {"rows": float(len(house.hosts)), "KiB": round(len(body) / 1024, 1)}
            rows.append(Row(name, work, "ms CPU an answer", tuple(turns.ours), tuple(turns.floor), aim, extra))
        turns = await in_turns(
            bench.scale.runs, partial(_delta, bench.scale, house), partial(_encoded, bench.scale, house)
        )
        work = "one host changed: publish and encode its delta"
        rows.append(Row("fleet-delta", work, "ms CPU a change", tuple(turns.ours), tuple(turns.floor)))
    return rows


async def _repeated(scale: Scale, step: Callable[[int], object]) -> float:
    await trio.lowlevel.checkpoint()
    count = scale.answers * 10
    meter = CpuMeter()
    for number in range(count):
        step(number)
    return meter.seconds() / count * 1000


async def _delta(scale: Scale, house: House) -> float:
    """Publish a change and make the message that all browsers of a scope share."""
    hub, picture = house.fleet.hub, house.fleet.picture

    def snapshot(change: int) -> HostSnapshot:
        house.show(0, change)
        found = picture.get(house.hosts[0].record.id)
        assert found is not None
        return found

    snapshots = (snapshot(1), snapshot(2))
    first = picture.revision

    def step(number: int) -> None:
        revision = picture.revision
        picture.publish(snapshots[number % 2])
        hub.delta(EVERYTHING, revision)

    cost = await _repeated(scale, step)
    assert picture.revision == first + scale.answers * 10
    hub.wake_all()  # forgets the messages, as the end of a window does
    return cost


async def _encoded(scale: Scale, house: House) -> float:
    """Encode one row of values that are ready."""
    row = orjson.loads(house.fleet.picture.row(house.hosts[0].record.id))
    return await _repeated(scale, lambda _: orjson.dumps({"type": "delta", "hosts": [row]}))


def measure(bench: Bench) -> list[Row]:
    """Unchanged, not modified, made anew, and as a delta."""
    return trio.run(_measure, bench)
