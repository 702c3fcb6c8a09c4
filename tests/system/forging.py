"""Certificates that no agent should have: made with the manager's own root key, or with a stranger's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from patch_manager.foundation import Keys

Signer = tuple[x509.Name, ec.EllipticCurvePrivateKey]


def stranger() -> Signer:
    """A certificate authority that nobody trusts."""
    return _name("Somebody else's CA"), ec.generate_private_key(ec.SECP256R1())


def own_root(data_dir: Path) -> Signer:
    """The manager's own authority, its key unsealed."""
    keys = Keys.open(data_dir)
    sealed = (data_dir / "pki" / "root.key.sealed").read_bytes()
    key = load_pem_private_key(keys.vault.open("pki:root", sealed), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return keys.authority.root_certificate.subject, key


def forge(
    directory: Path, address: str | None, signer: Signer, *, starts_in: timedelta = timedelta(days=-1), days: int = 30
) -> tuple[Path, Path]:
    """A server certificate for ``address`` (None: no subject alternative name) and its key, as files."""
    issuer, issuer_key = signer
    key = ec.generate_private_key(ec.SECP256R1())
    start = datetime.now(UTC) + starts_in
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(address or "127.0.0.1"))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if address is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer_key, SHA256())
    directory.mkdir(parents=True, exist_ok=True)
    files = directory / "server.pem", directory / "server.key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])
