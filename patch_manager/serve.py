"""The composition root: builds every room, starts its tasks in order of dependency, and stops them in ten seconds."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import psutil
import structlog
import trio

from patch_manager import __version__
from patch_manager.actors.agent.address_policy import AddressPolicy, IPAddress, canonical
from patch_manager.actors.agents import agent_factory
from patch_manager.auth import AuthSettings, make_auth
from patch_manager.config import ConfigError, Settings
from patch_manager.domain.notifications import OwnCertificate
from patch_manager.foundation import Foundation, open_foundation
from patch_manager.http.app import create_app
from patch_manager.http.guard import serve_https
from patch_manager.http.limits import gate
from patch_manager.http.operations import Readiness, make_registry
from patch_manager.http.routes import all_routes
from patch_manager.http.services import HttpSettings, Services
from patch_manager.logs import configure_logging
from patch_manager.notifications.metrics import NotificationCollector
from patch_manager.notifications.reaching import Reach
from patch_manager.notifications.room import Notifications
from patch_manager.pki.expiry import expiry_of
from patch_manager.pki.identities import SealedIdentity, https_request, manager_client_request
from patch_manager.pki.model import RevokedCertificate
from patch_manager.pki.tls import AgentTls, HttpsTls, KeyPair, OperatorCertificate
from patch_manager.pki.upkeep import Upkeep, key_pair
from patch_manager.pki.vault import sealed_ed25519
from patch_manager.storage.audit_export import FILE_NAME, AuditExporter
from patch_manager.storage.certificates import revoked_certificates
from patch_manager.storage.leadership import Leadership
from patch_manager.supervisor.fleet import FleetSupervisor
from patch_manager.supervisor.jobs.fleet_calendar import FleetCalendar
from patch_manager.supervisor.jobs.room import JobRoom
from patch_manager.supervisor.leading import Leading
from patch_manager.supervisor.limits import Limits
from patch_manager.supervisor.metrics import FleetCollector

log = structlog.get_logger(__name__)

TRIM_SECONDS = 30.0
_M_MMAP_THRESHOLD, _MMAP_BYTES = -3, 128 * 1024  # malloc.h
STOP_SECONDS = 9.0  # then whatever still runs is cut; the unit promises ten


def run_server(settings: Settings) -> int:
    """Run the manager until SIGTERM or SIGINT; the process's exit status."""
    configure_logging(settings.server.log_level)
    raise_file_limit()
    trio.run(_until_signal, settings)
    return 0


async def _until_signal(settings: Settings) -> None:
    started = time.monotonic()
    stop = trio.Event()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:

            async def wait_for_signal() -> None:
                number = await anext(signals)
                log.info("stopping", signal=signal.Signals(number).name)
                stop.set()

            def ready() -> None:
                seconds = round(time.monotonic() - started, 2)
                log.info("ready", url=settings.server.origin, bind=settings.server.bind, seconds=seconds)

            nursery.start_soon(wait_for_signal)
            log.info("starting", version=__version__, data_dir=str(settings.server.data_dir))
            async with open_foundation(settings) as base:
                await serve(base, stop, ready)
            nursery.cancel_scope.cancel()
    log.info("stopped")


async def serve(base: Foundation, stop: trio.Event, ready: Callable[[], None]) -> None:
    """Run the manager on open stores until ``stop`` is set.

    Waits as a standby while another manager leads the database. ``ready`` is called once pages are served.

    Raises:
        ConfigError: the address cannot be bound.
        AnotherManagerLeads: another manager took over while the database was away.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, base, stop, ready, nursery.cancel_scope)
        await stop.wait()
        nursery.cancel_scope.deadline = trio.current_time() + STOP_SECONDS


async def _serve(base: Foundation, stop: trio.Event, ready: Callable[[], None], whole: trio.CancelScope) -> None:
    settings, keys = base.settings, base.keys
    name = f"{socket.gethostname()}:{os.getpid()}"
    leading = Leading(Leadership(base.db, name), name)
    limits = Limits.of(settings.limits)
    upkeep = await _tls(base)
    policy = AddressPolicy(settings.agent.allow_loopback, own_addresses())
    jobs = JobRoom(
        base.db,
        base.audit,
        leading.now,
        beginning=limits.jobs_beginning,
        dispatch=limits.dispatch,
        followed_jobs=limits.followed_jobs,
    )
    fleet = FleetSupervisor(
        base.db,
        agents=agent_factory(
            lambda: upkeep.agent_tls.context, policy, settings.agent, keep_connections=settings.polling.keep_connections
        ),
        jobs=jobs.runner,
        polling=settings.polling,
        limits=limits,
        wall_clock=utc_now,
    )
    auth = make_auth(
        base.db,
        base.audit,
        keys.vault,
        sealed_ed25519(settings.server.data_dir / "auth", "access-tokens", keys.vault),
        AuthSettings(issuer=settings.server.origin),
        limits.password_hashing,
    )
    notifications = _notifications(base, leading, FleetCalendar(fleet.picture, jobs.calendar))
    registry = make_registry()
    registry.register(FleetCollector(fleet))
    registry.register(NotificationCollector(notifications))
    services = Services(
        db=base.db,
        audit=base.audit,
        auth=auth,
        supervisor=fleet,
        deployments=jobs.deployments,
        operations=jobs.operations,
        calendar=jobs.calendar,
        notifier=notifications,
        vault=keys.vault,
        authority=keys.authority,
        settings=HttpSettings(settings.server.origin, settings.agent, settings.limits),
        readiness=Readiness({"leadership": lambda: None if leading.now() else "none held: nothing is dispatched"}),
        started_at=utc_now(),
        forbidden_address=policy.forbidden,
        exported_heads=settings.server.data_dir / FILE_NAME,
        registry=registry,
        stopping=stop,
    )
    app = gate(create_app(services, all_routes()), services)
    async with trio.open_nursery() as nursery:
        if not await _unless_stopped(stop, lambda: nursery.start(leading.run)):
            whole.cancel()
            return
        exporter = AuditExporter(base.db, settings.server.data_dir / FILE_NAME)
        nursery.start_soon(exporter.run)
        nursery.start_soon(auth.run)
        nursery.start_soon(upkeep.run, _report_upkeep)
        nursery.start_soon(_return_memory)
        await nursery.start(fleet.run)
        await nursery.start(jobs.run, fleet)
        await nursery.start(notifications.run)
        # What exists now lives as long as the program: the collector need not look at it again (DESIGN §9).
        gc.collect()
        gc.freeze()
        async with trio.open_nursery() as serving:
            await serving.start(_serve_https, app, settings.server.bind, upkeep.https_tls, stop)
            ready()
        nursery.cancel_scope.cancel()
    whole.cancel()


async def _serve_https(
    app: Callable[..., Awaitable[None]],
    bind: str,
    tls: HttpsTls,
    stop: trio.Event,
    task_status: trio.TaskStatus[tuple[str, int]],
) -> None:
    try:
        await serve_https(app, bind, tls.context, shutdown=stop, task_status=task_status)
    except OSError as error:
        raise ConfigError(f"cannot listen on server.bind {bind}: {error.strerror or error}") from error


async def _unless_stopped(stop: trio.Event, start: Callable[[], Awaitable[object]]) -> bool:
    """Wait for ``start``, but not beyond ``stop``; whether it started."""
    started = False
    async with trio.open_nursery() as nursery:

        async def cancel_at_stop() -> None:
            await stop.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(cancel_at_stop)
        await start()
        started = True
        nursery.cancel_scope.cancel()
    return started


async def _tls(base: Foundation) -> Upkeep:
    """The manager's own certificates and the revocation list, fresh before anybody is polled."""
    settings, authority = base.settings.server, base.keys.authority
    manager = SealedIdentity(authority, "manager", manager_client_request())
    https: SealedIdentity | OperatorCertificate
    if settings.tls_certificate is not None and settings.tls_key is not None:
        https = OperatorCertificate(settings.tls_certificate, settings.tls_key)
        served = _own_pair(https)
    elif settings.tls_certificate is not None or settings.tls_key is not None:
        raise ConfigError("server.tls_certificate and server.tls_key belong together: set both or none")
    else:
        https = SealedIdentity(authority, "https", https_request(settings.origin))
        served = key_pair(await https.current(store=base.store_issued))
    client = key_pair(await manager.current(store=base.store_issued))

    async def revoked() -> list[RevokedCertificate]:
        rows = await base.db.read(revoked_certificates, utc_now())
        return [RevokedCertificate(row.serial, row.revoked_at) for row in rows]

    upkeep = Upkeep(
        authority,
        AgentTls(authority.root_pem, authority.crl_path, client),
        HttpsTls(served),
        manager,
        https,
        revoked,
        base.store_issued,
    )
    await upkeep.refresh_crl()
    return upkeep


def _notifications(base: Foundation, leading: Leading, calendar: FleetCalendar) -> Notifications:
    settings, authority = base.settings, base.keys.authority
    tls = ssl.create_default_context()
    ca_file = settings.notifications.ca_file
    if ca_file is not None:
        try:
            tls.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot use notifications.ca_file {ca_file}: {error}") from error
    loopback = settings.agent.allow_loopback or settings.notifications.allow_loopback
    policy = AddressPolicy(loopback, frozenset() if loopback else own_addresses())

    def own_certificates() -> tuple[OwnCertificate, ...]:
        found = [expiry_of("the root certificate", authority.root_pem)]
        if settings.server.tls_certificate is not None:
            with suppress(OSError, ValueError):  # a file in the middle of its replacement is read the next time
                found.append(expiry_of("the pages' certificate", settings.server.tls_certificate.read_bytes()))
        return tuple(found)

    return Notifications(
        base.db,
        leading.now,
        base.keys.vault.open,
        Reach(policy.forbidden, tls),
        origin=settings.server.origin,
        wall=utc_now,
        calendar=calendar,
        own_certificates=own_certificates,
    )


def _own_pair(certificate: OperatorCertificate) -> KeyPair:
    try:
        return certificate.load()
    except OSError as error:
        raise ConfigError(f"cannot read the HTTPS certificate: {error}") from error


async def _return_memory() -> None:
    """Give freed memory back to the system: the first contact with a fleet leaves a sixth of it in free lists."""
    libc = ctypes.CDLL(None)
    trim, tune = getattr(libc, "malloc_trim", None), getattr(libc, "mallopt", None)
    if trim is None or tune is None:
        return  # not glibc, whose free lists this is about
    # Fixed, or the first answer of two megabytes would raise it, and buffers of that size would stay in the heap.
    tune(_M_MMAP_THRESHOLD, _MMAP_BYTES)
    while True:
        await trio.sleep(TRIM_SECONDS)
        await trio.to_thread.run_sync(trim, 0)


def _report_upkeep(error: Exception) -> None:
    log.error("certificate_upkeep_failed", reason=str(error))


def own_addresses() -> frozenset[IPAddress]:
    """Addresses of this machine's interfaces: no agent lives there (TRUST 15)."""
    found = (
        canonical(address.address.partition("%")[0])
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    )
    return frozenset(address for address in found if address is not None)


def raise_file_limit() -> None:
    """Use what the system allows: each connection is a file, and a soft limit of 1,024 is common."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)
