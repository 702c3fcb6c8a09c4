"""The simulated fleet as a process of its own: ``patch-manager simulate``."""

import json
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import trio

from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.vault import Vault
from patch_manager.simulator.certificates import AuthorityCertificates
from patch_manager.simulator.fleet import Fleet, open_fleet
from patch_manager.simulator.specs import DEFAULT_BASE, DEFAULT_PORT, HostSpec, demo_fleet, quiet_fleet


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def ready_line(fleet: Fleet, specs: list[HostSpec]) -> str:
    """What is printed when all ports are open: one JSON object on one line."""
    return json.dumps(
        {
            "event": "ready",
            "hosts": len(specs),
            "port": fleet.port,
            "first": specs[0].address if specs else None,
            "last": specs[-1].address if specs else None,
        }
    )


async def serve_fleet(
    pki_directory: Path, vault_key: Path, specs: list[HostSpec], *, port: int, say: Callable[[str], None] = _print_line
) -> None:
    """Run *specs* under the authority in *pki_directory* until SIGTERM or SIGINT.

    Raises OSError when the port is taken, `VaultError` or `AuthorityError` when the authority cannot be opened.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        vault = Vault.load_or_create(vault_key)
        certificates = AuthorityCertificates(CertificateAuthority.load_or_create(pki_directory, vault))
        async with open_fleet(specs, certificates, port=port) as fleet:
            say(ready_line(fleet, specs))
            await anext(signals)


def run_simulator(
    pki_directory: Path,
    vault_key: Path,
    *,
    count: int,
    base: str = DEFAULT_BASE,
    port: int = DEFAULT_PORT,
    seed: int = 1,
    quiet: bool = False,
    patch_count: int = 10,
    job_seconds: float = 2.0,
) -> None:
    """Simulate *count* hosts from *base* upward; returns after SIGTERM or SIGINT.

    *quiet* is for benchmarks: no failures, the same *patch_count* patches everywhere, jobs of *job_seconds*.
    """
    _raise_file_limit()
    if quiet:
        specs = quiet_fleet(count, seed=seed, base=base, patch_count=patch_count, job_seconds=job_seconds)
    else:
        specs = demo_fleet(count, seed=seed, base=base)

    async def main() -> None:
        await serve_fleet(pki_directory, vault_key, specs, port=port)

    trio.run(main)
