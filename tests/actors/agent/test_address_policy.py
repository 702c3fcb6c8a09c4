"""Requirement 15: what must never be connected to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from patch_manager.actors.agent.address_policy import AddressPolicy, forbidden

OWN = frozenset({ip_address("10.0.0.5"), ip_address("2001:db8::5")})


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("169.254.169.254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("fd20:ce::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - refused, not bound
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.5", "own"),
        ("2001:db8::5", "own"),
        ("::ffff:10.0.0.5", "own"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:127.0.0.1", "loopback"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("::169.254.169.254", "metadata"),
        ("2002:7f00:1::1", "loopback"),
        ("fec0::1", "site-local"),
        ("example.org", "not an IP"),
        ("127.1", "not an IP"),
        ("0x7f.0.0.1", "not an IP"),
        ("010.0.0.1", "not an IP"),
        ("", "not an IP"),
    ],
)
def test_dangerous_addresses_are_refused(address: str, word: str) -> None:
    refusal = forbidden(address, allow_loopback=False, own_addresses=OWN)
    assert refusal is not None
    assert word in refusal


@pytest.mark.parametrize("address", ["10.0.0.6", "192.168.1.1", "8.8.8.8", "fd12::7", "2001:db8::6", "::ffff:10.0.0.6"])
def test_hosts_are_allowed(address: str) -> None:
    assert forbidden(address, allow_loopback=False, own_addresses=OWN) is None


def test_loopback_is_allowed_only_by_the_setting_and_even_as_own_address() -> None:
    policy = AddressPolicy(allow_loopback=True, own_addresses=frozenset({ip_address("127.0.0.1")}))
    assert policy.forbidden("127.0.0.1") is None
    assert policy.forbidden("::ffff:127.0.0.1") is None
    assert policy.forbidden("64:ff9b::7f00:1") is not None  # through a translator it is somebody else's loopback
    assert AddressPolicy().forbidden("127.0.0.1") == "loopback address"
