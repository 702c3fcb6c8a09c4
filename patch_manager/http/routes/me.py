"""Who is signed in."""

from __future__ import annotations

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import Failure, Unauthenticated
from patch_manager.http.routing import Routes
from patch_manager.http.schemas.auth import GroupRef, Me
from patch_manager.http.services import services
from patch_manager.storage import users

routes = Routes("me")


@routes.route("GET", "/me", permission=Permission.SIGNED_IN, answer=Me)
async def show_me(principal: Principal) -> Me | Failure:
    """The signed-in user, their groups and permissions, and when the session ends."""
    current = services()
    state = await current.auth.watch.session_of(principal)
    if state is None:
        return Unauthenticated()
    groups = await current.db.read(users.groups_of, principal.user_id)
    return Me(
        id=principal.user_id,
        username=principal.username,
        role=principal.role,
        groups=[GroupRef(id=group_id, name=name) for group_id, name in groups],
        permissions=[permission for permission in Permission if principal.may(permission)],
        session_id=principal.session_id,
        session_expires_at=state.expires_at,
        session_idle_at=min(state.expires_at, state.last_active_at + current.auth.settings.idle_lifetime),
    )
