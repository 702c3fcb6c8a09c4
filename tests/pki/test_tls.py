"""TLS 1.3 on both sides, and nothing sent to an agent that is not the one it should be (TRUST 14)."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.host_bundle import agent_request
from patch_manager.pki.identities import SealedIdentity, https_request, manager_client_request
from patch_manager.pki.model import IssuedCertificate, RevokedCertificate
from patch_manager.pki.tls import AgentTls, HttpsTls, OperatorCertificate, agent_client_context
from patch_manager.pki.upkeep import Upkeep, key_pair
from patch_manager.pki.vault import Vault
from tests.pki.conftest import HOST, Outcome, agent_context, agent_for, handshake, no_store


def browser(authority: CertificateAuthority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.root_pem.decode())
    return context


def https_pair(authority: CertificateAuthority) -> IssuedCertificate:
    return authority.sign(https_request("https://manager.example.org", hostname="box"))


def der(issued: IssuedCertificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.certificate_pem.decode())


def assert_refused(outcome: Outcome, words: str) -> None:
    assert isinstance(outcome.client_error, ssl.SSLCertVerificationError)
    assert words in str(outcome.client_error)
    assert outcome.received == b""


async def test_an_agent_of_ours_is_accepted_over_tls_1_3_by_its_address(
    authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    outcome = await handshake(agent_tls.context, agent_for(authority))
    assert outcome.received == b"request"
    assert outcome.version == "TLSv1.3"


async def test_an_agent_that_speaks_tls_1_2_only_is_refused(
    authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    old = agent_for(authority)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    outcome = await handshake(agent_tls.context, old)
    assert isinstance(outcome.client_error, ssl.SSLError)
    assert outcome.received == b""


async def test_an_agent_of_a_foreign_authority_is_refused(
    tmp_path: Path, vault: Vault, authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    foreign = CertificateAuthority.load_or_create(tmp_path / "foreign", vault)
    outcome = await handshake(agent_tls.context, agent_context(authority, foreign.sign(agent_request(HOST))))
    assert_refused(outcome, "unable to get local issuer certificate")


async def test_an_expired_agent_certificate_is_refused(authority: CertificateAuthority, agent_tls: AgentTls) -> None:
    past = authority.now() - timedelta(days=400)
    expired = authority.sign(agent_request(HOST), now=past)
    assert expired.not_after < datetime.now(UTC)
    assert_refused(await handshake(agent_tls.context, agent_context(authority, expired)), "expired")


async def test_another_hosts_certificate_is_refused(authority: CertificateAuthority, agent_tls: AgentTls) -> None:
    outcome = await handshake(agent_tls.context, agent_for(authority, "127.4.0.2"))
    assert_refused(outcome, "IP address mismatch")


async def test_a_name_in_the_subject_is_no_identity(authority: CertificateAuthority, agent_tls: AgentTls) -> None:
    issued = authority.sign(agent_request("127.4.0.2", fqdn="host.example.org"))
    outcome = await handshake(agent_tls.context, agent_context(authority, issued), "other.example.org")
    assert_refused(outcome, "ostname mismatch")


async def test_a_manager_certificate_cannot_play_an_agent(authority: CertificateAuthority, agent_tls: AgentTls) -> None:
    outcome = await handshake(agent_tls.context, agent_context(authority, authority.sign(manager_client_request())))
    assert_refused(outcome, "unsuitable certificate purpose")


async def test_a_revoked_agent_is_refused_by_the_context_already_in_use(
    authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    issued = authority.sign(agent_request(HOST))
    agent = agent_context(authority, issued)
    shared = agent_tls.context
    assert (await handshake(shared, agent)).client_error is None
    authority.current_crl([RevokedCertificate(issued.serial, authority.now())])
    agent_tls.reload_crl()
    assert agent_tls.context is shared
    assert_refused(await handshake(shared, agent), "certificate revoked")
    assert (await handshake(shared, agent_for(authority))).client_error is None


async def test_two_revocations_within_one_second_both_hold(
    authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    hosts = [authority.sign(agent_request(HOST)) for _ in range(2)]
    revoked: list[RevokedCertificate] = []
    for issued in hosts:
        revoked.append(RevokedCertificate(issued.serial, authority.now()))
        authority.current_crl(revoked)
        agent_tls.reload_crl()
    for issued in hosts:
        assert_refused(await handshake(agent_tls.context, agent_context(authority, issued)), "certificate revoked")


async def test_sessions_with_agents_are_not_resumed(authority: CertificateAuthority, agent_tls: AgentTls) -> None:
    assert agent_tls.context.options & ssl.OP_NO_TICKET
    server = agent_for(authority)
    for _ in range(2):
        assert (await handshake(agent_tls.context, server)).client_error is None
    assert server.session_stats()["hits"] == 0


async def test_a_renewed_manager_certificate_is_shown_from_the_next_connection_on(
    authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    renewed = key_pair(authority.sign(manager_client_request()))
    agent_tls.replace_manager(renewed)
    assert agent_tls.manager == renewed
    assert (await handshake(agent_tls.context, agent_for(authority))).received == b"request"


def test_a_key_that_does_not_fit_the_certificate_is_refused(authority: CertificateAuthority) -> None:
    one, two = (key_pair(authority.sign(manager_client_request())) for _ in range(2))
    mixed = type(one)(one.certificate_pem, two.private_key_pem)
    with pytest.raises(ssl.SSLError):
        agent_client_context(authority.root_pem, authority.crl_path.read_bytes(), mixed)


async def test_a_browser_below_tls_1_3_is_refused(authority: CertificateAuthority) -> None:
    https = HttpsTls(key_pair(https_pair(authority)))
    old = browser(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    outcome = await handshake(old, https.context, "localhost")
    assert isinstance(outcome.client_error, ssl.SSLError)
    assert outcome.received == b""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "manager.example.org", "box"])
async def test_https_reloads_without_a_restart_for_names_and_for_addresses(
    authority: CertificateAuthority, name: str
) -> None:
    first, second = https_pair(authority), https_pair(authority)
    https = HttpsTls(key_pair(first))
    front = https.context
    assert (await handshake(browser(authority), front, name)).peer_der == der(first)
    https.replace(key_pair(second))
    outcome = await handshake(browser(authority), front, name)
    assert outcome.peer_der == der(second)
    assert outcome.version == "TLSv1.3"


async def test_a_reloaded_https_context_still_negotiates_http_2(authority: CertificateAuthority) -> None:
    https = HttpsTls(key_pair(https_pair(authority)))
    https.replace(key_pair(https_pair(authority)))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = browser(authority)
    client_context.set_alpn_protocols(["h2", "http/1.1"])
    client = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    server = https.context.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(2):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.selected_alpn_protocol() == "h2"


async def test_unusable_files_leave_the_old_certificate_in_place(authority: CertificateAuthority) -> None:
    good = https_pair(authority)
    https = HttpsTls(key_pair(good))
    with pytest.raises(ssl.SSLError):
        https.replace(type(key_pair(good))(b"rubbish", b"rubbish"))
    assert (await handshake(browser(authority), https.context, "localhost")).peer_der == der(good)


async def test_upkeep_publishes_revocations_and_renews_what_is_due(tmp_path: Path, vault: Vault) -> None:
    moment = datetime.now(UTC)
    authority = CertificateAuthority.load_or_create(tmp_path / "pki", vault, clock=lambda: moment)
    manager = SealedIdentity(authority, "manager", manager_client_request())
    https = SealedIdentity(authority, "https", https_request("https://localhost", hostname="box"))
    first = await manager.current(store=no_store)
    agent_tls = AgentTls(authority.root_pem, authority.crl_path, key_pair(first))
    https_tls = HttpsTls(key_pair(await https.current(store=no_store)))
    victim = authority.sign(agent_request(HOST))
    revoked: list[RevokedCertificate] = []

    async def read_revoked() -> list[RevokedCertificate]:
        return revoked

    upkeep = Upkeep(authority, agent_tls, https_tls, manager, https, read_revoked, no_store)
    before = (agent_tls.manager, https_tls.pair)
    await upkeep.once()
    assert (agent_tls.manager, https_tls.pair) == before
    revoked.append(RevokedCertificate(victim.serial, moment))
    await upkeep.once()
    assert_refused(await handshake(agent_tls.context, agent_context(authority, victim)), "certificate revoked")
    moment += timedelta(days=61)
    await upkeep.once()
    assert agent_tls.manager != before[0]
    assert https_tls.pair != before[1]


async def test_the_operators_own_files_are_served_and_read_again_when_changed(
    tmp_path: Path, authority: CertificateAuthority, agent_tls: AgentTls
) -> None:
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"

    def write() -> IssuedCertificate:
        issued = https_pair(authority)
        assert issued.private_key_pem is not None
        certificate.write_bytes(issued.certificate_pem)
        key.write_bytes(issued.private_key_pem)
        return issued

    first = write()
    operator = OperatorCertificate(certificate, key)
    https_tls = HttpsTls(operator.load())

    async def nothing_revoked() -> list[RevokedCertificate]:
        return []

    manager = SealedIdentity(authority, "manager", manager_client_request())
    upkeep = Upkeep(authority, agent_tls, https_tls, manager, operator, nothing_revoked, no_store)
    assert (await handshake(browser(authority), https_tls.context, "localhost")).peer_der == der(first)
    certificate.unlink()
    second = write()
    await upkeep.once()
    assert (await handshake(browser(authority), https_tls.context, "localhost")).peer_der == der(second)


async def test_upkeep_survives_a_fault_and_reports_it(
    authority: CertificateAuthority, agent_tls: AgentTls, autojump_clock: trio.testing.MockClock
) -> None:
    manager = SealedIdentity(authority, "manager", manager_client_request())
    https = SealedIdentity(authority, "https", https_request("https://localhost", hostname="box"))
    https_tls = HttpsTls(key_pair(await https.current(store=no_store)))

    async def database_away() -> list[RevokedCertificate]:
        raise OSError("database away")

    reported: list[Exception] = []
    upkeep = Upkeep(authority, agent_tls, https_tls, manager, https, database_away, no_store)
    with trio.move_on_after(1500):
        await upkeep.run(reported.append)
    assert [str(error) for error in reported] == ["database away"] * 3
