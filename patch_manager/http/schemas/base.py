"""Base models: requests refuse unknown fields (TRUST 13), lists share one envelope."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

Item = TypeVar("Item")


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable characters on one line")
    return value


Line = Annotated[str, AfterValidator(_printable)]
"""Words that people will read in tables, logs and mails: no control characters, nothing that turns text around."""


_FIRST_YEAR: Final = 1971
_LAST_YEAR: Final = 9000


def _storable(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("must not contain a NUL character")
    elif isinstance(value, datetime):
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise ValueError(f"must be between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    elif isinstance(value, (list, tuple)):
        for each in value:
            _storable(each)
    elif isinstance(value, dict):
        for each in (*value.keys(), *value.values()):
            _storable(each)


class Storable(BaseModel):
    """What comes from outside. PostgreSQL has no NUL in its texts, and the ends of the calendar are infinities to it
    that no clock can be compared with.
    """

    @field_validator("*", mode="after")
    @classmethod
    def _is_storable(cls, value: Any) -> Any:
        _storable(value)
        return value


class Request(Storable):
    """A request body; an unknown field is an error, never ignored. ``may_be_absent``: no body is as good as ``{}``."""

    may_be_absent: ClassVar[bool] = False

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Answer(BaseModel):
    """An answer body."""

    # Answers always carry their fields, so the browser's types must not call those with defaults optional.
    model_config = ConfigDict(from_attributes=True, json_schema_serialization_defaults_required=True)


class Page(Answer, Generic[Item]):
    """One page of a list: ``next_cursor`` is null on the last, ``total`` counts all that match."""

    items: list[Item]
    next_cursor: str | None = None
    total: int


class Problem(Answer):
    """RFC 9457 problem document; ``errors`` points at the fields of a body that was refused."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    instance: str | None = None
    request_id: str | None = None
    errors: list[dict[str, str]] = Field(default_factory=list)
