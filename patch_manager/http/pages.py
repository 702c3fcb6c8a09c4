"""Pages of lists: opaque cursors, sort orders that never repeat or skip a row, lists of words in a query string.

A cursor holds the sort values and the id of the last row shown (keyset paging), so a page starts where the last one
ended whatever came or went in between. It is no secret and grants nothing: what may be seen is decided per request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from patch_manager.http.errors import FieldError, Invalid, Refused

MAX_LIMIT = 1000
_MAX_SORT_FIELDS = 3

Item = TypeVar("Item")
Value = str | float | None
"""What rows are sorted by; None comes last in both directions."""


class Query(BaseModel):
    """A query string; an unknown name is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class PageQuery(Query):
    """Which page of a list."""

    limit: int = Field(default=100, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=2000, description="next_cursor of the page before")


def _split(value: object) -> object:
    given = [value] if isinstance(value, str) else value
    if isinstance(given, list) and all(isinstance(item, str) for item in given):
        return [word.strip() for item in given for word in item.split(",") if word.strip()]
    return value


Words = BeforeValidator(_split)
"""For list fields of a query: the name may be repeated, and each value may hold several words with commas."""


def refuse(pointer: str, detail: str) -> Refused:
    """A refusal of one field of the request, to be raised."""
    return Refused(Invalid(errors=(FieldError(pointer, detail),)))


def encode_cursor(order: str, *values: Value) -> str:
    """A cursor for rows after ``values`` in ``order`` (a name that a cursor of another order does not share)."""
    return base64.urlsafe_b64encode(orjson.dumps([order, *values])).decode().rstrip("=")


def decode_cursor(cursor: str, order: str, count: int) -> list[Any]:
    """The ``count`` values of a cursor of ``order``.

    Raises `Refused` (400): not a cursor, or one of another list or sort order.
    """
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, orjson.JSONDecodeError, ValueError):
        values = None
    if not isinstance(values, list) or len(values) != count + 1 or values[0] != order:
        raise refuse("/cursor", "not a cursor of this list and sort order")
    return values[1:]


def uuid_in_cursor(value: object) -> UUID:
    """An id out of a cursor. Raises `Refused` (400)."""
    try:
        return UUID(str(value))
    except ValueError:
        raise refuse("/cursor", "not a cursor of this list") from None


def time_in_cursor(value: object) -> datetime:
    """An aware time out of a cursor. Raises `Refused` (400)."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise refuse("/cursor", "not a cursor of this list") from None
    if found.tzinfo is None:
        raise refuse("/cursor", "not a cursor of this list")
    return found


def by_name(cursor: str | None) -> tuple[str, UUID] | None:
    """Where a list sorted by name goes on: the name as the database compares it, and the id."""
    if cursor is None:
        return None
    name, row_id = decode_cursor(cursor, "name", 2)
    return str(name), uuid_in_cursor(row_id)


def name_cursor(name_key: str, row_id: UUID) -> str:
    """The cursor after a row of a list sorted by name."""
    return encode_cursor("name", name_key, str(row_id))


@dataclass(frozen=True, slots=True)
class SortField(Generic[Item]):
    """One field of a sort order."""

    value: Callable[[Item], Value]
    descending: bool


@dataclass(frozen=True, slots=True)
class SortOrder(Generic[Item]):
    """Fields, most significant first; the id makes the order total."""

    text: str
    fields: tuple[SortField[Item], ...]
    row_id: Callable[[Item], str]

    def page(self, rows: Iterable[Item], *, limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
        """The first ``limit`` rows after ``cursor``, and the next cursor; None when none is left.

        Raises `Refused` (400) for a cursor that is none of this order.
        """
        if cursor is not None:
            last = decode_cursor(cursor, self.text, len(self.fields) + 1)
            self._check(last)
            rows = (row for row in rows if self._is_after(row, last))
        ordered = sorted(rows, key=self.row_id)
        for field in reversed(self.fields):  # stable sorts, least significant first
            known = [(value, row) for row in ordered if (value := field.value(row)) is not None]
            missing = [row for row in ordered if field.value(row) is None]
            known.sort(key=_first, reverse=field.descending)
            ordered = [row for _, row in known] + missing
        page = ordered[:limit]
        if len(ordered) <= limit:
            return page, None
        values = (field.value(page[-1]) for field in self.fields)
        return page, encode_cursor(self.text, *values, self.row_id(page[-1]))

    def _check(self, last: Sequence[Any]) -> None:
        numbers = all(value is None or isinstance(value, str | int | float) for value in last)
        if not numbers or not isinstance(last[-1], str):
            raise refuse("/cursor", "not a cursor of this list and sort order")

    def _is_after(self, row: Item, last: Sequence[Any]) -> bool:
        for field, mark in zip(self.fields, last, strict=False):
            value = field.value(row)
            if value == mark:
                continue
            if value is None or mark is None:
                return value is None
            if isinstance(value, str) is not isinstance(mark, str):
                raise refuse("/cursor", "not a cursor of this list and sort order")
            return (value > mark) is not field.descending
        return self.row_id(row) > str(last[-1])


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def sort_order(
    text: str, known: Mapping[str, Callable[[Item], Value]], row_id: Callable[[Item], str]
) -> SortOrder[Item]:
    """Read ``-pending_security,display_name``: fields of ``known``, a minus for descending, at most three.

    Raises `Refused` (400) naming what can be sorted by.
    """
    words = [word.strip() for word in text.split(",")]
    names = [word.removeprefix("-") for word in words]
    if len(words) > _MAX_SORT_FIELDS or len(set(names)) < len(names) or any(name not in known for name in names):
        raise refuse("/sort", f"up to {_MAX_SORT_FIELDS} of: {', '.join(sorted(known))}; a minus for descending")
    fields = tuple(SortField(known[name], word.startswith("-")) for name, word in zip(names, words, strict=True))
    return SortOrder(",".join(words), fields, row_id)
