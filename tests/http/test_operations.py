"""Alive, ready, counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client

from patch_manager.http.operations import Readiness
from patch_manager.http.routing import Routes
from patch_manager.http.services import Services
from patch_manager.storage import Database
from patch_manager.storage.errors import DatabaseUnavailable
from tests.http.conftest import body_of


@pytest.fixture
def tables() -> Iterable[Routes]:
    return ()


async def test_ready_says_what_is_missing(client: Client, services: Services) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert await (await client.get("/readyz")).get_json() == {"ready": True, "missing": {}}
    services.readiness.checks = {"leadership": lambda: "another manager leads", "actors": lambda: None}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert await answer.get_json() == {"ready": False, "missing": {"leadership": "another manager leads"}}


async def test_a_database_that_does_not_answer_is_named(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable("refused")

    monkeypatch.setattr(db, "read", away)
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert (await answer.get_json())["missing"] == {"database": "does not answer"}
    assert (await client.get("/healthz")).status_code == 200
    assert isinstance(services.readiness, Readiness)


async def test_metrics_are_totals_in_prometheus_text(client: Client) -> None:
    await client.get("/healthz")
    opened: Any = client.open  # Quart's protocol asks for a body always
    await opened("/healthz", method="BREW")
    answer = await client.get("/metrics")
    text = (await body_of(answer)).decode()
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert 'patch_manager_http_requests_total{method="GET",status="200"} 1.0' in text
    assert 'patch_manager_http_requests_total{method="other",status="405"} 1.0' in text
    assert "process_resident_memory_bytes" in text
