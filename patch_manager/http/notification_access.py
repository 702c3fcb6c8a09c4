"""Whose notification rules, and what was sent by them, somebody sees and may change."""

from __future__ import annotations

from uuid import UUID

from patch_manager.domain.principal import Principal, Role


def owner_filter(principal: Principal) -> UUID | None:
    """Whose rules and deliveries somebody sees: their own; None for administrators, who see all."""
    return None if principal.role is Role.ADMIN else principal.user_id


def may_change(principal: Principal, owner_id: UUID | None) -> bool:
    """Whether somebody may change a rule of this owner; shared ones have none."""
    return principal.role is Role.ADMIN or owner_id == principal.user_id
