"""Channels, rules and deliveries of notifications. No answer ever holds a password, a token or a webhook's address."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from patch_manager.domain.notifications import MAIL_ADDRESS
from patch_manager.http.pages import PageQuery, Query, Words
from patch_manager.http.schemas.base import Answer, Line, Request

EventWord = Literal[
    "job_failed",
    "outcome_unknown",
    "deployment_stopped",
    "deployment_finished",
    "host_unreachable",
    "host_recovered",
    "window_opening",
    "certificate_expiring",
]
ChannelWord = Literal["smtp", "webhook"]
SecurityWord = Literal["starttls", "tls", "none"]
FormatWord = Literal["slack", "teams", "ntfy", "json"]
StateWord = Literal["pending", "delivered", "failed", "dropped"]

_OURS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
)
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _mail_address(value: str) -> str:
    if MAIL_ADDRESS.fullmatch(value) is None:
        raise ValueError("must be a plain mail address, for example ops@example.com")
    return value


def _visible(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text and text.isascii() and text.isprintable() and text == text.strip()):
        raise ValueError("must be printable ASCII characters without spaces around them")
    return value


def _webhook_address(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    good = text.isascii() and text.isprintable() and " " not in text and len(text) <= 2000
    try:
        parts = urlsplit(text)
        good = good and parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.username is not None or parts.fragment:
        raise ValueError("must be an http:// or https:// address without user name, spaces and fragment")
    return value


def _header_names(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, content in value.items():
        if not 0 < len(name) <= 100 or not _TOKEN.issuperset(name) or name.lower() in _OURS:
            raise ValueError("names are those of HTTP headers, and not Host, Content-Type or others that are ours")
        _visible(content)
    return value


MailAddress = Annotated[str, Field(max_length=320, examples=["ops@example.com"]), AfterValidator(_mail_address)]
ServerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$")]
Secret = Annotated[SecretStr, Field(max_length=2000), AfterValidator(_visible)]
WebhookAddress = Annotated[SecretStr, AfterValidator(_webhook_address)]
Headers = Annotated[dict[str, SecretStr], Field(max_length=10), AfterValidator(_header_names)]
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Recipients = Annotated[list[MailAddress], Field(max_length=20)]


class SmtpIn(Request):
    """A mail server."""

    host: ServerName
    port: int = Field(default=587, ge=1, le=65535)
    security: SecurityWord = Field(default="starttls", description="starttls is required, not only tried")
    username: Line | None = Field(default=None, min_length=1, max_length=320)
    password: Secret | None = Field(default=None, description="kept encrypted, never shown again")
    sender: MailAddress = Field(description="the From address")
    recipients: Recipients = Field(default_factory=list, description="of rules that name none")


class SmtpPatch(Request):
    """Changes of a mail server; absent fields stay, a null user name or password is removed."""

    host: ServerName | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    security: SecurityWord | None = None
    username: Line | None = Field(default=None, min_length=1, max_length=320)
    password: Secret | None = None
    sender: MailAddress | None = None
    recipients: Recipients | None = None


class WebhookIn(Request):
    """An address that takes JSON; the address counts as a secret."""

    url: WebhookAddress = Field(description="kept encrypted; only its scheme and host are shown again")
    format: FormatWord = "json"
    topic: Topic | None = Field(default=None, description="ntfy: default the last part of the address")
    bearer_token: Secret | None = Field(default=None, description="sent as Authorization: Bearer")
    signing_secret: Secret | None = Field(
        default=None,
        description="json: signs X-Patch-Manager-Timestamp, a dot and the body into X-Patch-Manager-Signature",
    )
    headers: Headers = Field(default_factory=dict, description="sent as they are; values are kept encrypted")


class WebhookPatch(Request):
    """Changes of a webhook; absent fields stay, a null token or secret is removed."""

    url: WebhookAddress | None = None
    format: FormatWord | None = None
    topic: Topic | None = None
    bearer_token: Secret | None = None
    signing_secret: Secret | None = None
    headers: Headers | None = None


class ChannelCreate(Request):
    """A way out: ``smtp`` or ``webhook`` as its kind says."""

    name: Line = Field(min_length=1, max_length=100)
    kind: ChannelWord
    smtp: SmtpIn | None = None
    webhook: WebhookIn | None = None


class ChannelPatch(Request):
    """Changes of a channel; its kind stays."""

    name: Line | None = Field(default=None, min_length=1, max_length=100)
    smtp: SmtpPatch | None = None
    webhook: WebhookPatch | None = None


class SmtpOut(Answer):
    """A mail server, without its password."""

    host: str
    port: int
    security: SecurityWord
    username: str | None
    password_set: bool
    sender: str
    recipients: list[str]


class WebhookOut(Answer):
    """A webhook, without its address and secrets."""

    format: FormatWord
    origin: str = Field(description="scheme and host of the address")
    topic: str | None
    bearer_token_set: bool
    signing_secret_set: bool
    header_names: list[str]


class ChannelOut(Answer):
    """A channel. Operators, who choose channels for their rules, see name and kind only."""

    id: UUID
    name: str
    kind: ChannelWord
    smtp: SmtpOut | None
    webhook: WebhookOut | None
    created_by: str
    created_at: datetime
    updated_at: datetime


class ChannelTestQuery(Query):
    """Where a test mail goes."""

    recipient: Annotated[list[MailAddress], Words, Field(max_length=20)] = Field(
        default_factory=list, description="smtp: default the channel's own"
    )


class ChannelTest(Answer):
    """How the attempt really ended; ``detail`` says what to do when it failed."""

    ok: bool
    detail: str
    seconds: float


class RuleCreate(Request):
    """Who is told of what. A rule of one's own is about hosts in one's sight, at the moment of sending."""

    name: Line = Field(min_length=1, max_length=100)
    enabled: bool = True
    shared: bool = Field(default=False, description="the administrators' rule, about all hosts or those of the groups")
    channel_id: UUID
    events: list[EventWord] = Field(min_length=1, max_length=20)
    group_ids: list[UUID] = Field(default_factory=list, max_length=200, description="empty: all hosts in sight")
    recipients: Recipients = Field(default_factory=list, description="mail only; empty: the channel's")


class RulePatch(Request):
    """Changes of a rule; absent fields stay."""

    name: Line | None = Field(default=None, min_length=1, max_length=100)
    enabled: bool | None = None
    channel_id: UUID | None = None
    events: list[EventWord] | None = Field(default=None, min_length=1, max_length=20)
    group_ids: list[UUID] | None = Field(default=None, max_length=200)
    recipients: Recipients | None = None


class RuleOut(Answer):
    """A rule."""

    id: UUID
    name: str
    enabled: bool
    shared: bool
    owner: str | None = Field(description="user name; null: shared")
    mine: bool
    channel_id: UUID
    channel_name: str
    channel_kind: ChannelWord
    events: list[EventWord]
    group_ids: list[UUID]
    recipients: list[str]
    created_by: str
    created_at: datetime
    updated_at: datetime


class DeliveryQuery(PageQuery):
    """Which deliveries, newest first."""

    state: Annotated[list[StateWord], Words] = Field(default_factory=list, max_length=4)
    rule_id: UUID | None = None
    channel_id: UUID | None = None


class DeliveryOut(Answer):
    """One message to one rule's audience, and how its attempts went. Its id is the message's in every attempt."""

    id: UUID
    event: EventWord
    summary: str
    rule_id: UUID | None = Field(description="null: deleted since")
    rule_name: str
    shared: bool
    channel_id: UUID | None = Field(description="null: deleted since")
    channel_name: str
    state: StateWord = Field(description="failed: given up; dropped: nobody may read it any more")
    attempts: int
    last_error: str = Field(description="of the last attempt; empty: none, or it arrived")
    created_at: datetime
    last_attempt_at: datetime | None
    next_try_at: datetime | None
    give_up_at: datetime
    finished_at: datetime | None
