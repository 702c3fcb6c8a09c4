"""What an agent needs on its host, as files: ``patch-manager pki issue`` and the installer use these names."""

import ipaddress
from pathlib import Path

from patch_manager.pki import files
from patch_manager.pki.authority import CertificateAuthority, Store
from patch_manager.pki.model import AuthorityError, CertificateRefused, CertificateRequest, IssuedCertificate, Profile


def agent_request(address: str, fqdn: str | None = None) -> CertificateRequest:
    """The request for an agent that is dialled at *address*. Raises `CertificateRefused` for no IP address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise CertificateRefused(f"{address!r} is not an IP address: agents are dialled by address") from None
    dns = (fqdn.lower(),) if fqdn else ()
    subject = fqdn.lower() if fqdn and len(fqdn) <= 64 else str(ip)
    return CertificateRequest(subject, Profile.AGENT_SERVER, ips=(ip,), dns=dns)


def write_host_bundle(directory: Path, issued: IssuedCertificate, authority: CertificateAuthority) -> None:
    """Write ``ca.pem``, ``server.pem``, ``server.key.pem`` (PKCS#8, mode 0600) and ``crl.pem`` into *directory*."""
    if issued.private_key_pem is None:
        raise AuthorityError("the certificate was made for somebody else's key: there is no private key to write")
    directory.mkdir(parents=True, exist_ok=True)
    files.replace(directory / "server.key.pem", issued.private_key_pem)
    files.replace(directory / "server.pem", issued.certificate_pem, mode=files.PUBLIC)
    files.replace(directory / "ca.pem", authority.root_pem, mode=files.PUBLIC)
    files.replace(directory / "crl.pem", authority.current_crl().pem, mode=files.PUBLIC)


async def issue_host_bundle(
    authority: CertificateAuthority, *, address: str, fqdn: str | None, directory: Path, store: Store
) -> IssuedCertificate:
    """Issue for one host and write its bundle. The key is in *directory* afterwards and nowhere else.

    Raises `CertificateRefused` or `OSError`.
    """
    issued = await authority.issue(agent_request(address, fqdn), store=store)
    write_host_bundle(directory, issued, authority)
    return issued
