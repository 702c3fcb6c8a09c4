"""What becomes of a rollout under way: release the next ring, stop, or wait. Pure; see ``domain.rollouts.Rollout``.

All of it follows from what the database counts, so that a manager that starts anew decides as the one before would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from patch_manager.domain.deployments import JobTotals
from patch_manager.domain.rollouts import RingState, Rollout
from patch_manager.domain.windows import in_zone


@dataclass(frozen=True, slots=True)
class RingCount:
    """A ring's jobs by state, without those that were retried. ``excused``: failed or unknown ones despite of which
    an operator went on. ``last_finished`` is of the job that ended last.
    """

    name: str
    totals: JobTotals = JobTotals()  # noqa: RUF009 - frozen
    excused: int = 0
    last_finished: datetime | None = None

    @property
    def failed(self) -> int:
        """Jobs that the rule counts as failed."""
        return self.totals.failed + self.totals.outcome_unknown - self.excused

    @property
    def counted(self) -> int:
        """Jobs that percentages are of: a cancelled job is none."""
        return self.totals.total - self.totals.cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rollout is: the first ``released`` rings may work. ``soak_skipped``: somebody ended the present soak."""

    rollout: Rollout
    rings: tuple[RingCount, ...]
    released: int
    soak_skipped: bool = False
    stopped: bool = False

    @property
    def at_work(self) -> tuple[RingCount, ...]:
        """The rings that were released."""
        return self.rings[: self.released]

    @property
    def ended(self) -> bool:
        """Whether all jobs of the rings that were released have ended."""
        return not any(ring.totals.unended for ring in self.at_work)


@dataclass(frozen=True, slots=True)
class Release:
    """The ring (0-based) may work now."""

    ring: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Too many jobs failed: nothing starts any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Over:
    """All jobs have ended: there is nothing left to decide."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing changes by now."""


Decision = Release | Stop | Over | Stay


def decide(progress: Progress, now: datetime) -> Decision:
    """What the counts and the clock ask for.

    A stop comes before a release, and only while there is a job that it can keep from starting. Jobs whose outcome is
    unknown have ended: the rule counts them as failed, and without a rule they hold nothing up.
    """
    if not any(ring.totals.unended for ring in progress.rings):
        return Over()
    if progress.stopped:
        return Stay()
    if any(ring.totals.queued or ring.totals.dispatching for ring in progress.rings):
        for reason in _trips(progress):
            return Stop(reason)
    due = soak_until(progress)
    if progress.released < len(progress.rings) and progress.ended and (due is None or due <= now):
        return Release(progress.released)
    return Stay()


def _trips(progress: Progress) -> Iterator[str]:
    """Why the deployment must stop, if it must: strictly more failed than the rule allows."""
    rollout = progress.rollout
    failed = sum(ring.failed for ring in progress.at_work)
    if rollout.stop_after_failures is not None and failed > rollout.stop_after_failures:
        yield f"{_jobs(failed)} failed, and no more than {rollout.stop_after_failures} may"
    if rollout.stop_after_failed_percent is None:
        return
    for index, ring in enumerate(progress.at_work):
        if ring.failed * 100 > rollout.stop_after_failed_percent * ring.counted:
            yield (
                f"{ring.failed} of {_jobs(ring.counted)} of {ring_words(index, ring.name)} failed, "
                f"and no more than {rollout.stop_after_failed_percent:g} % may"
            )


def soak_until(progress: Progress) -> datetime | None:
    """When the soak of the ring released last ends; None: that ring is at work, or there is nothing to wait for."""
    last = max((ring.last_finished for ring in progress.at_work if ring.last_finished is not None), default=None)
    waits = progress.released < len(progress.rings) and progress.ended and not progress.soak_skipped
    if not waits or last is None or not progress.rollout.soak_minutes:
        return None
    return last + timedelta(minutes=progress.rollout.soak_minutes)


def ring_state(progress: Progress, index: int) -> RingState:
    """Where a ring is."""
    if index >= progress.released:
        return RingState.DONE if not progress.rings[index].totals.unended else RingState.WAITING
    if progress.rings[index].totals.unended:
        return RingState.RUNNING
    present = index == progress.released - 1
    left = any(ring.totals.unended for ring in progress.rings[progress.released :])
    return RingState.SOAKING if present and left and soak_until(progress) is not None else RingState.DONE


def ring_words(index: int, name: str) -> str:
    """How people know a ring."""
    return f"ring {index + 1} ({name})" if name != f"ring {index + 1}" else name


def held_words(ring: int, names: tuple[str, ...]) -> str:
    """The message of a job whose ring was not released yet."""
    return f"waiting for {ring_words(ring - 1, names[ring - 1])}"


def waiting_words(progress: Progress, seen: JobTotals, ring: int) -> str:
    """The same with how far the ring before is; ``seen`` are those of its jobs that whoever reads it may see."""
    words = held_words(ring, tuple(each.name for each in progress.rings))
    if ring != progress.released:
        return words
    due = soak_until(progress)
    if due is not None:
        return f"{words}: all ended, soaking until {in_zone(due, 'UTC')}"
    soak = progress.rollout.soak_minutes
    then = f"; then {soak} min soak" if soak and not progress.soak_skipped else ""
    return f"{words}: {seen.total - seen.unended} of {seen.total} ended{then}" if seen.total else f"{words}{then}"


def stopped_words(reason: str) -> str:
    """The message of a job that a stop keeps from starting."""
    return f"the deployment was stopped: {reason}"


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
