"""Cursors and sort orders (pure): no row twice, none missing."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_manager.http.errors import Refused
from patch_manager.http.pages import Column, SortOrder, Tie, decode_cursor, encode_cursor, sort_order


@dataclass(frozen=True)
class Row:
    key: UUID
    name: str
    count: int
    moment: float | None


KNOWN: dict[str, Column[Row]] = {
    "name": Column(lambda row: row.name, text=True),
    "count": Column(lambda row: row.count),
    "moment": Column(lambda row: row.moment),
}
TIE: Tie[Row] = Tie(lambda row: row.key.int, int)

rows = st.lists(
    st.builds(
        Row,
        key=st.uuids(),
        name=st.sampled_from(["", "a", "b", "ä", "😀"]),
        count=st.integers(0, 3),
        moment=st.none() | st.sampled_from([0.1, 1.5, 1_900_000_000.123457]),
    ),
    max_size=40,
    unique_by=lambda row: row.key,
)
orders = st.permutations(["name", "count", "moment"]).flatmap(
    lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names[:2])).map(",".join)
)


def key_of(row: Row) -> str:
    return str(row.key)


def walk(order: SortOrder[Row], table: list[Row], limit: int) -> list[Row]:
    seen: list[Row] = []
    cursor: str | None = None
    while True:
        page, cursor = order.page(table, limit=limit, cursor=cursor)
        seen += page
        assert len(page) == limit or cursor is None
        if cursor is None:
            return seen


@given(rows, orders, st.integers(1, 7))
def test_pages_hold_every_row_once_and_in_order(table: list[Row], text: str, limit: int) -> None:
    order = sort_order(text, KNOWN, TIE)
    whole, end = order.page(table, limit=1000, cursor=None)
    assert end is None
    assert walk(order, table, limit) == whole
    assert sorted(whole, key=key_of) == sorted(table, key=key_of)
    for word in text.split(",")[:1]:
        values = [KNOWN[word.removeprefix("-")].value(row) for row in whole]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == known, "rows without a value come last"
        assert known == sorted(known, reverse=word.startswith("-"))


@given(rows, st.integers(1, 5))
def test_a_row_that_goes_between_two_pages_hides_no_other(table: list[Row], limit: int) -> None:
    order = sort_order("-count", KNOWN, TIE)
    first, cursor = order.page(table, limit=limit, cursor=None)
    if cursor is None:
        return
    rest = [row for row in table if row not in first[-1:]]  # the very row that the cursor names is gone
    seen = list(first)
    while cursor is not None:
        page, cursor = order.page(rest, limit=limit, cursor=cursor)
        seen += page
    assert sorted(seen, key=key_of) == sorted(table, key=key_of)


@pytest.mark.parametrize("text", ["", "password", "name,name", "name,-name", "--name", "name,count,moment,name", ","])
def test_an_unknown_order_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        sort_order(text, KNOWN, TIE)


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda data: data.hex()))
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Refused):
        decode_cursor(cursor, "name", 2)


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor("-name", "a", "x"),
        encode_cursor("name", "a"),
        encode_cursor("name", 1.5, "x"),
        encode_cursor("name", "a", 3),
        "eyJhIjoxfQ",
    ],
)
def test_a_cursor_of_another_order_is_refused(cursor: str) -> None:
    order = sort_order("name", KNOWN, TIE)
    table = [Row(UUID(int=1), "b", 0, None)]
    with pytest.raises(Refused):
        order.page(table, limit=1, cursor=cursor)
