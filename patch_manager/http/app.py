"""The Quart app: tables of routes become URL rules, errors become problem documents."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as WerkzeugNotFound

from patch_manager.http import operations
from patch_manager.http.dispatch import endpoint, plain_response
from patch_manager.http.errors import Failure, Refused, Unavailable, from_http_exception, problem_response
from patch_manager.http.openapi import documentation
from patch_manager.http.routing import LiveOperation, Operation, Routes
from patch_manager.http.services import Services, attach
from patch_manager.http.sockets import live_endpoint
from patch_manager.http.spa import Pages, page_routes
from patch_manager.storage.errors import DatabaseUnavailable

_log = structlog.get_logger(__name__)
_OPERATION = "patch_manager.operations"


def create_app(services: Services, tables: Iterable[Routes], pages: Pages | None = None) -> QuartTrio:
    """The app with every route of ``tables``, the API's description and the pages.

    Serve it through `limits.gate` on `guard.serve_https`. ``pages`` None: what is built in ``http/static``.
    """
    tables = [*tables, operations.routes]
    pages = pages or Pages()
    app = QuartTrio(__name__, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=30, PROVIDE_AUTOMATIC_OPTIONS=False)
    attach(app, services)
    for table in (*tables, documentation(tables), page_routes(pages)):
        for operation in table.operations:
            add_route(app, operation)
        for live in table.live_operations:
            add_route(app, live)

    async def http_error(error: HTTPException) -> Response:
        page = await pages.fallback() if isinstance(error, WerkzeugNotFound) else None
        return plain_response(page) if page is not None else problem_response(from_http_exception(error))

    app.register_error_handler(HTTPException, http_error)
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


async def _refused(error: Refused) -> Response:
    return problem_response(error.failure)


async def _fault(error: Exception) -> Response:
    """A bug or a broken dependency: told in the log, never in the answer."""
    if isinstance(error, DatabaseUnavailable):
        _log.warning("http.database_unavailable", reason=str(error))
        return problem_response(Unavailable("the database does not answer"))
    _log.error("http.fault", error=type(error).__name__, exc_info=error)
    return problem_response(Failure("something went wrong here; the log has it under this request id"))
