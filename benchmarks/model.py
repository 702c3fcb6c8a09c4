"""What a benchmark is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of all rows. Seconds where nothing else is said."""

    runs: int = 5
    hosts: int = 2500
    poll_hosts: int = 400
    poll_cadence: float = 2.0
    answers: int = 200
    browsers: int = 50
    live_seconds: float = 4.0
    jobs: int = 500
    job_seconds: float = 60.0
    sample_seconds: float = 120.0
    page_seconds: float = 30.0
    settle_seconds: float = 10.0

    @staticmethod
    def quick(runs: int = 2, hosts: int = 100) -> Scale:
        """Sizes that show that every row works; their numbers mean little."""
        return Scale(
            runs=runs,
            hosts=hosts,
            poll_hosts=20,
            poll_cadence=1.3,
            answers=10,
            browsers=5,
            live_seconds=0.5,
            jobs=20,
            job_seconds=2.0,
            sample_seconds=5.0,
            page_seconds=2.0,
            settle_seconds=1.0,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: the runs of both sides in ``unit``, in the order they were made (A B A B).

    ``aim`` is DESIGN §9's, as a ratio where it is one. ``extra`` are further numbers of the same runs.
    """

    name: str
    work: str
    unit: str
    ours: tuple[float, ...]
    floor: tuple[float, ...]
    aim: str = ""
    extra: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Median against median; None without a floor."""
        if not self.floor or median(self.floor) <= 0:
            return None
        return median(self.ours) / median(self.floor)

    @property
    def spread(self) -> tuple[float, float] | None:
        """The smallest and the largest ratio of two neighbouring runs; a single floor is every run's neighbour."""
        floors = self.floor * len(self.ours) if len(self.floor) == 1 else self.floor
        pairs = [ours / floor for ours, floor in zip(self.ours, floors, strict=False) if floor > 0]
        return (min(pairs), max(pairs)) if pairs else None


@dataclass(frozen=True, slots=True)
class Bench:
    """What a row's function gets: sizes, a directory of its own, and the rows that were measured before."""

    scale: Scale
    directory: Path
    say: Callable[[str], None]
    measured: Sequence[Row] = ()


Measure = Callable[[Bench], list[Row]]
