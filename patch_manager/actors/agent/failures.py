"""Why talking to an agent failed, and the sentence an operator can act on.

Errors of the operating system, of TLS and of HTTP are mapped here, at the boundary, to ``FailureKind``; nothing above
this package sees an ``OSError`` or an ``ssl.SSLError`` of an agent connection.
"""

from __future__ import annotations

import errno
import ssl
from typing import Final

import trio

from patch_manager.domain.health import FailureKind

_DETAIL_LIMIT: Final = 300


class AgentFailure(Exception):
    """One failed exchange with an agent.

    ``detail`` adds what the kind alone does not say (bounded, printable); ``status`` is the HTTP status if one came,
    ``code`` the agent's error code, ``retry_after`` seconds the agent asked to wait.
    """

    def __init__(
        self,
        kind: FailureKind,
        detail: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.kind = kind
        self.detail = printable(detail)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        super().__init__(f"{kind}: {self.detail}" if self.detail else str(kind))


def printable(text: str, limit: int = _DETAIL_LIMIT) -> str:
    """One bounded line without control characters: details carry words of strangers into logs (TRUST 21)."""
    line = "".join(c if c.isprintable() else " " for c in text[: limit + 1])
    return line if len(line) <= limit else line[: limit - 1] + "…"


_LOCAL = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN, errno.EAFNOSUPPORT}
)
_NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM, errno.ENONET}
)
HANDSHAKE: Final = "during the TLS handshake"
_DROPPED = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_VERIFY_CODES: Final = {
    3: FailureKind.CRL_EXPIRED,  # no CRL for the issuer: the manager has none loaded
    9: FailureKind.CERTIFICATE_NOT_YET_VALID,
    10: FailureKind.CERTIFICATE_EXPIRED,
    11: FailureKind.CRL_EXPIRED,  # the CRL is not valid yet: the manager's clock was set back
    12: FailureKind.CRL_EXPIRED,
    23: FailureKind.CERTIFICATE_REVOKED,
    62: FailureKind.CERTIFICATE_IDENTITY,
    64: FailureKind.CERTIFICATE_IDENTITY,
}

# SSLError.reason: alerts the agent sent, or what OpenSSL made of its bytes.
_VERSION_REASONS: Final = frozenset(
    {
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "NO_PROTOCOLS_AVAILABLE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "WRONG_SSL_VERSION",
    }
)
_NOT_TLS_REASONS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)
_CLIENT_REFUSED: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "certificate required",
    "TLSV1_ALERT_UNKNOWN_CA": "unknown CA",
    "SSLV3_ALERT_BAD_CERTIFICATE": "bad certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "certificate revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "certificate expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "certificate unknown",
    "TLSV1_ALERT_ACCESS_DENIED": "access denied",
    "TLSV1_ALERT_DECRYPT_ERROR": "decrypt error",
}


def from_error(error: BaseException, doing: str) -> AgentFailure:
    """Map an ``OSError``, ``ssl.SSLError`` or a trio stream error to a failure; ``doing`` says when it happened.

    Trio wraps what the socket or OpenSSL raised in ``BrokenResourceError``; the cause decides.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return _from_tls(cause, doing)
        if isinstance(cause, OSError):
            return _from_os(cause, doing)
        cause = cause.__cause__
    if isinstance(error, trio.BrokenResourceError | trio.ClosedResourceError):
        return _dropped(doing)
    return AgentFailure(FailureKind.TLS_OTHER, f"{doing}: {error}")


def _dropped(doing: str) -> AgentFailure:
    # Not every agent takes leave with an alert: one that speaks TLS 1.2 only may just hang up.
    hint = ", where agents without TLS 1.3 hang up too" if doing == HANDSHAKE else ""
    return AgentFailure(FailureKind.DROPPED, doing + hint)


def _from_os(error: OSError, doing: str) -> AgentFailure:
    number = error.errno
    if number == errno.ECONNREFUSED:
        return AgentFailure(FailureKind.REFUSED)
    if number in _LOCAL:
        return AgentFailure(FailureKind.LOCAL_RESOURCES, error.strerror or str(error))
    if number in _NO_ROUTE:
        return AgentFailure(FailureKind.NO_ROUTE, error.strerror or "")
    if number == errno.ETIMEDOUT:
        return AgentFailure(FailureKind.TIMED_OUT, doing)
    if number in _DROPPED:
        return _dropped(doing)
    return AgentFailure(FailureKind.NO_ROUTE, error.strerror or str(error))


def _from_tls(error: ssl.SSLError, doing: str) -> AgentFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _VERIFY_CODES.get(error.verify_code, FailureKind.CERTIFICATE_UNTRUSTED)
        return AgentFailure(kind, error.verify_message)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return _dropped(doing)
    reason = error.reason or ""
    if reason == "UNEXPECTED_EOF_WHILE_READING":
        return _dropped(doing)
    if reason in _VERSION_REASONS:
        return AgentFailure(FailureKind.TLS_VERSION)
    if reason in _CLIENT_REFUSED:
        return AgentFailure(
            FailureKind.TLS_OTHER,
            f"the agent refused the manager's client certificate ({_CLIENT_REFUSED[reason]}): "
            "check the CA and CRL files installed on the agent",
        )
    if reason in _NOT_TLS_REASONS:
        return AgentFailure(FailureKind.TLS_OTHER, "what answers on this port does not speak TLS")
    words = reason.replace("_", " ").lower() or str(error)
    return AgentFailure(FailureKind.TLS_OTHER, f"{doing}: {words}")


_SENTENCES: Final = {
    FailureKind.REFUSED: "connection refused: the host is up, but no agent listens on its port",
    FailureKind.NO_ROUTE: "no route to the host: check the address, the network and the firewall",
    FailureKind.TIMED_OUT: (
        "timed out: the host is down, a firewall drops the packets, or the manager's IP address is missing from the "
        "agent's allow-list"
    ),
    FailureKind.DROPPED: (
        "dropped without an answer: check that the manager's IP address is in the agent's allow-list and that the "
        "agent trusts the manager's CA"
    ),
    FailureKind.CERTIFICATE_UNTRUSTED: (
        "certificate not ours: what answers there was not issued by this manager's CA; issue a certificate for the host"
    ),
    FailureKind.CERTIFICATE_EXPIRED: "certificate expired: renew the host's certificate and install it on the agent",
    FailureKind.CERTIFICATE_NOT_YET_VALID: "certificate not yet valid: check the clocks of the manager and the host",
    FailureKind.CERTIFICATE_REVOKED: "certificate revoked: the agent presents one that was withdrawn; issue a new one",
    FailureKind.CERTIFICATE_IDENTITY: (
        "certificate of another host: the one presented does not name this address; install the host's own"
    ),
    FailureKind.CRL_EXPIRED: (
        "the manager's certificate revocation list is missing or out of date, so no agent can be verified: reissue it "
        "on the Certificates page; this is not the host's fault"
    ),
    FailureKind.TLS_VERSION: "TLS below 1.3: the agent offers no version that the manager accepts; upgrade the agent",
    FailureKind.TLS_OTHER: "TLS handshake failed",
    FailureKind.HTTP_STATUS: "unexpected HTTP status",
    FailureKind.UNREADABLE: "unreadable answer: what answers there does not speak the agent's protocol",
    FailureKind.TOO_LARGE: "the agent's answer is larger than the manager accepts and was cut off",
    FailureKind.TOO_SLOW: "the agent's answer came too slowly and was cut off",
    FailureKind.REDIRECT: "the agent answered with a redirect, which is never followed",
    FailureKind.ADDRESS_FORBIDDEN: "the manager does not connect to this address",
    FailureKind.RATE_LIMITED: "the agent's rate limit is reached; the manager waits and tries again",
    FailureKind.AGENT_ERROR: "the agent reported an error",
    FailureKind.LOCAL_RESOURCES: (
        "the manager itself ran out of open files, ports or memory; this says nothing about the host: raise the "
        "manager's limits"
    ),
}


def reason(failure: AgentFailure) -> str:
    """One sentence for operators: what went wrong, where to look, and what the agent or the system said."""
    sentence = _SENTENCES[failure.kind]
    if failure.status is not None:
        sentence = f"HTTP {failure.status}: {sentence}"
    return f"{sentence} ({failure.detail})" if failure.detail else sentence
