"""One module per resource; each makes one `Routes` table that `all_routes` names."""

from __future__ import annotations

from patch_manager.http.routing import Routes


def all_routes() -> tuple[Routes, ...]:
    """Every table of the API, pages excepted."""
    from patch_manager.http.routes import auth, me

    return (auth.routes, me.routes)
