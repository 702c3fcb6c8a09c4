"""No route without a declared permission; nobody passes without what it asks for (TRUST 11)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import pytest
from quart.typing import TestClientProtocol as Client

from patch_manager.domain.principal import Permission, Role
from patch_manager.http.app import create_app, declared_routes
from patch_manager.http.routes import all_routes
from patch_manager.http.routing import Operation, Routes
from patch_manager.http.services import Services
from tests.people import People

PUBLIC = {
    "auth.login",
    "auth.totp",
    "auth.enrol_totp",
    "auth.confirm_totp",
    "auth.refresh",
    "auth.logout",
    "operations.healthz",
    "operations.readyz",
    "operations.metrics",
    "documentation.openapi",
    "documentation.docs",
    "documentation.docs_style",
    "pages.index",
    "pages.asset",
    "pki.root_certificate",
    "pki.revocation_list",
}
"""What strangers may call; whoever adds one has to say so here."""


@pytest.fixture
def tables() -> Iterable[Routes]:
    return all_routes()


async def test_every_rule_of_the_url_map_is_declared_with_a_permission(
    services: Services, tables: Iterable[Routes]
) -> None:
    app = create_app(services, tables)
    declared = declared_routes(app)
    for rule in app.url_map.iter_rules():
        assert rule.endpoint in declared, f"{rule.rule} was registered past the declarations"
        operation = declared[rule.endpoint]
        assert isinstance(operation.permission, Permission)
        assert rule.rule == operation.path
        if isinstance(operation, Operation):
            assert rule.methods is not None
            assert rule.methods - {"HEAD"} == {operation.method}
    assert len(list(app.url_map.iter_rules())) == len(declared)


async def test_what_strangers_may_call_is_a_short_list(services: Services, tables: Iterable[Routes]) -> None:
    declared = declared_routes(create_app(services, tables))
    public = {name for name, operation in declared.items() if operation.permission is Permission.PUBLIC}
    assert public <= PUBLIC, f"public without being listed: {sorted(public - PUBLIC)}"


def _address(operation: Operation) -> str:
    path = operation.path
    for variable in operation.variables:
        start = path.index("<")
        value = str(UUID(int=7)) if "uuid:" in path[start : path.index(">")] else "7"
        assert variable in path
        path = path[:start] + value + path[path.index(">") + 1 :]
    return path


async def test_every_route_refuses_strangers_and_admin_routes_refuse_operators(
    services: Services, tables: Iterable[Routes], people: People
) -> None:
    app = create_app(services, tables)
    client: Client = app.test_client()
    token = await people.token(await people.add("ann", Role.OPERATOR))
    guarded = [
        operation
        for operation in declared_routes(app).values()
        if isinstance(operation, Operation) and operation.permission is not Permission.PUBLIC
    ]
    assert guarded
    for operation in guarded:
        stranger = await client.open(_address(operation), method=operation.method, json={"unknown": 1})
        assert stranger.status_code == 401, operation.name
        if operation.permission is Permission.ADMIN:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.open(_address(operation), method=operation.method, json={}, headers=headers)
            assert answer.status_code == 403, operation.name
