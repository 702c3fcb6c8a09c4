"""The manager's own certificates: made when missing, renewed at two thirds of their lifetime, kept sealed.

Certificate and key are one sealed file, replaced atomically, so no crash and no second process can pair the
certificate of one with the key of another.
"""

import socket
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from patch_manager.pki import files, signing
from patch_manager.pki.authority import CertificateAuthority, Store
from patch_manager.pki.model import AuthorityError, CertificateRequest, IssuedCertificate, Profile
from patch_manager.pki.policy import dns_names_are_exact
from patch_manager.pki.vault import VaultError

_END = b"-----END CERTIFICATE-----\n"


def manager_client_request() -> CertificateRequest:
    """What agents see of the manager."""
    return CertificateRequest("patch-manager", Profile.MANAGER_CLIENT)


def https_request(public_url: str, *, hostname: str | None = None) -> CertificateRequest:
    """A certificate for every name a browser on this machine or elsewhere uses: the public URL's host,
    localhost, 127.0.0.1, ::1 and the machine's host name (left out when it is no legal DNS name).
    """
    machine = socket.gethostname() if hostname is None else hostname
    public = urlsplit(public_url).hostname
    names = [name for name in (public, "localhost", "127.0.0.1", "::1", machine) if name]
    ips, dns = signing.parse_addresses(names)
    legal = tuple(name for name in dns if name == public or _is_legal(name))
    return CertificateRequest((public or "localhost")[:64], Profile.HTTPS_SERVER, ips=ips, dns=legal)


def _is_legal(name: str) -> bool:
    return dns_names_are_exact(CertificateRequest(name, Profile.HTTPS_SERVER, dns=(name,))) is None


class SealedIdentity:
    """One certificate of our own with its key, in ``<name>.identity.sealed`` of the authority's directory."""

    def __init__(self, authority: CertificateAuthority, name: str, request: CertificateRequest) -> None:
        self._authority = authority
        self._name = f"identity:{name}"
        self._path: Path = authority.directory / f"{name}.identity.sealed"
        self._request = request

    async def current(self, *, store: Store) -> IssuedCertificate:
        """The identity in force, issued first when there is none, its names changed, its issuer is another root,
        or two thirds of its lifetime are over. Private key included. Raises `CertificateRefused`.
        """
        found = self._load()
        if found is not None and self._is_good(found):
            return found
        issued = await self._authority.issue(self._request, store=store)
        assert issued.private_key_pem is not None  # noqa: S101 - the request carries no public key
        sealed = self._authority.vault.seal(self._name, issued.certificate_pem + issued.private_key_pem)
        files.replace(self._path, sealed)
        return issued

    def _load(self) -> IssuedCertificate | None:
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            content = self._authority.vault.open(self._name, sealed)
        except VaultError as error:
            raise AuthorityError(f"{self._path}: {error}") from None
        certificate, end, key = content.partition(_END)
        return signing.describe(certificate + end, key, self._request.profile)

    def _is_good(self, found: IssuedCertificate) -> bool:
        names = {*map(str, self._request.ips), *self._request.dns}
        if set(found.sans) != names or self._authority.now() >= found.renew_at():
            return False
        certificate = x509.load_pem_x509_certificate(found.certificate_pem)
        try:
            certificate.verify_directly_issued_by(self._authority.root_certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True
