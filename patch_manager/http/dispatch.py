"""Around every handler: who calls, may they, is the body what it should be, and how the result is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, get_origin

import trio
from pydantic import BaseModel, ValidationError
from quart import Response, request

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import (
    Failure,
    FieldError,
    Forbidden,
    Invalid,
    Unauthenticated,
    UnsupportedMediaType,
    from_validation,
    problem_response,
)
from patch_manager.http.routing import JSON, Operation, Reply, Result
from patch_manager.http.services import services

ACTIVITY_HEADER = "X-User-Activity"


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header; the only place a token is taken from (TRUST 9)."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def authenticate(permission: Permission) -> Principal | Failure:
    """The caller, from live data; a `Failure` when not signed in or not allowed."""
    token = bearer_token(request.headers.get("Authorization"))
    if token is None:
        return Unauthenticated("sign in first")
    by_user = request.headers.get(ACTIVITY_HEADER) == "1"
    principal = await services().auth.watch.principal_of(token, active=by_user)
    if not isinstance(principal, Principal):
        return Unauthenticated(principal.value)
    return principal if principal.may(permission) else Forbidden()


async def read_body(model: type[BaseModel]) -> BaseModel | Failure:
    """The validated JSON body; none at all where the model says that it may be left out."""
    if getattr(model, "may_be_absent", False) and not request.content_type and not await request.get_data():
        return model()
    if request.mimetype != JSON:
        return UnsupportedMediaType()
    try:
        return model.model_validate_json(await request.get_data(cache=False))
    except ValidationError as error:
        return from_validation(error)


def read_query(model: type[BaseModel]) -> BaseModel | Failure:
    """The validated query string. A name given twice is refused unless the field is a list."""
    values: dict[str, Any] = {}
    for name, given in request.args.lists():
        known = model.model_fields.get(name)
        if known is not None and get_origin(known.annotation) is list:
            values[name] = given
        elif len(given) > 1:
            return Invalid(errors=(FieldError(f"/{name[:100]}", "given more than once"),))
        else:
            values[name] = given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        return from_validation(error)


def encode(model: BaseModel) -> bytes:
    """JSON of an answer."""
    return model.model_dump_json().encode()


def answer(operation: Operation, result: Result) -> Response:
    """Turn what a handler returned into a response."""
    if isinstance(result, Failure):
        return problem_response(result)
    reply = result if isinstance(result, Reply) else Reply(result)
    return plain_response(reply, status=operation.status, content_type=operation.media_type)


def plain_response(reply: Reply, *, status: int = 200, content_type: str = JSON) -> Response:
    """A response of a `Reply`; what it leaves open is as given here."""
    body = encode(reply.body) if isinstance(reply.body, BaseModel) else reply.body or b""
    response = Response(
        body, reply.status or status, dict(reply.headers), content_type=reply.content_type or content_type
    )
    if response.status_code in {204, 304}:
        response.headers.pop("Content-Type", None)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def endpoint(operation: Operation) -> Callable[..., Awaitable[Response]]:
    """The view function of an operation."""

    @wraps(operation.handler)
    async def view(**variables: Any) -> Response:
        return answer(operation, await _unwrapped(_run(operation, variables)))

    return view


async def _run(operation: Operation, variables: dict[str, Any]) -> Result:
    given = dict(variables)
    if operation.permission is not Permission.PUBLIC:
        principal = await authenticate(operation.permission)
        if isinstance(principal, Failure):
            return principal
        if operation.takes_principal:
            given["principal"] = principal
    if operation.query is not None:
        query = read_query(operation.query)
        if isinstance(query, Failure):
            return query
        given["query"] = query
    if operation.body is not None:
        body = await read_body(operation.body)
        if isinstance(body, Failure):
            return body
        given["body"] = body
    return await operation.handler(**given)


async def _unwrapped(work: Awaitable[Result]) -> Result:
    """Let the error out that happened, and no group around it: Quart-Trio would lose it (TRUST, library traps)."""
    try:
        return await work
    except BaseExceptionGroup as group:
        _, errors = group.split(trio.Cancelled)
        if errors is None or not isinstance(errors, ExceptionGroup):
            raise
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group
