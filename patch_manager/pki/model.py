"""What the certificate authority is asked for and what it gives."""

import enum
import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Profile(enum.Enum):
    """What a certificate may be used for; each has its own extended key usage and lifetime."""

    AGENT_SERVER = "agent_server"
    MANAGER_CLIENT = "manager_client"
    HTTPS_SERVER = "https_server"


LIFETIMES = {
    Profile.AGENT_SERVER: timedelta(days=365),
    Profile.MANAGER_CLIENT: timedelta(days=90),
    Profile.HTTPS_SERVER: timedelta(days=90),
}


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A wish for a certificate.

    With a *public_key* (from a CSR, or a key that lives elsewhere) no private key is made or returned.
    """

    subject: str
    profile: Profile
    ips: tuple[IpAddress, ...] = ()
    dns: tuple[str, ...] = ()
    lifetime: timedelta | None = None
    public_key: ec.EllipticCurvePublicKey | None = None


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A signed certificate, and the private key if we made it: handed on once, never kept (TRUST 18).

    *serial* and *fingerprint* (SHA-256 over the DER form) are lower-case hexadecimal; times are aware, in UTC.
    """

    serial: str
    certificate_pem: bytes
    private_key_pem: bytes | None = field(repr=False)
    not_before: datetime
    not_after: datetime
    subject: str
    sans: tuple[str, ...]
    fingerprint: str
    profile: Profile

    def renew_at(self) -> datetime:
        """Two thirds through the lifetime."""
        return self.not_before + (self.not_after - self.not_before) * 2 / 3


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """One entry of the certificate revocation list."""

    serial: str
    revoked_at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


@dataclass(frozen=True, slots=True)
class Crl:
    """A certificate revocation list as published. *reissued* says whether this call signed a new one."""

    pem: bytes
    number: int
    this_update: datetime
    next_update: datetime
    reissued: bool


class CertificateRefused(Exception):
    """The request breaks the policy; the message names the rule in words for an operator."""


class AuthorityError(Exception):
    """The authority's files are incomplete, damaged, or sealed under another key."""
