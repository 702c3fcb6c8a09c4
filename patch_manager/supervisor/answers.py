"""What the supervisor answers to requests of the HTTP layer: values, matched exhaustively, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from patch_manager.actors.agent.models import AgentService, PackageList
from patch_manager.domain.hosts import HostSnapshot


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The host was read now (or could not be: then ``snapshot.health_reason`` says why) and is stored."""

    snapshot: HostSnapshot


@dataclass(frozen=True, slots=True)
class StillRefreshing:
    """The agent has not answered within the caller's time-out; the refresh goes on and will be seen live."""

    snapshot: HostSnapshot


@dataclass(frozen=True, slots=True)
class Busy:
    """The actor's mailbox is full, or the actor is restarting: try again."""


@dataclass(frozen=True, slots=True)
class NoSuchHost:
    """No actor of this host."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The actor crashed too often; an admin may restart it."""

    reason: str


RefreshResult = Refreshed | StillRefreshing | Busy | NoSuchHost | Quarantined


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The agent gave no answer to a question; ``reason`` in words. ``late``: it may still, or somebody else did not.

    ``retry_after``: seconds that it asks to wait.
    """

    reason: str
    late: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class NoSuchService:
    """The host has no service of that name."""


ServiceResult = AgentService | NoSuchService | Unanswered | Busy | NoSuchHost | Quarantined


@dataclass(frozen=True, slots=True)
class PackagesUnread:
    """The agent did not give its packages; ``reason`` in words."""

    reason: str


PackagesResult = PackageList | PackagesUnread | Busy | NoSuchHost | Quarantined


class JobAnswer(StrEnum):
    """Whether an actor took a job in hand; whatever the answer, the database owns the job."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    NO_ACTOR = "no_actor"
