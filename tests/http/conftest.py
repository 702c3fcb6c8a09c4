"""The HTTP room: an app over a real database, asked directly or over a real TLS socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from quart import Response
from quart.typing import TestClientProtocol as Client

from patch_manager.http import guard
from patch_manager.http.app import create_app
from patch_manager.http.guard import ASGIApp
from patch_manager.http.limits import gate
from patch_manager.http.operations import Readiness, make_registry
from patch_manager.http.routes import auth, me
from patch_manager.http.routing import Routes
from patch_manager.http.services import HttpSettings, Services
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.storage import Database
from patch_manager.supervisor.facade import Fleet
from tests.http.echo import echo
from tests.http.tls_client import TlsServer, running_https
from tests.people import People, WallClock, make_people

ORIGIN = "https://localhost:8443"


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
async def people(db: Database, clock: WallClock) -> People:
    return await make_people(db, clock)


@pytest.fixture
def supervisor() -> Fleet:
    """Routes that need the fleet bring their own."""
    return cast(Fleet, object())


@pytest.fixture
def authority(tmp_path: Path, people: People) -> CertificateAuthority:
    """A CA of this test."""
    return CertificateAuthority.load_or_create(tmp_path / "pki", people.vault)


@pytest.fixture
def services(people: People, supervisor: Fleet, authority: CertificateAuthority) -> Services:
    return Services(
        db=people.db,
        audit=people.audit,
        auth=people.auth,
        supervisor=supervisor,
        deployments=cast(Any, object()),
        operations=cast(Any, object()),
        calendar=cast(Any, object()),
        notifier=cast(Any, object()),
        vault=people.vault,
        authority=authority,
        settings=HttpSettings(origin=ORIGIN),
        readiness=Readiness(),
        started_at=datetime.now(UTC),
        forbidden_address=lambda address: None,
        registry=make_registry(),
    )


@pytest.fixture
def tables() -> Iterable[Routes]:
    """The routes that the app has besides its own; a module that tests others names them."""
    return (auth.routes, me.routes)


@pytest.fixture
def asgi(services: Services, tables: Iterable[Routes]) -> ASGIApp:
    """The app behind its gate, as it is served."""
    return gate(create_app(services, tables), services)


@pytest.fixture
def client(services: Services, tables: Iterable[Routes]) -> Client:
    """Asks the app directly, through its gate."""
    app = create_app(services, tables)
    app.asgi_app = gate(app.asgi_app, services)  # type: ignore[assignment,method-assign]  # as Quart documents middleware
    return app.test_client()


@pytest.fixture
async def server(asgi: ASGIApp, services: Services) -> AsyncIterator[TlsServer]:
    """The app on a real port of 127.0.0.1, TLS and all."""
    async with trio.open_nursery() as nursery:
        yield await running_https(nursery, asgi, services.stopping)
        services.stopping.set()
        nursery.cancel_scope.deadline = trio.current_time() + 5
    assert not nursery.cancel_scope.cancelled_caught, "the server took more than five seconds to stop"


async def body_of(answer: Response) -> bytes:
    """An answer's body as it came."""
    return bytes(await answer.get_data(as_text=False))


@pytest.fixture
async def echoing() -> AsyncIterator[TlsServer]:
    """A server of the echo app."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        yield await running_https(nursery, echo, stop)
        stop.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard with deadlines that a test can wait for."""
    monkeypatch.setattr(guard, "IDLE_SECONDS", 2)
    monkeypatch.setattr(guard, "HANDSHAKE_SECONDS", 2)
    monkeypatch.setattr(guard, "SEND_SECONDS", 2.0)
