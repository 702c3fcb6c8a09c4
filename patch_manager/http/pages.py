"""Pages of lists: opaque cursors, sort orders that never repeat or skip a row, lists of words in a query string.

A cursor holds the sort values and the id of the last row shown (keyset paging), so a page starts where the last one
ended whatever came or went in between. It is no secret and grants nothing: what may be seen is decided per request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BeforeValidator, ConfigDict, Field

from patch_manager.http.errors import FieldError, Invalid, Refused
from patch_manager.http.schemas.base import Storable

MAX_LIMIT = 1000
_MAX_SORT_FIELDS = 3

Item = TypeVar("Item")
Value = str | float | None
"""What rows are sorted by; None comes last in both directions."""


class Query(Storable):
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


def by_time(cursor: str | None, of: str) -> tuple[datetime, UUID] | None:
    """Where a list sorted by time goes on: the time and the id of the last row. ``of`` names the list."""
    if cursor is None:
        return None
    at, row_id = decode_cursor(cursor, of, 2)
    return time_in_cursor(at), uuid_in_cursor(row_id)


def time_cursor(of: str, at: datetime, row_id: UUID) -> str:
    """The cursor after a row of a list sorted by time."""
    return encode_cursor(of, at.isoformat(), str(row_id))


def cut(rows: Sequence[Item], limit: int, cursor_after: Callable[[Item], str]) -> tuple[Sequence[Item], str | None]:
    """The page out of ``limit`` + 1 rows or more, and the next cursor; None when none is left."""
    page = rows[:limit]
    return page, cursor_after(page[-1]) if len(rows) > limit else None


@dataclass(frozen=True, slots=True)
class Column(Generic[Item]):
    """Something rows can be sorted by: text, or else numbers."""

    value: Callable[[Item], Value]
    text: bool = False

    def fits(self, value: object) -> bool:
        """Whether a value out of a cursor can be compared with this column's."""
        if value is None:
            return True
        return isinstance(value, str) if self.text else isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Tie(Generic[Item]):
    """What tells any two rows apart, so that every order is total; ``read`` takes it back from a cursor's text."""

    value: Callable[[Item], Any]
    read: Callable[[str], Any] = str


class _Descending(str):
    """Text that sorts backwards; numbers are negated instead."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)

    def __gt__(self, other: str) -> bool:
        return str.__lt__(self, other)


def _ascending(value: Value) -> Any:
    return value


def _negated(value: Any) -> Any:
    return None if value is None else -value


def _reversed_text(value: Any) -> Any:
    return None if value is None else _Descending(value)


@dataclass(frozen=True, slots=True)
class SortOrder(Generic[Item]):
    """Columns, most significant first, each with the function that makes its values sort smallest first."""

    text: str
    columns: tuple[tuple[Column[Item], Callable[[Value], Any]], ...]
    tie: Tie[Item]

    def page(self, rows: Iterable[Item], *, limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
        """The first ``limit`` rows after ``cursor``, and the next cursor; None when none is left.

        Raises `Refused` (400) for a cursor that is none of this order.
        """
        keyed: Iterable[tuple[Any, Item]] = zip(map(self._key(), rows := list(rows)), rows, strict=True)
        if cursor is not None:
            last = self._last(cursor)
            keyed = (pair for pair in keyed if pair[0] > last)
        found = nsmallest(limit + 1, keyed)  # far cheaper than sorting all; keys are never equal, so rows never compare
        page = [row for _, row in found[:limit]]
        if len(found) <= limit:
            return page, None
        values = (column.value(page[-1]) for column, _ in self.columns)
        return page, encode_cursor(self.text, *values, str(self.tie.value(page[-1])))

    def _key(self) -> Callable[[Item], tuple[Any, ...]]:
        """A row's place: rows without a value come last, whatever the direction."""
        tie = self.tie.value
        if len(self.columns) == 1:  # the common case, three times as fast as the general one
            ((column, directed),) = self.columns
            value = column.value

            def one(row: Item) -> tuple[Any, ...]:
                found = value(row)
                return found is None, directed(found), tie(row)

            return one

        def several(row: Item) -> tuple[Any, ...]:
            return self._place([column.value(row) for column, _ in self.columns], tie(row))

        return several

    def _place(self, values: Iterable[Value], tie: Any) -> tuple[Any, ...]:
        place: list[Any] = []
        for (_, directed), value in zip(self.columns, values, strict=True):
            place += (value is None, directed(value))
        return *place, tie

    def _last(self, cursor: str) -> tuple[Any, ...]:
        *values, tie = decode_cursor(cursor, self.text, len(self.columns) + 1)
        fits = all(column.fits(value) for (column, _), value in zip(self.columns, values, strict=True))
        if fits and isinstance(tie, str):
            with suppress(ValueError):
                return self._place(values, self.tie.read(tie))
        raise refuse("/cursor", "not a cursor of this list and sort order")


def sort_order(text: str, known: Mapping[str, Column[Item]], tie: Tie[Item]) -> SortOrder[Item]:
    """Read ``-pending_security,display_name``: columns of ``known``, a minus for descending, at most three.

    Raises `Refused` (400) naming what can be sorted by.
    """
    words = [word.strip() for word in text.split(",")]
    names = [word.removeprefix("-") for word in words]
    if len(words) > _MAX_SORT_FIELDS or len(set(names)) < len(names) or any(name not in known for name in names):
        raise refuse("/sort", f"up to {_MAX_SORT_FIELDS} of: {', '.join(sorted(known))}; a minus for descending")
    columns = []
    for word, name in zip(words, names, strict=True):
        backwards = _reversed_text if known[name].text else _negated
        columns.append((known[name], backwards if word.startswith("-") else _ascending))
    return SortOrder(",".join(words), tuple(columns), tie)
