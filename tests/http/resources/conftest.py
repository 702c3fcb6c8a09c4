"""The API over a real database, a real fleet picture and event hub, and no actors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import trio
from quart.typing import TestClientProtocol
from quart_trio import QuartTrio

from patch_manager.http.app import create_app
from patch_manager.http.guard import ASGIApp
from patch_manager.http.limits import gate
from patch_manager.http.operations import Readiness, make_registry
from patch_manager.http.routes import all_routes
from patch_manager.http.routing import Routes
from patch_manager.http.services import HttpSettings, Services
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.storage import Database
from patch_manager.supervisor.jobs.calendar import Calendar
from patch_manager.supervisor.jobs.deployments import Deployments
from patch_manager.supervisor.jobs.live import LiveJobs
from patch_manager.supervisor.jobs.operations import HostOperations
from patch_manager.supervisor.jobs.service import Outside
from tests.http.conftest import ORIGIN
from tests.http.resources.world import NOW, ActorlessFleet, QuietNotifier, World, make_world
from tests.people import People


@pytest.fixture
def tables() -> Iterable[Routes]:
    return all_routes()


@pytest.fixture
async def supervisor(db: Database) -> AsyncIterator[ActorlessFleet]:
    fleet = ActorlessFleet(db)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.hub.run)
        yield fleet
        nursery.cancel_scope.cancel()


@pytest.fixture
def services(people: People, supervisor: ActorlessFleet, tmp_path: Path) -> Services:
    outside = Outside(jobs_changed=lambda: None, news=lambda jobs, deployments: None)
    return Services(
        db=people.db,
        audit=people.audit,
        auth=people.auth,
        supervisor=supervisor,
        deployments=Deployments(people.db, people.audit, LiveJobs(), outside, people.clock),
        operations=HostOperations(people.db, people.audit, LiveJobs(), outside, people.clock),
        calendar=Calendar(people.db, people.clock, lambda jobs, deployments: None),
        notifier=QuietNotifier(),
        vault=people.vault,
        authority=CertificateAuthority.load_or_create(tmp_path / "pki", people.vault),
        settings=HttpSettings(origin=ORIGIN),
        readiness=Readiness(),
        started_at=NOW,
        forbidden_address=lambda address: "link-local address" if address.startswith("169.254.") else None,
        registry=make_registry(),
    )


@pytest.fixture
def app(services: Services, tables: Iterable[Routes]) -> QuartTrio:
    """The app behind its gate, once: a test may ask it directly and over a socket."""
    app = create_app(services, tables)
    app.asgi_app = gate(app.asgi_app, services)  # type: ignore[method-assign, assignment]  # as Quart documents
    return app


@pytest.fixture
def asgi(app: QuartTrio) -> ASGIApp:
    return app


@pytest.fixture
def client(app: QuartTrio) -> TestClientProtocol:
    return app.test_client()


@pytest.fixture
async def world(people: People, supervisor: ActorlessFleet, client: TestClientProtocol) -> World:
    return await make_world(people, supervisor, client)
