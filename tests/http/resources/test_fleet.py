"""The whole fleet in one answer."""

from __future__ import annotations

import gzip

import orjson
import zstandard

from tests.http.resources.world import World


async def test_the_fleet_is_the_same_in_every_encoding(world: World) -> None:
    plain = await world.get("admin", "/fleet")
    assert {row["display_name"] for row in plain["hosts"]} == {"a1", "ab", "b1", "free"}
    assert plain["totals"]["never_polled"] == 4
    for accepted, unpack in (
        ("gzip, zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        ("gzip", gzip.decompress),
        ("zstd;q=0, gzip;q=0", bytes),
    ):
        answer = await world.client.get(
            "/api/v1/fleet", headers={"Authorization": f"Bearer {world.tokens['admin']}", "Accept-Encoding": accepted}
        )
        assert orjson.loads(unpack(await answer.get_data(as_text=False))) == plain
        assert answer.headers["Content-Type"] == "application/json"


async def test_an_unchanged_fleet_is_not_sent_again(world: World) -> None:
    async def ask(who: str, etag: str = "") -> tuple[int, str, bytes]:
        headers = {"Authorization": f"Bearer {world.tokens[who]}", "If-None-Match": etag}
        answer = await world.client.get("/api/v1/fleet", headers=headers)
        return answer.status_code, answer.headers["ETag"], await answer.get_data(as_text=False)

    status, etag, _ = await ask("admin")
    assert status == 200
    assert await ask("admin", etag) == (304, etag, b"")
    status, other, _ = await ask("op_a", etag)  # the same revision shows an operator another fleet
    assert (status, other == etag) == (200, False)
    await world.add_host("new", "127.1.0.200")
    status, changed, _ = await ask("admin", etag)
    assert (status, changed == etag) == (200, False)
