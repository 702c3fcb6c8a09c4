"""Certificates of the internal CA."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from patch_manager.http.pages import PageQuery
from patch_manager.http.schemas.base import Answer

ProfileWord = Literal["agent_server", "manager_client", "https_server"]


class CertificateQuery(PageQuery):
    """Which certificates, newest first."""

    host_id: UUID | None = None
    profile: ProfileWord | None = None


class CertificateOut(Answer):
    """A certificate that the internal CA issued; serial and SHA-256 fingerprint are lower-case hexadecimal."""

    serial: str
    profile: ProfileWord
    subject: str
    sans: list[str]
    host_id: UUID | None
    not_before: datetime
    not_after: datetime
    fingerprint: str
    certificate_pem: str
    issued_at: datetime
    revoked_at: datetime | None
    revocation_reason: str | None


class HostBundle(Answer):
    """What an agent needs on its host. The private key is in this answer and nowhere else (TRUST 18): keep it now,
    or issue a new certificate later.
    """

    serial: str
    not_after: datetime
    ca_pem: str = Field(description="ca.pem")
    server_pem: str = Field(description="server.pem")
    server_key_pem: str = Field(description="server.key.pem, PKCS#8")
    crl_pem: str = Field(description="crl.pem")
