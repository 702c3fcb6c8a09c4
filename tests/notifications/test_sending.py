"""Mail and webhooks against real servers: what arrives, and what is said when nothing does."""

from __future__ import annotations

import email
import email.policy
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import trio

from patch_manager.domain.notifications import (
    EventKind,
    Fact,
    MailSecurity,
    SmtpSettings,
    Story,
    WebhookFormat,
    WebhookSettings,
)
from patch_manager.notifications import smtp, webhook
from patch_manager.notifications.formats import mail, signature, webhook_post
from patch_manager.notifications.reaching import NotSent, Reach
from patch_manager.notifications.wording import Message, tell
from tests.actors.agent.certificates import Pki
from tests.notifications.servers import MailServer, Receiver, listening

NOW = datetime(2030, 5, 17, 9, 0, 0, tzinfo=UTC)
ID = UUID(int=7)
ORIGIN = "https://patch.example.com"
HOSTILE = "<!channel> @here *x* [a](http://evil)\r\nBcc: everybody@example.com"
CANARY = "canary-4b1d"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("authority"))


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def reach(pki: Pki) -> Reach:
    """Loopback is allowed, and only the tests' authority is trusted."""
    return Reach(lambda address: None, pki.client_context(crl=False, certificate=False))


def told(detail: str = HOSTILE, hosts: int = 1) -> Message:
    facts = tuple(
        Fact(EventKind.JOB_FAILED, "", NOW, UUID(int=n + 1), f"host-{n} {HOSTILE}", job_id=ID, detail=detail)
        for n in range(hosts)
    )
    return tell(Story(EventKind.JOB_FAILED, facts, hosts), ID, NOW, ORIGIN)


def hook(port: int, format_: WebhookFormat = WebhookFormat.JSON, scheme: str = "http") -> WebhookSettings:
    return WebhookSettings(
        f"{scheme}://127.0.0.1:{port}/{CANARY}-path", format_, None, f"{CANARY}-token", f"{CANARY}-signing", ()
    )


async def post(settings: WebhookSettings, reach: Reach, message: Message | None = None, seconds: float = 20.0) -> str:
    return await webhook.send(settings, webhook_post(settings, message or told(), NOW), reach, seconds=seconds)


async def test_a_webhook_gets_our_format_signed_and_under_the_deliverys_id(reach: Reach) -> None:
    receiver = Receiver()
    async with listening(receiver.serve) as port:
        await post(hook(port), reach)
        await post(hook(port), reach)
    first, second = receiver.received
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == str(ID)
    assert first.headers["authorization"] == f"Bearer {CANARY}-token"
    signed = signature(f"{CANARY}-signing", first.headers["x-patch-manager-timestamp"], first.body)
    assert first.headers["x-patch-manager-signature"] == f"sha256={signed}"
    assert (first.json["id"], first.json["event"], first.json["count"]) == (str(ID), "job_failed", 1)


async def test_each_format_is_what_its_takers_read_and_strangers_words_stay_words(reach: Reach) -> None:
    receiver = Receiver()
    async with listening(receiver.serve) as port:
        for format_ in (WebhookFormat.SLACK, WebhookFormat.TEAMS, WebhookFormat.NTFY):
            await post(hook(port, format_), reach)
        await post(replace(hook(port, WebhookFormat.NTFY), topic="alerts"), reach)
    slack, teams, ntfy, named = receiver.received
    text = str(slack.json["text"])
    assert "<" not in text
    assert "@here" not in text
    assert "&lt;!channel&gt;" in text
    card = teams.json["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert (ntfy.target, ntfy.json["topic"]) == ("/", f"{CANARY}-path")
    assert (named.target, named.json["topic"]) == (f"/{CANARY}-path", "alerts")
    assert "\n" not in str(ntfy.json["title"])


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (500, (), "answered 500: its own error"),
        (302, ("Location: http://127.0.0.1/elsewhere",), "a redirect, and those are not followed"),
        (404, (), "there is no such webhook"),
        (429, ("Retry-After: 120",), "too many messages"),
    ],
)
async def test_refusals_say_what_to_do_and_never_quote_secrets(
    reach: Reach, status: int, headers: tuple[str, ...], words: str
) -> None:
    receiver = Receiver()
    receiver.refuse(status, *headers, body=f"no such path {CANARY}-path or {CANARY}-token")
    async with listening(receiver.serve) as port:
        with pytest.raises(NotSent) as refused:
            await post(hook(port), reach)
    assert words in refused.value.words
    assert CANARY not in refused.value.words
    assert refused.value.retry_after == (120.0 if headers and status == 429 else None)
    assert len(receiver.received) == 1


async def test_servers_that_hang_drip_or_are_not_there_are_left_in_time(reach: Reach) -> None:
    async def drip(stream: trio.abc.Stream) -> None:
        while True:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nX: y\r\n"[:1])
            await trio.sleep(0.05)

    receiver, mails = Receiver(answer=None), MailServer()

    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with listening(receiver.serve) as hung, listening(drip) as dripping, listening(silent) as mute:
        for port in (hung, dripping):
            with pytest.raises(NotSent, match=r"no answer|does not answer in HTTP"):
                await post(hook(port), reach, seconds=0.5)
        with pytest.raises(NotSent, match="no answer"):
            await post(hook(mute, scheme="https"), reach, seconds=0.5)
        with pytest.raises(NotSent, match="no answer"):
            await send_mail(replace(MAIL, port=mute), mails, reach, seconds=0.5)
    with pytest.raises(NotSent, match="refused the connection"):
        await post(hook(mute), reach)


async def test_only_a_certificate_that_is_trusted_and_of_that_name_is_talked_to(reach: Reach, pki: Pki) -> None:
    receiver = Receiver()
    async with listening(receiver.serve, server_tls(pki.good)) as port:
        await post(hook(port, scheme="https"), reach)
    for certificate in (pki.foreign, pki.expired, pki.other_host):
        async with listening(receiver.serve, server_tls(certificate)) as port:
            with pytest.raises(NotSent, match="is not trusted"):
                await post(hook(port, scheme="https"), reach)

    async def plain(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await trio.sleep_forever()

    async with listening(plain) as port:
        with pytest.raises(NotSent, match="TLS with"):
            await post(hook(port, scheme="https"), reach)
    assert len(receiver.received) == 1


async def test_a_name_is_checked_where_it_leads(pki: Pki) -> None:
    reach = Reach(lambda address: "loopback address" if address in ("127.0.0.1", "::1") else None, pki.client_context())
    receiver = Receiver()
    async with listening(receiver.serve) as port:
        for host in ("127.0.0.1", "localhost"):
            settings = replace(hook(port), url=f"http://{host}:{port}/x")
            with pytest.raises(NotSent, match="is not connected to: loopback address"):
                await post(settings, reach)
            with pytest.raises(NotSent, match="is not connected to: loopback address"):
                await send_mail(replace(MAIL, host=host, port=port), MailServer(), reach)
    assert receiver.received == []


MAIL = SmtpSettings("127.0.0.1", 25, MailSecurity.NONE, "patches@example.com")
SIGNED_IN = replace(MAIL, security=MailSecurity.STARTTLS, username="patches", password=f"{CANARY}-password")


async def send_mail(settings: SmtpSettings, server: MailServer, reach: Reach, *, seconds: float = 20.0) -> str:
    recipients = ("a@example.com", "b@example.com")
    message = mail(told(), settings.sender, recipients, NOW)
    return await smtp.send(settings, message, recipients, reach, trio.CapacityLimiter(2), seconds=seconds)


async def test_mail_is_plain_text_whose_headers_nobody_else_writes(reach: Reach) -> None:
    server = MailServer()
    async with listening(server.serve) as port:
        await send_mail(replace(MAIL, host="localhost", port=port), server, reach)  # also where ::1 comes first
    (raw,) = server.mails
    parsed = email.message_from_string(raw, policy=email.policy.default)
    assert parsed["Message-ID"] == f"<{ID}@example.com>"
    assert parsed["Bcc"] is None
    assert parsed["Subject"].startswith("Job failed on host-0 <!channel>")
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content_type() == "text/plain"
    assert [line for line in server.heard if line.startswith("rcpt")] == [
        "rcpt TO:<a@example.com>",
        "rcpt TO:<b@example.com>",
    ]


async def test_a_password_goes_over_verified_tls_only(reach: Reach, pki: Pki) -> None:
    server = MailServer(extensions=["STARTTLS", "AUTH PLAIN"], tls=server_tls(pki.good))
    async with listening(server.serve) as port:
        await send_mail(replace(SIGNED_IN, port=port), server, reach)
    assert len(server.mails) == 1
    plain, foreign = MailServer(extensions=["AUTH PLAIN"]), MailServer(extensions=["STARTTLS", "AUTH PLAIN"])
    foreign.tls = server_tls(pki.foreign)
    async with listening(plain.serve) as port:
        with pytest.raises(NotSent, match="STARTTLS"):
            await send_mail(replace(SIGNED_IN, port=port), plain, reach)
    async with listening(foreign.serve) as port:
        with pytest.raises(NotSent, match="is not trusted"):
            await send_mail(replace(SIGNED_IN, port=port), foreign, reach)
    assert not any(line.startswith("AUTH") for line in plain.heard + foreign.heard)
    implicit = MailServer(extensions=["AUTH PLAIN"])
    async with listening(implicit.serve, server_tls(pki.good)) as port:
        await send_mail(replace(SIGNED_IN, port=port, security=MailSecurity.TLS), implicit, reach)
    assert len(implicit.mails) == 1


@pytest.mark.parametrize(
    ("verb", "reply", "words"),
    [
        ("AUTH", f"535 {CANARY}-password is wrong", "refused user name or password"),
        ("MAIL", "550 not from you", "refused the sender"),
        ("RCPT", "550 nobody here", "refused every recipient: a@example.com (550 nobody here)"),
        ("DATA", "452 disk full", "answered 452 disk full"),
    ],
)
async def test_what_a_mail_server_refuses_is_told(reach: Reach, pki: Pki, verb: str, reply: str, words: str) -> None:
    server = MailServer(replies={verb: reply}, extensions=["STARTTLS", "AUTH PLAIN"], tls=server_tls(pki.good))
    async with listening(server.serve) as port:
        with pytest.raises(NotSent) as refused:
            await send_mail(replace(SIGNED_IN, port=port), server, reach)
    assert words in refused.value.words
    assert CANARY not in refused.value.words


def test_500_failed_jobs_are_told_by_their_causes() -> None:
    facts = tuple(
        Fact(
            EventKind.JOB_FAILED, "d", NOW, UUID(int=n + 1), f"web-{n:03}", ID, ID, "no space left" if n % 5 else "GPG"
        )
        for n in range(500)
    )
    message = tell(Story(EventKind.JOB_FAILED, facts, 500, ID, "alice"), ID, NOW, ORIGIN)
    assert message.title == "500 jobs failed"
    assert message.lines[0] == "Deployment of alice."
    assert message.lines[1] == "web-001, web-002, web-003, web-004, web-006, web-007 and 394 more: no space left"
    assert message.lines[2].endswith("and 94 more: GPG")
    assert message.url == f"{ORIGIN}/jobs/{ID}"
