"""Notifications: what is told, through which channels, and how an attempt ended; the types that rooms share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, assert_never
from urllib.parse import urlsplit
from uuid import UUID

MAIL_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)
"""Addresses as people have them (HTML's definition): no quotes, comments or line breaks, so no header can be forged."""


class EventKind(StrEnum):
    """What a rule may ask to be told of."""

    JOB_FAILED = "job_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DEPLOYMENT_STOPPED = "deployment_stopped"
    DEPLOYMENT_FINISHED = "deployment_finished"
    HOST_UNREACHABLE = "host_unreachable"
    HOST_RECOVERED = "host_recovered"
    WINDOW_OPENING = "window_opening"
    CERTIFICATE_EXPIRING = "certificate_expiring"


class ChannelKind(StrEnum):
    """Ways out."""

    SMTP = "smtp"
    WEBHOOK = "webhook"


class MailSecurity(StrEnum):
    """How the way to the mail server is protected. ``starttls`` is required, never only tried."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class WebhookFormat(StrEnum):
    """Whose JSON a webhook gets; ``json`` is our own."""

    SLACK = "slack"
    TEAMS = "teams"
    NTFY = "ntfy"
    JSON = "json"


class DeliveryState(StrEnum):
    """Of one message to one rule's audience. ``failed``: given up; ``dropped``: nobody may read it any more."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """A mail server. ``recipients`` are for rules that name none."""

    host: str
    port: int
    security: MailSecurity
    sender: str
    recipients: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """An address that takes JSON. The address itself is a secret: whoever knows that of a chat room may write there.

    ``topic`` is ntfy's; without one, the last part of the address is it. ``signing_secret`` signs our own format.
    """

    url: str = field(repr=False)
    format: WebhookFormat
    topic: str | None = None
    bearer_token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def origin(self) -> str:
        """Scheme and host of the address: what may be shown of it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


ChannelSettings = SmtpSettings | WebhookSettings


def kind_of(settings: ChannelSettings) -> ChannelKind:
    """The kind of a channel with these settings."""
    return ChannelKind.SMTP if isinstance(settings, SmtpSettings) else ChannelKind.WEBHOOK


def shown_part(settings: ChannelSettings) -> dict[str, Any]:
    """What may be stored and shown in the clear."""
    match settings:
        case SmtpSettings():
            return {
                "host": settings.host,
                "port": settings.port,
                "security": settings.security.value,
                "username": settings.username,
                "sender": settings.sender,
                "recipients": list(settings.recipients),
                "password_set": settings.password is not None,
            }
        case WebhookSettings():
            return {
                "format": settings.format.value,
                "origin": settings.origin,
                "topic": settings.topic,
                "bearer_token_set": settings.bearer_token is not None,
                "signing_secret_set": settings.signing_secret is not None,
                "header_names": [name for name, _ in settings.headers],
            }
        case _:
            assert_never(settings)


def sealed_part(settings: ChannelSettings) -> dict[str, Any]:
    """What is stored sealed only and never shown again."""
    match settings:
        case SmtpSettings():
            return {"password": settings.password}
        case WebhookSettings():
            return {
                "url": settings.url,
                "bearer_token": settings.bearer_token,
                "signing_secret": settings.signing_secret,
                "headers": [list(pair) for pair in settings.headers],
            }
        case _:
            assert_never(settings)


def joined(kind: ChannelKind, shown: Mapping[str, Any], secret: Mapping[str, Any]) -> ChannelSettings:
    """The settings out of their two parts."""
    if kind is ChannelKind.SMTP:
        return SmtpSettings(
            host=shown["host"],
            port=shown["port"],
            security=MailSecurity(shown["security"]),
            sender=shown["sender"],
            recipients=tuple(shown["recipients"]),
            username=shown["username"],
            password=secret["password"],
        )
    return WebhookSettings(
        url=secret["url"],
        format=WebhookFormat(shown["format"]),
        topic=shown["topic"],
        bearer_token=secret["bearer_token"],
        signing_secret=secret["signing_secret"],
        headers=tuple((name, value) for name, value in secret["headers"]),
    )


def seal_name(channel_id: UUID) -> str:
    """What a channel's secrets are sealed under: those of one channel open in no other."""
    return f"notification-channel:{channel_id}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt to send ended, in words that say what to do. ``retry_after``: seconds the server asked for."""

    ok: bool
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate that no table lists: the root, or one that the operator brought."""

    name: str
    serial: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, as kept: to which host, in which job, in which words.

    ``data`` holds what the kind needs besides: times of an opening, days left of a certificate.
    """

    kind: EventKind
    topic: str
    at: datetime
    host_id: UUID | None = None
    host_name: str | None = None
    deployment_id: UUID | None = None
    job_id: UUID | None = None
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """What one delivery tells its audience: the facts in their sight, and of how many more there is no room.

    ``totals`` are jobs by state in the same sight, of a deployment.
    """

    kind: EventKind
    facts: tuple[Fact, ...]
    count: int
    deployment_id: UUID | None = None
    deployment_by: str | None = None
    totals: Mapping[str, int] = field(default_factory=dict)


class Notifier(Protocol):
    """What http needs of the room that sends."""

    async def test(self, channel_id: UUID, recipients: Sequence[str]) -> Attempt | None:
        """Send a test message now and wait for its real end, 20 s at most; None: no such channel."""
        ...

    def changed(self) -> None:
        """A rule, a channel or a delivery was changed: look at once."""
        ...
