"""The internal certificate authority: one root, three profiles, one revocation list.

Issuing is a fixed pipeline: request → validate → policy → sign → store → return. What is stored is decided by the
caller, who injects the function; it runs before anything is returned, so no certificate is in the field that the
records do not know. Private keys of hosts are in the answer and nowhere else (TRUST 18).
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from patch_manager.pki import files, policy, signing
from patch_manager.pki.model import (
    AuthorityError,
    CertificateRequest,
    Crl,
    IssuedCertificate,
    RevokedCertificate,
)
from patch_manager.pki.vault import Vault, VaultError

Store = Callable[[IssuedCertificate], Awaitable[None]]
Clock = Callable[[], datetime]

CRL_LIFETIME = timedelta(days=30)  # hosts may hold a copy that nobody brings up to date for weeks
CRL_REISSUE_AFTER = timedelta(days=1)  # a CRL past its nextUpdate fails every handshake, ours and the agents'
CRL_BACKDATE = timedelta(minutes=10)
_ROOT_KEY_NAME = "pki:root"


def utc_now() -> datetime:
    return datetime.now(UTC)


class CertificateAuthority:
    """The root and its files: ``root.pem``, ``root.key.sealed``, ``crl.pem`` in one directory of mode 0700."""

    def __init__(
        self, directory: Path, root: x509.Certificate, key: ec.EllipticCurvePrivateKey, vault: Vault, clock: Clock
    ) -> None:
        self.directory = directory
        self.vault = vault
        self.root_certificate = root
        self.root_pem = root.public_bytes(Encoding.PEM)
        self._key = key
        self._clock = clock

    def __repr__(self) -> str:
        return f"CertificateAuthority({self.root_certificate.subject.rfc4514_string()!r}, key=**********)"

    @classmethod
    def load_or_create(cls, directory: Path, vault: Vault, *, clock: Clock = utc_now) -> "CertificateAuthority":
        """The authority in *directory*, made at the first start.

        Processes that start together end up with one root. Raises `AuthorityError` when the certificate is
        without its key, does not belong to it, or the key was sealed under another vault.
        """
        files.private_directory(directory)
        with files.process_lock(directory):
            root, key = _load_or_create_root(directory, vault, clock)
            authority = cls(directory, root, key, vault, clock)
            if not authority.crl_path.exists():
                authority._write_crl([], None)
        return authority

    @property
    def crl_path(self) -> Path:
        """The published list, PEM; always present."""
        return self.directory / "crl.pem"

    def now(self) -> datetime:
        return self._clock().replace(microsecond=0)

    def sign(self, request: CertificateRequest, *, now: datetime | None = None) -> IssuedCertificate:
        """Validate, apply the policy and sign; nothing is stored: records are the business of `issue`.

        Raises `CertificateRefused`.
        """
        policy.check(request)
        return signing.sign_leaf(request, self.root_certificate, self._key, now or self.now())

    async def issue(self, request: CertificateRequest, *, store: Store) -> IssuedCertificate:
        """The whole pipeline. *store* is awaited before the certificate is returned; its failure is the call's."""
        issued = self.sign(request)
        await store(issued)
        return issued

    def current_crl(self, revoked: Sequence[RevokedCertificate] | None = None, *, reissue: bool = False) -> Crl:
        """The published list, signed anew when *revoked* differs from it, when it is a day old, or on *reissue*.

        Without *revoked* the entries stay as published. Expired certificates may be left out by the caller.
        Writes ``crl.pem`` (blocking, about a millisecond).
        """
        with files.process_lock(self.directory):
            try:
                current = self._read_crl()
            except AuthorityError:
                if revoked is None:
                    raise
                current = None  # the list is derived from the records: a damaged one is simply signed anew
            if current is None:
                return self._write_crl(revoked or [], None)
            wanted = signing.read_crl(current) if revoked is None else revoked
            same = _as_entries(wanted) == _as_entries(signing.read_crl(current))
            age = self.now() - current.last_update_utc
            if same and not reissue and age < CRL_REISSUE_AFTER + CRL_BACKDATE:
                return _describe(current, reissued=False)
            return self._write_crl(wanted, current)

    def _read_crl(self) -> x509.CertificateRevocationList | None:
        try:
            crl = x509.load_pem_x509_crl(self.crl_path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise AuthorityError(f"{self.crl_path} is not a CRL: {error}") from None
        if not crl.is_signature_valid(self._key.public_key()):
            raise AuthorityError(f"{self.crl_path} was not signed by this authority")
        return crl

    def _write_crl(self, revoked: Sequence[RevokedCertificate], previous: x509.CertificateRevocationList | None) -> Crl:
        now = self.now()
        this_update = now - CRL_BACKDATE
        number = int(self._clock().timestamp() * 1000)  # grows even if the previous list was lost
        if previous is not None:
            # OpenSSL keeps every CRL it was given and believes the one with the latest thisUpdate: two lists of
            # the same second would leave the older in force.
            this_update = max(this_update, previous.last_update_utc + timedelta(seconds=1))
            number = max(number, _describe(previous, reissued=False).number + 1)
        crl = signing.sign_crl(
            revoked,
            self.root_certificate,
            self._key,
            number=number,
            this_update=this_update,
            next_update=now + CRL_LIFETIME,
        )
        files.replace(self.crl_path, crl.public_bytes(Encoding.PEM), mode=files.PUBLIC)
        return _describe(crl, reissued=True)


def _as_entries(revoked: Sequence[RevokedCertificate]) -> set[tuple[int, x509.ReasonFlags]]:
    return {(int(entry.serial, 16), entry.reason) for entry in revoked}


def _describe(crl: x509.CertificateRevocationList, *, reissued: bool) -> Crl:
    next_update = crl.next_update_utc
    if next_update is None:
        raise AuthorityError("the CRL has no nextUpdate")
    return Crl(
        pem=crl.public_bytes(Encoding.PEM),
        number=crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
        this_update=crl.last_update_utc,
        next_update=next_update,
        reissued=reissued,
    )


def _load_or_create_root(
    directory: Path, vault: Vault, clock: Clock
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_path, key_path = directory / "root.pem", directory / "root.key.sealed"
    if certificate_path.exists() and not key_path.exists():
        raise AuthorityError(f"{certificate_path} is there but its key {key_path} is missing: restore it from a backup")
    if not key_path.exists():
        files.replace(key_path, vault.seal(_ROOT_KEY_NAME, signing.key_pem(signing.new_key())))
    try:
        key = load_pem_private_key(vault.open(_ROOT_KEY_NAME, key_path.read_bytes()), password=None)
    except VaultError as error:
        raise AuthorityError(f"{key_path}: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{key_path} holds no ECDSA key")
    if not certificate_path.exists():  # also after a crash between the two files: the key is kept, nothing is lost
        root = signing.self_signed_root(key, clock().replace(microsecond=0))
        files.replace(certificate_path, root.public_bytes(Encoding.PEM), mode=files.PUBLIC)
    root = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    if root.public_key() != key.public_key():
        raise AuthorityError(f"{certificate_path} and {key_path} do not belong together")
    return root, key
