"""How routes are declared: permission, body, query and answer in one place (TRUST 11 and 13).

A module in ``routes/`` makes one `Routes` table and decorates its handlers; `http.app` turns tables into URL rules and
`http.openapi` into the API's description, so that neither can disagree with what is enforced::

    routes = Routes("hosts")

    @routes.route("GET", "/hosts/<uuid:host_id>", permission=Permission.FLEET_READ, answer=HostRow)
    async def show_host(principal: Principal, host_id: UUID) -> HostRow | Failure:
        '''One host.'''

A handler takes its path's variables by name, and ``principal``, ``body`` and ``query`` where declared. It returns the
answer (a model, ready bytes, None for 204, or a `Reply`) or a `Failure`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from patch_manager.domain.principal import Permission
from patch_manager.http.errors import Failure

JSON = "application/json"
API_PREFIX = "/api/v1"
_VARIABLE = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with more than a body: another status, headers, a media type."""

    body: BaseModel | bytes | str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


Result = BaseModel | bytes | Reply | Failure | None
Handler = Callable[..., Awaitable[Result]]
LiveHandler = Callable[..., Awaitable[None]]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Awaitable[object]])


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as declared. ``path`` is complete, in Werkzeug's syntax."""

    name: str
    tag: str
    method: str
    path: str
    permission: Permission
    handler: Handler
    summary: str
    description: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    media_type: str
    hidden: bool
    variables: tuple[str, ...]
    takes_principal: bool


@dataclass(frozen=True, slots=True)
class LiveOperation:
    """One WebSocket route; the principal comes from its first message (TRUST 12)."""

    name: str
    tag: str
    path: str
    permission: Permission
    handler: LiveHandler
    summary: str
    description: str


class Routes:
    """A table of routes; a declaration only, nothing is registered anywhere by making one.

    Args:
        tag: heading in the API's description; also the namespace of the routes' names.
        prefix: goes before each path.
    """

    def __init__(self, tag: str, *, prefix: str = API_PREFIX) -> None:
        self.tag = tag
        self.prefix = prefix
        self.operations: list[Operation] = []
        self.live_operations: list[LiveOperation] = []

    def route(
        self,
        method: str,
        path: str,
        *,
        permission: Permission,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int | None = None,
        media_type: str = JSON,
        hidden: bool = False,
    ) -> Callable[[AnyHandler], AnyHandler]:
        """Declare a route.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: below the table's prefix, in Werkzeug's syntax: ``/hosts/<uuid:host_id>``.
            permission: what the caller needs; anything but PUBLIC means signed in.
            body: shape of the JSON body; unknown fields are refused.
            query: shape of the query string; unknown names are refused.
            answer: shape of the answer; None: no body (204) or another ``media_type``.
            status: of a successful answer; default 200, or 204 without an answer.
            media_type: of the answer.
            hidden: left out of the API's description (pages, assets).

        Raises:
            TypeError: the handler's parameters are not the path's variables plus what is declared.
        """
        variables = tuple(_VARIABLE.findall(path))
        default = 204 if answer is None and media_type == JSON else 200

        def declare(handler: AnyHandler) -> AnyHandler:
            takes_principal = _check_parameters(handler, variables, body, query, permission)
            summary, description = _words(handler)
            if body is not None and method not in _BODY_METHODS:
                raise TypeError(f"{handler.__name__}: a {method} has no body")
            self.operations.append(
                Operation(
                    name=f"{self.tag}.{handler.__name__}",
                    tag=self.tag,
                    method=method,
                    path=self.prefix + path,
                    permission=permission,
                    handler=handler,  # type: ignore[arg-type]  # the result is checked when it is answered
                    summary=summary,
                    description=description,
                    body=body,
                    query=query,
                    answer=answer,
                    status=default if status is None else status,
                    media_type=media_type,
                    hidden=hidden,
                    variables=variables,
                    takes_principal=takes_principal,
                )
            )
            return handler

        return declare

    def live(self, path: str, *, permission: Permission) -> Callable[[LiveHandler], LiveHandler]:
        """Declare a WebSocket route. Its handler takes ``(socket: LiveSocket)`` once its sender has signed in.

        Origin, the first message ``{"type": "auth", "token": …}``, the permission, and the end of the session or of
        the program are dealt with around the handler (`http.live`).
        """

        def declare(handler: LiveHandler) -> LiveHandler:
            summary, description = _words(handler)
            self.live_operations.append(
                LiveOperation(
                    f"{self.tag}.{handler.__name__}",
                    self.tag,
                    self.prefix + path,
                    permission,
                    handler,
                    summary,
                    description,
                )
            )
            return handler

        return declare


def _words(handler: Callable[..., Any]) -> tuple[str, str]:
    text = inspect.getdoc(handler) or ""
    summary, _, description = text.partition("\n")
    if not summary:
        raise TypeError(f"{handler.__name__} needs a docstring: it is the route's description")
    return summary.rstrip("."), description.strip()


def _check_parameters(
    handler: Callable[..., Any],
    variables: tuple[str, ...],
    body: type[BaseModel] | None,
    query: type[BaseModel] | None,
    permission: Permission,
) -> bool:
    """Whether the handler wants its principal; a mismatch is found when the module is imported, not by a user."""
    given = set(inspect.signature(handler).parameters)
    takes_principal = "principal" in given
    expected = set(variables)
    expected |= {"body"} if body is not None else set()
    expected |= {"query"} if query is not None else set()
    expected |= {"principal"} if takes_principal else set()
    if given != expected:
        raise TypeError(f"{handler.__name__} takes {sorted(given)}, its declaration gives {sorted(expected)}")
    if takes_principal and permission is Permission.PUBLIC:
        raise TypeError(f"{handler.__name__}: a public route has no principal")
    return takes_principal
