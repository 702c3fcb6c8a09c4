"""Rollouts: a deployment in rings; also part of standing policies."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from patch_manager.http.schemas.base import Answer, Line, Request

RingStateWord = Literal["waiting", "running", "soaking", "done"]


class RingIn(Request):
    """One ring: exactly one of ``count``, ``percent``, ``host_ids`` and ``group_ids`` says which hosts it takes."""

    name: Line = Field(default="", description="default: canary for the first, then ring 2 and so on")
    count: int | None = Field(default=None, description="so many hosts of those that no ring names")
    percent: float | None = Field(default=None, description="so many percent of the deployment's hosts, rounded up")
    host_ids: list[UUID] = Field(default_factory=list, max_length=25_000)
    group_ids: list[UUID] = Field(default_factory=list, max_length=200, description="hosts of these groups")


class RolloutIn(Request):
    """A deployment in rings, one after the other. Hosts that no ring takes form the last one.

    A ring starts when all jobs before it have ended and the soak has passed. When more jobs than a limit have failed,
    nothing starts any more. Failed and unknown outcomes count as failed, cancelled jobs count not at all, and of a
    retried job only its retry counts.
    """

    rings: list[RingIn] = Field(default_factory=list, max_length=100)
    soak_minutes: int = Field(default=0, description="from the end of a ring's last job to the start of the next ring")
    stop_after_failures: int | None = Field(
        default=None, description="more failed jobs than this, in the whole deployment, stop it"
    )
    stop_after_failed_percent: float | None = Field(
        default=None, description="more failed jobs than this percentage of one ring's jobs stop the deployment"
    )
    max_unavailable: int | None = Field(
        default=None, description="hosts of each group, and of those in no group, that may reboot at once"
    )


class RingSpecOut(Answer):
    """One ring as it was asked for."""

    name: str
    count: int | None
    percent: float | None
    host_ids: list[UUID]
    group_ids: list[UUID]


class RolloutOut(Answer):
    """A rollout as it was asked for, with the limits that hold now. Who sees a part of the deployment's hosts gets
    rings without the ids that they name.
    """

    rings: list[RingSpecOut]
    soak_minutes: int
    stop_after_failures: int | None
    stop_after_failed_percent: float | None
    max_unavailable: int | None


class PreviewRing(Answer):
    """One ring of a deployment before it is made: totals over its hosts."""

    name: str
    host_count: int
    package_count: int
    reboot_count: int
    problem_count: int


class ResumeIn(Request):
    """Go on with a stopped deployment; absent fields leave the rule as it is, null takes a limit off."""

    may_be_absent = True

    stop_after_failures: int | None = None
    stop_after_failed_percent: float | None = None
