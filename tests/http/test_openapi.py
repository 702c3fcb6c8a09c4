"""The API's description and its page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client

from patch_manager.http.routes import all_routes
from patch_manager.http.routing import Routes
from tests.http.conftest import body_of


@pytest.fixture
def tables() -> Iterable[Routes]:
    return all_routes()


async def test_the_description_is_openapi_3_1_and_every_reference_leads_somewhere(client: Client) -> None:
    answer = await client.get("/api/openapi.json")
    document = await answer.get_json()
    assert document["openapi"].startswith("3.1.")
    assert {"/api/v1/auth/login", "/api/v1/me", "/healthz"} <= document["paths"].keys()
    found = set(re.findall(r'"#/components/schemas/([^"]+)"', (await body_of(answer)).decode()))
    assert found <= document["components"]["schemas"].keys()
    identifiers = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(identifiers) == len(set(identifiers))


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, methods in document["paths"].items() for method, each in methods.items()]


async def test_every_operation_says_what_it_needs_and_how_it_fails(client: Client) -> None:
    document = await (await client.get("/api/openapi.json")).get_json()
    for path, _, operation in operations(document):
        assert operation["summary"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert ("security" in operation) is (operation["x-permission"] != "public" and "x-websocket" not in operation)
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


async def test_the_page_works_under_a_policy_without_scripts(client: Client) -> None:
    answer = await client.get("/api/docs")
    page = (await body_of(answer)).decode()
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert "<script" not in page
    assert "style=" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page), "loads from elsewhere"
    assert "/api/v1/auth/login" in page
    style = await client.get("/api/docs.css")
    assert style.content_type == "text/css; charset=utf-8"
