"""Which pages may refresh a session or open a live stream: only our own (TRUST 12, ASVS 4.4.2)."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_own_origin(origin: str | None, host: str | None, public_origin: str) -> bool:
    """Whether ``Origin`` names this server.

    It is the configured public origin, or the address the request was sent to, where that is an IP address or
    localhost: other names are not believed, since a foreign name may be made to point here (DNS rebinding).
    """
    if not origin:
        return False
    if origin == public_origin:
        return True
    return host is not None and origin == f"https://{host}" and _is_literal(origin)


def _is_literal(origin: str) -> bool:
    try:
        name = urlsplit(origin).hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
