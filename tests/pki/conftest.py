"""One authority per test, and a TLS handshake over memory so that no port is needed."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from trio.testing import memory_stream_pair

from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.host_bundle import agent_request
from patch_manager.pki.identities import manager_client_request
from patch_manager.pki.model import IssuedCertificate
from patch_manager.pki.tls import AgentTls, load_key_pair
from patch_manager.pki.upkeep import key_pair
from patch_manager.pki.vault import Vault

HOST = "127.4.0.1"


async def no_store(issued: IssuedCertificate) -> None:
    """For tests in which nothing records certificates."""


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.load_or_create(tmp_path / "vault.key", environ={})


@pytest.fixture
def authority(tmp_path: Path, vault: Vault) -> CertificateAuthority:
    return CertificateAuthority.load_or_create(tmp_path / "pki", vault)


@pytest.fixture
def agent_tls(authority: CertificateAuthority) -> AgentTls:
    manager = authority.sign(manager_client_request())
    return AgentTls(authority.root_pem, authority.crl_path, key_pair(manager))


def agent_context(authority: CertificateAuthority, issued: IssuedCertificate) -> ssl.SSLContext:
    """The agent's side: our root, a client certificate required, TLS 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.root_pem.decode())
    load_key_pair(context, key_pair(issued))
    return context


def agent_for(authority: CertificateAuthority, address: str = HOST) -> ssl.SSLContext:
    return agent_context(authority, authority.sign(agent_request(address)))


@dataclass
class Outcome:
    """What became of one handshake: each side's error, the bytes that reached the server, the certificate seen."""

    client_error: BaseException | None = None
    server_error: BaseException | None = None
    received: bytes = b""
    peer_der: bytes | None = None
    version: str | None = None


async def handshake(client: ssl.SSLContext, server: ssl.SSLContext, server_name: str | None = HOST) -> Outcome:
    """Connect, have the client send ``request`` if the handshake held, and tell what the server got."""
    left, right = memory_stream_pair()
    outcome = Outcome()

    async def serve() -> None:
        stream = trio.SSLStream(right, server, server_side=True, https_compatible=True)
        try:
            await stream.do_handshake()
            outcome.received = bytes(await stream.receive_some(100))
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            outcome.server_error = error.__cause__ or error
        finally:
            await trio.aclose_forcefully(right)

    async def connect() -> None:
        stream = trio.SSLStream(left, client, server_hostname=server_name, https_compatible=True)
        try:
            await stream.do_handshake()
            outcome.peer_der = stream.getpeercert(binary_form=True)
            outcome.version = stream.version()
            await stream.send_all(b"request")
            await stream.receive_some(100)
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            outcome.client_error = error.__cause__ or error
        finally:
            await trio.aclose_forcefully(left)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(connect)
    return outcome
