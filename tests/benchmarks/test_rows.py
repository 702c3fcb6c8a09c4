"""The benchmarks run: every row, at sizes that say nothing about speed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import ROWS, run_rows
from benchmarks.model import Row, Scale
from benchmarks.report import table, write_json

TINY = replace(
    Scale.quick(runs=1, hosts=20),
    poll_hosts=8,
    jobs=5,
    job_seconds=1.0,
    sample_seconds=1.0,
    page_seconds=0.6,
    settle_seconds=0.0,
)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_measured_beside_its_floor(name: str, tmp_path: Path) -> None:
    rows, failed = run_rows([name], TINY, tmp_path)
    assert not failed
    assert rows[0].name == name or name == "writes"
    for row in rows:
        assert row.ours
        assert row.floor


def test_a_row_that_cannot_be_measured_is_named_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> list[Row]:
        raise RuntimeError("no")

    monkeypatch.setitem(ROWS, "memory", broken)
    monkeypatch.setitem(ROWS, "fleet", lambda _: [Row("fleet", "work", "ms", (2.0,), (1.0,))])
    rows, failed = run_rows(["memory", "fleet"], TINY, tmp_path)
    assert [row.name for row in rows] == ["fleet"]
    assert failed == ["memory"]


def test_the_ratio_is_of_medians_and_the_spread_of_neighbouring_runs() -> None:
    row = Row("poll", "work", "ms", (2.0, 3.0, 10.0), (1.0, 2.0, 2.0))
    assert row.ratio == 1.5
    assert row.spread == (1.5, 5.0)
    assert Row("poll", "work", "ms", (2.0,), ()).ratio is None


def test_the_file_keeps_every_run_and_the_table_every_row(tmp_path: Path) -> None:
    rows = [Row("poll", "a poll", "ms", (2.0, 3.0), (1.0, 1.5), "<= 3", {"hosts": 4.0}, "a note")]
    write_json(tmp_path / "results" / "latest.json", rows, TINY, ["whole"])
    kept = json.loads((tmp_path / "results" / "latest.json").read_text())
    assert kept["rows"][0]["ours"] == [2.0, 3.0]
    assert kept["rows"][0]["ratio"] == 2.0
    assert kept["failed"] == ["whole"]
    assert all(word in table(rows) for word in ("a poll", "2.00", "<= 3", "hosts 4", "a note"))
