"""Packages that must not be patched: standing exclusions, and what one deployment leaves out. Pure.

``*`` stands for any characters and ``?`` for one; names keep their case, as package managers do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from patch_manager.domain.windows import in_zone

PATTERN: Final = re.compile(r"[A-Za-z0-9*?][A-Za-z0-9+._*?-]{0,255}")
LONGEST: Final = timedelta(days=366)
"""An exclusion that nobody looks at again leaves a hole open: after a year at most, somebody must want it anew."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def pattern_problem(pattern: str) -> str | None:
    """Why ``pattern`` excludes nothing that an agent may list, or too much; None when it is good."""
    if PATTERN.fullmatch(pattern) is None:
        return "must be a package's name, in which * stands for any characters and ? for one"
    if not any(character.isalnum() for character in pattern):
        return "would exclude every package: to stop patching, use a freeze or disable the host's windows"
    return None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What is left out, and why. ``expires_at`` None: one deployment's own, which ends with it.

    ``owner`` answers for a standing exclusion; a deployment's own has the name of who asked for the deployment.
    """

    package: str
    owner: str
    reason: str = ""
    expires_at: datetime | None = None
    id: UUID | None = None

    def matches(self, name: str) -> bool:
        """Whether it is about the package of that name."""
        return fnmatchcase(name, self.package)

    def in_force(self, now: datetime) -> bool:
        """Whether it has not expired: at ``expires_at`` it has."""
        return self.expires_at is None or now < self.expires_at

    @property
    def words(self) -> str:
        """What is told of a package that was left out."""
        until = "from this deployment" if self.expires_at is None else f"until {in_zone(self.expires_at, 'UTC')}"
        return f"excluded {until} by {self.owner}" + (f": {self.reason}" if self.reason else "")


def exclusion_of(name: str, exclusions: Iterable[Exclusion], now: datetime) -> Exclusion | None:
    """The exclusion that keeps a package out at ``now``: of several, the standing one that expires last."""
    return longest(name, (each for each in exclusions if each.in_force(now)))


def longest(name: str, in_force: Iterable[Exclusion]) -> Exclusion | None:
    """The same of exclusions that are all in force."""
    found = [each for each in in_force if each.matches(name)]
    standing = [each for each in found if each.expires_at is not None]
    return max(standing or found[:1], key=lambda each: each.expires_at or _NEVER, default=None)


@dataclass(frozen=True, slots=True)
class Excluded:
    """A pattern that a deployment or a policy leaves out, with the reason where one was given."""

    package: str
    reason: str = ""


def own(excluded: Sequence[Excluded], owner: str) -> tuple[Exclusion, ...]:
    """What a deployment leaves out by itself."""
    return tuple(Exclusion(each.package, owner, each.reason) for each in excluded)
