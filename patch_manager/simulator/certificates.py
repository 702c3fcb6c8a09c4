"""The certificates of simulated hosts: good ones, and every kind of bad one."""

import collections
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from typing import Protocol

from patch_manager.pki import signing
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.model import CertificateRequest, IssuedCertificate, Profile
from patch_manager.pki.tls import KeyPair, load_key_pair
from patch_manager.simulator.specs import HostSpec
from patch_manager.simulator.temper import Identity

CONTEXTS_KEPT = 4096


class CertificateSource(Protocol):
    """Where a fleet gets its certificates from."""

    @property
    def root_pem(self) -> bytes:
        """The authority that managers' client certificates must come from."""

    def key_pair(self, spec: HostSpec, identity: Identity) -> KeyPair:
        """The certificate that the host shows under *identity*; `Identity.TLS_1_2` means its own."""


class AuthorityCertificates:
    """Signed by the given authority when first asked for; all hosts share one key, which saves 25,000 key pairs."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        self._key = signing.new_key()
        self._key_pem = signing.key_pem(self._key)
        self._foreign_key = signing.new_key()
        self._foreign_root = signing.self_signed_root(self._foreign_key, datetime.now(UTC).replace(microsecond=0))

    @property
    def root_pem(self) -> bytes:
        return self._authority.root_pem

    def key_pair(self, spec: HostSpec, identity: Identity) -> KeyPair:
        return KeyPair(self._issue(spec, identity).certificate_pem, self._key_pem)

    def _issue(self, spec: HostSpec, identity: Identity) -> IssuedCertificate:
        ip = ipaddress.IPv4Address(spec.address)
        now = self._authority.now()
        match identity:
            case Identity.OWN | Identity.TLS_1_2:
                return self._authority.sign(self._request(spec, ip))
            case Identity.EXPIRED:
                return self._authority.sign(self._request(spec, ip), now=now - timedelta(days=400))
            case Identity.OTHER_HOST:
                return self._authority.sign(self._request(spec, ipaddress.IPv4Address(int(ip) ^ 1)))
            case Identity.FOREIGN:
                return signing.sign_leaf(self._request(spec, ip), self._foreign_root, self._foreign_key, now)

    def _request(self, spec: HostSpec, ip: ipaddress.IPv4Address) -> CertificateRequest:
        return CertificateRequest(
            spec.hostname[:64],
            Profile.AGENT_SERVER,
            ips=(ip,),
            dns=(spec.fqdn,),
            public_key=self._key.public_key(),
        )


class Contexts:
    """Server contexts per host and identity, the least recently used forgotten."""

    def __init__(self, source: CertificateSource, *, kept: int = CONTEXTS_KEPT) -> None:
        self._source = source
        self._root = source.root_pem.decode("ascii")
        self._size = kept
        self._kept: collections.OrderedDict[tuple[str, Identity], ssl.SSLContext] = collections.OrderedDict()

    def get(self, spec: HostSpec, identity: Identity) -> ssl.SSLContext:
        key = (spec.address, identity)
        context = self._kept.get(key)
        if context is not None:
            self._kept.move_to_end(key)
            return context
        context = self._kept[key] = self._make(spec, identity)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return context

    def _make(self, spec: HostSpec, identity: Identity) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if identity is Identity.TLS_1_2:
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.num_tickets = 0
        context.load_verify_locations(cadata=self._root)
        load_key_pair(context, self._source.key_pair(spec, identity))
        return context
