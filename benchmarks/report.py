"""The table people read and the file that keeps every run."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil

from benchmarks.model import Row, Scale

_HEAD = ("row", "work", "unit", "ours", "floor", "ratio", "(spread)", "aim")


def table(rows: Sequence[Row]) -> str:
    """All rows with their further numbers below."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = []
    for number, line in enumerate(lines):
        left = (0, 1, 2, 7)
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        text.append("  ".join(cells).rstrip())
        if number == 0:
            text.append("  ".join("-" * width for width in widths))
            continue
        row = rows[number - 1]
        if row.extra:
            text.append("      " + ", ".join(f"{name} {_number(value)}" for name, value in row.extra.items()))
        if row.note:
            text.append(f"      {row.note}")
    return "\n".join(text)


def _cells(row: Row) -> tuple[str, ...]:
    floor = _number(median(row.floor)) if row.floor else ""
    ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
    spread = f"({row.spread[0]:.2f}-{row.spread[1]:.2f})" if row.spread is not None else ""
    return (row.name, row.work, row.unit, _number(median(row.ours)), floor, ratio, spread, row.aim)


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def write_json(path: Path, rows: Sequence[Row], scale: Scale, failed: Sequence[str]) -> None:
    """Keep all runs, with what they were run on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "processors": psutil.cpu_count(),
        "scale": asdict(scale),
        "failed": list(failed),
        "rows": [{**asdict(row), "ratio": row.ratio, "spread": row.spread} for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
