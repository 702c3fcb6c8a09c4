"""For those who run the program: is it alive, can it work, what does it count. Public, so it tells nothing of hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import trio
from prometheus_client import CollectorRegistry, Counter, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from pydantic import Field

from patch_manager.domain.principal import Permission
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Answer
from patch_manager.http.services import services
from patch_manager.storage.connecting import Connection
from patch_manager.storage.errors import StorageError

_DATABASE_SECONDS = 2.0
_REMEMBER_SECONDS = 1.0  # anybody may ask, so asking costs no query each time
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

routes = Routes("operations", prefix="")


@dataclass
class Readiness:
    """What must be there before requests are welcome.

    Args:
        checks: by name, what answers None when all is well, or the reason in words; asked at each probe, so cheap.
    """

    checks: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    _database: tuple[float, str | None] = field(default=(float("-inf"), None), repr=False)

    async def missing(self) -> dict[str, str]:
        """Names of what is missing, with the reason; empty when ready."""
        found = {name: reason for name, check in self.checks.items() if (reason := check()) is not None}
        database = await self._database_reason()
        return found if database is None else {"database": database, **found}

    async def _database_reason(self) -> str | None:
        asked_at, reason = self._database
        if trio.current_time() - asked_at < _REMEMBER_SECONDS:
            return reason
        reason = "does not answer"
        with trio.move_on_after(_DATABASE_SECONDS):
            try:
                await services().db.read(_ping)
                reason = None
            except (StorageError, OSError):
                pass
        self._database = (trio.current_time(), reason)
        return reason


class HttpMetrics:
    """Requests by method and status; unknown methods share one name, so that clients cannot invent series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "patch_manager_http_requests", "HTTP requests answered", ("method", "status"), registry=registry
        )

    def answered(self, method: str, status: int | None) -> None:
        """Count a request; ``status`` None: its client went away."""
        self._requests.labels(method if method in _METHODS else "other", str(status or "gone")).inc()


def make_registry() -> CollectorRegistry:
    """A registry with what every process counts (CPU, memory, files, collections)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Alive(Answer):
    """The process answers."""

    status: str = "alive"


class Ready(Answer):
    """Whether requests are welcome; ``missing`` says what is not there yet, and why."""

    ready: bool
    missing: dict[str, str] = Field(default_factory=dict)


@routes.route("GET", "/healthz", permission=Permission.PUBLIC, answer=Alive)
async def healthz() -> Alive:
    """Whether the process is alive."""
    return Alive()


@routes.route("GET", "/readyz", permission=Permission.PUBLIC, answer=Ready)
async def readyz() -> Reply:
    """Whether the program can work: database, leadership, actors; 503 says what is missing."""
    missing = await services().readiness.missing()
    return Reply(Ready(ready=not missing, missing=missing), status=503 if missing else 200)


@routes.route("GET", "/metrics", permission=Permission.PUBLIC, media_type="text/plain")
async def metrics() -> Reply:
    """Totals in Prometheus' text format; nothing about single hosts, users or addresses."""
    return Reply(generate_latest(services().registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


async def _ping(connection: Connection) -> None:
    await connection.execute("SELECT 1")
