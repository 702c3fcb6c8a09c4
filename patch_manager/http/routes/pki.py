"""The internal certificate authority: what everybody may fetch, and what administrators see and issue."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import trio

from patch_manager.domain.hosts import HostSnapshot
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.errors import Failure, Invalid, NotFound, Refused
from patch_manager.http.pages import PageQuery, cut, decode_cursor, encode_cursor, time_in_cursor
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.pki import CertificateOut, CertificateQuery, HostBundle
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.pki.host_bundle import agent_request
from patch_manager.pki.model import CertificateRefused, IssuedCertificate
from patch_manager.storage import certificates, host_registry
from patch_manager.storage.certificates import CertificateRow
from patch_manager.storage.connecting import Connection

routes = Routes("pki")

PEM = "application/x-pem-file"


@routes.route("GET", "/pki/root.crt", permission=Permission.PUBLIC, media_type=PEM)
async def root_certificate() -> Reply:
    """The root certificate (PEM), to be trusted by browsers and agents. It is public by nature."""
    return Reply(
        services().authority.root_pem, headers={"Content-Disposition": 'attachment; filename="patch-manager-root.crt"'}
    )


@routes.route("GET", "/pki/crl", permission=Permission.PUBLIC, media_type=PEM)
async def revocation_list() -> Reply:
    """The current certificate revocation list (PEM), for agents."""
    path = services().authority.crl_path
    return Reply(await trio.to_thread.run_sync(path.read_bytes))


@routes.route("GET", "/certificates", permission=Permission.ADMIN, query=CertificateQuery, answer=Page[CertificateOut])
async def list_certificates(query: CertificateQuery) -> Page[CertificateOut]:
    """Every certificate that the internal CA issued, newest first."""
    return await certificate_page(host_id=query.host_id, profile=query.profile, query=query)


async def certificate_page(*, host_id: UUID | None, profile: str | None, query: PageQuery) -> Page[CertificateOut]:
    """A page of certificates, newest first."""
    after = None
    if query.cursor is not None:
        issued_at, serial = decode_cursor(query.cursor, "issued", 2)
        after = time_in_cursor(issued_at), str(serial)

    async def unit(connection: Connection) -> tuple[tuple[CertificateRow, ...], int]:
        return await certificates.list_certificates(
            connection, host_id=host_id, profile=profile, after=after, limit=query.limit + 1
        )

    rows, total = await services().db.read(unit)
    page, cursor = cut(rows, query.limit, lambda row: encode_cursor("issued", row.issued_at.isoformat(), row.serial))
    items = [CertificateOut.model_validate(row) for row in page]
    return Page[CertificateOut](items=items, next_cursor=cursor, total=total)


@routes.route("POST", "/hosts/<uuid:host_id>/certificates", permission=Permission.ADMIN, answer=HostBundle, status=201)
async def issue_certificate(principal: Principal, host_id: UUID) -> HostBundle | Failure:
    """Issue a server certificate for a host's agent, with its address and FQDN as names.

    The private key is in this answer and nowhere else: a lost key means a new certificate. Earlier certificates of the
    host stay valid until they expire or are revoked.
    """
    current = services()
    found: HostSnapshot | None = current.supervisor.picture.get(host_id, principal.scope)
    if found is None:
        return NotFound()

    async def store(issued: IssuedCertificate) -> None:
        stored = await change(principal, _store, found, issued)
        if isinstance(stored, Failure):
            raise Refused(stored)

    try:
        issued = await current.authority.issue(agent_request(found.record.address, found.record.fqdn), store=store)
    except CertificateRefused as error:
        return Invalid(f"no certificate can be issued for this host: {error}")
    if issued.private_key_pem is None:
        raise RuntimeError("the authority made no key for a host's certificate")
    crl = await trio.to_thread.run_sync(current.authority.crl_path.read_bytes)
    return HostBundle(
        serial=issued.serial,
        not_after=issued.not_after,
        ca_pem=current.authority.root_pem.decode(),
        server_pem=issued.certificate_pem.decode(),
        server_key_pem=issued.private_key_pem.decode(),
        crl_pem=crl.decode(),
    )


async def _store(connection: Connection, found: HostSnapshot, issued: IssuedCertificate) -> Changed[None] | Failure:
    if await host_registry.lock_host(connection, found.record.id) is None:
        return NotFound()
    await certificates.store_certificate(connection, row_of(issued, host_id=found.record.id))
    detail = {
        "host": str(found.record.id),
        "address": found.record.address,
        "sans": list(issued.sans),
        "not_after": issued.not_after.isoformat(),
    }
    groups = tuple(sorted(str(group) for group in found.record.group_ids))
    return Changed(None, (Act("certificate.issued", issued.serial, groups, detail=detail),))


def row_of(issued: IssuedCertificate, *, host_id: UUID | None) -> CertificateRow:
    """What is kept of a certificate: all but its key."""
    return CertificateRow(
        serial=issued.serial,
        profile=issued.profile.value,
        subject=issued.subject,
        sans=issued.sans,
        host_id=host_id,
        not_before=issued.not_before,
        not_after=issued.not_after,
        fingerprint=issued.fingerprint,
        certificate_pem=issued.certificate_pem.decode(),
        issued_at=datetime.now(UTC),
    )
