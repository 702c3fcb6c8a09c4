"""One event to fifty browsers: the guarded server with the event hub, beside raw TLS writes of the same bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

import orjson
import trio

from benchmarks.children import Child, child, python
from benchmarks.fleet import served
from benchmarks.house import ORIGIN, House, open_house
from benchmarks.measuring import CpuMeter, in_turns
from benchmarks.model import Bench, Row, Scale
from patch_manager.domain.principal import EVERYTHING

EVENTS_A_SECOND = 100
_HOSTS = 500


@dataclass(slots=True)
class _Seen:
    """What our side sent, for the floor to send the same."""

    batches: int = 0
    message: bytes = b""


async def _ours(scale: Scale, house: House, seen: _Seen) -> float:
    """Milliseconds of processor time an event, while a hundred hosts change every second."""
    hub, picture = house.fleet.hub, house.fleet.picture
    events = int(scale.live_seconds * EVENTS_A_SECOND)
    first_tick, meter, began = hub.tick, CpuMeter(), trio.current_time()
    before = picture.revision
    for number in range(events):
        house.show(number, picture.revision)
        await trio.sleep_until(began + (number + 1) / EVENTS_A_SECOND)
    await trio.sleep(0.3)
    cost = meter.seconds()
    seen.batches = hub.tick - first_tick
    found = hub.delta(EVERYTHING, picture.revision - max(1, events // max(1, seen.batches)))
    assert picture.revision == before + events
    assert found is not None
    assert found[1] is not None
    seen.message = found[1]
    return cost / events * 1000


async def _floor(scale: Scale, streams: list[trio.SSLStream[trio.SocketStream]], seen: _Seen) -> float:
    events = int(scale.live_seconds * EVENTS_A_SECOND)
    size = len(seen.message)
    frame = b"\x81\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x81\x7f" + size.to_bytes(8, "big")
    frame += seen.message
    meter, began = CpuMeter(), trio.current_time()
    for number in range(seen.batches):
        for stream in streams:
            await stream.send_all(frame)
        await trio.sleep_until(began + (number + 1) * scale.live_seconds / seen.batches)
    await trio.sleep(0.3)
    return meter.seconds() / events * 1000


def _browsers(house: House, port: int, count: int, origin: str | None) -> list[str]:
    command = python("benchmarks.browsers", "watch", "--port", port, "--root", house.root, "--count", count)
    return [*command, *(["--origin", origin] if origin else [])]


async def _got(browsers: Child) -> int:
    browsers.tell("end")
    return int(orjson.loads(await trio.to_thread.run_sync(browsers.line))["least"])


async def _measure(bench: Bench) -> list[Row]:
    scale = bench.scale
    seen = _Seen()
    async with open_house(bench.directory, _HOSTS) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.fleet.hub.run)
        streams: list[trio.SSLStream[trio.SocketStream]] = []
        connected = trio.Event()

        async def keep(stream: trio.SSLStream[trio.SocketStream]) -> None:
            await stream.do_handshake()
            streams.append(stream)
            if len(streams) == scale.browsers:
                connected.set()
            await trio.sleep_forever()

        (plain,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        floor_port = plain.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, keep, [trio.SSLListener(plain, house.tls.context)])
        async with served(house, house.app) as port:
            environment = {**os.environ, "BENCH_TOKEN": house.token}
            with (
                child(_browsers(house, port, scale.browsers, ORIGIN), environment=environment) as ours,
                child(_browsers(house, floor_port, scale.browsers, None)) as floor,
            ):
                for each in (ours, floor):
                    await trio.to_thread.run_sync(each.line)
                await connected.wait()
                turns = await in_turns(
                    scale.runs, partial(_ours, scale, house, seen), partial(_floor, scale, streams, seen)
                )
                if not await _got(ours) or not await _got(floor):
                    raise RuntimeError("a browser received nothing")
        nursery.cancel_scope.cancel()
    extra = {
        "browsers": float(scale.browsers),
        "batches a second": round(seen.batches / scale.live_seconds, 1),
        "bytes a batch": float(len(seen.message)),
    }
    work = f"one event to {scale.browsers} browsers, {EVENTS_A_SECOND} events a second"
    return [Row("live", work, "ms CPU an event", tuple(turns.ours), tuple(turns.floor), "<= 3.3", extra)]


def measure(bench: Bench) -> list[Row]:
    """Live deltas over WebSockets."""
    return trio.run(_measure, bench)
