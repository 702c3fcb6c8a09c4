"""Which addresses the manager may connect to (TRUST 15, ASVS 1.3.6): agents, never itself or the cloud's insides.

Hosts are addressed by IP, so there is no name to resolve and no time between check and use: the address checked is
the one connected to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

IPAddress = IPv4Address | IPv6Address

# Instance metadata and platform services of the large clouds that lie outside the link-local ranges.
_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google
        ),
    )
)
_THIS_NETWORK: Final = ip_network("0.0.0.0/8")  # RFC 1122; Linux routes 0.0.0.0 to itself
_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
_COMPATIBLE: Final = ip_network("::/96")  # RFC 4291 2.5.5.1, deprecated


def canonical(address: str) -> IPAddress | None:
    """Parse an IP address; an IPv4-mapped IPv6 address is the IPv4 address it means. None: not an IP address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def forbidden(address: str, *, allow_loopback: bool, own_addresses: Collection[IPAddress]) -> str | None:
    """Say why ``address`` must not be connected to, or None when it may be.

    ``own_addresses`` are those of the manager's interfaces, IPv4-mapped ones unwrapped; loopback ones among them count
    as loopback. ``allow_loopback`` is for the demo and for tests.
    """
    ip = canonical(address)
    if ip is None:
        return "not an IP address"
    return _forbidden(ip, allow_loopback, own_addresses)


def _forbidden(ip: IPAddress, allow_loopback: bool, own_addresses: Collection[IPAddress]) -> str | None:
    if ip.is_loopback:
        return None if allow_loopback else "loopback address"
    if ip in _METADATA:
        return "cloud metadata address"
    if ip.is_link_local:
        return "link-local address"
    if ip.is_multicast:
        return "multicast address"
    if ip.is_unspecified or ip in _THIS_NETWORK:
        return "unspecified address"
    if ip == IPv4Address("255.255.255.255"):
        return "broadcast address"
    if ip in own_addresses:
        return "one of the manager's own addresses"
    if isinstance(ip, IPv6Address):
        embedded = _embedded(ip)
        if embedded is not None:  # a tunnel or translator would carry the connection to this IPv4 address
            inner = _forbidden(embedded, False, own_addresses)
            return None if inner is None else f"IPv6 form of a forbidden address: {inner}"
        if ip.is_site_local:
            return "deprecated site-local address"
    if ip.is_reserved:
        return "reserved address"
    return None


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _COMPATIBLE or any(ip in network for network in _NAT64):
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The rule of ``forbidden`` with this manager's settings filled in."""

    allow_loopback: bool = False
    own_addresses: frozenset[IPAddress] = frozenset()

    def forbidden(self, address: str) -> str | None:
        """Why ``address`` is refused, or None."""
        return forbidden(address, allow_loopback=self.allow_loopback, own_addresses=self.own_addresses)
