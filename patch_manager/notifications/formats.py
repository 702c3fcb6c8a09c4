"""A message as others take it: the JSON of Slack, Teams, ntfy and our own, and mail. Strangers' words stay words."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final, assert_never
from urllib.parse import unquote, urlsplit, urlunsplit

import orjson

from patch_manager.domain.notifications import WebhookFormat, WebhookSettings
from patch_manager.notifications.wording import Message, one_line

_URGENT: Final = frozenset({"job_failed", "outcome_unknown", "deployment_stopped", "host_unreachable"})
_SLACK_TEXT: Final = 3_500  # of 4,000 that are shown
_NTFY_TEXT: Final = 3_500  # of 4,096 bytes; longer ones become an attachment
_ITEMS: Final = 500


@dataclass(frozen=True, slots=True)
class Post:
    """What goes to a webhook. ``url`` and ``headers`` hold secrets."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)


def webhook_post(settings: WebhookSettings, message: Message, at: datetime) -> Post:
    """The request of one attempt, made at ``at``. The id is the same in every attempt of a delivery."""
    url = settings.url
    match settings.format:
        case WebhookFormat.SLACK:
            body = _slack(message)
        case WebhookFormat.TEAMS:
            body = _teams(message)
        case WebhookFormat.NTFY:
            url, topic = _ntfy_address(settings)
            body = _ntfy(message, topic)
        case WebhookFormat.JSON:
            body = _json(message)
        case _:
            assert_never(settings.format)
    data = orjson.dumps(body)
    headers = [*settings.headers, ("Idempotency-Key", str(message.id)), ("X-Patch-Manager-Delivery", str(message.id))]
    headers.append(("X-Patch-Manager-Event", message.event))
    if settings.bearer_token is not None:
        headers.append(("Authorization", f"Bearer {settings.bearer_token}"))
    if settings.signing_secret is not None:
        seconds = str(int(at.timestamp()))
        headers.append(("X-Patch-Manager-Timestamp", seconds))
        headers.append(("X-Patch-Manager-Signature", f"sha256={signature(settings.signing_secret, seconds, data)}"))
    return Post(url, data, tuple(headers))


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Hexadecimal HMAC-SHA256 over ``timestamp + "." + body``: a receiver can tell ours, and refuse old ones."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _slack(message: Message) -> dict[str, Any]:
    lines = "\n".join(message.lines)
    text = f"{message.title}\n{_cut(lines, _SLACK_TEXT)}"
    # Neither links nor formatting nor calls to everybody come from a host's name: also where Slack's kin read this.
    inert = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
    return {"text": f"{inert}\n{message.url}", "mrkdwn": False}


def _teams(message: Message) -> dict[str, Any]:
    # Text runs are shown as they are; text blocks would read Markdown.
    def run(text: str, **looks: Any) -> dict[str, Any]:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **looks}]}

    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [run(message.title, weight="Bolder", size="Medium"), *(run(line) for line in message.lines)],
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": message.url}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "summary": message.title, "attachments": [attachment]}


def _ntfy_address(settings: WebhookSettings) -> tuple[str, str]:
    """ntfy takes JSON at its root, with the topic inside; people know the address that ends in the topic."""
    if settings.topic is not None:
        return settings.url, settings.topic
    parts = urlsplit(settings.url)
    root, _, topic = parts.path.rstrip("/").rpartition("/")
    return urlunsplit((parts.scheme, parts.netloc, f"{root}/", parts.query, "")), unquote(topic)


def _ntfy(message: Message, topic: str) -> dict[str, Any]:
    return {
        "topic": topic,
        "title": message.title,
        "message": _cut("\n".join(message.lines), _NTFY_TEXT),
        "priority": 4 if message.event in _URGENT else 3,
        "tags": ["warning" if message.event in _URGENT else "information_source"],
        "click": message.url,
    }


def _json(message: Message) -> dict[str, Any]:
    return {
        "version": 1,
        "id": str(message.id),
        "event": message.event,
        "at": message.at.isoformat(),
        "title": message.title,
        "text": "\n".join(message.lines),
        "url": message.url,
        "count": message.count,
        "totals": dict(message.totals),
        "items": list(message.items[:_ITEMS]),
    }


def _cut(text: str, size: int) -> str:
    """Cut to so many bytes of UTF-8."""
    data = text.encode()
    return text if len(data) <= size else data[: size - 3].decode(errors="ignore") + "…"


def mail(message: Message, sender: str, recipients: Sequence[str], at: datetime) -> EmailMessage:
    """The message as plain text. ``Message-ID`` is the same in every attempt, so that mail programs show one."""
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(display_name="Linux Patch Manager", addr_spec=sender)
    made["To"] = [Address(addr_spec=recipient) for recipient in recipients]
    made["Subject"] = one_line(message.title, 150)
    made["Date"] = format_datetime(at)
    made["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Patch-Manager-Event"] = message.event
    made.set_content(f"{message.title}\n\n{message.text}\n")
    return made
