"""Certificates over the API (TRUST 18)."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from patch_manager.http.services import Services
from patch_manager.storage.connecting import Connection
from tests.http.resources.world import World
from tests.people import actions


async def test_root_and_revocation_list_are_public(world: World, services: Services) -> None:
    root = await (await world.client.get("/api/v1/pki/root.crt")).get_data(as_text=False)
    assert root == services.authority.root_pem
    crl = x509.load_pem_x509_crl(await (await world.client.get("/api/v1/pki/crl")).get_data(as_text=False))
    assert crl.issuer == x509.load_pem_x509_certificate(root).subject


async def test_a_hosts_key_leaves_once_and_is_not_kept(world: World) -> None:
    path = f"/hosts/{world.hosts['a1']}/certificates"
    assert (await world.ask("admin", "PATCH", f"/hosts/{world.hosts['a1']}", body={"fqdn": "a1.example.com"}))[0] == 200
    status, bundle = await world.ask("admin", "POST", path)
    assert status == 201
    certificate = x509.load_pem_x509_certificate(bundle["server_pem"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.1.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["a1.example.com"]
    key = load_pem_private_key(bundle["server_key_pem"].encode(), None)
    assert key.public_key() == certificate.public_key()
    assert bundle["server_key_pem"].startswith("-----BEGIN PRIVATE KEY-----")

    kept = await world.get("op_a", path)
    assert [row["serial"] for row in kept["items"]] == [bundle["serial"]]
    assert kept["items"][0]["certificate_pem"] == bundle["server_pem"]
    assert ("certificate.issued", "admin", "success") in await actions(world.db)

    async def all_text(connection: Connection) -> str:
        rows = [
            *await connection.fetch("SELECT * FROM certificates"),
            *await connection.fetch("SELECT * FROM audit_log"),
        ]
        return str(rows)

    assert "PRIVATE KEY" not in await world.db.read(all_text)
    assert bundle["server_key_pem"].splitlines()[1] not in await world.db.read(all_text)


async def test_issuing_is_the_administrators(world: World) -> None:
    assert (await world.ask("op_a", "POST", f"/hosts/{world.hosts['a1']}/certificates"))[0] == 403
    assert (await world.ask("op_a", "GET", "/certificates"))[0] == 403


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_certificates_come_in_pages(world: World, limit: int) -> None:
    issued = set()
    for _ in range(3):
        issued.add((await world.ask("admin", "POST", f"/hosts/{world.hosts['a1']}/certificates"))[1]["serial"])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await world.get("admin", "/certificates", limit=limit, **cursor)
        assert page["total"] == 3
        seen += [row["serial"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert (set(seen), len(seen)) == (issued, 3)
