"""Errors of the system and of TLS become kinds, and kinds become sentences."""

from __future__ import annotations

import errno
import os
import ssl

import pytest
import trio

from patch_manager.actors.agent.failures import HANDSHAKE, AgentFailure, from_error, reason
from patch_manager.domain.health import FailureKind


def tls(text: str) -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = text
    return error


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ECONNREFUSED, FailureKind.REFUSED),
        (errno.EHOSTUNREACH, FailureKind.NO_ROUTE),
        (errno.ENETUNREACH, FailureKind.NO_ROUTE),
        (errno.EACCES, FailureKind.NO_ROUTE),
        (errno.ETIMEDOUT, FailureKind.TIMED_OUT),
        (errno.ECONNRESET, FailureKind.DROPPED),
        (errno.EPIPE, FailureKind.DROPPED),
        (errno.EMFILE, FailureKind.LOCAL_RESOURCES),
        (errno.ENFILE, FailureKind.LOCAL_RESOURCES),
        (errno.EADDRNOTAVAIL, FailureKind.LOCAL_RESOURCES),
    ],
)
def test_errors_of_the_system(number: int, kind: FailureKind) -> None:
    error = OSError(number, os.strerror(number))
    assert from_error(error, "while connecting").kind is kind
    wrapped = trio.BrokenResourceError("socket connection broken")
    wrapped.__cause__ = error
    assert from_error(wrapped, "while connecting").kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (tls("TLSV1_ALERT_PROTOCOL_VERSION"), FailureKind.TLS_VERSION),
        (tls("UNSUPPORTED_PROTOCOL"), FailureKind.TLS_VERSION),
        (tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), FailureKind.TLS_OTHER),
        (tls("TLSV1_ALERT_UNKNOWN_CA"), FailureKind.TLS_OTHER),
        (tls("WRONG_VERSION_NUMBER"), FailureKind.TLS_OTHER),
        (tls("SSLV3_ALERT_HANDSHAKE_FAILURE"), FailureKind.TLS_OTHER),
        (tls("UNEXPECTED_EOF_WHILE_READING"), FailureKind.DROPPED),
        (ssl.SSLEOFError(8, "EOF"), FailureKind.DROPPED),
        (trio.BrokenResourceError(), FailureKind.DROPPED),
    ],
)
def test_errors_of_tls(error: Exception, kind: FailureKind) -> None:
    assert from_error(error, "during the TLS handshake").kind is kind


def test_a_connection_dropped_in_its_handshake_may_be_a_matter_of_tls() -> None:
    assert "TLS 1.3" in reason(from_error(ssl.SSLEOFError(8, "EOF"), HANDSHAKE))
    assert "TLS" not in reason(from_error(ssl.SSLEOFError(8, "EOF"), "waiting for an answer"))


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_has_a_sentence_that_tells_more_than_its_name(kind: FailureKind) -> None:
    sentence = reason(AgentFailure(kind, "the detail", status=502))
    assert len(sentence) > 40
    assert "HTTP 502" in sentence
    assert "(the detail)" in sentence


def test_words_of_strangers_cannot_forge_a_line_or_flood_a_log() -> None:
    failure = AgentFailure(FailureKind.AGENT_ERROR, "a\r\nERROR root logged in\x1b[2J" + "x" * 5000)
    assert failure.detail.startswith("a  ERROR")
    assert failure.detail.isprintable()
    assert len(reason(failure)) < 500
