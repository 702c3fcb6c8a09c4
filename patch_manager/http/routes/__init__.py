"""One module per resource; each makes one `Routes` table that `all_routes` names."""

from __future__ import annotations

from patch_manager.http.routing import Routes


def all_routes() -> tuple[Routes, ...]:
    """Every table of the API, pages excepted."""
    from patch_manager.http.routes import (
        audit,
        auth,
        deployments,
        exclusions,
        fleet,
        fleet_patches,
        freezes,
        groups,
        host_details,
        host_services,
        hosts,
        jobs,
        live,
        me,
        notification_channels,
        notification_deliveries,
        notification_rules,
        operations,
        pki,
        policies,
        upcoming,
        users,
        windows,
    )

    modules = (
        auth,
        me,
        fleet,
        fleet_patches,
        upcoming,
        live,
        hosts,
        host_details,
        host_services,
        windows,
        freezes,
        exclusions,
        groups,
        users,
        deployments,
        policies,
        jobs,
        operations,
        audit,
        pki,
        notification_channels,
        notification_rules,
        notification_deliveries,
    )
    return tuple(module.routes for module in modules)
