"""Who is acting, and which hosts they may see (DESIGN §4b, TRUST 10)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """Admins may do everything; operators what their groups contain, and ungrouped hosts."""

    ADMIN = "admin"
    OPERATOR = "operator"


class Permission(StrEnum):
    """What a route asks for; every route declares exactly one."""

    PUBLIC = "public"  # no sign-in: health checks, login, SPA files
    SIGNED_IN = "signed_in"  # any user, about themselves
    FLEET_READ = "fleet_read"  # filtered by the principal's groups
    FLEET_OPERATE = "fleet_operate"  # deploy, refresh, add and edit hosts inside the principal's groups
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the fleet somebody may see: ``group_ids`` None means everything.

    Scopes compare and hash by value, so that work for one scope (encoded rows, totals) is shared by its viewers.
    """

    group_ids: frozenset[UUID] | None

    @property
    def everything(self) -> bool:
        """True for admins."""
        return self.group_ids is None

    def sees(self, host_groups: Collection[UUID]) -> bool:
        """Whether a host in ``host_groups`` (empty: ungrouped, open to every operator) is visible."""
        return self.group_ids is None or not host_groups or not self.group_ids.isdisjoint(host_groups)


EVERYTHING = Scope(None)


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user with the groups they may see; made per request from live data, never from the token alone."""

    user_id: UUID
    username: str
    role: Role
    group_ids: frozenset[UUID]
    session_id: UUID

    @property
    def scope(self) -> Scope:
        """The fleet this principal may see."""
        return EVERYTHING if self.role is Role.ADMIN else Scope(self.group_ids)

    def may(self, permission: Permission) -> bool:
        """Whether the role allows the permission; which hosts is the scope's question."""
        return permission is not Permission.ADMIN or self.role is Role.ADMIN
