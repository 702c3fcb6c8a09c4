"""The fleet as a whole: the first picture of a page, which `live` keeps current."""

from __future__ import annotations

import gzip

import trio
from quart import request

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.routing import JSON, Reply, Routes
from patch_manager.http.schemas.fleet import Fleet
from patch_manager.http.services import services

routes = Routes("fleet")

_GZIP_LEVEL = 3  # the text repeats itself: higher levels cost three times as much for a tenth less


@routes.route("GET", "/fleet", permission=Permission.FLEET_READ, answer=Fleet)
async def show_fleet(principal: Principal) -> Reply:
    """Totals and rows of every host in the caller's scope, at one revision.

    ``ETag`` and ``If-None-Match`` (304) spare an unchanged fleet; encoded as zstd or gzip where accepted. Changes after
    the revision come over the live stream.
    """
    blob = await services().fleet_blobs.get(principal.scope)
    headers = {"ETag": blob.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}
    if request.if_none_match.contains_weak(blob.etag.strip('"')):
        return Reply(status=304, headers=headers)
    accepted = request.accept_encodings
    if accepted["zstd"] > 0:
        return Reply(blob.zstd, headers={**headers, "Content-Encoding": "zstd"}, content_type=JSON)
    plain = await trio.to_thread.run_sync(blob.plain)
    if accepted["gzip"] > 0:
        packed = await trio.to_thread.run_sync(lambda: gzip.compress(plain, _GZIP_LEVEL, mtime=0))
        return Reply(packed, headers={**headers, "Content-Encoding": "gzip"}, content_type=JSON)
    return Reply(plain, headers=headers, content_type=JSON)
