"""Which groups somebody may put a host into or take it out of (DESIGN §4b); pure."""

from __future__ import annotations

from uuid import UUID

from patch_manager.domain.principal import Scope
from patch_manager.http.errors import Failure, FieldError, Forbidden, Invalid

_NOT_YOURS = Forbidden("operators put hosts into their own groups only")


def may_move(scope: Scope, before: frozenset[UUID], after: frozenset[UUID]) -> Failure | None:
    """Why a host must not go from the groups ``before`` (empty also for a new host) to ``after``, or None.

    Operators add and remove their own groups only, whether others exist or not. Taking the last group off opens a host
    to every operator and is the administrator's. An ungrouped host belongs to all operators, so any may group it.
    """
    if scope.group_ids is None:
        return None
    if (after - before) - scope.group_ids:
        return _NOT_YOURS
    if (before - after) - scope.group_ids:
        return Forbidden("operators take hosts out of their own groups only")
    if before and not after:
        return Forbidden("taking a host out of its last group opens it to every operator: ask an admin")
    return None


def unknown_groups() -> Failure:
    """Answers an administrator who named a group that does not exist."""
    return Invalid(errors=(FieldError("/group_ids", "no such group"),))
