"""The client's calls against scripted agents: dialects, fallbacks, and what becomes of a mutating call."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
import trio

from patch_manager.actors.agent.client import AgentClient
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.actors.agent.models import AgentStatus
from patch_manager.actors.agent.outcomes import Accepted, Ambiguous, NotSent, Outcome, Refused, Rejected
from patch_manager.domain.health import FailureKind
from tests.actors.agent.certificates import Pki
from tests.actors.agent.servers import (
    Agent,
    Script,
    Stream,
    Unlimited,
    answers,
    client_of,
    error,
    ok,
    response,
    routes,
    tls_agent,
)

ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
TAKEN = response(202, ok({"job_id": ID, "status": "pending", "operation": "patch_apply"}))


async def test_health_falls_back_to_the_old_path_and_remembers_it(pki: Pki) -> None:
    script = routes(
        {"/health": response(200, ok({"status": "ok", "version": "1.0"}))}, response(405, b"", "Allow: GET")
    )
    async with tls_agent(pki.server_context(), script) as agent:
        client = client_of(agent.port, pki.client_context())
        for _ in range(2):
            assert (await client.health()).status is AgentStatus.HEALTHY
        await client.aclose()
        assert agent.connections == 1
    assert [asked.target for asked in agent.requests] == ["/api/v1/health", "/health", "/health"]


async def test_health_without_any_health_path_is_an_http_failure(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(response(404, b""))) as agent:
        client = client_of(agent.port, pki.client_context())
        with pytest.raises(AgentFailure) as caught:
            await client.health()
        await client.aclose()
    assert caught.value.kind is FailureKind.HTTP_STATUS
    assert "HTTP 404" in reason(caught.value)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (response(500, error("PKG_MANAGER_ERROR", "apt")), FailureKind.AGENT_ERROR, "PKG_MANAGER_ERROR: apt"),
        (response(502, b"<html>bad</html>", "Content-Type: text/html"), FailureKind.HTTP_STATUS, "HTTP 502"),
        (response(200, b"<html>hi</html>", "Content-Type: text/html"), FailureKind.UNREADABLE, "<html>"),
        (response(200, {"success": False, "error": {"code": "X"}}), FailureKind.AGENT_ERROR, "X"),
        (response(204, b""), FailureKind.UNREADABLE, "empty"),
    ],
)
async def test_a_read_that_is_not_a_success_is_a_failure_in_words(
    pki: Pki, reply: bytes, kind: FailureKind, words: str
) -> None:
    async with tls_agent(pki.server_context(), answers(reply)) as agent:
        client = client_of(agent.port, pki.client_context())
        with pytest.raises(AgentFailure) as caught:
            await client.patches()
        await client.aclose()
    assert caught.value.kind is kind
    assert words in reason(caught.value)


async def test_a_429_of_a_read_blocks_the_budget_for_as_long_as_the_agent_says(pki: Pki) -> None:
    budget = Unlimited()
    reply = response(429, b"slow down", "Content-Type: text/plain", "Retry-After: 7")
    async with tls_agent(pki.server_context(), answers(reply)) as agent:
        client = client_of(agent.port, pki.client_context(), budget=budget)
        with pytest.raises(AgentFailure) as caught:
            await client.jobs()
        await client.aclose()
    assert (caught.value.kind, caught.value.retry_after) == (FailureKind.RATE_LIMITED, 7)
    assert budget.blocked == [("reads", 7)]


async def test_only_counted_calls_take_from_the_budget(pki: Pki) -> None:
    taken: list[str] = []

    class Counting(Unlimited):
        async def read(self) -> None:
            taken.append("read")

    script = routes(
        {
            "/api/v1/health": response(200, ok({"status": "healthy"})),
            "/api/v1/system/info": response(200, ok({"hostname": "h"})),
        }
    )
    async with tls_agent(pki.server_context(), script) as agent:
        client = client_of(agent.port, pki.client_context(), budget=Counting())
        assert (await client.system_info()).hostname == "h"
        assert not taken
        await client.health()
        assert taken == ["read"]
        await client.aclose()


async def test_the_pages_of_the_documentation_dialect_are_put_together(pki: Pki) -> None:
    def page(offset: int, *names: str) -> bytes:
        rows = [{"name": name} for name in names]
        return response(200, ok({"patches": rows, "total": 3, "limit": 2, "offset": offset}))

    script = routes(
        {"/api/v1/patches": page(0, "a", "b"), "/api/v1/patches?limit=500&offset=2": page(2, "c")}, response(404)
    )
    async with tls_agent(pki.server_context(), script) as agent:
        client = client_of(agent.port, pki.client_context())
        found = await client.patches()
        await client.aclose()
    assert [patch.name for patch in found.patches] == ["a", "b", "c"]
    assert found.complete


async def test_a_paged_list_that_stops_short_says_so(pki: Pki) -> None:
    rows = {"patches": [{"name": "a"}], "total": 9, "limit": 1, "offset": 0}
    script = routes(
        {"/api/v1/patches": response(200, ok(rows))}, response(200, ok({"patches": [], "total": 9, "offset": 1}))
    )
    async with tls_agent(pki.server_context(), script) as agent:
        client = client_of(agent.port, pki.client_context())
        assert not (await client.patches()).complete
        await client.aclose()


async def test_the_code_dialect_sends_everything_at_once_with_its_totals(pki: Pki) -> None:
    data = {"patches": [{"name": "a"}], "total": 1, "security_updates": 1, "requires_reboot": True}
    async with tls_agent(pki.server_context(), answers(response(200, ok(data)))) as agent:
        client = client_of(agent.port, pki.client_context())
        found = await client.patches()
        await client.aclose()
    assert (found.total, found.security_updates, found.requires_reboot, found.complete) == (1, 1, True, True)
    assert len(agent.requests) == 1


async def test_megabytes_of_packages_are_read(pki: Pki) -> None:
    rows = [
        {"name": f"package-{i}", "version": "1", "status": "Installed", "description": "x" * 200} for i in range(9000)
    ]
    async with tls_agent(pki.server_context(), answers(response(200, ok({"packages": rows, "total": 9000})))) as agent:
        client = client_of(agent.port, pki.client_context())
        found = await client.packages()
        await client.aclose()
    assert (len(found.packages), found.complete, found.packages[-1].name) == (9000, True, "package-8999")


@pytest.mark.parametrize("reply", [response(404, error("JOB_NOT_FOUND")), response(404)])
async def test_a_job_the_agent_forgot_is_none(pki: Pki, reply: bytes) -> None:
    async with tls_agent(pki.server_context(), answers(reply)) as agent:
        client = client_of(agent.port, pki.client_context())
        assert await client.job(ID) is None
        await client.aclose()
    assert agent.requests[0].target == f"/api/v1/jobs/{ID}"


async def test_a_proxys_404_does_not_say_that_a_job_is_gone(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(response(404, b"<html>"))) as agent:
        client = client_of(agent.port, pki.client_context())
        with pytest.raises(AgentFailure):
            await client.job(ID)
        await client.aclose()


async def test_ids_and_names_cannot_leave_their_place_in_the_path(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(response(404, error("NO")))) as agent:
        client = client_of(agent.port, pki.client_context())
        assert await client.job("../x?y#z") is None
        assert await client.service("a/b c") is None
        await client.aclose()
    assert [asked.target for asked in agent.requests] == [
        "/api/v1/jobs/..%2Fx%3Fy%23z",
        "/api/v1/system/services/a%2Fb%20c",
    ]


async def test_a_service_is_read(pki: Pki) -> None:
    data = {"name": "ssh", "active_state": "active", "main_pid": 7, "healthy": True}
    async with tls_agent(pki.server_context(), answers(response(200, ok(data)))) as agent:
        client = client_of(agent.port, pki.client_context())
        service = await client.service("ssh")
        await client.aclose()
    assert service is not None
    assert (service.name, service.active_state, service.main_pid, service.healthy) == ("ssh", "active", 7, True)


async def test_a_read_on_a_kept_connection_that_the_agent_closed_is_asked_again(pki: Pki) -> None:
    async def once(agent: Agent, stream: Stream) -> None:
        await agent.next_request(stream)
        await stream.send_all(response(200, ok({"hostname": "h"})))

    async with tls_agent(pki.server_context(), once) as agent:
        client = client_of(agent.port, pki.client_context())
        for _ in range(3):
            assert (await client.system_info()).hostname == "h"
        await client.aclose()
        assert agent.connections == 3


async def test_concurrent_reads_do_not_share_a_connection(pki: Pki) -> None:
    async with tls_agent(pki.server_context(), answers(response(200, ok({"hostname": "h"})))) as agent:
        client = client_of(agent.port, pki.client_context())
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(client.system_info)
        await client.aclose()
        assert agent.connections == 3


# Mutating calls


Call = Callable[[AgentClient], Awaitable[Outcome]]


@pytest.mark.parametrize(
    ("call", "method", "target", "body"),
    [
        (
            lambda c: c.apply(["openssl", "g++", "openssl"]),
            "POST",
            "/api/v1/patches/apply",
            {"packages": ["openssl", "g++"], "reboot": False},
        ),
        (lambda c: c.reboot(5, True), "POST", "/api/v1/system/reboot", {"delay_seconds": 5, "force": True}),
        (lambda c: c.rollback(ID), "POST", f"/api/v1/jobs/{ID}/rollback", None),
        (
            lambda c: c.install(["vim"]),
            "POST",
            "/api/v1/packages",
            {"packages": [{"name": "vim", "version": None}], "options": {"force": False, "no_recommends": False}},
        ),
        (lambda c: c.update("g++"), "PUT", "/api/v1/packages/g++", {"version": None}),
        (lambda c: c.remove("vim", purge=True), "DELETE", "/api/v1/packages/vim?purge=true", None),
    ],
)
async def test_what_goes_over_the_wire(pki: Pki, call: Call, method: str, target: str, body: object) -> None:
    async with tls_agent(pki.server_context(), answers(TAKEN)) as agent:
        client = client_of(agent.port, pki.client_context())
        assert await call(client) == Accepted(ID, "patchapply")
        await client.aclose()
    (asked,) = agent.requests
    assert (asked.method, asked.target) == (method, target)
    assert (json.loads(asked.body) if asked.body else None) == body


HTML = "Content-Type: text/html"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (TAKEN, Accepted(ID, "patchapply")),
        (response(202, ok({"job_id": ID})), Accepted(ID, "patchapply")),
        (response(429, b"wait", "Content-Type: text/plain", "Retry-After: 9"), Refused(9.0, "HTTP_429")),
        (response(429, error("QUEUE_FULL"), "Retry-After: 60"), Refused(60.0, "QUEUE_FULL", "no")),
        (response(429, b""), Refused(60.0, "HTTP_429")),
        (
            response(409, error("SELF_UPDATE_IN_PROGRESS"), "Retry-After: 30"),
            Refused(30.0, "SELF_UPDATE_IN_PROGRESS", "no"),
        ),
        (response(409, error("REBOOT_BLOCKED"), "Retry-After: soon"), Refused(60.0, "REBOOT_BLOCKED", "no")),
        (
            response(409, error("X"), "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
            Refused(0.0, "X", "no"),
        ),
        (response(400, error("VALIDATION_ERROR")), Rejected(400, "VALIDATION_ERROR", "no")),
        (response(404, error("JOB_NOT_FOUND")), Rejected(404, "JOB_NOT_FOUND", "no")),
        (response(405, b"", "Allow: GET"), Rejected(405, "HTTP_405", "")),
    ],
)
async def test_clear_answers_to_a_mutating_call(pki: Pki, reply: bytes, outcome: Outcome) -> None:
    async with tls_agent(pki.server_context(), answers(reply)) as agent:
        client = client_of(agent.port, pki.client_context())
        assert await client.apply(["a"]) == outcome
        assert len(agent.requests) == 1
        await client.aclose()


async def silence(agent: Agent, stream: Stream) -> None:
    await agent.next_request(stream)
    await agent.read(stream)


async def hang_up(agent: Agent, stream: Stream) -> None:
    await agent.next_request(stream)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(answers(response(500, error("JOB_CREATE_ERROR"))), FailureKind.HTTP_STATUS, id="500"),
        pytest.param(answers(response(503, b"")), FailureKind.HTTP_STATUS, id="503"),
        pytest.param(answers(response(401, error("X"))), FailureKind.HTTP_STATUS, id="401"),
        pytest.param(answers(response(200, b"<html>", HTML)), FailureKind.UNREADABLE, id="html"),
        pytest.param(answers(response(404, b"<html>", HTML)), FailureKind.UNREADABLE, id="html 404"),
        pytest.param(answers(response(302, b"", "Location: /x")), FailureKind.REDIRECT, id="redirect"),
        pytest.param(answers(response(202, b"{")), FailureKind.UNREADABLE, id="unreadable 202"),
        pytest.param(answers(response(202, ok({}))), FailureKind.UNREADABLE, id="202 without a job"),
        pytest.param(answers(response(202, error("X"))), FailureKind.UNREADABLE, id="202 with an error"),
        pytest.param(answers(TAKEN[:-5]), FailureKind.TOO_SLOW, id="half a 202, then silence"),
        pytest.param(hang_up, FailureKind.DROPPED, id="drop"),
        pytest.param(silence, FailureKind.TIMED_OUT, id="hang"),
        pytest.param(answers(b"garbage\r\n\r\n"), FailureKind.UNREADABLE, id="garbage"),
        pytest.param(answers(response(202, b"x" * 300_000)), FailureKind.TOO_LARGE, id="huge"),
    ],
)
async def test_everything_else_is_ambiguous_and_sent_once(pki: Pki, script: Script, kind: FailureKind) -> None:
    async with tls_agent(pki.server_context(), script) as agent:
        outcome = await client_of(agent.port, pki.client_context()).apply(["a"])
        assert isinstance(outcome, Ambiguous)
        assert outcome.kind is kind
        assert len(agent.requests) == 1
        assert agent.connections == 1


async def test_a_connection_that_cannot_be_made_is_not_sent(pki: Pki) -> None:
    async with tls_agent(pki.server_context(pki.foreign), answers(TAKEN)) as agent:
        outcome = await client_of(agent.port, pki.client_context()).reboot()
        assert agent.received == 0
    assert isinstance(outcome, NotSent)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.CERTIFICATE_UNTRUSTED


async def test_the_check_before_sending_closes_the_connection_with_its_reason(pki: Pki) -> None:
    ended = trio.Event()

    async def watch(agent: Agent, stream: Stream) -> None:
        await agent.read(stream)
        ended.set()

    async with tls_agent(pki.server_context(), watch) as agent:
        outcome = await client_of(agent.port, pki.client_context()).apply(["a"], before_send=lambda: "frozen")
        await ended.wait()
        assert agent.handshakes == 1
        assert agent.received == 0
    assert outcome == NotSent("frozen")


async def test_the_check_runs_after_the_handshake_and_the_budget(pki: Pki) -> None:
    order: list[str] = []

    class Watched(Unlimited):
        async def write(self) -> None:
            order.append("budget")

    async with tls_agent(pki.server_context(), answers(TAKEN)) as agent:

        def check() -> None:
            order.append(f"check with {agent.connections} connection and {agent.received} bytes")

        client = client_of(agent.port, pki.client_context(), budget=Watched())
        assert isinstance(await client.apply(["a"], before_send=check), Accepted)
        await client.aclose()
    assert order == ["budget", "check with 1 connection and 0 bytes"]


async def test_a_mutating_call_takes_over_the_connection_of_the_reads_right_before_it(pki: Pki) -> None:
    """One handshake for a whole job (decision 0015); the check is still made at the moment of the first byte."""
    script = routes({"/api/v1/system/info": response(200, ok({}))}, TAKEN)
    received: list[int] = []
    async with tls_agent(pki.server_context(), script) as agent:
        client = client_of(agent.port, pki.client_context())
        await client.system_info()
        before = agent.received
        assert isinstance(await client.apply(["a"], before_send=lambda: received.append(agent.received)), Accepted)
        await client.system_info()
        await client.aclose()
        assert agent.connections == 1
    assert received == [before]


async def test_a_mutating_call_never_meets_a_connection_that_the_agent_has_closed(pki: Pki) -> None:
    """It could not be told from a lost answer."""

    async def once(agent: Agent, stream: Stream) -> None:
        await agent.next_request(stream)
        await stream.send_all(TAKEN)

    async with tls_agent(pki.server_context(), once) as agent:
        client = client_of(agent.port, pki.client_context())
        assert isinstance(await client.apply(["a"]), Accepted)
        while client._idle is not None and client._idle.quiet():  # noqa: ASYNC110 - the kernel tells nobody
            await trio.sleep(0.01)
        assert isinstance(await client.apply(["a"]), Accepted)
        assert agent.connections == 2
        await client.aclose()


async def test_a_call_that_is_repeated_has_a_connection_of_its_own(pki: Pki) -> None:
    """Where an agent closed the connection in the very moment of the call, it would do so each time."""

    async def closes_after_each_answer(agent: Agent, stream: Stream) -> None:
        call = await agent.next_request(stream)
        if call is not None and call.method == "POST":
            await stream.send_all(TAKEN)
            return
        await stream.send_all(response(200, ok({})))
        await agent.next_request(stream)  # by then the manager has sent its call, which is not answered

    async with tls_agent(pki.server_context(), closes_after_each_answer) as agent:
        client = client_of(agent.port, pki.client_context())
        await client.system_info()
        assert isinstance(await client.apply(["a"]), Ambiguous)
        await client.system_info()
        assert isinstance(await client.apply(["a"]), Accepted)
        await client.aclose()


@pytest.mark.parametrize(("idle", "shaken"), [(2.0, 2.0), (0.5, 11.0)], ids=["idle too long", "handshake too old"])
async def test_a_mutating_call_has_a_new_connection_when_the_kept_one_is_old(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, idle: float, shaken: float
) -> None:
    script = routes({"/api/v1/system/info": response(200, ok({}))}, TAKEN)
    async with tls_agent(pki.server_context(), script) as agent:
        client = client_of(agent.port, pki.client_context())
        await client.system_info()
        kept = client._idle
        assert kept is not None
        kept.opened_at -= shaken - idle
        now = trio.current_time
        monkeypatch.setattr("patch_manager.actors.agent.client.trio.current_time", lambda: now() + idle)
        assert isinstance(await client.apply(["a"]), Accepted)
        monkeypatch.undo()
        await client.aclose()
        assert agent.connections == 2


async def test_a_429_of_a_write_blocks_writes_and_a_409_does_not(pki: Pki) -> None:
    budget = Unlimited()
    script = answers(response(429, b"", "Retry-After: 5"))
    async with tls_agent(pki.server_context(), script) as agent:
        await client_of(agent.port, pki.client_context(), budget=budget).apply(["a"])
    assert budget.blocked == [("writes", 5)]
    async with tls_agent(pki.server_context(), answers(response(409, error("REBOOT_BLOCKED")))) as agent:
        await client_of(agent.port, pki.client_context(), budget=budget).reboot()
    assert len(budget.blocked) == 1


@pytest.mark.parametrize("names", [[], ["good", "-bad"], ["libc6:i386"], ["a" * 257]])
async def test_what_agents_would_refuse_or_take_for_everything_is_not_sent(pki: Pki, names: list[str]) -> None:
    async with tls_agent(pki.server_context(), answers(TAKEN)) as agent:
        client = client_of(agent.port, pki.client_context())
        for outcome in (await client.apply(names), await client.install(names)):
            assert isinstance(outcome, Rejected)
            assert (outcome.status, outcome.code) == (0, "VALIDATION_ERROR")
        assert agent.connections == 0
