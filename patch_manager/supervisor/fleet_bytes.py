"""The whole fleet as one compressed answer, kept per scope and made without ever holding the loop for long.

One zstd frame and not one per group of rows: concatenated frames are valid (RFC 8878 §3), but browsers are only known
to read one. The frame is fed in portions with a checkpoint between them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import trio
import zstandard

from patch_manager.domain.principal import Scope
from patch_manager.supervisor.picture import FleetPicture
from patch_manager.supervisor.rows import encode

_ROWS_ENCODED_AT_ONCE: Final = 500
_ROWS_COMPRESSED_AT_ONCE: Final = 1000
_KEPT: Final = 16
_FRESH_SECONDS: Final = 15.0
"""Beyond this age a kept answer is made anew even at the same revision, for the rows' ``last_seen_at``."""


@dataclass(frozen=True, slots=True)
class FleetBlob:
    """``{"revision", "totals", "hosts"}`` of one scope, compressed; ``etag`` is quoted, ready for the header."""

    revision: int
    etag: str
    zstd: bytes

    def plain(self) -> bytes:
        """The JSON, for clients that do not take zstd."""
        return zstandard.ZstdDecompressor().decompressobj().decompress(self.zstd)


@dataclass(frozen=True, slots=True)
class FleetRows:
    """One consistent reading of a scope: its rows, totals and the revision of both."""

    revision: int
    seen_number: int
    totals: bytes
    rows: list[bytes]

    def json(self, first: str = "") -> Iterator[bytes]:
        """The object in portions; ``first`` is put before the other members (``"type":"snapshot",``)."""
        yield b'{%s"revision":%d,"totals":%s,"hosts":[' % (first.encode(), self.revision, self.totals)
        for start in range(0, len(self.rows), _ROWS_COMPRESSED_AT_ONCE):
            yield (b"," if start else b"") + b",".join(self.rows[start : start + _ROWS_COMPRESSED_AT_ONCE])
        yield b"]}"


async def fleet_rows(picture: FleetPicture, scope: Scope) -> FleetRows:
    """Read a scope at one revision; rows that changed are encoded in portions before."""
    missing = picture.rows_to_encode()
    for start in range(0, len(missing), _ROWS_ENCODED_AT_ONCE):
        for host_id in missing[start : start + _ROWS_ENCODED_AT_ONCE]:
            if host_id in picture:
                picture.row(host_id)
        await trio.lowlevel.checkpoint()
    rows = [picture.row(snapshot.record.id) for snapshot in picture.hosts(scope)]
    return FleetRows(picture.revision, picture.seen_number, encode(picture.totals(scope)), rows)


class FleetBlobs:
    """Makes and keeps the answers of ``GET fleet``."""

    def __init__(self, picture: FleetPicture) -> None:
        self._picture = picture
        self._kept: OrderedDict[Scope, tuple[FleetBlob, int, float]] = OrderedDict()
        self._making = trio.Lock()
        # One for all answers: each brings some megabytes, which the allocator would not give back.
        self._compressor = zstandard.ZstdCompressor(level=3)

    async def get(self, scope: Scope) -> FleetBlob:
        """The fleet of a scope at the current revision; requests that come while it is made wait for the one."""
        async with self._making:
            kept = self._kept.get(scope)
            if kept is not None:
                blob, seen_number, made_at = kept
                fresh = seen_number == self._picture.seen_number or trio.current_time() - made_at < _FRESH_SECONDS
                if blob.revision == self._picture.revision and fresh:
                    self._kept.move_to_end(scope)
                    return blob
            rows = await fleet_rows(self._picture, scope)
            compressor = self._compressor.compressobj()
            parts: list[bytes] = []
            for part in rows.json():
                parts.append(compressor.compress(part))
                await trio.lowlevel.checkpoint()
            parts.append(compressor.flush())
            # The etag names the scope too: the same revision shows an operator and an admin different fleets.
            etag = f'"{rows.revision}-{rows.seen_number}-{hash(scope) & 0xFFFFFFFF:x}"'
            blob = FleetBlob(rows.revision, etag, b"".join(parts))
            self._kept[scope] = (blob, rows.seen_number, trio.current_time())
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return blob
