"""A certificate authority for tests, made with nothing but ``cryptography``: independent of the pki room."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """One CA; issues into files under ``directory``."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._serials: dict[str, int] = {}
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 10 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, address: str, *, starts: timedelta = -DAY, ends: timedelta = DAY) -> Path:
        """A certificate and key in one file; ``starts`` and ``ends`` count from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        serial = self._serials[name] = x509.random_serial_number()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._directory / f"{name}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path

    def revocations(self, file: str, *revoked: str, next_update: timedelta = DAY) -> Path:
        """A CRL naming the certificates issued under ``revoked``."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - 2 * DAY)
            .next_update(now + next_update)
        )
        for name in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(self._serials[name]).revocation_date(now - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        path = self._directory / file
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path


class Pki:
    """Everything the tests present or trust; the server's address is 127.0.0.1."""

    def __init__(self, directory: Path) -> None:
        ours, foreign = Authority(directory, "ours"), Authority(directory, "foreign")
        self._ca, self._foreign_ca = ours.path, foreign.path
        self.good = ours.issue("good", "127.0.0.1")
        self.revoked = ours.issue("revoked", "127.0.0.1")
        self.expired = ours.issue("expired", "127.0.0.1", starts=-3 * DAY, ends=-DAY)
        self.early = ours.issue("early", "127.0.0.1", starts=DAY, ends=2 * DAY)
        self.other_host = ours.issue("other-host", "127.0.0.2")
        self.foreign = foreign.issue("foreign-host", "127.0.0.1")
        self._manager = ours.issue("manager", "127.0.0.1")
        self._crl = ours.revocations("crl.pem", "revoked")
        self._old_crl = ours.revocations("old-crl.pem", next_update=-timedelta(hours=1))

    def client_context(self, *, crl: bool = True, old_crl: bool = False, certificate: bool = True) -> ssl.SSLContext:
        """What the manager connects with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self._ca)
        if crl:
            context.load_verify_locations(self._old_crl if old_crl else self._crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if certificate:
            context.load_cert_chain(self._manager)
        return context

    def server_context(self, certificate: Path | None = None, *, trusts_manager: bool = True) -> ssl.SSLContext:
        """What the scripted agent presents; it asks for a client certificate like a real one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate or self.good)
        context.load_verify_locations(self._ca if trusts_manager else self._foreign_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context
