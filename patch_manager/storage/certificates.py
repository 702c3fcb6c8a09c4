"""Certificates that the internal CA issued. Private keys of hosts are never here (TRUST 18)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from patch_manager.storage.connecting import Connection

_INSERT: Final = """
INSERT INTO certificates
    (serial, profile, subject, sans, host_id, not_before, not_after, fingerprint, certificate_pem, issued_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_COLUMNS: Final = """
SELECT serial, profile, subject, sans, host_id, not_before, not_after, fingerprint, certificate_pem, issued_at,
       revoked_at, revocation_reason
FROM certificates
"""
_LIST: Final = (
    _COLUMNS
    + """
WHERE ($1::uuid IS NULL OR host_id = $1) AND ($2::text IS NULL OR profile = $2)
  AND ($3::timestamptz IS NULL OR (issued_at, serial) < ($3, $4))
ORDER BY issued_at DESC, serial DESC LIMIT $5
"""
)
_COUNT: Final = """
SELECT count(*) FROM certificates WHERE ($1::uuid IS NULL OR host_id = $1) AND ($2::text IS NULL OR profile = $2)
"""
_REVOKED: Final = """
SELECT serial, revoked_at, coalesce(revocation_reason, 'unspecified') AS reason FROM certificates
WHERE revoked_at IS NOT NULL AND not_after > $1 ORDER BY serial
"""
_HOST_BY_ADDRESS: Final = "SELECT id FROM hosts WHERE address = $1"


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate as issued; ``serial`` and ``fingerprint`` (SHA-256 of the DER form) are lower-case hexadecimal."""

    serial: str
    profile: str
    subject: str
    sans: tuple[str, ...]
    host_id: UUID | None
    not_before: datetime
    not_after: datetime
    fingerprint: str
    certificate_pem: str
    issued_at: datetime
    revoked_at: datetime | None = None
    revocation_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RevokedRow:
    """An entry for the certificate revocation list; ``reason`` is a word of RFC 5280, section 5.3.1."""

    serial: str
    revoked_at: datetime
    reason: str


def _row(row: asyncpg.Record) -> CertificateRow:
    return CertificateRow(**{**row, "sans": tuple(row["sans"])})


async def store_certificate(connection: Connection, row: CertificateRow) -> None:
    """Record a certificate before anybody gets it."""
    await connection.execute(
        _INSERT,
        row.serial,
        row.profile,
        row.subject,
        list(row.sans),
        row.host_id,
        row.not_before,
        row.not_after,
        row.fingerprint,
        row.certificate_pem,
        row.issued_at,
    )


async def list_certificates(
    connection: Connection,
    *,
    host_id: UUID | None = None,
    profile: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> tuple[tuple[CertificateRow, ...], int]:
    """Certificates, newest first, from ``after`` (issued_at, serial) on, and how many match."""
    issued_at, serial = after if after is not None else (None, None)
    rows = await connection.fetch(_LIST, host_id, profile, issued_at, serial, limit)
    return tuple(_row(row) for row in rows), await connection.fetchval(_COUNT, host_id, profile)


async def revoked_certificates(connection: Connection, now: datetime) -> tuple[RevokedRow, ...]:
    """Revoked certificates that have not expired: those that the revocation list must name."""
    rows = await connection.fetch(_REVOKED, now)
    return tuple(RevokedRow(row["serial"], row["revoked_at"], row["reason"]) for row in rows)


async def host_at(connection: Connection, address: str) -> UUID | None:
    """The managed host with an address in canonical form, for a certificate that is issued outside the API."""
    host_id: UUID | None = await connection.fetchval(_HOST_BY_ADDRESS, address)
    return host_id
