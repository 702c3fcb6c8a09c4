"""Agents of every dialect and release, added over REST, turn healthy with the right facts within one poll."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.agents import Agent
from tests.system.dialects import CodeDialect, DocumentationDialect, Json, OldDialect
from tests.system.host import Host, Patch
from tests.system.manager import Fleet

PATCHES = [
    Patch("openssl", "critical", ("CVE-2024-0001", "CVE-2024-0002"), reboot=False),
    Patch("linux-image-amd64", "high", ("CVE-2024-0002", "CVE-2024-0003"), reboot=True),
    Patch("vim", "low"),
]


def make_host(version: str) -> Host:
    return Host(list(PATCHES), version=version, architecture="aarch64", kernel="6.8.0-31-generic", os_version="24.04")


@pytest.mark.parametrize(
    ("dialect", "version"),
    [
        (CodeDialect((2, 5, 5)), "2.5.5"),
        (CodeDialect((2, 4, 0)), "2.4.0"),
        (OldDialect(), "1.4.0"),
        (DocumentationDialect(), "2.0.0"),
    ],
    ids=["code-2.5.5", "code-2.4.0", "old", "documentation"],
)
def test_every_dialect_is_read_within_one_poll(fleet: Fleet, dialect: CodeDialect, version: str) -> None:
    agent = fleet.agent(dialect, make_host(version))
    row = fleet.api.wait_health(fleet.api.add(agent), seconds=3)
    facts = {name: row[name] for name in ("os_name", "os_version", "kernel", "architecture", "agent_version")}
    assert facts == {
        "os_name": "Debian GNU/Linux",
        "os_version": "24.04",
        "kernel": "6.8.0-31-generic",
        "architecture": "aarch64",
        "agent_version": version,
    }
    assert (row["pending_patches"], row["pending_security"], row["cve_count"]) == (3, 2, 3)
    assert (row["max_severity"], row["reboot_required"]) == ("critical", False)
    listed = {patch["name"]: patch for patch in fleet.api.get(f"/hosts/{row['id']}/patches")["items"]}
    assert listed.keys() == {"openssl", "linux-image-amd64", "vim"}
    assert listed["openssl"]["cve_ids"] == ["CVE-2024-0001", "CVE-2024-0002"]
    (certificate,) = fleet.api.get(f"/hosts/{row['id']}/certificates")["items"]  # issued before the host was added
    assert agent.address in certificate["sans"]
    assert agent.limited == []


class Sparse(CodeDialect):
    """Says as little as an answer can hold."""

    def health(self, host: Host) -> Json:
        return {"status": "ok"}

    def info(self, host: Host) -> Json:
        return {"hostname": host.hostname, "os": None}

    def patches(self, host: Host, limit: int | None, offset: int | None) -> Json:
        return {"patches": [{"name": patch.name} for patch in host.patches]}


class Odd(CodeDialect):
    """Words nobody documented, a package named twice, numbers as text."""

    def patches(self, host: Host, limit: int | None, offset: int | None) -> Json:
        answer = super().patches(host, limit, offset)
        rows: list[Any] = answer["patches"]
        words = ["moderate-ish", "", None, "none", 7]
        for row, word in zip(rows, words, strict=False):
            row["severity"] = word
        rows.append({**rows[0], "severity": "high", "cve_ids": None, "requires_reboot": "true"})
        return answer | {"total": len(rows)}


def seen(fleet: Fleet, agent: Agent) -> dict[str, Any]:
    return fleet.api.wait_health(fleet.api.add(agent), seconds=3)


def test_missing_fields_are_unknown_and_no_failure(fleet: Fleet) -> None:
    row = seen(fleet, fleet.agent(Sparse(), Host([Patch("bash")])))
    assert (row["os_name"], row["kernel"], row["agent_version"]) == (None, None, None)
    assert (row["pending_patches"], row["max_severity"], row["cve_count"]) == (1, "unknown", 0)


def test_unknown_severities_and_a_package_named_twice_are_read(fleet: Fleet) -> None:
    names = ["a", "b", "c", "d", "e"]
    row = seen(fleet, fleet.agent(Odd(), Host([Patch(name, cves=(f"CVE-2024-{name}",)) for name in names])))
    assert (row["pending_patches"], row["pending_security"], row["max_severity"]) == (5, 5, "high")
    assert row["cve_count"] == 5


def test_a_pending_reboot_is_shown_and_a_degraded_agent_says_why(fleet: Fleet) -> None:
    class Degraded(CodeDialect):
        def health(self, host: Host) -> Json:
            return super().health(host) | {"status": "degraded", "cache_status": "failed"}

    agent = fleet.agent(Degraded(), Host(pending_reboot=True))
    row = fleet.api.wait_health(fleet.api.add(agent), "degraded", seconds=3)
    assert row["reboot_required"]
    assert "cache" in row["health_reason"]
