"""TLS 1.3 on both sides (TRUST 14): one shared client context for all agents, one reloadable server context."""

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SERVER_ALPN = ("h2", "http/1.1")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (chain) and its private key, both PEM."""

    certificate_pem: bytes
    private_key_pem: bytes = field(repr=False)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path for libraries that only read files, without the secret ever being on a disk."""
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def load_key_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Put a certificate and its key into *context*; raises `ssl.SSLError` when they do not match."""
    with _in_memory(pair.certificate_pem + b"\n" + pair.private_key_pem) as path:
        context.load_cert_chain(path)


def agent_client_context(root_pem: bytes, crl_pem: bytes, manager: KeyPair) -> ssl.SSLContext:
    """The one context for connections to all agents; making one per host costs 30 ms and 0.7 MiB each.

    Dial with the agent's IP address as ``server_hostname``: it is matched against the certificate's IP SANs.
    Nothing is sent before root, name, validity and revocation are checked. Sessions are not resumed, because a
    resumed handshake skips the certificate check that revocation needs.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the name by default
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.hostname_checks_common_name = False
    context.options |= ssl.OP_NO_TICKET
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=root_pem.decode("ascii"))
    with _in_memory(crl_pem) as path:
        context.load_verify_locations(cafile=path)  # cadata= refuses CRLs
    load_key_pair(context, manager)
    return context


class AgentTls:
    """The client context in force, with its revocation list and its certificate exchanged in place."""

    def __init__(self, root_pem: bytes, crl_path: Path, manager: KeyPair) -> None:
        self._root_pem = root_pem
        self._crl_path = crl_path
        self.manager = manager
        self._crl_pem = crl_path.read_bytes()
        self._context = agent_client_context(root_pem, self._crl_pem, manager)

    @property
    def context(self) -> ssl.SSLContext:
        """Ask for it at each connection: it is another object after `replace_manager`."""
        return self._context

    def reload_crl(self) -> None:
        """Put ``crl.pem`` in force for handshakes from now on, if it changed, whoever signed it.

        OpenSSL keeps the lists it was given before and believes the one with the latest thisUpdate.
        """
        published = self._crl_path.read_bytes()
        if published != self._crl_pem:
            with _in_memory(published) as path:
                self._context.load_verify_locations(cafile=path)
            self._crl_pem = published

    def replace_manager(self, manager: KeyPair) -> None:
        """Use a renewed client certificate from the next connection on. Lists that piled up in the store go too."""
        self._context = agent_client_context(self._root_pem, self._crl_pem, manager)
        self.manager = manager


def https_server_context(pair: KeyPair, *, alpn: Sequence[str] = _SERVER_ALPN) -> ssl.SSLContext:
    """A server context for browsers and API clients: TLS 1.3, no client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(list(alpn))
    load_key_pair(context, pair)
    return context


class HttpsTls:
    """A server context that never changes as an object, in front of one that can be exchanged.

    The callback runs for every handshake, also for clients that dial an IP address and send no server name.
    """

    def __init__(self, pair: KeyPair, *, alpn: Sequence[str] = _SERVER_ALPN) -> None:
        self._alpn = tuple(alpn)
        self.pair = pair
        self._current = https_server_context(pair, alpn=self._alpn)
        self.context = https_server_context(pair, alpn=self._alpn)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current

    def replace(self, pair: KeyPair) -> None:
        """Serve *pair* from the next handshake on. Raises `ssl.SSLError`, and keeps the old one, if it is unusable."""
        self._current = https_server_context(pair, alpn=self._alpn)
        self.pair = pair


class OperatorCertificate:
    """The operator's own HTTPS certificate: two PEM files, read again when either changes."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = (certificate, key)
        self._seen = self._stamp()

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in (path.stat() for path in self._paths))

    def load(self) -> KeyPair:
        """Raises `OSError` when a file cannot be read."""
        self._seen = self._stamp()
        certificate, key = (path.read_bytes() for path in self._paths)
        return KeyPair(certificate, key)

    def changed(self) -> bool:
        return self._stamp() != self._seen
