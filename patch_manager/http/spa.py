"""The pages: what Vite built, from memory. Unknown paths are the client's own routes and get index.html."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import trio
import zstandard
from quart import request

from patch_manager.domain.principal import Permission
from patch_manager.http.errors import Failure, NotFound
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.security_headers import page_policy

STATIC = Path(__file__).parent / "static"
NONCE = b"__CSP_NONCE__"
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.\w+$")  # Vite: name-<hash>.ext
_FOREVER = "public, max-age=31536000, immutable"
_ALWAYS_ASK = "no-cache"
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/manifest")
_MIN_COMPRESSED = 1024
_NOT_BUILT = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Linux Patch Manager</title></head>
<body><h1>The pages are not built</h1>
<p>The program works, but this checkout has no built pages.
Build them with <code>make setup</code> and start it again.</p>
<p>The <a href="/api/docs">REST API</a> is here already.</p></body></html>
"""


@dataclass
class Asset:
    """A file with its compressed forms, made when first asked for."""

    content: bytes = field(repr=False)
    content_type: str
    etag: str
    cache_control: str
    encoded: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def compressible(self) -> bool:
        """Whether compressing it is worth the while."""
        return len(self.content) >= _MIN_COMPRESSED and self.content_type.startswith(_COMPRESSIBLE)


class Pages:
    """The built pages of one directory, read once."""

    def __init__(self, directory: Path = STATIC) -> None:
        self._assets: dict[str, Asset] = {}
        for path in sorted(directory.rglob("*")) if directory.is_dir() else ():
            name = path.relative_to(directory).as_posix()
            if path.is_file() and not name.endswith((".gz", ".br", ".zst", ".map")):
                self._assets[name] = _asset(name, path.read_bytes())
        index = self._assets.pop("index.html", None)
        self._index = index.content if index is not None else _NOT_BUILT

    @property
    def built(self) -> bool:
        """Whether there are pages at all."""
        return self._index is not _NOT_BUILT

    def index(self) -> Reply:
        """index.html with a fresh nonce for the style element that the UI kit makes (CSP without unsafe-inline)."""
        nonce = secrets.token_urlsafe(16)
        return Reply(
            self._index.replace(NONCE, nonce.encode()),
            status=200,
            headers={"Content-Security-Policy": page_policy(nonce), "Cache-Control": "no-store"},
            content_type="text/html; charset=utf-8",
        )

    async def file(self, name: str) -> Reply | None:
        """A file by its path below the directory, in the best encoding the request accepts; None: no such file."""
        asset = self._assets.get(name)
        if asset is None:
            return None
        headers = {"Cache-Control": asset.cache_control, "ETag": asset.etag, "Vary": "Accept-Encoding"}
        if asset.etag in request.headers.get("If-None-Match", ""):
            return Reply(b"", status=304, headers=headers, content_type=asset.content_type)
        encoding = _accepted_encoding() if asset.compressible else None
        if encoding is None:
            return Reply(asset.content, headers=headers, content_type=asset.content_type)
        if encoding not in asset.encoded:
            asset.encoded[encoding] = await trio.to_thread.run_sync(_compress, encoding, asset.content)
        headers["Content-Encoding"] = encoding
        return Reply(asset.encoded[encoding], headers=headers, content_type=asset.content_type)

    async def fallback(self) -> Reply | None:
        """For a path that no route has: a file of the build, or index.html where a person navigates; else None."""
        if request.method not in {"GET", "HEAD"} or request.path.startswith(("/api/", "/assets/")):
            return None
        found = await self.file(request.path.removeprefix("/"))
        if found is not None:
            return found
        return self.index() if "text/html" in request.headers.get("Accept", "") else None


def page_routes(pages: Pages) -> Routes:
    """Routes of the pages; everything else is `Pages.fallback`."""
    routes = Routes("pages", prefix="")

    @routes.route("GET", "/", permission=Permission.PUBLIC, media_type="text/html", hidden=True)
    async def index() -> Reply:
        """The single page."""
        return pages.index()

    @routes.route("GET", "/assets/<path:name>", permission=Permission.PUBLIC, media_type="*/*", hidden=True)
    async def asset(name: str) -> Reply | Failure:
        """A script, style, font or picture of the pages."""
        return await pages.file(f"assets/{name}") or NotFound("no such file; the pages may have been updated, reload")

    return routes


def _asset(name: str, content: bytes) -> Asset:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind in {"text/javascript", "application/javascript", "text/css", "text/html", "text/plain"}:
        kind += "; charset=utf-8"
    forever = name.startswith("assets/") and _HASHED.search(name) is not None
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, kind, etag, _FOREVER if forever else _ALWAYS_ASK)


def _accepted_encoding() -> str | None:
    accepted = request.accept_encodings
    return next((name for name in ("zstd", "gzip") if accepted.find(name) >= 0 and accepted[name] > 0), None)


def _compress(encoding: str, content: bytes) -> bytes:
    return zstandard.compress(content, 10) if encoding == "zstd" else gzip.compress(content, 6, mtime=0)
