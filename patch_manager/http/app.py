"""The Quart app: tables of routes become URL rules, errors become problem documents."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from patch_manager.http.dispatch import endpoint
from patch_manager.http.errors import Failure, Refused, from_http_exception, problem_response
from patch_manager.http.routing import LiveOperation, Operation, Routes
from patch_manager.http.services import Services, attach
from patch_manager.http.sockets import live_endpoint

_log = structlog.get_logger(__name__)
_OPERATION = "patch_manager.operations"


def create_app(services: Services, tables: Iterable[Routes]) -> QuartTrio:
    """The app with every route of ``tables``. Serve it through `limits.gate` on `guard.serve_https`."""
    app = QuartTrio(__name__, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=30, PROVIDE_AUTOMATIC_OPTIONS=False)
    attach(app, services)
    for table in tables:
        for operation in table.operations:
            add_route(app, operation)
        for live in table.live_operations:
            add_route(app, live)
    app.register_error_handler(HTTPException, _http_error)  # type: ignore[type-var]  # Quart wants its own union
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Exception, _fault)
    return app


def add_route(app: QuartTrio, operation: Operation | LiveOperation) -> None:
    """Register one declared route; the only way a rule gets into the URL map."""
    declared: dict[str, Operation | LiveOperation] = app.extensions.setdefault(_OPERATION, {})
    if operation.name in declared:
        raise ValueError(f"two routes are called {operation.name}")
    declared[operation.name] = operation
    if isinstance(operation, LiveOperation):
        app.add_websocket(operation.path, operation.name, live_endpoint(operation))
    else:
        app.add_url_rule(
            operation.path,
            operation.name,
            endpoint(operation),
            methods=[operation.method],
            provide_automatic_options=False,
        )


def declared_routes(app: QuartTrio) -> dict[str, Operation | LiveOperation]:
    """Declarations by the name of their URL rule."""
    found: dict[str, Operation | LiveOperation] = app.extensions.get(_OPERATION, {})
    return found


async def _http_error(error: HTTPException) -> Response:
    return problem_response(from_http_exception(error))


async def _refused(error: Refused) -> Response:
    return problem_response(error.failure)


async def _fault(error: Exception) -> Response:
    """A bug or a broken dependency: told in the log, never in the answer."""
    _log.error("http.fault", error=type(error).__name__, exc_info=error)
    return problem_response(Failure("something went wrong here; the log has it under this request id"))
