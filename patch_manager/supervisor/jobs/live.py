"""Progress of running jobs, in memory only: it moves too often for the database and means nothing after a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from patch_manager.domain.deployments import JobView


class LiveJobs:
    """Latest progress (0 to 100) and message by job. ``on_change`` is told the job's id; it must not block."""

    def __init__(self) -> None:
        self._progress: dict[UUID, tuple[int, str]] = {}
        self.on_change: Callable[[UUID], None] = _ignore

    def update(self, job_id: UUID, progress: int, message: str) -> None:
        """The agent said how far it is."""
        news = (max(0, min(100, progress)), message)
        if self._progress.get(job_id) != news:
            self._progress[job_id] = news
            self.on_change(job_id)

    def forget(self, job_id: UUID) -> None:
        """The job ended, or left this process's hands."""
        self._progress.pop(job_id, None)

    def over(self, view: JobView) -> JobView:
        """A job as read from the database, with its live progress."""
        live = self._progress.get(view.id)
        if live is None or view.state.terminal:
            return view
        return replace(view, progress=live[0], message=live[1] or view.message)


def _ignore(_: UUID) -> None:
    return None
