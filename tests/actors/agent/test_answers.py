"""Answers in both dialects, of all releases, and junk: normalised, never a crash, never falsely compliant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.actors.agent import tolerant, wire_host, wire_jobs, wire_packages
from patch_manager.actors.agent.envelope import data_of, envelope
from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.models import AgentJobStatus, AgentStatus, is_package_name
from patch_manager.domain.health import FailureKind
from patch_manager.domain.patches import Patch, Severity
from tests.actors.agent.servers import error, ok

ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def patches_of(*rows: object) -> tuple[Patch, ...]:
    page = wire_packages.patch_page({"patches": list(rows)})
    return wire_packages.merge_patches([patch for item in page.items for patch in item])


# The frame


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"status": "healthy"}',
        b'{"success": true, "data": null}',
        b'{"success": true, "data": []}',
        b'{"data": {"a": 1}',
        b"[" * 100_000,
        b'{"data":' + b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_envelope_is_unreadable(body: bytes) -> None:
    with pytest.raises(AgentFailure) as caught:
        data_of(body)
    assert caught.value.kind is FailureKind.UNREADABLE


@pytest.mark.parametrize(
    "body", [{"data": {"a": 1}}, {"success": "true", "data": {"a": 1}, "error": None}, ok({"a": 1})]
)
def test_missing_fields_of_the_envelope_do_not_matter(body: object) -> None:
    assert data_of(json.dumps(body).encode()) == {"a": 1}


def test_an_error_in_the_envelope_is_the_agents() -> None:
    with pytest.raises(AgentFailure) as caught:
        data_of(json.dumps(error("PKG_MANAGER_ERROR", "apt is\nlocked")).encode())
    assert caught.value.kind is FailureKind.AGENT_ERROR
    assert caught.value.code == "PKG_MANAGER_ERROR"
    assert caught.value.detail == "PKG_MANAGER_ERROR: apt is locked"


def test_an_error_that_is_a_text_is_read() -> None:
    frame = envelope(b'{"success": false, "error": "queue full"}')
    assert frame is not None
    assert (frame.success, frame.message) == (False, "queue full")


def test_a_lone_surrogate_or_broken_utf8_does_not_hide_the_answer() -> None:
    assert data_of(b'{"data": {"a": "\\ud800x"}}') == {"a": "\ud800x"}
    assert data_of(b'{"data": {"a": "\xff"}}') == {"a": "\ufffd"}
    assert tolerant.text_or_none("\ud800x\0") == "\ufffdx\ufffd"


# Fields


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-02T03:04:05Z", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2025-01-02T03:04:05.123456789Z", datetime(2025, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2025-01-02T05:04:05.1+02:00", datetime(2025, 1, 2, 3, 4, 5, 100000, tzinfo=UTC)),
        ("2025-01-02t03:04:05z", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2025-01-02T03:04:05", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("never", None),
        ("", None),
        (1700000000, None),
        (None, None),
    ],
)
def test_timestamps_are_aware_and_in_utc_or_none(text: object, moment: datetime | None) -> None:
    assert tolerant.time_or_none(text) == moment


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), (5.9, 5), ("7", 7), ("45%", 45), (True, None), ([], None), (1e400, None), (10**30, None), ("x", None)],
)
def test_numbers_are_read_where_they_are_numbers(value: object, number: int | None) -> None:
    assert tolerant.int_or_none(value) == number


def test_texts_are_bounded_and_outputs_keep_their_end() -> None:
    assert len(tolerant.text_or_none("x" * 999) or "") == 256
    output = tolerant.output_or_none("a" * 100_000 + "the error")
    assert output is not None
    assert len(output) == 65_536
    assert output.endswith("the error")


@pytest.mark.parametrize("name", ["openssl", "g++", "lib_x-1.2", "7zip"])
def test_package_names_that_agents_accept(name: str) -> None:
    assert is_package_name(name)


@pytest.mark.parametrize("name", ["", "-x", "a b", "libc6:i386", "a/b", "a\n", "é", "x" * 257])
def test_package_names_that_agents_refuse(name: str) -> None:
    assert not is_package_name(name)


# Health


@pytest.mark.parametrize(
    ("data", "status", "reasons"),
    [
        ({"status": "healthy"}, AgentStatus.HEALTHY, ()),
        ({"status": "ok", "uptime_seconds": 5}, AgentStatus.HEALTHY, ()),
        ({"status": "Healthy", "checks": {"disk": "ok", "apt": "OK"}}, AgentStatus.HEALTHY, ()),
        ({"status": "healthy", "checks": {"apt": "fail"}}, AgentStatus.DEGRADED, ("check apt: fail",)),
        ({"status": "healthy", "crl_status": "valid", "cache_status": "fresh"}, AgentStatus.HEALTHY, ()),
        ({"status": "degraded"}, AgentStatus.DEGRADED, ("the agent reports itself degraded",)),
        (
            {"status": "degraded", "cache_status": "failed"},
            AgentStatus.DEGRADED,
            ("the package cache could not be refreshed",),
        ),
        ({"status": "on fire"}, AgentStatus.DEGRADED, ("the agent says: on fire",)),
        ({}, AgentStatus.DEGRADED, ("the agent does not state its health",)),
        ({"status": 5, "checks": []}, AgentStatus.DEGRADED, ("the agent says: 5",)),
    ],
)
def test_health_is_the_agents_word_with_reasons(
    data: dict[str, Any], status: AgentStatus, reasons: tuple[str, ...]
) -> None:
    health = wire_host.health(data)
    assert (health.status, health.reasons) == (status, reasons)


def test_health_of_a_new_release_is_read_whole() -> None:
    health = wire_host.health(
        {
            "status": "degraded",
            "uptime_seconds": 12.5,
            "version": "2.5.5",
            "cache_status": "stale",
            "last_cache_update": "2025-01-02T03:04:05.123456789+00:00",
            "crl_status": "expired",
            "crl_next_update": "2025-01-03T00:00:00Z",
            "crl_age_seconds": 5,
            "gpg_key_status": "expired",
        }
    )
    assert (health.uptime_seconds, health.version, health.cache_status) == (12, "2.5.5", "stale")
    assert health.last_cache_update == datetime(2025, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert len(health.reasons) == 3


# System facts


def test_flat_and_nested_facts_are_the_same_facts() -> None:
    flat = wire_host.info(
        {
            "hostname": "web-1",
            "os": "Ubuntu",
            "os_version": "24.04",
            "kernel": "6.8.0",
            "architecture": "x86_64",
            "pending_reboot": True,
        }
    )
    nested = wire_host.info(
        {
            "hostname": "web-1",
            "os": {"name": "Ubuntu", "version": "24.04", "codename": "noble", "architecture": "x86_64"},
            "kernel": {"version": "6.8.0", "architecture": "x86_64"},
            "pending_reboot": 1,
        }
    )
    assert flat == nested
    assert (flat.os_name, flat.os_version, flat.kernel, flat.architecture) == ("Ubuntu", "24.04", "6.8.0", "x86_64")


def test_facts_that_are_junk_are_unknown() -> None:
    info = wire_host.info({"os": [], "kernel": 5.15, "hostname": {"a": 1}, "uptime_seconds": -4, "last_boot": "soon"})
    assert info.os_name is None
    assert info.kernel == "5.15"
    assert info.hostname is None
    assert info.uptime_seconds is None


# Patches and packages


def test_a_patch_of_the_code_dialect() -> None:
    (patch,) = patches_of(
        {
            "name": "openssl",
            "current_version": "1.1",
            "available_version": "1.2",
            "severity": "Critical",
            "description": "bad\0",
            "cve_ids": ["CVE-2025-1", "CVE-2025-1", 5, None],
            "requires_reboot": True,
        }
    )
    assert patch == Patch(
        "openssl", "1.1", "1.2", Severity.CRITICAL, ("CVE-2025-1", "5"), requires_reboot=True, description="bad\ufffd"
    )


def test_a_patch_of_the_documentation_names_its_packages() -> None:
    found = patches_of(
        {
            "id": "USN-1",
            "name": "OpenSSL update",
            "severity": "important",
            "status": "available",
            "affected_packages": ["openssl", {"name": "libssl3", "available_version": "3.1"}, 5.5, {}, None],
            "cve_ids": None,
        }
    )
    assert [(p.name, p.current_version, p.available_version) for p in found] == [
        ("openssl", None, None),
        ("libssl3", None, "3.1"),
        ("5.5", None, None),
    ]
    assert all(p.severity is Severity.HIGH for p in found)


def test_a_patch_of_the_documentation_that_is_installed_is_not_pending() -> None:
    assert patches_of({"name": "a", "status": "installed"}, {"name": "b", "status": "pending"})[0].name == "b"


@pytest.mark.parametrize("word", ["unknown", "none", "", None, 5, [], "apocalyptic"])
def test_severities_not_understood_are_unknown(word: object) -> None:
    assert patches_of({"name": "a", "severity": word})[0].severity is Severity.UNKNOWN


def test_a_name_listed_twice_is_one_patch_with_the_worst_of_both() -> None:
    (patch,) = patches_of(
        {"name": "a", "severity": "low", "cve_ids": ["X"], "available_version": "2"},
        {"name": "a", "severity": "high", "cve_ids": ["Y"], "requires_reboot": True, "current_version": "1"},
    )
    assert patch == Patch("a", "1", "2", Severity.HIGH, ("X", "Y"), requires_reboot=True)


def test_single_items_that_cannot_be_read_are_skipped_and_counted() -> None:
    page = wire_packages.patch_page({"patches": [{"name": "a"}, 5, None, {}, {"name": None}, {"name": ""}, []]})
    assert (len(page.items), page.skipped, page.seen) == (1, 6, 7)


@pytest.mark.parametrize("data", [{}, {"patches": {}}, {"patches": "none"}, {"patches": [5]}, {"packages": []}])
def test_a_list_that_is_absent_is_not_an_empty_list(data: dict[str, Any]) -> None:
    with pytest.raises(AgentFailure) as caught:
        wire_packages.patch_page(data)
    assert caught.value.kind is FailureKind.UNREADABLE


def test_a_null_list_is_empty() -> None:
    assert wire_packages.patch_page({"patches": None, "total": 0}).items == ()
    assert wire_packages.package_page({"packages": None}).items == ()
    assert wire_jobs.jobs({"jobs": None}).jobs == ()


def test_packages_of_both_dialects() -> None:
    page = wire_packages.package_page(
        {
            "packages": [
                {"name": "a", "version": "1", "status": "Installed", "upgradable": True, "latest_version": "2"},
                {"name": "a", "version": "1", "status": "installed", "upgradable": "true", "available_version": "2"},
            ],
            "total": 2,
        }
    )
    assert page.items[0] == page.items[1]
    assert page.items[0].latest_version == "2"


# Jobs


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", AgentJobStatus.PENDING),
        ("queued", AgentJobStatus.PENDING),
        ("Running", AgentJobStatus.RUNNING),
        ("completed", AgentJobStatus.COMPLETED),
        ("succeeded", AgentJobStatus.COMPLETED),
        ("failed", AgentJobStatus.FAILED),
        ("cancelled", AgentJobStatus.CANCELLED),
        ("timedout", AgentJobStatus.TIMED_OUT),
        ("timed_out", AgentJobStatus.TIMED_OUT),
        ("timeout", AgentJobStatus.TIMED_OUT),
        ("sleeping", AgentJobStatus.UNKNOWN),
        (None, AgentJobStatus.UNKNOWN),
    ],
)
def test_every_spelling_of_a_job_status(word: object, status: AgentJobStatus) -> None:
    assert wire_jobs.job({"job_id": ID, "status": word}).status is status


def test_a_job_is_read_whole() -> None:
    job = wire_jobs.job(
        {
            "job_id": ID,
            "operation": "patch_apply",
            "status": "failed",
            "progress": 140,
            "message": "broken",
            "created_at": "2025-01-02T03:04:05.5Z",
            "packages": ["a", {"name": "b"}, None],
            "logs": ["one", {"message": "two"}, 3],
            "error": {"code": "GPG_ERROR", "message": "no key"},
            "exit_code": 100,
            "command_stdout": "out",
            "command_stderr": "err\0",
            "rollback_job_id": None,
        }
    )
    assert (job.operation, job.progress, job.packages) == ("patchapply", 100, ("a", "b"))
    assert (job.error, job.error_code, job.exit_code) == ("no key", "GPG_ERROR", 100)
    assert (job.logs, job.stdout, job.stderr) == (("one", "two", "3"), "out", "err\ufffd")


def test_documentation_progress_and_a_completed_job_without_progress() -> None:
    assert wire_jobs.job({"job_id": ID, "status": "running", "progress_percent": 40}).progress == 40
    assert wire_jobs.job({"job_id": ID, "status": "completed"}).progress == 100
    assert wire_jobs.job({"job_id": ID}).packages is None


@pytest.mark.parametrize("job_id", [None, "", 5, "../../etc", "a b", "a\n", "x" * 129])
def test_a_job_without_a_usable_id_is_unreadable_alone_and_skipped_in_a_list(job_id: object) -> None:
    with pytest.raises(AgentFailure):
        wire_jobs.job({"job_id": job_id})
    listed = wire_jobs.jobs({"jobs": [{"job_id": job_id}, {"job_id": ID}], "total": 7})
    assert (len(listed.jobs), listed.skipped, listed.total) == (1, 1, 7)
    assert wire_jobs.accepted({"job_id": job_id}) is None


@pytest.mark.parametrize(
    ("frame", "status", "progress"),
    [
        ({"event": "job_status", "job_id": ID, "status": "running", "progress": 5}, AgentJobStatus.RUNNING, 5),
        ({"event": "job_status", "job_id": ID, "status": "timed_out"}, AgentJobStatus.TIMED_OUT, None),
        (
            {"type": "job_status", "payload": {"job_id": ID, "status": "running", "progress_percent": 60}},
            AgentJobStatus.RUNNING,
            60,
        ),
        ({"type": "job_complete", "payload": {"job_id": ID}}, AgentJobStatus.COMPLETED, None),
        ({"type": "job_complete", "payload": {"job_id": ID, "status": "failed"}}, AgentJobStatus.FAILED, None),
    ],
)
def test_events_of_both_dialects_are_hints(frame: dict[str, Any], status: AgentJobStatus, progress: int | None) -> None:
    hint = wire_jobs.hint(frame)
    assert hint is not None
    assert (hint.job_id, hint.status, hint.progress) == (ID, status, progress)


@pytest.mark.parametrize(
    "frame",
    [
        {"event": "connected", "job_id": "", "status": "connected"},
        {"event": "error", "status": "invalid_message", "job_id": ID},
        {"type": "pong"},
        {"payload": []},
        {},
    ],
)
def test_other_events_are_no_hints(frame: dict[str, Any]) -> None:
    assert wire_jobs.hint(frame) is None


# Anything at all

KEYS = st.sampled_from(
    [
        "patches",
        "jobs",
        "packages",
        "name",
        "status",
        "severity",
        "cve_ids",
        "affected_packages",
        "job_id",
        "payload",
        "event",
        "type",
        "os",
        "kernel",
        "checks",
        "error",
        "logs",
        "progress",
        "created_at",
        "total",
        "offset",
        "message",
    ]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


READERS: tuple[Callable[[dict[str, Any]], object], ...] = (
    wire_packages.patch_page,
    wire_packages.package_page,
    wire_jobs.jobs,
    wire_jobs.job,
    wire_host.service,
)


def failure_of(read: Callable[[dict[str, Any]], object], data: dict[str, Any]) -> FailureKind | None:
    try:
        read(data)
    except AgentFailure as failure:
        return failure.kind
    return None


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, JUNK, max_size=8))
def test_no_answer_whatever_crashes_a_reader(data: dict[str, Any]) -> None:
    wire_host.health(data)
    wire_host.info(data)
    wire_jobs.accepted(data)
    wire_jobs.hint(data)
    for read in READERS:
        assert failure_of(read, data) in (None, FailureKind.UNREADABLE)
