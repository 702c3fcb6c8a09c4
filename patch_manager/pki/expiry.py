"""When a certificate ends, for those that no table lists: the root, and one that the operator brought."""

from cryptography import x509

from patch_manager.domain.notifications import OwnCertificate


def expiry_of(name: str, pem: bytes) -> OwnCertificate:
    """The end of the first certificate in *pem*, under a *name* for people. Raises `ValueError` when there is none."""
    certificate = x509.load_pem_x509_certificate(pem)
    return OwnCertificate(name, f"{certificate.serial_number:x}", certificate.not_valid_after_utc)
