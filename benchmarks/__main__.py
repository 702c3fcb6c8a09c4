"""``python -m benchmarks``: run rows, print the table, keep every run in ``benchmarks/results/latest.json``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from benchmarks import batch, commits, fleet, live, memory, polls, whole, writes
from benchmarks.measuring import log_like_the_program
from benchmarks.model import Bench, Measure, Row, Scale
from benchmarks.report import table, write_json

RESULTS = Path(__file__).parent / "results" / "latest.json"

ROWS: dict[str, Measure] = {
    "poll-new": polls.new_connection,
    "poll-kept": polls.kept_connection,
    "poll-full": polls.full_poll,
    "memory": memory.measure,
    "fleet": fleet.measure,
    "live": live.measure,
    "writes": writes.measure,
    "commits": commits.measure,
    "whole": whole.measure,
    "batch": batch.measure,
}


def run_rows(names: list[str], scale: Scale, directory: Path) -> tuple[list[Row], list[str]]:
    """Run rows one after the other; the rows and the names of those that failed."""
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        _say(f"{name} …")
        began = time.monotonic()
        place = directory / name
        place.mkdir()
        try:
            rows += ROWS[name](Bench(scale, place, _say, tuple(rows)))
        except Exception:
            traceback.print_exc()
            failed.append(name)
        _say(f"{name} took {time.monotonic() - began:.0f} s")
    return rows, failed


def main() -> int:
    """Exit status 1 when a row could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", metavar="NAME,…", help=f"only these: {', '.join(ROWS)}")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each side; default 5, with --quick 2")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, not how fast")
    parser.add_argument("--hosts", type=int, metavar="N", help="hosts of a fleet; default 2500, with --quick 100")
    parser.add_argument("--sample", type=float, metavar="S", help="seconds of the whole program's sample; default 120")
    given = parser.parse_args()
    names = given.rows.split(",") if given.rows else list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    scale = Scale.quick() if given.quick else Scale()
    chosen = {"runs": given.runs, "hosts": given.hosts, "sample_seconds": given.sample}
    scale = replace(scale, **{name: value for name, value in chosen.items() if value is not None})
    log_like_the_program()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        rows, failed = run_rows(names, scale, Path(directory))
    write_json(RESULTS, rows, scale, failed)
    print(table(rows))
    print(f"\nratios hold on any machine, the other numbers on this one only; all runs: {RESULTS}")
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
