"""The rules a certificate request must pass before anything is signed."""

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta

from patch_manager.pki.model import LIFETIMES, CertificateRefused, CertificateRequest, Profile

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_COMMON_NAME_MAX = 64  # RFC 5280, ub-common-name
_SANS_MAX = 32

Rule = Callable[[CertificateRequest], str | None]


def subject_is_printable(request: CertificateRequest) -> str | None:
    """RFC 5280 bounds the common name; control characters in it would forge lines in logs and listings."""
    if not 1 <= len(request.subject) <= _COMMON_NAME_MAX or not request.subject.isprintable():
        return f"the subject must be 1 to {_COMMON_NAME_MAX} printable characters"
    return None


def servers_have_a_name(request: CertificateRequest) -> str | None:
    """Clients match the subject alternative names only, never the common name (RFC 9525)."""
    if request.profile is not Profile.MANAGER_CLIENT and not (request.ips or request.dns):
        return "a server certificate needs an IP address or a DNS name"
    if len(request.ips) + len(request.dns) > _SANS_MAX:
        return f"at most {_SANS_MAX} names fit into one certificate"
    return None


def agents_have_an_address(request: CertificateRequest) -> str | None:
    """The manager dials agents by IP address, so a certificate without one could never be accepted."""
    if request.profile is Profile.AGENT_SERVER and not request.ips:
        return "an agent's certificate needs its IP address"
    return None


def addresses_name_one_host(request: CertificateRequest) -> str | None:
    """Multicast and unspecified addresses belong to nobody; IPv4-mapped ones have a shorter true form."""
    for ip in request.ips:
        mapped = isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None
        if ip.is_unspecified or ip.is_multicast or mapped or str(ip) == "255.255.255.255":
            return f"{ip} is not the address of one host"
    return None


def dns_names_are_exact(request: CertificateRequest) -> str | None:
    """Host names as RFC 1123 has them: no wildcards, no trailing dot, no address in a name's clothes."""
    for name in request.dns:
        labels = name.split(".")
        if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
            return f"{name!r} is not a host name"
    return None


def lifetime_is_bounded(request: CertificateRequest) -> str | None:
    """Nobody gets longer than the profile's lifetime: revocation must not be the only end of a lost key."""
    lifetime = request.lifetime
    if lifetime is not None and not timedelta(minutes=1) <= lifetime <= LIFETIMES[request.profile]:
        return f"the lifetime must be between a minute and {LIFETIMES[request.profile].days} days"
    return None


RULES: tuple[Rule, ...] = (
    subject_is_printable,
    servers_have_a_name,
    agents_have_an_address,
    addresses_name_one_host,
    dns_names_are_exact,
    lifetime_is_bounded,
)


def check(request: CertificateRequest) -> None:
    """Raise `CertificateRefused` with the first broken rule's reason."""
    for rule in RULES:
        if (reason := rule(request)) is not None:
            raise CertificateRefused(reason)
