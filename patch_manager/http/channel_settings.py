"""Settings of a channel out of a request's fields, and what must hold between them; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from patch_manager.domain.notifications import (
    ChannelSettings,
    MailSecurity,
    SmtpSettings,
    WebhookFormat,
    WebhookSettings,
)
from patch_manager.http.errors import Failure, FieldError, Invalid
from patch_manager.http.schemas.notifications import (
    ChannelCreate,
    ChannelPatch,
    SmtpIn,
    SmtpPatch,
    WebhookIn,
    WebhookPatch,
)


def settings_of(body: ChannelCreate) -> ChannelSettings | Failure:
    """The settings of a new channel."""
    given, other = (body.smtp, body.webhook) if body.kind == "smtp" else (body.webhook, body.smtp)
    if given is None or other is not None:
        return Invalid(
            errors=(FieldError(f"/{body.kind}", f"a channel of kind {body.kind} takes this and nothing else"),)
        )
    return _checked(_smtp(given) if isinstance(given, SmtpIn) else _webhook(given))


def changed_settings(settings: ChannelSettings, body: ChannelPatch) -> ChannelSettings | Failure:
    """The settings after a change."""
    if isinstance(settings, SmtpSettings):
        if body.webhook is not None:
            return Invalid(errors=(FieldError("/webhook", "this is a mail channel"),))
        return settings if body.smtp is None else _checked(replace(settings, **_smtp_changes(body.smtp)))
    if body.smtp is not None:
        return Invalid(errors=(FieldError("/smtp", "this is a webhook"),))
    return settings if body.webhook is None else _checked(replace(settings, **_webhook_changes(body.webhook)))


def _smtp(body: SmtpIn) -> SmtpSettings:
    return SmtpSettings(
        host=body.host,
        port=body.port,
        security=MailSecurity(body.security),
        sender=body.sender,
        recipients=tuple(body.recipients),
        username=body.username,
        password=_open(body.password),
    )


def _webhook(body: WebhookIn) -> WebhookSettings:
    return WebhookSettings(
        url=body.url.get_secret_value(),
        format=WebhookFormat(body.format),
        topic=body.topic,
        bearer_token=_open(body.bearer_token),
        signing_secret=_open(body.signing_secret),
        headers=_headers(body.headers),
    )


_REMOVABLE = frozenset({"username", "password", "topic", "bearer_token", "signing_secret"})


def _given(body: SmtpPatch | WebhookPatch) -> dict[str, Any]:
    """The fields that were sent; null removes what a channel can do without, and else means *as it is*."""
    sent = {name: getattr(body, name) for name in body.model_fields_set}
    return {
        name: _open(value) if isinstance(value, SecretStr) else value
        for name, value in sent.items()
        if value is not None or name in _REMOVABLE
    }


def _smtp_changes(body: SmtpPatch) -> dict[str, Any]:
    given = _given(body)
    if "security" in given:
        given["security"] = MailSecurity(given["security"])
    if "recipients" in given:
        given["recipients"] = tuple(given["recipients"])
    return given


def _webhook_changes(body: WebhookPatch) -> dict[str, Any]:
    given = _given(body)
    if "format" in given:
        given["format"] = WebhookFormat(given["format"])
    if "headers" in given:
        given["headers"] = _headers(given["headers"])
    return given


def _headers(given: dict[str, SecretStr]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value.get_secret_value()) for name, value in given.items())


def _open(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _checked(settings: ChannelSettings) -> ChannelSettings | Failure:
    if isinstance(settings, SmtpSettings):
        if (settings.username is None) != (settings.password is None):
            return Invalid(errors=(FieldError("/smtp/password", "user name and password belong together"),))
        if settings.password is not None and settings.security is MailSecurity.NONE:
            return Invalid(
                errors=(FieldError("/smtp/security", "a password needs starttls or tls: it would be readable"),)
            )
        return settings
    path = settings.url.partition("://")[2].partition("?")[0].rstrip("/").partition("/")[2]
    if settings.format is WebhookFormat.NTFY and settings.topic is None and not path:
        return Invalid(errors=(FieldError("/webhook/topic", "name the topic here or as the last part of the address"),))
    return settings
