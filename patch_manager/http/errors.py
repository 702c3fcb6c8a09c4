"""Failures as values, and every error as a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

import orjson
from pydantic import ValidationError
from quart import Response
from werkzeug.exceptions import HTTPException

from patch_manager.http.call import call

PROBLEM_JSON = "application/problem+json"
_MAX_FIELD_ERRORS = 20
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """Which field of a request was refused (a JSON pointer) and why; never what it contained."""

    pointer: str
    detail: str


@dataclass(frozen=True)
class Failure:
    """An expected failure. Handlers return one, or raise it inside `Refused` from deep below."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    detail: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the answer."""
        return {}

    @property
    def field_errors(self) -> Sequence[FieldError]:
        """The fields that were refused."""
        return ()


@dataclass(frozen=True)
class NotFound(Failure):
    """No such thing, or one the caller may not know of: both look alike (TRUST 10)."""

    status = 404
    title = "Not found"
    detail: str = "not available"


@dataclass(frozen=True)
class Forbidden(Failure):
    """Signed in, and not allowed."""

    status = 403
    title = "Forbidden"
    detail: str = "your role does not allow this"


@dataclass(frozen=True)
class Unauthenticated(Failure):
    """Not signed in, or no longer."""

    status = 401
    title = "Not signed in"
    detail: str = "sign in again"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True)
class Conflict(Failure):
    """It clashes with what is there."""

    status = 409
    title = "Conflict"


@dataclass(frozen=True)
class Invalid(Failure):
    """The request cannot be understood; ``errors`` points at fields."""

    status = 400
    title = "Invalid request"
    detail: str = "the request does not match what this call takes"
    errors: tuple[FieldError, ...] = ()

    @property
    def field_errors(self) -> Sequence[FieldError]:
        return self.errors


@dataclass(frozen=True)
class Unprocessable(Invalid):
    """Well formed, and yet it cannot be done (RFC 9110, 15.5.21)."""

    status = 422
    title = "Cannot be done"


@dataclass(frozen=True)
class UnsupportedMediaType(Failure):
    """A body that is not JSON."""

    status = 415
    title = "Unsupported media type"
    detail: str = "send application/json"


@dataclass(frozen=True)
class TooLarge(Failure):
    """A body over the limit (TRUST 13)."""

    status = 413
    title = "Body too large"
    detail: str = "the body is over the limit for this call"


@dataclass(frozen=True)
class TooManyRequests(Failure):
    """Slow down; ``retry_after`` in seconds."""

    status = 429
    title = "Too many requests"
    detail: str = "too many attempts, wait a moment"
    retry_after: int = 1

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


@dataclass(frozen=True)
class Unavailable(Failure):
    """Something needed is not there right now (database, leadership, a busy actor); ``retry_after`` in seconds."""

    status = 503
    title = "Not available right now"
    retry_after: int = 5

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


@dataclass(frozen=True)
class OtherFailure(Failure):
    """A status that HTTP itself knows (405, 408, …)."""

    code: int = 500
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return self.extra


class Refused(Exception):
    """Carries a `Failure` out of code that cannot return it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def problem_body(failure: Failure, *, instance: str | None = None) -> bytes:
    """The problem document as JSON."""
    status = failure.code if isinstance(failure, OtherFailure) else failure.status
    title = HTTPStatus(status).phrase if isinstance(failure, OtherFailure) else failure.title
    document: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "detail": failure.detail}
    if instance is not None:
        document["instance"] = instance
    document["request_id"] = call().request_id
    document["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in failure.field_errors]
    return orjson.dumps(document)


def problem_response(failure: Failure) -> Response:
    """The answer for a failure."""
    status = failure.code if isinstance(failure, OtherFailure) else failure.status
    headers = {**failure.headers, "Cache-Control": "no-store"}
    return Response(problem_body(failure, instance=call().path), status, headers, content_type=PROBLEM_JSON)


def from_http_exception(error: HTTPException) -> Failure:
    """What Werkzeug raises (404, 405, 408, 413, …) as a failure, without its HTML."""
    code = error.code or 500
    if code == NotFound.status:
        return NotFound("no such address")
    if code == TooLarge.status:
        return TooLarge()
    if code == Invalid.status:
        return Invalid("the request cannot be read")
    extra = {}
    if code == HTTPStatus.METHOD_NOT_ALLOWED:
        extra = {name: value for name, value in error.get_headers() if name == "Allow"}
    phrase = HTTPStatus(code).phrase.lower() if code in HTTPStatus._value2member_map_ else "refused"
    return OtherFailure(phrase, code=code, extra=extra)


def from_validation(error: ValidationError) -> Invalid:
    """Point at the refused fields. Values stay out of the answer: a body may hold a password."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_FIELD_ERRORS]
    return Invalid(
        errors=tuple(
            FieldError("".join(f"/{str(part)[:_MAX_NAME]}" for part in item["loc"]), item["msg"]) for item in found
        )
    )
