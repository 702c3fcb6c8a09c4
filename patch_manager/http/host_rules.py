"""Which groups somebody may put a host into or take it out of (DESIGN §4b), and what a reboot hold becomes; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from patch_manager.domain.holds import RebootHold
from patch_manager.domain.principal import Scope
from patch_manager.http.errors import Failure, FieldError, Forbidden, Invalid, Unprocessable
from patch_manager.http.schemas.fleet import HostPatch

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


HOLD_FIELDS: Final = frozenset({"reboot_hold", "reboot_hold_reason"})


def hold_after(before: RebootHold | None, body: HostPatch, username: str, now: datetime) -> RebootHold | Failure | None:
    """The hold that a change of a host leaves; who set it and when stay as they are while only its reason changes."""
    given = body.model_fields_set
    held = body.reboot_hold if "reboot_hold" in given else before is not None
    if not held:
        if body.reboot_hold_reason:
            pointer = FieldError("/reboot_hold_reason", "the host is not on hold: send reboot_hold true with it")
            return Unprocessable("a reason belongs to a hold", errors=(pointer,))
        return None
    reason = body.reboot_hold_reason if "reboot_hold_reason" in given else (before.reason if before else "")
    if before is not None:
        return RebootHold(reason, before.set_by, before.set_at)
    return RebootHold(reason, username, now)


def unknown_groups() -> Failure:
    """Answers an administrator who named a group that does not exist."""
    return Invalid(errors=(FieldError("/group_ids", "no such group"),))
