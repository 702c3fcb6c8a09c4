"""Where messages may be sent: names are resolved here, and the address that was checked is the one connected to."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import trio

from patch_manager.notifications.wording import one_line

MASK: Final = "***"
_OURS: Final = frozenset({"loopback address", "one of the manager's own addresses"})


class NotSent(Exception):
    """Nothing was delivered. The text is one line that says what to do; it never holds a secret."""

    def __init__(self, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Reach:
    """``forbidden`` says why an address must not be connected to, None when it may (TRUST 15). ``tls`` verifies."""

    forbidden: Callable[[str], str | None]
    tls: ssl.SSLContext

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a name that may be connected to, in the system's order.

        Raises `NotSent`: the name is unknown, or all that it means is forbidden.
        """
        try:
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NotSent(f"the name {host} cannot be resolved: check its spelling and the manager's DNS") from None
        addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
        refusals = {address: self.forbidden(address.partition("%")[0]) for address in addresses}
        allowed = tuple(address for address in addresses if refusals[address] is None)
        if not allowed:
            reason = next(iter(refusals.values()))
            advice = "; the setting notifications.allow_loopback allows it" if reason in _OURS else ""
            raise NotSent(f"{host} is not connected to: {reason}{advice}")
        return allowed


def in_words(error: BaseException, host: str, port: int, seconds: float) -> str:
    """Why a connection failed, and what to look at."""
    where = f"{host}:{port}"
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {where} is not trusted ({one_line(error.verify_message, 100)}): "
                "give its CA in the setting notifications.ca_file, or correct the name"
            )
        case ssl.SSLError():
            reason = one_line(error.reason or "no TLS there", 100)
            return f"TLS with {where} failed ({reason}): check port and kind of encryption"
        case TimeoutError() | trio.TooSlowError():
            return f"no answer from {where} within {seconds:g} s: is a firewall between, is the port right?"
        case OSError(errno=errno.ECONNREFUSED):
            return f"{where} refused the connection: is the server running, is the port right?"
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return f"there is no route to {where}: check the manager's network"
        case _:
            return f"the connection to {where} broke: {one_line(str(error), 100) or type(error).__name__}"


def redacted(text: str, secrets: Iterable[str | None]) -> str:
    """``text`` without any of the secrets: servers like to quote what they refuse (TRUST 21)."""
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
