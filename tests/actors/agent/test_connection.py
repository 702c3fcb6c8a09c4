"""Connections against scripted agents: every kind of failure, and what is sent when."""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Callable

import pytest
import trio

from patch_manager.actors.agent.address_policy import AddressPolicy
from patch_manager.actors.agent.connection import AgentConnection, ClosedAtCheck, RawResponse, open_connection
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.domain.health import FailureKind
from tests.actors.agent.certificates import Pki
from tests.actors.agent.servers import (
    LOOPBACK,
    Agent,
    Script,
    Stream,
    answers,
    refusing_agent,
    response,
    tcp_agent,
    tls_agent,
)

HEAD = b"HTTP/1.1 200 OK\r\n"


async def connect(port: int, context: ssl.SSLContext, wait: float = 2.0) -> AgentConnection:
    return await open_connection("127.0.0.1", port, context, LOOPBACK, connect_timeout=wait)


async def get(connection: AgentConnection, limit: int = 1000, wait: float = 0.5) -> RawResponse:
    return await connection.request("GET", "/x", timeout=wait, drip_timeout=0.2, max_bytes=limit)


async def failure_of_connecting(port: int, context: ssl.SSLContext, wait: float = 2.0) -> AgentFailure:
    with pytest.raises(AgentFailure) as caught:
        await connect(port, context, wait)
    return caught.value


async def failure_of_asking(pki: Pki, script: Script, limit: int = 1000) -> AgentFailure:
    async with tls_agent(pki.server_context(), script) as agent:
        connection = await connect(agent.port, pki.client_context())
        with pytest.raises(AgentFailure) as caught:
            await get(connection, limit)
        assert not connection.open
        assert agent.connections == 1
        return caught.value


def sends(*chunks: bytes, then_hangs: bool = False) -> Script:
    async def script(agent: Agent, stream: Stream) -> None:
        await agent.next_request(stream)
        for chunk in chunks:
            await stream.send_all(chunk)
        if then_hangs:
            await agent.read(stream)

    return script


async def test_a_forbidden_address_is_not_connected_to(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(b"")) as agent:
        with pytest.raises(AgentFailure) as caught:
            await open_connection("127.0.0.1", agent.port, pki.client_context(), AddressPolicy())
        assert caught.value.kind is FailureKind.ADDRESS_FORBIDDEN
        assert agent.connections == 0


async def test_a_lax_tls_context_is_a_programming_error(pki: Pki) -> None:
    lax = pki.client_context()
    lax.minimum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ValueError, match=r"TLS 1\.3"):
        await connect(1, lax)


async def test_a_closed_port_is_refused(pki: Pki) -> None:
    with trio.socket.socket() as sock:
        await sock.bind(("127.0.0.1", 0))
        failure = await failure_of_connecting(sock.getsockname()[1], pki.client_context())
    assert failure.kind is FailureKind.REFUSED
    assert "refused" in reason(failure)


async def test_a_drop_before_tls_names_the_allow_list(pki: Pki) -> None:
    async def drop(stream: trio.SocketStream) -> None:
        await stream.aclose()

    async with tcp_agent(drop) as port:
        failure = await failure_of_connecting(port, pki.client_context())
    assert failure.kind is FailureKind.DROPPED
    assert "allow-list" in reason(failure)


async def test_a_hang_before_tls_times_out_and_names_the_allow_list(pki: Pki) -> None:
    async def hang(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with tcp_agent(hang) as port:
        failure = await failure_of_connecting(port, pki.client_context(), wait=0.2)
    assert failure.kind is FailureKind.TIMED_OUT
    assert "TLS handshake" in failure.detail
    assert "allow-list" in reason(failure)


async def test_an_agent_that_speaks_no_tls_is_told_so(pki: Pki) -> None:
    async def plain(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.receive_some()

    async with tcp_agent(plain) as port:
        failure = await failure_of_connecting(port, pki.client_context())
    assert failure.kind is FailureKind.TLS_OTHER
    assert "does not speak TLS" in reason(failure)


@pytest.mark.parametrize(
    ("certificate", "kind"),
    [
        (lambda pki: pki.foreign, FailureKind.CERTIFICATE_UNTRUSTED),
        (lambda pki: pki.expired, FailureKind.CERTIFICATE_EXPIRED),
        (lambda pki: pki.early, FailureKind.CERTIFICATE_NOT_YET_VALID),
        (lambda pki: pki.other_host, FailureKind.CERTIFICATE_IDENTITY),
        (lambda pki: pki.revoked, FailureKind.CERTIFICATE_REVOKED),
    ],
)
async def test_a_bad_certificate_is_refused_before_a_request_byte(
    pki: Pki, certificate: Callable[[Pki], object], kind: FailureKind
) -> None:
    async with tls_agent(pki.server_context(certificate(pki)), answers(b"")) as agent:  # type: ignore[arg-type] # a Path
        failure = await failure_of_connecting(agent.port, pki.client_context())
        assert agent.received == 0
    assert failure.kind is kind


async def test_an_expired_crl_is_the_managers_fault(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(b"")) as agent:
        failure = await failure_of_connecting(agent.port, pki.client_context(old_crl=True))
    assert failure.kind is FailureKind.CRL_EXPIRED
    assert "not the host's fault" in reason(failure)


async def test_tls_1_2_is_refused(pki: Pki) -> None:
    context = pki.server_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with refusing_agent(context) as port:
        failure = await failure_of_connecting(port, pki.client_context())
    assert failure.kind is FailureKind.TLS_VERSION
    assert "TLS below 1.3" in reason(failure)


async def test_an_agent_that_does_not_trust_the_manager_says_so_after_our_handshake(pki: Pki) -> None:
    async with refusing_agent(pki.server_context(trusts_manager=False)) as port:
        connection = await connect(port, pki.client_context())
        with pytest.raises(AgentFailure) as caught:
            await get(connection)
    assert caught.value.kind is FailureKind.TLS_OTHER
    assert "refused the manager's client certificate" in reason(caught.value)


async def test_a_missing_client_certificate_is_told(pki: Pki) -> None:
    async with refusing_agent(pki.server_context()) as port:
        connection = await connect(port, pki.client_context(certificate=False))
        with pytest.raises(AgentFailure) as caught:
            await get(connection)
    assert "certificate required" in reason(caught.value)


async def test_too_many_open_files_is_the_managers_fault(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(trio.socket, "socket", no_more)
    failure = await failure_of_connecting(1, pki.client_context())
    assert failure.kind is FailureKind.LOCAL_RESOURCES
    assert "nothing about the host" in reason(failure)


@pytest.mark.parametrize(
    ("script", "kind", "detail"),
    [
        pytest.param(sends(), FailureKind.DROPPED, "before an answer", id="drop"),
        pytest.param(sends(then_hangs=True), FailureKind.TIMED_OUT, "no answer to the request", id="hang"),
        pytest.param(sends(HEAD, then_hangs=True), FailureKind.TOO_SLOW, "first byte", id="half a head"),
        pytest.param(sends(b"\x00\xff" * 50), FailureKind.UNREADABLE, "not HTTP", id="garbage"),
        pytest.param(sends(b"SSH-2.0-x\r\n"), FailureKind.UNREADABLE, "", id="ssh"),
        pytest.param(sends(HEAD + b"Content-Length: 9\r\n\r\n{}"), FailureKind.UNREADABLE, "cut off", id="cut body"),
        pytest.param(sends(HEAD + b"Cont"), FailureKind.UNREADABLE, "cut off", id="cut head"),
        pytest.param(sends(HEAD + b"X: " + b"y" * 99_999), FailureKind.TOO_LARGE, "header", id="huge head"),
        pytest.param(sends(HEAD + b"Content-Length: 1001\r\n\r\n"), FailureKind.TOO_LARGE, "1000", id="announced"),
        pytest.param(sends(HEAD + b"\r\n" + b"x" * 1001), FailureKind.TOO_LARGE, "1000", id="unannounced"),
        pytest.param(
            sends(response(302, b"", "Location: https://127.0.0.1/")), FailureKind.REDIRECT, "https", id="redirect"
        ),
        pytest.param(sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 99), FailureKind.UNREADABLE, "interim", id="interim"),
        pytest.param(
            sends(response(200, gzip.compress(b"0" * 500_000), "Content-Encoding: gzip")),
            FailureKind.TOO_LARGE,
            "1000",
            id="gzip bomb",
        ),
        pytest.param(
            sends(response(200, b"xxx", "Content-Encoding: gzip")), FailureKind.UNREADABLE, "compression", id="no gzip"
        ),
        pytest.param(
            sends(response(200, gzip.compress(b"abc")[:-9], "Content-Encoding: gzip")),
            FailureKind.UNREADABLE,
            "compression",
            id="half a gzip",
        ),
        pytest.param(
            sends(response(200, b"xxx", "Content-Encoding: br")), FailureKind.UNREADABLE, "coding br", id="brotli"
        ),
    ],
)
async def test_bad_answers_are_told_apart(pki: Pki, script: Script, kind: FailureKind, detail: str) -> None:
    failure = await failure_of_asking(pki, script)
    assert failure.kind is kind
    assert detail in failure.detail


async def test_a_dripping_answer_is_cut_off_in_total(pki: Pki) -> None:
    async def drip(agent: Agent, stream: Stream) -> None:
        await agent.next_request(stream)
        await stream.send_all(HEAD + b"Content-Length: 900\r\n\r\n")
        for _ in range(900):
            await stream.send_all(b"x")
            await trio.sleep(0.02)

    failure = await failure_of_asking(pki, drip)
    assert failure.kind is FailureKind.TOO_SLOW


async def test_a_redirect_is_not_followed(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(response(200, b"{}"))) as other:
        failure = await failure_of_asking(
            pki, answers(response(307, b"", f"Location: https://127.0.0.1:{other.port}/x"))
        )
        assert other.connections == 0
    assert failure.status == 307


@pytest.mark.parametrize(
    "reply",
    [
        response(200, b"hello"),
        response(200, gzip.compress(b"hello"), "Content-Encoding: gzip"),
        response(200, zlib.compress(b"hello"), "Content-Encoding: deflate"),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(200, b"hello"),
    ],
)
async def test_a_connection_is_used_again_after_a_whole_answer(pki: Pki, reply: bytes) -> None:
    async with tls_agent(pki.server_context(), answers(reply)) as agent:
        connection = await connect(agent.port, pki.client_context())
        for _ in range(3):
            answer = await get(connection)
            assert (answer.status, answer.body) == (200, b"hello")
        assert connection.open
        assert agent.connections == 1
        await connection.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(HEAD + b"\r\nhello", id="until the end"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", id="HTTP/1.0"),
        pytest.param(response(200, b"hello", "Connection: close"), id="close"),
        pytest.param(response(200, b"hello") + response(200, b"poison"), id="unasked second answer"),
    ],
)
async def test_a_connection_that_cannot_be_trusted_again_is_closed(pki: Pki, reply: bytes) -> None:
    async with tls_agent(pki.server_context(), sends(reply)) as agent:
        connection = await connect(agent.port, pki.client_context())
        assert (await get(connection)).body == b"hello"
        assert not connection.open


async def test_headers_are_sent_once_and_ask_for_no_compression(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(response(200, b"{}"))) as agent:
        connection = await connect(agent.port, pki.client_context())
        await connection.request("POST", "/x", body=b'{"a":1}', timeout=1, max_bytes=10)
        await connection.request("POST", "/y", timeout=1, max_bytes=10)
        await connection.aclose()
    names = [name for name, _ in agent.requests[0].headers]
    assert len(names) == len(set(names))
    headers = dict(agent.requests[0].headers)
    assert headers["accept-encoding"] == "identity"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{agent.port}"
    assert dict(agent.requests[1].headers)["content-length"] == "0"


async def test_the_check_before_sending_prevents_every_request_byte(pki: Pki) -> None:
    ended = trio.Event()

    async def watch(agent: Agent, stream: Stream) -> None:
        await agent.read(stream)
        ended.set()

    async with tls_agent(pki.server_context(), watch) as agent:
        connection = await connect(agent.port, pki.client_context())
        with pytest.raises(ClosedAtCheck, match="window closed"):
            await connection.request(
                "POST", "/x", body=b"{}", timeout=1, max_bytes=10, before_send=lambda: "window closed"
            )
        await ended.wait()
        assert agent.handshakes == 1
        assert agent.received == 0
        assert not connection.open


async def test_cancellation_before_the_check_sends_nothing(pki: Pki) -> None:
    checked: list[bool] = []

    async with tls_agent(pki.server_context(), answers(response(200, b"{}"))) as agent:
        connection = await connect(agent.port, pki.client_context())
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.request(
                "POST", "/x", body=b"{}", timeout=1, max_bytes=10, before_send=lambda: checked.append(True)
            )
        assert scope.cancelled_caught
        assert not checked
        assert not connection.open
        assert agent.received == 0


async def test_cancellation_while_waiting_closes_the_connection(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), sends(then_hangs=True)) as agent:
        connection = await connect(agent.port, pki.client_context())
        with trio.move_on_after(0.05):
            await get(connection, wait=10)
        assert not connection.open
        assert connection.requests_sent == 1
