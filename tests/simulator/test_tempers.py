"""How hosts misbehave, and that they can be told to at any time."""

import contextlib
import gzip
import ssl
import zlib

import h11
import pytest
import trio

from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.temper import ALWAYS, Answering, Identity, LostAnswer, Reception, Temper
from tests.simulator.client import Client
from tests.simulator.conftest import ADDRESS, Start

GONE = (trio.BrokenResourceError, OSError)


async def read_all(client: Client, host: SimulatedHost, *, limit: int = 1_000_000, seconds: float = 5.0) -> bytes:
    """What comes back for a health request, up to *limit* bytes or *seconds*."""
    received = b""
    async with client.connect(host.address) as stream:
        await stream.send_all(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        with trio.move_on_after(seconds):
            while len(received) < limit and (chunk := await stream.receive_some(65536)):
                received += chunk
    return received


async def test_a_refusing_host_refuses_at_once_and_comes_back_at_once(start: Start) -> None:
    host, client = await start()
    assert (await client.get(host, "/health")).status == 200
    host.temper = Temper(reception=Reception.REFUSE)
    with pytest.raises(OSError, match="connect"):
        await client.get(host, "/health")
    host.temper = Temper()
    assert (await client.get(host, "/health")).status == 200


async def test_a_host_drops_before_tls(start: Start) -> None:
    host, client = await start(temper=Temper(reception=Reception.DROP_BEFORE_TLS))
    with pytest.raises(GONE):
        await client.get(host, "/health")
    assert not host.requests


async def test_a_host_drops_after_tls_without_an_answer(start: Start) -> None:
    host, client = await start(temper=Temper(reception=Reception.DROP_AFTER_TLS))
    with contextlib.suppress(trio.BrokenResourceError):
        assert await read_all(client, host) == b""
    assert not host.requests


@pytest.mark.parametrize("temper", [Temper(reception=Reception.HANG), Temper(answering=Answering.HANG)])
async def test_a_host_hangs(start: Start, temper: Temper) -> None:
    host, client = await start(temper=temper)
    with trio.move_on_after(0.3) as waiting:
        await client.get(host, "/health")
    assert waiting.cancelled_caught


async def test_a_request_is_read_and_not_answered(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.DROP))
    assert await read_all(client, host) == b""
    assert len(host.requests) == 1


async def test_bytes_drip(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.DRIP))
    assert 1 <= len(await read_all(client, host, seconds=1.2)) <= 4


async def test_garbage_is_no_http(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.GARBAGE))
    assert not (await read_all(client, host)).startswith(b"HTTP/")


async def test_html_comes_with_status_200(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.HTML))
    answer = await client.get(host, "/health")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")


async def test_a_huge_body_goes_on_until_the_client_has_enough(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.HUGE))
    assert len(await read_all(client, host, limit=5_000_000)) >= 5_000_000


async def test_a_gzip_bomb_unpacks_to_a_thousand_times_its_size(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.GZIP_BOMB))
    head, _, body = (await read_all(client, host, limit=100_000)).partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert len(zlib.decompressobj(wbits=31).decompress(body)) >= 10_000_000
    assert body.startswith(gzip.compress(b"")[:2])


async def test_a_redirect_points_elsewhere(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.REDIRECT))
    answer = await client.get(host, "/health")
    assert (answer.status, answer.headers["location"]) == (302, "https://127.0.0.1:9/stolen/health")


async def test_http_500_is_in_the_envelope_and_may_be_limited_to_a_path(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.HTTP_500, answering_on="/api/v1/patches"))
    assert (await client.get(host, "/api/v1/health")).status == 200
    answer = await client.get(host, "/api/v1/patches")
    assert (answer.status, answer.code) == (500, "PKG_MANAGER_ERROR")


async def test_a_host_is_rate_limited_always(start: Start) -> None:
    host, client = await start(temper=Temper(answering=Answering.RATE_LIMITED, retry_after=7))
    answer = await client.get(host, "/health")
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert not answer.body.startswith(b"{")


async def test_a_degraded_host_says_so(start: Start) -> None:
    host, client = await start(temper=Temper(degraded=True))
    assert (await client.get(host, "/api/v1/health")).data["status"] == "degraded"


async def test_only_health_is_slow(start: Start) -> None:
    host, client = await start(temper=Temper(health_delay=0.4))
    before = trio.current_time()
    await client.get(host, "/api/v1/patches")
    assert trio.current_time() - before < 0.4
    before = trio.current_time()
    await client.get(host, "/api/v1/health")
    assert trio.current_time() - before >= 0.4


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (Identity.EXPIRED, "expired"),
        (Identity.FOREIGN, "issuer"),
        (Identity.OTHER_HOST, "IP address mismatch"),
    ],
)
async def test_bad_certificates_are_bad_in_the_way_they_say(start: Start, identity: Identity, words: str) -> None:
    host, client = await start(temper=Temper(identity=identity))
    with pytest.raises(trio.BrokenResourceError) as caught:
        await client.get(host, "/health")
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert words in str(caught.value.__cause__)
    assert not host.requests


async def test_a_host_speaks_tls_1_2_only(start: Start) -> None:
    host, client = await start(temper=Temper(identity=Identity.TLS_1_2))
    with pytest.raises(GONE):
        await client.get(host, "/health")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    stream = trio.SSLStream(await trio.open_tcp_stream(ADDRESS, client.fleet.port), old)
    with pytest.raises(trio.BrokenResourceError) as caught:  # it gets as far as the missing client certificate
        await stream.do_handshake()
    await trio.aclose_forcefully(stream)
    assert "protocol version" not in str(caught.value.__cause__)


async def test_clients_without_our_certificate_get_no_answer(start: Start) -> None:
    host, client = await start()
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE
    with pytest.raises((*GONE, h11.RemoteProtocolError)):
        await Client(client.fleet, stranger).get(host, "/health")
    assert not host.requests


@pytest.mark.parametrize(("lost", "jobs"), [(LostAnswer.BEFORE_ACCEPTANCE, 0), (LostAnswer.AFTER_ACCEPTANCE, 1)])
async def test_the_answer_to_a_post_is_lost_before_or_after_acceptance(
    start: Start, lost: LostAnswer, jobs: int
) -> None:
    host, client = await start(temper=Temper(lost_answer=lost))
    async with client.connect(host.address) as stream:
        body = b'{"packages":["nginx"]}'
        head = b"POST /api/v1/patches/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        await stream.send_all(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert await stream.receive_some(100) == b""
    assert host.apply_jobs == jobs
    assert (await client.get(host, "/api/v1/jobs")).data["total"] == jobs
    assert (await client.post(host, "/api/v1/patches/apply", {"packages": None})).status == 202  # once only


async def test_a_full_queue_can_be_had_at_will(start: Start) -> None:
    host, client = await start(temper=Temper(queue_full=True))
    answer = await client.post(host, "/api/v1/patches/apply", {"packages": None})
    assert (answer.status, answer.code) == (429, "QUEUE_FULL")


async def test_a_new_temper_starts_its_counts_anew(start: Start) -> None:
    host, _ = await start(temper=Temper(fail_jobs=1))
    assert [host.take("fail_jobs") for _ in range(2)] == [True, False]
    host.temper = Temper(fail_jobs=ALWAYS)
    assert all(host.take("fail_jobs") for _ in range(100))
