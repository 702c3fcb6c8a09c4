"""The agent's contract as a bare client meets it, in both dialects and all releases."""

import uuid
from datetime import datetime

import pytest

from patch_manager.simulator.specs import Dialect, Release
from tests.simulator.client import exchange
from tests.simulator.conftest import Start

BOTH = pytest.mark.parametrize("dialect", list(Dialect))


@BOTH
async def test_every_json_answer_is_in_the_envelope(start: Start, dialect: Dialect) -> None:
    host, client = await start(dialect=dialect)
    for answer in (await client.get(host, "/api/v1/health"), await client.get(host, "/api/v1/jobs/x")):
        assert list(answer.json) == ["success", "request_id", "timestamp", "data", "error"]
        uuid.UUID(answer.json["request_id"])
        assert datetime.fromisoformat(answer.json["timestamp"][:19])
        assert answer.headers["content-type"] == "application/json"
    assert answer.json["error"] == {
        "code": "INVALID_JOB_ID",
        "message": "the job id is no UUID",
        "details": None,
        "retryable": False,
    }


async def test_old_releases_have_only_health_at_the_root_and_say_ok(start: Start) -> None:
    host, client = await start(release=Release.OLD)
    assert (await client.get(host, "/health")).data["status"] == "ok"
    missing = await client.get(host, "/api/v1/health")
    assert (missing.status, missing.body, missing.headers["allow"]) == (405, b"", "GET")


async def test_the_newest_release_tells_of_cache_crl_and_keys(start: Start) -> None:
    host, client = await start()
    old, new = (await client.get(host, "/health")).data, (await client.get(host, "/api/v1/health")).data
    assert old["status"] == new["status"] == "healthy"
    assert new["cache_status"] == "fresh"
    assert new["crl_status"] == "valid"
    assert new["gpg_key_status"] == "valid"
    assert new["uptime_seconds"] >= host.spec.uptime


async def test_the_documentation_tells_the_agents_uptime_and_checks(start: Start) -> None:
    host, client = await start(dialect=Dialect.DOCUMENTATION, uptime=1_000_000)
    data = (await client.get(host, "/api/v1/health")).data
    assert data["uptime_seconds"] < 10_000
    assert data["checks"]["package_manager"] == "ok"


async def test_system_info_is_flat_in_code_and_nested_in_the_documentation(start: Start) -> None:
    host, client = await start()
    flat = (await client.get(host, "/api/v1/system/info")).data
    assert isinstance(flat["os"], str)
    assert flat["kernel"] == host.kernel
    assert flat["pending_reboot"] is False


async def test_system_info_is_nested_in_the_documentation(start: Start) -> None:
    host, client = await start(dialect=Dialect.DOCUMENTATION)
    nested = (await client.get(host, "/api/v1/system/info")).data
    assert nested["os"]["name"] == host.spec.family.value.name
    assert nested["kernel"]["version"] == host.kernel
    assert datetime.fromisoformat(nested["last_boot"]).tzinfo is not None


async def test_patches_in_code_have_versions_and_ignore_limits(start: Start) -> None:
    host, client = await start()
    data = (await client.get(host, "/api/v1/patches?limit=2")).data
    assert [patch["name"] for patch in data["patches"]] == [patch.name for patch in host.patches]
    assert data["total"] == 6
    assert data["security_updates"] == sum(bool(patch.cve_ids) for patch in host.patches)
    assert set(data["patches"][0]) == {
        "name",
        "current_version",
        "available_version",
        "severity",
        "description",
        "cve_ids",
        "requires_reboot",
    }


async def test_patches_in_the_documentation_are_paged(start: Start) -> None:
    host, client = await start(dialect=Dialect.DOCUMENTATION)
    data = (await client.get(host, "/api/v1/patches?limit=2&offset=1")).data
    assert [patch["affected_packages"] for patch in data["patches"]] == [[p.name] for p in host.patches[1:3]]
    assert (data["total"], data["limit"], data["offset"]) == (6, 2, 1)


@pytest.mark.parametrize(("release", "knows"), [(Release.BEFORE_ALIAS, False), (Release.ALIAS, True)])
async def test_releases_before_the_alias_never_say_that_a_reboot_is_needed(
    start: Start, release: Release, knows: bool
) -> None:
    host, client = await start(release=release, patch_count=40)
    data = (await client.get(host, "/api/v1/patches")).data
    assert any(patch["requires_reboot"] for patch in data["patches"]) is knows
    assert data["requires_reboot"] is knows


@BOTH
async def test_packages_are_spelt_as_the_dialect_has_it(start: Start, dialect: Dialect) -> None:
    host, client = await start(dialect=dialect, package_count=200)
    everything = (await client.get(host, "/api/v1/packages")).data
    some = (await client.get(host, "/api/v1/packages?limit=3")).data
    assert everything["total"] >= 200
    assert len(some["packages"]) == (everything["total"] if dialect is Dialect.CODE else 3)
    first = everything["packages"][0]
    assert first["status"] == ("Installed" if dialect is Dialect.CODE else "installed")
    assert ("latest_version" in first) is (dialect is Dialect.CODE)
    upgradable = (await client.get(host, "/api/v1/packages?upgradable=true")).data
    assert {item["name"] for item in upgradable["packages"]} == {patch.name for patch in host.patches}
    one = await client.get(host, f"/api/v1/packages/{host.patches[0].name}")
    assert one.data["version"] == host.patches[0].current_version


async def test_what_is_not_there_is_told_with_the_agents_codes(start: Start) -> None:
    host, client = await start()
    for target, status, code in (
        ("/api/v1/packages/no-such-package", 404, "PKG_NOT_FOUND"),
        ("/api/v1/system/services/no-such-service", 404, "SERVICE_NOT_FOUND"),
        (f"/api/v1/jobs/{uuid.uuid4()}", 404, "JOB_NOT_FOUND"),
        ("/api/v1/jobs/12", 400, "INVALID_JOB_ID"),
    ):
        answer = await client.get(host, target)
        assert (answer.status, answer.code) == (status, code)


async def test_services_are_described(start: Start) -> None:
    host, client = await start()
    data = (await client.get(host, "/api/v1/system/services/sshd.service")).data
    assert (data["name"], data["active_state"], data["healthy"]) == ("sshd", "active", True)


async def test_unknown_paths_and_methods_are_405_with_allow_and_no_body(start: Start) -> None:
    host, client = await start()
    unknown = await client.get(host, "/api/v1/nothing")
    wrong = await client.call(host, "DELETE", "/api/v1/patches/apply")
    assert (unknown.status, unknown.body, unknown.headers["allow"]) == (405, b"", "GET")
    assert (wrong.status, wrong.body, wrong.headers["allow"]) == (405, b"", "POST")


@pytest.mark.parametrize("name", ["Content-Type", "Authorization", "Host"])
async def test_duplicate_headers_are_refused(start: Start, name: str) -> None:
    host, client = await start()
    answer = await client.call(host, "GET", "/health", headers=[(name, "a"), (name, "b")])
    assert answer.status == 400
    assert answer.code == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "body",
    [
        {"packages": ["-rf"]},
        {"packages": ["a" * 257]},
        {"packages": []},
        {"packages": "openssl"},
        {"packages": ["a"], "reboot": "yes"},
        {"packages": ["a"], "reboot": False, "allow_reboot": False},
        ["openssl"],
    ],
)
async def test_bad_bodies_are_400_and_start_no_job(start: Start, body: object) -> None:
    host, client = await start()
    answer = await client.post(host, "/api/v1/patches/apply", body)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert host.apply_jobs == 0


async def test_reads_are_limited_to_a_burst_of_30_and_exempt_paths_are_not(start: Start) -> None:
    host, client = await start()
    async with client.connect(host.address) as stream:
        for _ in range(30):
            assert (await exchange(stream, host.address, "GET", "/api/v1/health")).status == 200
        statuses = [(await exchange(stream, host.address, "GET", "/api/v1/health")) for _ in range(10)]
        limited = next(answer for answer in statuses if answer.status == 429)
        assert limited.headers["content-type"].startswith("text/plain")
        assert int(limited.headers["retry-after"]) >= 1
        for target in ("/health", "/api/v1/system/info"):
            assert (await exchange(stream, host.address, "GET", target)).status == 200
    assert host.rate_limited >= 1


async def test_writes_are_limited_to_a_burst_of_10(start: Start) -> None:
    host, client = await start()
    async with client.connect(host.address) as stream:
        answers = [await exchange(stream, host.address, "DELETE", "/api/v1/jobs/x") for _ in range(12)]
    assert [answer.status for answer in answers[:10]] == [400] * 10
    assert answers[-1].status == 429


async def test_requests_are_logged_with_their_bodies(start: Start) -> None:
    host, client = await start()
    await client.get(host, "/api/v1/jobs?limit=1000")
    await client.post(host, "/api/v1/patches/apply", {"packages": ["nginx"], "reboot": False})
    assert [(request.method, request.path) for request in host.requests] == [
        ("GET", "/api/v1/jobs?limit=1000"),
        ("POST", "/api/v1/patches/apply"),
    ]
    assert host.requests[-1].body == b'{"packages":["nginx"],"reboot":false}'


@pytest.mark.parametrize(
    "head",
    [
        b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"GET /api/v1/ws/jobs HTTP/1.1\r\nHost: x\r\nUpgrade: \xff\r\nSec-WebSocket-Key: \xff\r\n\r\n",
    ],
)
async def test_rubbish_is_a_400_and_ends_no_host(start: Start, head: bytes) -> None:
    host, client = await start()
    async with client.connect(host.address) as stream:
        await stream.send_all(head)
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 400")
    assert (await client.get(host, "/health")).status == 200
