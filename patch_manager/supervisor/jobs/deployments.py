"""What operators ask of jobs and deployments; the http room calls this and turns refusals into statuses."""

from __future__ import annotations

from patch_manager.supervisor.jobs.asking import Asking
from patch_manager.supervisor.jobs.deciding import Deciding
from patch_manager.supervisor.jobs.going_on import GoingOn
from patch_manager.supervisor.jobs.service import Outside

__all__ = ["Deployments", "Outside"]


class Deployments(Asking, Deciding, GoingOn):
    """The service: ask (``asking``), read (``reading``), decide (``deciding``, and about rollouts ``going_on``)."""

    __slots__ = ()
