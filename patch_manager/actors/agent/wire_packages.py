"""Answers about patches and packages, in both dialects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypedDict

from pydantic import AliasChoices, Field, ValidationError

from patch_manager.actors.agent import models, tolerant
from patch_manager.actors.agent.envelope import Json, Page, Wire, page
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.tolerant import Flag, Message, Name, Names, Text
from patch_manager.domain.health import FailureKind
from patch_manager.domain.patches import Patch, severity_of


class _Patch(Wire):
    name: Name
    current_version: Text = None
    available_version: Text = Field(None, validation_alias=AliasChoices("available_version", "latest_version"))
    severity: Any = None
    status: Text = None
    description: Message = None
    cve_ids: Names = None
    affected_packages: Any = None
    requires_reboot: Flag = None


class _Affected(Wire):
    name: Name
    current_version: Text = None
    available_version: Text = Field(None, validation_alias=AliasChoices("available_version", "fixed_version"))


_NOT_PENDING: Final = frozenset({"installed", "applied", "completed"})


def patch_page(data: Json) -> Page[tuple[Patch, ...]]:
    """One page of ``GET /patches``; its items are tuples of ``Patch``."""
    return page(data, "patches", _patches_of)


def _patches_of(row: Any) -> tuple[Patch, ...] | None:
    wire = _Patch.model_validate(row)
    if (wire.status or "").lower() in _NOT_PENDING:
        return None
    patch = Patch(
        name=wire.name,
        current_version=wire.current_version,
        available_version=wire.available_version,
        severity=severity_of(wire.severity),
        cve_ids=tuple(cve[:64] for cve in wire.cve_ids or ()),
        requires_reboot=bool(wire.requires_reboot),
        description=wire.description or "",
    )
    affected: list[Patch] = []
    for item in wire.affected_packages if isinstance(wire.affected_packages, list) else ():
        # The documentation's patch is an advisory; what can be asked for and verified is each package it names.
        try:
            package = _Affected.model_validate(item if isinstance(item, dict) else {"name": item})
        except ValidationError:
            continue
        affected.append(
            replace(
                patch,
                name=package.name,
                current_version=package.current_version or patch.current_version,
                available_version=package.available_version or patch.available_version,
            )
        )
    return tuple(affected) or (patch,)


def merge_patches(found: list[Patch]) -> tuple[Patch, ...]:
    """Each package name once: worst severity, all CVEs, and the first version that was named."""
    merged: dict[str, Patch] = {}
    for patch in found:
        known = merged.get(patch.name)
        if known is None:
            merged[patch.name] = patch
            continue
        merged[patch.name] = Patch(
            name=known.name,
            current_version=known.current_version or patch.current_version,
            available_version=known.available_version or patch.available_version,
            severity=max(known.severity, patch.severity, key=lambda severity: severity.rank),
            cve_ids=tuple(dict.fromkeys((*known.cve_ids, *patch.cve_ids))),
            requires_reboot=known.requires_reboot or patch.requires_reboot,
            description=known.description or patch.description,
        )
    return tuple(merged.values())


class PatchTotals(TypedDict):
    """What the code dialect says of the whole list."""

    security_updates: int | None
    requires_reboot: bool


def patch_totals(data: Json) -> PatchTotals:
    """Totals beside the list; absent in the documentation dialect."""
    return {
        "security_updates": tolerant.count_or_none(data.get("security_updates")),
        "requires_reboot": tolerant.bool_or_none(data.get("requires_reboot")) or False,
    }


class _Package(Wire):
    name: Name
    version: Text = None
    status: Text = None
    upgradable: Flag = None
    latest_version: Text = Field(None, validation_alias=AliasChoices("latest_version", "available_version"))
    description: Message = None


def package_page(data: Json) -> Page[models.AgentPackage]:
    """One page of ``GET /packages``; its items are ``AgentPackage``."""
    return page(data, "packages", _package_of)


def package(data: Json) -> models.AgentPackage:
    """Normalise ``GET /packages/{name}``; some releases wrap it. Raises UNREADABLE without a usable name."""
    inner = data.get("package")
    try:
        return _package_of(inner if isinstance(inner, dict) else data)
    except ValidationError as error:
        raise AgentFailure(FailureKind.UNREADABLE, "a package without a usable name") from error


def _package_of(row: Any) -> models.AgentPackage:
    wire = _Package.model_validate(row)
    return models.AgentPackage(
        name=wire.name,
        version=wire.version,
        status=wire.status.lower() if wire.status else None,
        upgradable=bool(wire.upgradable),
        latest_version=wire.latest_version,
        description=wire.description or "",
    )
