"""Limiters that are held at once must differ, or the fleet can wait for itself."""

from __future__ import annotations

from dataclasses import fields

from patch_manager.domain.settings import LimitSettings
from patch_manager.supervisor.limits import Limits


async def test_no_two_names_share_one_limiter() -> None:
    """A job holds ``dispatch`` while it connects: sharing one limiter stopped 50 jobs that waited for themselves."""
    limits = Limits.of(LimitSettings())
    limiters = [id(getattr(limits, field.name)) for field in fields(limits)]
    assert len(set(limiters)) == len(limiters)
