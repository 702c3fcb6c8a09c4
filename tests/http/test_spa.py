"""The built pages: nonce, caching, client routes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from quart.typing import TestClientProtocol as Client

from patch_manager.http.app import create_app
from patch_manager.http.limits import gate
from patch_manager.http.services import Services
from patch_manager.http.spa import Pages
from tests.http.conftest import body_of

SCRIPT = b"export const x = 1;\n" * 200


@pytest.fixture
def client(services: Services, tmp_path: Path) -> Client:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<meta property="csp-nonce" nonce="__CSP_NONCE__"><div id="root"></div>')
    (tmp_path / "assets" / "index-DaB3k_9x.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "index-DaB3k_9x.js.map").write_text("{}")
    (tmp_path / "assets" / "mark.svg").write_text("<svg/>")
    (tmp_path / "robots.txt").write_text("User-agent: *")
    app = create_app(services, (), Pages(tmp_path))
    app.asgi_app = gate(app.asgi_app, services)  # type: ignore[assignment,method-assign]  # as Quart documents middleware
    return app.test_client()


async def test_each_page_has_its_own_nonce_and_no_unsafe_inline(client: Client) -> None:
    nonces = set()
    for _ in range(3):
        answer = await client.get("/", headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert len(nonce) >= 16
        assert f'nonce="{nonce}"' in (await body_of(answer)).decode()
        assert "unsafe" not in policy
        assert "script-src 'self';" in policy
        assert answer.headers["Cache-Control"] == "no-store"
        nonces.add(nonce)
    assert len(nonces) == 3


async def test_client_routes_get_the_page_and_nothing_else_does(client: Client) -> None:
    html = {"Accept": "text/html,application/xhtml+xml"}
    page = await client.get("/hosts/7?tab=jobs", headers=html)
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    for path, headers in (
        ("/api/v1/nothing", html),
        ("/api/nothing", html),
        ("/assets/gone-12345678.js", html),
        ("/hosts/7", {"Accept": "application/json"}),
    ):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 404
        assert answer.content_type == "application/problem+json"
    assert (await client.post("/hosts/7", headers=html)).status_code == 404


async def test_hashed_files_are_kept_for_good_and_others_are_asked_for(client: Client) -> None:
    hashed = await client.get("/assets/index-DaB3k_9x.js")
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert hashed.content_type == "text/javascript; charset=utf-8"
    for path in ("/assets/mark.svg", "/robots.txt"):
        plain = await client.get(path)
        assert plain.status_code == 200
        assert plain.headers["Cache-Control"] == "no-cache"
        again = await client.get(path, headers={"If-None-Match": plain.headers["ETag"]})
        assert again.status_code == 304
        assert await body_of(again) == b""


async def test_files_are_compressed_for_those_who_can_read_it(client: Client) -> None:
    path = "/assets/index-DaB3k_9x.js"
    for accepted, encoding in (("gzip, br", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("br", None), ("", None)):
        answer = await client.get(path, headers={"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Accept-Encoding"
        body = await body_of(answer)
        content = gzip.decompress(body) if encoding == "gzip" else body
        content = zstandard.decompress(body) if encoding == "zstd" else content
        assert content == SCRIPT


@pytest.mark.parametrize("path", ["/assets/../index.html", "/assets/%2e%2e/x.txt", "/assets//etc/passwd", "/..%2f"])
async def test_no_path_leads_out_of_the_pages(client: Client, path: str) -> None:
    assert (await client.get(path, headers={"Accept": "*/*"})).status_code in {308, 404}


async def test_source_maps_are_not_served(client: Client) -> None:
    assert (await client.get("/assets/index-DaB3k_9x.js.map")).status_code == 404


async def test_pages_that_are_not_built_say_how_to_build_them(services: Services, tmp_path: Path) -> None:
    client = create_app(services, (), Pages(tmp_path / "missing")).test_client()
    answer = await client.get("/")
    assert answer.status_code == 200
    assert "make setup" in (await body_of(answer)).decode()
