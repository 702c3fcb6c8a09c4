"""What reaches an actor: commands (bounded), reports of its children, and latest-value flags. All are frozen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.models import AgentHealth, AgentInfo, PatchList
from patch_manager.domain.health import FailureKind
from patch_manager.domain.hosts import HostRecord, HostSnapshot, JobInHand
from patch_manager.domain.jobs import DueJob
from patch_manager.domain.patches import Patch

Answer = TypeVar("Answer")


class Reply(Generic[Answer]):
    """A place for one answer. The caller owns the time-out; an answer nobody waits for any more is dropped."""

    __slots__ = ("_answered", "_value")

    def __init__(self) -> None:
        self._answered = trio.Event()
        self._value: Answer | None = None

    def answer(self, value: Answer | None) -> None:
        """Answer once; None: the actor ended before it could."""
        if not self._answered.is_set():
            self._value = value
            self._answered.set()

    async def wait(self) -> Answer | None:
        """The answer."""
        await self._answered.wait()
        return self._value


# Commands


@dataclass(frozen=True, slots=True)
class RefreshNow:
    """An operator asks: read everything now, before whatever is scheduled."""

    reply: Reply[HostSnapshot]


@dataclass(frozen=True, slots=True)
class RunJob:
    """Take a job in hand. Refused with False while another one is."""

    due: DueJob
    reply: Reply[bool] | None = None


@dataclass(frozen=True, slots=True)
class AskAgent:
    """Somebody looks at what nothing is kept of (packages, a service, a job): ask the agent now, and answer."""

    question: Callable[[AgentClient], Awaitable[Any]]
    reply: Reply[Any]


Command = RefreshNow | RunJob | AskAgent


# Flags: only the latest of each counts


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """Operators changed the host's record."""

    record: HostRecord


@dataclass(frozen=True, slots=True)
class CertificatesChanged:
    """Certificates or the CRL changed: what failed may work now."""


@dataclass(frozen=True, slots=True)
class PatchesStored:
    """The list with this digest is in the database; ``oldest_security_at`` as counted there."""

    digest: bytes
    oldest_security_at: datetime | None


@dataclass(frozen=True, slots=True)
class Retire:
    """The host is no longer managed: end."""


Flag = RecordChanged | CertificatesChanged | PatchesStored | Retire


# Reports of children


class PollKind(StrEnum):
    """``health`` asks for health only; ``full`` for health, system information and patches on one connection."""

    HEALTH = "health"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class PollFailure:
    """Why a poll, or the rest of one, failed; ``reason`` in words, ``retry_after`` seconds the agent asked for."""

    kind: FailureKind
    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What a poll found. Without ``health`` the host did not answer; with it, ``failure`` is of what came after."""

    health: AgentHealth | None = None
    info: AgentInfo | None = None
    patches: PatchList | None = None
    failure: PollFailure | None = None


@dataclass(frozen=True, slots=True)
class PollEnded:
    """Poll ``number`` ended."""

    number: int
    outcome: PollOutcome


@dataclass(frozen=True, slots=True)
class PollWaiting:
    """Poll ``number`` waits for a limiter, or no longer."""

    number: int
    waiting: bool


@dataclass(frozen=True, slots=True)
class JobReported:
    """The job in hand moved."""

    job: JobInHand | None


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The runner of the job returned."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A job read something of the host on its way."""

    health: AgentHealth | None = None
    info: AgentInfo | None = None
    patches: tuple[Patch, ...] | None = None
    read_at: datetime | None = field(default=None)


Report = PollEnded | PollWaiting | JobReported | JobEnded | Observed

Message = Command | Flag | Report
