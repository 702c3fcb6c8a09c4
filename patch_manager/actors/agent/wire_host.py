"""Answers about the host itself: health, system facts and services."""

from __future__ import annotations

from typing import Any, Final

from pydantic import AliasChoices, Field, ValidationError

from patch_manager.actors.agent import models, tolerant
from patch_manager.actors.agent.envelope import Json, Wire
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.tolerant import Count, Flag, Moment, Name, Text
from patch_manager.domain.health import FailureKind


class _Health(Wire):
    status: Text = None
    uptime_seconds: Count = None
    version: Text = None
    cache_status: Text = None
    last_cache_update: Moment = None
    crl_status: Text = None
    crl_next_update: Moment = None
    gpg_key_status: Text = None
    gpg_key_expires_at: Moment = None
    checks: Any = None


_NOT_WELL: Final = {
    ("cache_status", "failed"): "the package cache could not be refreshed",
    ("cache_status", "stale"): "the package cache is stale",
    ("crl_status", "expired"): "the agent's certificate revocation list has expired",
    ("crl_status", "missing"): "the agent has no certificate revocation list",
    ("crl_status", "invalid"): "the agent's certificate revocation list is invalid",
    ("crl_status", "degraded"): "the agent's certificate revocation list is degraded",
    ("gpg_key_status", "expired"): "the repository's signing key has expired",
    ("gpg_key_status", "expiring"): "the repository's signing key expires soon",
    ("gpg_key_status", "missing"): "the repository's signing key is missing",
    ("gpg_key_status", "invalid"): "the repository's signing key is invalid",
}
_WELL_CHECKS: Final = frozenset({"ok", "healthy", "pass", "passed", "up", "true"})


def health(data: Json) -> models.AgentHealth:
    """Normalise a health answer; a status not understood is degraded, and says so."""
    wire = _Health.model_validate(data)
    checks: list[tuple[str, str]] = []
    if isinstance(wire.checks, dict):
        for key, value in list(wire.checks.items())[:32]:
            word = value.get("status") if isinstance(value, dict) else value
            checks.append((tolerant.clean(key, 64), str(word).lower() if isinstance(word, bool) else _word(word)))
    failed = [f"check {name}: {word}" for name, word in checks if word.lower() not in _WELL_CHECKS]
    reasons = [
        sentence for (field, word), sentence in _NOT_WELL.items() if (getattr(wire, field) or "").lower() == word
    ]
    status = models.AgentStatus.DEGRADED
    word = (wire.status or "").lower()
    if word in ("healthy", "ok"):
        # The agent's word decides; only a failed check of its own overrides it. What it merely mentions stays a reason.
        status = models.AgentStatus.DEGRADED if failed else models.AgentStatus.HEALTHY
    elif word != "degraded":
        reasons.insert(0, f"the agent says: {wire.status}" if wire.status else "the agent does not state its health")
    elif not reasons and not failed:
        reasons.append("the agent reports itself degraded")
    return models.AgentHealth(
        status=status,
        reasons=(*reasons, *failed),
        checks=tuple(checks),
        **wire.model_dump(exclude={"status", "checks"}),
    )


def _word(value: object) -> str:
    return tolerant.text_or_none(value, 128) or "not readable"


class _Info(Wire):
    hostname: Text = None
    os: Any = None
    os_version: Text = None
    kernel: Any = None
    architecture: Text = None
    pending_reboot: Flag = Field(None, validation_alias=AliasChoices("pending_reboot", "reboot_required"))
    uptime_seconds: Count = None
    last_boot: Moment = None
    last_update_check: Moment = None
    last_update_apply: Moment = None


def info(data: Json) -> models.AgentInfo:
    """Normalise system facts of the flat or the nested shape."""
    wire = _Info.model_validate(data)
    os = wire.os if isinstance(wire.os, dict) else {"name": wire.os}
    kernel = wire.kernel if isinstance(wire.kernel, dict) else {"version": wire.kernel}
    text = tolerant.text_or_none
    return models.AgentInfo(
        os_name=text(os.get("name")),
        os_version=wire.os_version or text(os.get("version")),
        kernel=text(kernel.get("version")),
        architecture=wire.architecture or text(os.get("architecture")) or text(kernel.get("architecture")),
        **wire.model_dump(exclude={"os", "os_version", "kernel", "architecture"}),
    )


class _Service(Wire):
    name: Name
    display_name: Text = None
    active_state: Text = None
    sub_state: Text = None
    load_state: Text = None
    enabled_state: Text = None
    main_pid: Count = None
    healthy: Flag = None


def service(data: Json) -> models.AgentService:
    """Normalise one service; raises UNREADABLE without a name."""
    try:
        return models.AgentService(**_Service.model_validate(data).model_dump())
    except ValidationError as error:
        raise AgentFailure(FailureKind.UNREADABLE, "a service without a name") from error
