"""What is pending where, over the API: by package and by CVE, within the caller's sight."""

from __future__ import annotations

from uuid import UUID

from patch_manager.storage.connecting import Connection
from tests.http.resources.world import NOW, World

_PENDING = """
INSERT INTO host_patches (host_id, name, severity, cve_ids, requires_reboot, first_seen_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def pending(connection: Connection, host: UUID, name: str, severity: str, *cves: str) -> None:
    """A patch, as the writer stores it; kernels ask for a reboot."""
    await connection.execute(_PENDING, host, name, severity, list(cves), name == "linux-image", NOW)


async def test_packages_are_found_by_name_and_cve_with_the_hosts_to_choose(world: World) -> None:
    for host, severity in (("a1", "low"), ("ab", "critical"), ("b1", "high")):
        await world.db.transaction(pending, world.hosts[host], "openssl", severity, "CVE-2026-1", f"CVE-2026-{host}")
    await world.db.transaction(pending, world.hosts["b1"], "linux-image", "medium", "CVE-2026-1")
    found = await world.get("admin", "/fleet/patches", search="OpenSSL")
    (openssl,) = found["items"]
    assert (openssl["hosts"], openssl["severity"], openssl["requires_reboot"]) == (3, "critical", False)
    assert openssl["cve_ids"] == ["CVE-2026-1", "CVE-2026-a1", "CVE-2026-ab", "CVE-2026-b1"]
    by_cve = await world.get("admin", "/fleet/patches", search="cve-2026-1")
    assert [(each["name"], each["hosts"], each["requires_reboot"]) for each in by_cve["items"]] == [
        ("openssl", 3, False),
        ("linux-image", 1, True),
    ]
    mine = await world.get("op_a", "/fleet/patches", search="cve-2026")
    assert [(each["name"], each["hosts"]) for each in mine["items"]] == [("openssl", 2)]

    async def hosts(who: str, **query: str) -> set[str]:
        ids = (await world.get(who, "/fleet/patches/hosts", **query))["host_ids"]
        return {name for name, host_id in world.hosts.items() if str(host_id) in ids}

    assert await hosts("admin", search="CVE-2026-1") == {"a1", "ab", "b1"}
    assert await hosts("admin", search="CVE-2026-1", package="linux-image") == {"b1"}
    assert await hosts("op_a", search="CVE-2026-1") == {"a1", "ab"}
    assert await hosts("admin", search="nothing") == set()
    assert (await world.ask("admin", "GET", "/fleet/patches"))[0] == 400
