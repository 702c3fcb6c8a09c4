"""The state of a service on one host, asked of its agent while somebody waits."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import Final
from uuid import UUID

from patch_manager.domain.operations import SERVICE_NAME
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import Failure, NotFound, OtherFailure, Unavailable, Unprocessable
from patch_manager.http.routes.host_details import not_now, seen
from patch_manager.http.routing import Routes
from patch_manager.http.schemas.operations import ServiceStatus
from patch_manager.http.services import services
from patch_manager.supervisor.answers import (
    Busy,
    NoSuchHost,
    NoSuchService,
    Quarantined,
    ServiceResult,
    Unanswered,
)

routes = Routes("hosts")

_SECONDS: Final = 12.0


@routes.route(
    "GET", "/hosts/<uuid:host_id>/services/<string:name>", permission=Permission.FLEET_READ, answer=ServiceStatus
)
async def show_service(principal: Principal, host_id: UUID, name: str) -> ServiceStatus | Failure:
    """A service of a host, read now; nothing is kept. 404 when the host has none of that name.

    502 says why the agent could not be asked, 504 that it took too long, 503 that it asks to wait.
    """
    if seen(principal, host_id) is None:
        return NotFound()
    if SERVICE_NAME.fullmatch(name) is None:
        return Unprocessable("not a service's name: letters, digits and : _ . @ \\ - only, at most 256")
    found: ServiceResult = await services().supervisor.service(host_id, name, _SECONDS)
    match found:
        case Busy() | NoSuchHost() | Quarantined():
            return not_now(found)
        case NoSuchService():
            return NotFound(f"this host has no service called {name}")
        case Unanswered(reason, late, retry_after):
            return _unanswered(reason, late, retry_after)
        case _:
            return ServiceStatus.model_validate(found)


def _unanswered(reason: str, late: bool, retry_after: float | None) -> Failure:
    words = f"the agent could not be asked: {reason}"
    if retry_after is not None:
        return Unavailable(words, retry_after=max(1, ceil(retry_after)))
    status = HTTPStatus.GATEWAY_TIMEOUT if late else HTTPStatus.BAD_GATEWAY
    return OtherFailure(words, code=int(status))
