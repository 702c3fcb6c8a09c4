"""The calls an actor makes to its host's agent, in either dialect of any release.

Reads share a connection for as long as the agent keeps it. A mutating call takes it over from the reads right before
it, or has a new one, and is sent at most once, whatever happens (decision 0015). Reads raise ``AgentFailure``; mutating
calls return an ``Outcome`` and raise nothing but cancellation, after which the caller must treat the call as ambiguous.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import quote

import orjson
import trio

from patch_manager.actors.agent import models, wire_host, wire_jobs, wire_packages
from patch_manager.actors.agent.connection import AgentConnection, BeforeSend, ClosedAtCheck, RawResponse
from patch_manager.actors.agent.envelope import Json, Page, data_of, envelope
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.actors.agent.following import Listen, stream_hints
from patch_manager.actors.agent.outcomes import (
    DEFAULT_RETRY_AFTER,
    Accepted,
    NotSent,
    Outcome,
    Refused,
    Rejected,
    outcome_of,
    outcome_of_failure,
    retry_after,
)
from patch_manager.actors.agent.rate_budget import RateGate
from patch_manager.domain.health import FailureKind
from patch_manager.domain.jobs import Operation

Connect = Callable[[], Awaitable[AgentConnection]]
"""Opens a verified connection; the caller puts its limiter for connecting and handshakes around exactly this."""

T = TypeVar("T")

_KIB: Final = 1024
_MIB: Final = 1024 * 1024
_HEALTH_PATHS: Final = ("/api/v1/health", "/health")
_PARSE_IN_PLACE: Final = 256 * _KIB
_PAGE_ROWS: Final = 500
_MAX_PAGES: Final = 50
_WARM_SECONDS: Final = 1.5
"""A mutating call uses a connection whose last answer is no older: agents close theirs after 5 s without a request."""
_SHAKEN_SECONDS: Final = 10.0
"""...and whose handshake is no older: certificates and their revocation are looked at for each intent anew."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. ``refreshing``: calls inside which an agent may refresh its package cache (up to 300 s)."""

    refreshing: float = 330.0
    answer: float = 30.0
    drip: float = 30.0
    drip_list: float = 120.0


@dataclass(frozen=True, slots=True)
class _Read:
    timeout: float
    drip: float
    max_bytes: int


class AgentClient:
    """One host's agent. Long-lived; owns the rate budget. Calls may run concurrently."""

    __slots__ = ("_connect", "_health_path", "_idle", "_idle_since", "_keep_for", "_patience", "_takes_over", "budget")

    def __init__(
        self,
        connect: Connect,
        *,
        budget: RateGate | None = None,
        patience: Patience | None = None,
        keep_for: float = 4.0,
    ) -> None:
        """``keep_for``: seconds an idle connection is used again; below the 5 s after which agents close theirs."""
        self.budget = budget or RateGate()
        self._connect = connect
        self._patience = patience or Patience()
        self._keep_for = keep_for
        self._health_path = 0
        self._idle: AgentConnection | None = None
        self._idle_since = 0.0
        self._takes_over = True  # until a call was lost on a connection of reads: this agent may always close it then

    @property
    def listen(self) -> Listen:
        """Opens the stream of job events for ``following.follow_job``, on a connection of its own."""
        return stream_hints(self._connect, self.budget.read)

    async def aclose(self) -> None:
        """Close the idle connection; the next read opens a new one. Call it after each poll."""
        connection, self._idle = self._idle, None
        if connection is not None:
            await connection.aclose()

    # Reads

    async def health(self) -> models.AgentHealth:
        """``GET /api/v1/health``, or ``/health`` on old releases; which one works is remembered."""
        how = _Read(self._patience.refreshing, self._patience.drip, 256 * _KIB)
        response = await self._health(self._health_path, how)
        if response.status in (404, 405):
            other = 1 - self._health_path
            second = await self._health(other, how)
            if second.status not in (404, 405):
                self._health_path, response = other, second
        health = wire_host.health(_data(response))
        frame = envelope(response.body)
        return replace(health, agent_time=frame.timestamp if frame is not None else None)

    async def _health(self, path: int, how: _Read) -> RawResponse:
        return await self._get(_HEALTH_PATHS[path], how, counted=path == 0)

    async def system_info(self) -> models.AgentInfo:
        """``GET /api/v1/system/info``."""
        how = _Read(self._patience.answer, self._patience.drip, 256 * _KIB)
        return wire_host.info(_data(await self._get("/api/v1/system/info", how, counted=False)))

    async def patches(self) -> models.PatchList:
        """``GET /api/v1/patches``, all pages of it."""
        how = _Read(self._patience.refreshing, self._patience.drip_list, 8 * _MIB)
        data, page = await self._pages("/api/v1/patches", wire_packages.patch_page, how)
        return models.PatchList(
            patches=wire_packages.merge_patches([patch for item in page.items for patch in item]),
            total=page.total,
            **wire_packages.patch_totals(data),
            skipped=page.skipped,
            complete=page.seen >= page.total or not page.paged,
        )

    async def packages(self) -> models.PackageList:
        """``GET /api/v1/packages``: thousands of rows, megabytes."""
        how = _Read(self._patience.refreshing, self._patience.drip_list, 16 * _MIB)
        _, page = await self._pages("/api/v1/packages", wire_packages.package_page, how)
        return models.PackageList(page.items, page.total, page.skipped, page.seen >= page.total or not page.paged)

    async def package(self, name: str) -> models.AgentPackage | None:
        """``GET /api/v1/packages/{name}``; None when it is not installed."""
        how = _Read(self._patience.answer, self._patience.drip, 256 * _KIB)
        response = await self._get(f"/api/v1/packages/{quote(name, safe='+')}", how)
        known = response.status != 404 or not response.body or envelope(response.body) is None
        return wire_packages.package(_data(response)) if known else None

    async def jobs(self, limit: int = 1000) -> models.JobList:
        """``GET /api/v1/jobs?limit=``, newest first."""
        how = _Read(self._patience.answer, self._patience.drip_list, 8 * _MIB)
        _, jobs = await _parsed(await self._get(f"/api/v1/jobs?limit={limit}", how), wire_jobs.jobs)
        return jobs

    async def job(self, job_id: str) -> models.AgentJob | None:
        """``GET /api/v1/jobs/{id}``; None when the agent does not know it (any more)."""
        how = _Read(self._patience.answer, self._patience.drip_list, 8 * _MIB)
        response = await self._get(f"/api/v1/jobs/{quote(job_id, safe='')}", how)
        return None if _unknown_to_agent(response) else wire_jobs.job(_data(response))

    async def service(self, name: str) -> models.AgentService | None:
        """``GET /api/v1/system/services/{name}``; None when the host has no such service."""
        how = _Read(self._patience.answer, self._patience.drip, 256 * _KIB)
        response = await self._get(f"/api/v1/system/services/{quote(name, safe='')}", how)
        return None if _unknown_to_agent(response) else wire_host.service(_data(response))

    async def _pages(self, path: str, read: Callable[[Json], Page[T]], how: _Read) -> tuple[Json, Page[T]]:
        """Follow the documentation dialect's ``limit`` and ``offset``; the code dialect sends everything at once.

        Returns the first answer's data beside all rows.
        """
        data, page = await _parsed(await self._get(path, how), read)
        for _ in range(_MAX_PAGES):
            if not page.paged or page.seen >= page.total:
                break
            target = f"{path}?limit={_PAGE_ROWS}&offset={page.seen}"
            _, following = await _parsed(await self._get(target, how), read)
            if not following.seen:
                break
            page = page.joined(following)
        return data, page

    async def _get(self, target: str, how: _Read, *, counted: bool = True) -> RawResponse:
        if counted:
            await self.budget.read()
        connection = await self._reusable()
        if connection is not None:
            try:
                return await self._exchange(connection, target, how)
            except AgentFailure as failure:
                # The agent closed a kept connection in the moment we used it. A read may simply be asked again.
                if failure.kind is not FailureKind.DROPPED:
                    raise
        return await self._exchange(await self._connect(), target, how)

    async def _reusable(self) -> AgentConnection | None:
        connection, self._idle = self._idle, None
        if connection is None:
            return None
        if trio.current_time() - self._idle_since <= self._keep_for:
            return connection
        await connection.aclose()
        return None

    async def _exchange(self, connection: AgentConnection, target: str, how: _Read) -> RawResponse:
        response = await connection.request(
            "GET", target, timeout=how.timeout, drip_timeout=how.drip, max_bytes=how.max_bytes
        )
        await self._keep(connection)
        if response.status == 429:
            wait = retry_after(response)
            self.budget.block_reads(DEFAULT_RETRY_AFTER if wait is None else wait)
        return response

    async def _keep(self, connection: AgentConnection) -> None:
        """Keep an answered connection for the next call, unless another one is kept."""
        if connection.open:
            if self._idle is None and self._keep_for > 0:
                self._idle, self._idle_since = connection, trio.current_time()
            else:
                await connection.aclose()

    # Mutating calls: never sent twice

    async def apply(self, packages: Sequence[str], before_send: BeforeSend | None = None) -> Outcome:
        """``POST /api/v1/patches/apply`` for exactly these packages; the reboot is a step of its own (TRUST).

        ``reboot`` alone is understood by every release, and an absent list would mean everything.
        """
        names = list(dict.fromkeys(packages))
        refusal = _unsendable(names)
        if refusal is not None:
            return refusal
        body = {"packages": names, "reboot": False}
        return await self._mutate("POST", "/api/v1/patches/apply", body, Operation.PATCH_APPLY, before_send)

    async def reboot(
        self, delay_seconds: int = 0, force: bool = False, before_send: BeforeSend | None = None
    ) -> Outcome:
        """``POST /api/v1/system/reboot``; its job never reports completion."""
        body = {"delay_seconds": delay_seconds, "force": force}
        return await self._mutate("POST", "/api/v1/system/reboot", body, Operation.REBOOT, before_send)

    async def rollback(self, job_id: str, before_send: BeforeSend | None = None) -> Outcome:
        """``POST /api/v1/jobs/{id}/rollback``."""
        path = f"/api/v1/jobs/{quote(job_id, safe='')}/rollback"
        return await self._mutate("POST", path, None, Operation.ROLLBACK, before_send)

    async def install(
        self,
        packages: Sequence[str],
        before_send: BeforeSend | None = None,
        *,
        versions: Mapping[str, str] | None = None,
        force: bool = False,
        no_recommends: bool = False,
    ) -> Outcome:
        """``POST /api/v1/packages``, the newest versions where ``versions`` names none."""
        names = list(dict.fromkeys(packages))
        refusal = _unsendable(names)
        if refusal is not None:
            return refusal
        body = {
            "packages": [{"name": name, "version": (versions or {}).get(name)} for name in names],
            "options": {"force": force, "no_recommends": no_recommends},
        }
        return await self._mutate("POST", "/api/v1/packages", body, Operation.INSTALL, before_send)

    async def update(self, name: str, version: str | None = None, before_send: BeforeSend | None = None) -> Outcome:
        """``PUT /api/v1/packages/{name}``."""
        body = {"version": version}
        return _unsendable([name]) or await self._mutate(
            "PUT", f"/api/v1/packages/{quote(name, safe='+')}", body, Operation.UPDATE, before_send
        )

    async def remove(self, name: str, purge: bool = False, before_send: BeforeSend | None = None) -> Outcome:
        """``DELETE /api/v1/packages/{name}?purge=``."""
        path = f"/api/v1/packages/{quote(name, safe='+')}?purge={'true' if purge else 'false'}"
        return _unsendable([name]) or await self._mutate("DELETE", path, None, Operation.REMOVE, before_send)

    async def _mutate(
        self, method: str, target: str, body: object, operation: Operation, before_send: BeforeSend | None
    ) -> Outcome:
        await self.budget.write()
        connection = await self._still_warm() if self._takes_over else None
        taken_over = connection is not None
        if connection is None:
            try:
                connection = await self._connect()
            except AgentFailure as failure:
                return NotSent(reason(failure), failure)
        try:
            response = await connection.request(
                method,
                target,
                body=None if body is None else orjson.dumps(body),
                timeout=self._patience.answer,
                drip_timeout=self._patience.drip,
                max_bytes=256 * _KIB,
                before_send=before_send,
            )
        except ClosedAtCheck as closed:
            return NotSent(closed.reason)
        except AgentFailure as failure:
            self._takes_over = self._takes_over and not taken_over
            return outcome_of_failure(failure)
        outcome = outcome_of(response, operation)
        # Evidence for a call without a clear answer is looked for when its connection is closed (TRUST "Ambiguous").
        await (self._keep(connection) if isinstance(outcome, Accepted) else connection.aclose())
        if isinstance(outcome, Refused) and response.status == 429:
            self.budget.block_writes(outcome.retry_after_s)
        return outcome

    async def _still_warm(self) -> AgentConnection | None:
        """The connection of the reads right before, if nothing speaks against it: no handshake lies between baseline
        and call then. A call must not meet a connection that the agent has closed, for it could not be told from a lost
        answer.
        """
        connection, self._idle = self._idle, None
        if connection is None:
            return None
        now = trio.current_time()
        warm = now - self._idle_since <= _WARM_SECONDS and now - connection.opened_at <= _SHAKEN_SECONDS
        if warm and connection.quiet():
            return connection
        await connection.aclose()
        return None


def _unsendable(names: list[str]) -> Rejected | None:
    """What agents answer with 400, said without asking them; an empty list could mean everything to some release."""
    if not names:
        return Rejected(0, "VALIDATION_ERROR", "no packages were named")
    wrong = next((name for name in names if not models.is_package_name(name)), None)
    return None if wrong is None else Rejected(0, "VALIDATION_ERROR", f"agents do not accept the name {wrong[:256]!r}")


def _unknown_to_agent(response: RawResponse) -> bool:
    """404 in the agent's own words or with no words; a proxy's page does not say that a job is gone."""
    return response.status == 404 and (not response.body or envelope(response.body) is not None)


async def _parsed(response: RawResponse, read: Callable[[Json], T]) -> tuple[Json, T]:
    """Parse an answer, megabytes of it in a thread: 8,000 rows take 40 ms, in which no other host would be served."""

    def parse() -> tuple[Json, T]:
        data = _data(response)
        return data, read(data)

    if len(response.body) <= _PARSE_IN_PLACE:
        return parse()
    return await trio.to_thread.run_sync(parse, abandon_on_cancel=True)


def _data(response: RawResponse) -> Json:
    """``data`` of a 200; raises the failure that anything else is."""
    status = response.status
    if 200 <= status <= 299:
        return data_of(response.body)
    wait = retry_after(response)
    if status == 429:
        wait = DEFAULT_RETRY_AFTER if wait is None else wait
        raise AgentFailure(FailureKind.RATE_LIMITED, status=status, retry_after=wait)
    frame = envelope(response.body)
    if frame is not None and frame.code:
        detail = f"{frame.code}: {frame.message}".rstrip(": ")
        raise AgentFailure(FailureKind.AGENT_ERROR, detail, status=status, code=frame.code, retry_after=wait)
    raise AgentFailure(FailureKind.HTTP_STATUS, status=status, retry_after=wait)
