"""What is pending where: packages and CVEs over the fleet, and the hosts to choose by them."""

from __future__ import annotations

from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.routing import Routes
from patch_manager.http.schemas.patches import (
    FleetPatch,
    FleetPatches,
    FleetPatchQuery,
    PatchedHostQuery,
    PatchedHosts,
)
from patch_manager.http.services import services
from patch_manager.storage.patches import hosts_with, widespread

routes = Routes("fleet")


@routes.route("GET", "/fleet/patches", permission=Permission.FLEET_READ, query=FleetPatchQuery, answer=FleetPatches)
async def list_fleet_patches(principal: Principal, query: FleetPatchQuery) -> FleetPatches:
    """Packages with pending patches by name or CVE, over the caller's hosts; those on the most hosts first."""
    found = await services().db.read(widespread, principal.scope, query.search, query.limit)
    return FleetPatches(items=[FleetPatch.model_validate(each) for each in found])


@routes.route(
    "GET", "/fleet/patches/hosts", permission=Permission.FLEET_READ, query=PatchedHostQuery, answer=PatchedHosts
)
async def list_patched_hosts(principal: Principal, query: PatchedHostQuery) -> PatchedHosts:
    """The caller's hosts on which such a patch is pending, as last read."""
    found = await services().db.read(hosts_with, principal.scope, query.search, query.package)
    return PatchedHosts(host_ids=list(found))
