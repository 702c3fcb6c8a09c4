"""Building and signing X.509 structures (RFC 5280). Pure: keys and moments come in, objects go out."""

import hashlib
import ipaddress
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from patch_manager.pki.model import (
    LIFETIMES,
    CertificateRequest,
    IpAddress,
    IssuedCertificate,
    Profile,
    RevokedCertificate,
)

ROOT_LIFETIME = timedelta(days=3652)
ROOT_BACKDATE = timedelta(days=1)
BACKDATE = timedelta(hours=1)  # hosts' clocks are not ours

_USAGE = {
    Profile.AGENT_SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Profile.MANAGER_CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Profile.HTTPS_SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
}
_ORGANISATION = "Linux Patch Manager"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8, as the agent reads it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def serial_text(serial: int) -> str:
    return f"{serial:x}"


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        encipher_only=False,
        decipher_only=False,
    )


def _identifiers(root: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    subject_key = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key)


def self_signed_root(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """A root for ten years that may sign leaves only (path length 0).

    Its name carries a random part, so that two managers' roots in one trust store are never taken for each other.
    """
    name = _name(f"Linux Patch Manager Root CA {secrets.token_hex(4)}")
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - ROOT_BACKDATE)
        .not_valid_after(now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(leaf=False), critical=True)
        .add_extension(subject_key, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key), critical=False)
        .sign(key, hashes.SHA256())
    )


def sign_leaf(
    request: CertificateRequest, root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey, now: datetime
) -> IssuedCertificate:
    """Sign a request that passed the policy. The leaf never outlives the root."""
    private_key = new_key() if request.public_key is None else None
    public_key = private_key.public_key() if private_key is not None else request.public_key
    assert public_key is not None  # noqa: S101 - one of the two exists by construction
    names: list[x509.GeneralName] = [x509.IPAddress(ip) for ip in request.ips]
    names += [x509.DNSName(name) for name in request.dns]
    not_before = now - BACKDATE
    not_after = min(now + (request.lifetime or LIFETIMES[request.profile]), root.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(request.subject))
        .issuer_name(root.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(leaf=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGE[request.profile]]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_identifiers(root), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(root_key, hashes.SHA256())
    pem = certificate.public_bytes(Encoding.PEM)
    return describe(pem, key_pem(private_key) if private_key is not None else None, request.profile)


def describe(certificate_pem: bytes, private_key_pem: bytes | None, profile: Profile) -> IssuedCertificate:
    """Read the facts of a certificate back from its own bytes, so that record and certificate cannot differ."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    common_name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        sans = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
        sans += names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        sans = []
    return IssuedCertificate(
        serial=serial_text(certificate.serial_number),
        certificate_pem=certificate_pem,
        private_key_pem=private_key_pem,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        subject=common_name if isinstance(common_name, str) else common_name.decode("utf-8", "replace"),
        sans=tuple(sans),
        fingerprint=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        profile=profile,
    )


def sign_crl(
    revoked: Iterable[RevokedCertificate],
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """A complete version 2 CRL. Reason *unspecified* is left out, as RFC 5280 §5.3.1 asks."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_identifiers(root), critical=False)
    )
    for entry in revoked:
        item = (
            x509.RevokedCertificateBuilder()
            .serial_number(int(entry.serial, 16))
            .revocation_date(entry.revoked_at.replace(microsecond=0))
        )
        if entry.reason is not x509.ReasonFlags.unspecified:
            item = item.add_extension(x509.CRLReason(entry.reason), critical=False)
        builder = builder.add_revoked_certificate(item.build())
    return builder.sign(root_key, hashes.SHA256())


def read_crl(crl: x509.CertificateRevocationList) -> list[RevokedCertificate]:
    """The entries of a CRL that we signed."""
    entries = []
    for item in crl:
        try:
            reason = item.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except x509.ExtensionNotFound:
            reason = x509.ReasonFlags.unspecified
        entries.append(RevokedCertificate(serial_text(item.serial_number), item.revocation_date_utc, reason))
    return entries


def parse_addresses(names: Iterable[str]) -> tuple[tuple[IpAddress, ...], tuple[str, ...]]:
    """Split names into IP addresses and DNS names (lower-cased), in order, without repeats."""
    ips: dict[IpAddress, None] = {}
    dns: dict[str, None] = {}
    for name in names:
        try:
            ips[ipaddress.ip_address(name)] = None
        except ValueError:
            dns[name.lower()] = None
    return tuple(ips), tuple(dns)
