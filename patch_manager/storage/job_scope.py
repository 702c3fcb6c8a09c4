"""Which jobs a principal may see, as SQL (TRUST 10): those of hosts in their sight; of deleted hosts only admins."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from patch_manager.domain.principal import Scope

HOST_IN_SCOPE: Final = """
($1::uuid[] IS NULL
 OR NOT EXISTS (SELECT 1 FROM group_hosts g WHERE g.host_id = h.id)
 OR EXISTS (SELECT 1 FROM group_hosts g WHERE g.host_id = h.id AND g.group_id = ANY ($1)))
"""
"""Over ``hosts h``; parameter 1 is ``groups_of(scope)``."""

JOB_IN_SCOPE: Final = f"""
($1::uuid[] IS NULL OR EXISTS (SELECT 1 FROM hosts h WHERE h.id = j.host_id AND {HOST_IN_SCOPE}))
"""  # noqa: S608 - constants only
"""Over ``jobs j``; parameter 1 is ``groups_of(scope)``."""


def groups_of(scope: Scope) -> list[UUID] | None:
    """The scope as parameter 1; None sees everything."""
    return None if scope.group_ids is None else sorted(scope.group_ids)
