"""A running fleet and a client that the fleet's hosts accept."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.identities import manager_client_request
from patch_manager.pki.tls import AgentTls
from patch_manager.pki.upkeep import key_pair
from patch_manager.pki.vault import Vault
from patch_manager.simulator.certificates import AuthorityCertificates
from patch_manager.simulator.fleet import Fleet, open_fleet
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.specs import Dialect, HostSpec, Release
from tests.simulator.client import Client

ADDRESS = "127.31.0.1"
Start = Callable[..., Awaitable[tuple[SimulatedHost, Client]]]


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.load_or_create(tmp_path / "pki", Vault(b"v" * 32))


@pytest.fixture
def tls(authority: CertificateAuthority) -> AgentTls:
    return AgentTls(authority.root_pem, authority.crl_path, key_pair(authority.sign(manager_client_request())))


@pytest.fixture
async def start(authority: CertificateAuthority, tls: AgentTls) -> AsyncIterator[Start]:
    """Starts a fleet of one host: newest release, code dialect, quick jobs, unless told otherwise."""

    async def run(spec: HostSpec, *, task_status: trio.TaskStatus[Fleet]) -> None:
        async with open_fleet([spec], AuthorityCertificates(authority), port=0) as fleet:
            task_status.started(fleet)
            await trio.sleep_forever()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def start(**changes: Any) -> tuple[SimulatedHost, Client]:
                defaults: dict[str, Any] = {
                    "release": Release.NEWEST,
                    "dialect": Dialect.CODE,
                    "patch_count": 6,
                    "job_seconds": 0.05,
                    "reboot_seconds": 0.2,
                }
                spec = HostSpec.at(ADDRESS, **defaults | changes)
                fleet: Fleet = await nursery.start(run, spec)
                return fleet.host(ADDRESS), Client(fleet, tls.context)

            yield start
            nursery.cancel_scope.cancel()
