"""The root, the issuing pipeline and the revocation list."""

import ipaddress
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from patch_manager.pki.authority import CRL_LIFETIME, CertificateAuthority
from patch_manager.pki.host_bundle import agent_request, issue_host_bundle
from patch_manager.pki.identities import SealedIdentity, https_request, manager_client_request
from patch_manager.pki.model import (
    AuthorityError,
    CertificateRefused,
    CertificateRequest,
    IssuedCertificate,
    Profile,
    RevokedCertificate,
)
from patch_manager.pki.vault import Vault
from tests.pki.conftest import HOST, no_store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_the_root_may_sign_leaves_for_ten_years_and_nothing_else(authority: CertificateAuthority) -> None:
    root = authority.root_certificate
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert not usage.digital_signature
    assert root.not_valid_after_utc - root.not_valid_before_utc > timedelta(days=3652)
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)


def test_a_restart_finds_the_same_root(tmp_path: Path, vault: Vault, authority: CertificateAuthority) -> None:
    assert CertificateAuthority.load_or_create(tmp_path / "pki", vault).root_pem == authority.root_pem


def test_key_files_are_private_and_hold_no_clear_key(tmp_path: Path, authority: CertificateAuthority) -> None:
    directory = tmp_path / "pki"
    assert directory.stat().st_mode & 0o777 == 0o700
    key = directory / "root.key.sealed"
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" not in key.read_bytes()


def test_a_crash_between_key_and_certificate_keeps_the_key(
    tmp_path: Path, vault: Vault, authority: CertificateAuthority
) -> None:
    (tmp_path / "pki" / "root.pem").unlink()
    (tmp_path / "pki" / "crl.pem").unlink()
    again = CertificateAuthority.load_or_create(tmp_path / "pki", vault)
    assert again.root_certificate.public_key() == authority.root_certificate.public_key()


def test_a_root_without_its_key_is_an_error_in_words(
    tmp_path: Path, vault: Vault, authority: CertificateAuthority
) -> None:
    (tmp_path / "pki" / "root.key.sealed").unlink()
    with pytest.raises(AuthorityError, match="backup"):
        CertificateAuthority.load_or_create(tmp_path / "pki", vault)


def test_a_root_sealed_under_another_vault_is_an_error(tmp_path: Path, authority: CertificateAuthority) -> None:
    with pytest.raises(AuthorityError, match="another key"):
        CertificateAuthority.load_or_create(tmp_path / "pki", Vault(b"x" * 32))


def _start(directory: Path) -> bytes:
    vault = Vault.load_or_create(directory / "vault.key", environ={})
    return CertificateAuthority.load_or_create(directory / "pki", vault).root_pem


def test_two_processes_that_start_at_once_have_one_root(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert len(set(pool.map(_start, [tmp_path] * 4, chunksize=1))) == 1


@pytest.mark.parametrize(
    ("profile", "usage"),
    [
        (Profile.AGENT_SERVER, ExtendedKeyUsageOID.SERVER_AUTH),
        (Profile.MANAGER_CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        (Profile.HTTPS_SERVER, ExtendedKeyUsageOID.SERVER_AUTH),
    ],
)
def test_each_profile_has_exactly_its_own_use(
    authority: CertificateAuthority, profile: Profile, usage: x509.ObjectIdentifier
) -> None:
    request = CertificateRequest("name", profile, ips=(ipaddress.ip_address(HOST),))
    certificate = x509.load_pem_x509_certificate(authority.sign(request).certificate_pem)
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(authority.root_certificate)


async def test_a_certificate_is_stored_before_it_is_returned(authority: CertificateAuthority) -> None:
    stored: list[IssuedCertificate] = []

    async def store(issued: IssuedCertificate) -> None:
        stored.append(issued)

    issued = await authority.issue(agent_request(HOST, "Web1.Example.Org"), store=store)
    assert stored == [issued]
    assert issued.sans == (HOST, "web1.example.org")
    assert issued.subject == "web1.example.org"
    assert issued.not_before < datetime.now(UTC) < issued.not_after
    assert int(issued.serial, 16).bit_length() > 100
    assert len(issued.fingerprint) == 64


async def test_a_certificate_that_cannot_be_stored_is_not_returned(authority: CertificateAuthority) -> None:
    async def store(issued: IssuedCertificate) -> None:
        raise OSError("database away")

    with pytest.raises(OSError, match="database away"):
        await authority.issue(agent_request(HOST), store=store)


def test_private_keys_show_in_no_repr(authority: CertificateAuthority) -> None:
    assert "PRIVATE" not in repr(authority.sign(agent_request(HOST)))
    assert "PRIVATE" not in repr(authority)


def test_no_private_key_is_made_for_somebody_elses_public_key(authority: CertificateAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = CertificateRequest(
        "host", Profile.AGENT_SERVER, ips=(ipaddress.ip_address(HOST),), public_key=key.public_key()
    )
    issued = authority.sign(request)
    assert issued.private_key_pem is None
    assert x509.load_pem_x509_certificate(issued.certificate_pem).public_key() == key.public_key()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (CertificateRequest("", Profile.MANAGER_CLIENT), "subject"),
        (CertificateRequest("a\nb", Profile.MANAGER_CLIENT), "subject"),
        (CertificateRequest("a" * 65, Profile.MANAGER_CLIENT), "subject"),
        (CertificateRequest("host", Profile.HTTPS_SERVER), "needs an IP address or a DNS name"),
        (CertificateRequest("host", Profile.AGENT_SERVER, dns=("host",)), "needs its IP address"),
        (CertificateRequest("h", Profile.HTTPS_SERVER, ips=(ipaddress.ip_address("0.0.0.0"),)), "one host"),  # noqa: S104
        (CertificateRequest("h", Profile.HTTPS_SERVER, ips=(ipaddress.ip_address("224.0.0.1"),)), "one host"),
        (CertificateRequest("h", Profile.HTTPS_SERVER, dns=("*.example.org",)), "not a host name"),
        (CertificateRequest("h", Profile.HTTPS_SERVER, dns=("a..b",)), "not a host name"),
        (CertificateRequest("h", Profile.HTTPS_SERVER, dns=("10.0.0.256",)), "not a host name"),
        (CertificateRequest("m", Profile.MANAGER_CLIENT, lifetime=timedelta(days=9999)), "lifetime"),
    ],
)
def test_requests_that_break_the_policy_are_refused_with_the_reason(
    authority: CertificateAuthority, request_: CertificateRequest, reason: str
) -> None:
    with pytest.raises(CertificateRefused, match=reason):
        authority.sign(request_)


def test_a_host_name_instead_of_an_address_is_refused() -> None:
    with pytest.raises(CertificateRefused, match="not an IP address"):
        agent_request("web1.example.org")


async def test_the_host_bundle_has_the_agents_file_names_and_a_private_key(
    tmp_path: Path, authority: CertificateAuthority
) -> None:
    out = tmp_path / "host bundle"
    await issue_host_bundle(authority, address=HOST, fqdn=None, directory=out, store=no_store)
    assert sorted(path.name for path in out.iterdir()) == ["ca.pem", "crl.pem", "server.key.pem", "server.pem"]
    assert (out / "server.key.pem").stat().st_mode & 0o777 == 0o600
    assert (out / "server.key.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert (out / "ca.pem").read_bytes() == authority.root_pem


def test_the_crl_is_signed_lists_the_revoked_and_its_number_grows(authority: CertificateAuthority) -> None:
    before = authority.current_crl()
    serial = authority.sign(agent_request(HOST)).serial
    after = authority.current_crl([RevokedCertificate(serial, NOW, x509.ReasonFlags.key_compromise)])
    assert after.reissued
    assert after.number > before.number
    assert after.this_update > before.this_update
    crl = x509.load_pem_x509_crl(authority.crl_path.read_bytes())
    public = authority.root_certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public)
    assert [f"{entry.serial_number:x}" for entry in crl] == [serial]


def test_an_unchanged_crl_is_reissued_after_a_day_and_long_before_it_ends(tmp_path: Path, vault: Vault) -> None:
    clock = FakeClock()
    authority = CertificateAuthority.load_or_create(tmp_path / "pki", vault, clock=clock)
    revoked = [RevokedCertificate("abcdef", NOW)]
    first = authority.current_crl(revoked)
    assert not authority.current_crl(revoked).reissued
    clock.now += timedelta(days=1, minutes=1)
    second = authority.current_crl()
    assert second.reissued
    assert second.number > first.number
    assert second.next_update == clock.now + CRL_LIFETIME
    assert b"" != second.pem != first.pem
    assert len(x509.load_pem_x509_crl(second.pem)) == 1


def test_a_lost_or_damaged_crl_is_signed_anew_with_a_higher_number(authority: CertificateAuthority) -> None:
    revoked = [RevokedCertificate("abcdef", NOW)]
    first = authority.current_crl(revoked)
    authority.crl_path.write_bytes(b"rubbish")
    with pytest.raises(AuthorityError, match="not a CRL"):
        authority.current_crl()
    assert authority.current_crl(revoked).number >= first.number
    assert authority.crl_path.stat().st_mode & 0o777 == 0o644


async def test_our_own_certificates_are_kept_and_renewed_at_two_thirds(tmp_path: Path, vault: Vault) -> None:
    clock = FakeClock()
    authority = CertificateAuthority.load_or_create(tmp_path / "pki", vault, clock=clock)
    identity = SealedIdentity(authority, "manager", manager_client_request())
    first = await identity.current(store=no_store)
    clock.now = first.renew_at() - timedelta(seconds=1)
    assert await identity.current(store=no_store) == first
    clock.now = first.renew_at()
    assert (await identity.current(store=no_store)).serial != first.serial


async def test_the_https_certificate_follows_the_public_url(authority: CertificateAuthority) -> None:
    old = SealedIdentity(authority, "https", https_request("https://old.example.org:8443", hostname="box"))
    first = await old.current(store=no_store)
    assert set(first.sans) == {"old.example.org", "localhost", "127.0.0.1", "::1", "box"}
    new = SealedIdentity(authority, "https", https_request("https://192.0.2.7/", hostname="not_a_name!"))
    second = await new.current(store=no_store)
    assert set(second.sans) == {"192.0.2.7", "localhost", "127.0.0.1", "::1"}


async def test_an_identity_of_another_root_is_replaced(tmp_path: Path, vault: Vault) -> None:
    one = CertificateAuthority.load_or_create(tmp_path / "one", vault)
    two = CertificateAuthority.load_or_create(tmp_path / "two", vault)
    first = await SealedIdentity(one, "manager", manager_client_request()).current(store=no_store)
    sealed = (tmp_path / "one" / "manager.identity.sealed").read_bytes()
    (tmp_path / "two" / "manager.identity.sealed").write_bytes(sealed)
    assert (await SealedIdentity(two, "manager", manager_client_request()).current(store=no_store)) != first
