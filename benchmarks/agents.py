"""The least that answers like an agent: TLS 1.3, a client certificate, canned answers. A process of its own.

The simulated fleet keeps rate limits and a certificate per host; here one address answers for as many hosts as a row
has, so that the processor is left to the side that is measured.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from benchmarks.children import Child, child, python
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.host_bundle import agent_request
from patch_manager.pki.identities import manager_client_request
from patch_manager.pki.tls import AgentTls
from patch_manager.pki.upkeep import key_pair
from patch_manager.pki.vault import Vault

ADDRESS = "127.77.0.1"
AGENT_VERSION = "2.8.0"
PATCHES = 10


def _answer(data: dict[str, object]) -> bytes:
    frame = {
        "success": True,
        "request_id": "00000000-0000-4000-8000-000000000000",
        "timestamp": "2030-01-01T00:00:00.123456789+00:00",
        "data": data,
        "error": None,
    }
    body = json.dumps(frame).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answers() -> dict[bytes, bytes]:
    """By path: whole answers as they go over the wire, in the dialect of the agent's source, newest release."""
    patches = [
        {
            "name": f"package-{number}",
            "current_version": "1.2.3-4",
            "available_version": "1.2.3-5",
            "severity": ("critical", "high", "medium", "low")[number % 4],
            "description": "Fixes a fault that matters.",
            "cve_ids": [f"CVE-2029-{1000 + number}"],
            "requires_reboot": number == 0,
        }
        for number in range(PATCHES)
    ]
    return {
        b"/api/v1/health": _answer(
            {
                "status": "healthy",
                "uptime_seconds": 86_400,
                "version": AGENT_VERSION,
                "last_cache_update": "2030-01-01T00:00:00Z",
                "cache_status": "fresh",
                "crl_status": "valid",
                "crl_age_seconds": 60,
                "crl_next_update": "2030-01-08T00:00:00Z",
                "gpg_key_status": "valid",
                "gpg_key_expires_at": "2031-01-01T00:00:00Z",
            }
        ),
        b"/api/v1/system/info": _answer(
            {
                "hostname": "bench",
                "os": "Debian GNU/Linux",
                "os_version": "12",
                "kernel": "6.1.0-18-amd64",
                "architecture": "x86_64",
                "last_update_check": "2030-01-01T00:00:00Z",
                "last_update_apply": None,
                "pending_reboot": False,
            }
        ),
        b"/api/v1/patches": _answer(
            {"patches": patches, "total": PATCHES, "security_updates": PATCHES, "requires_reboot": True}
        ),
    }


@dataclass(frozen=True, slots=True)
class Responder:
    """Running agents, and the TLS context that the manager dials them with."""

    process: Child
    address: str
    port: int
    tls: AgentTls


@contextmanager
def responder(directory: Path) -> Iterator[Responder]:
    """Make an authority in ``directory`` and run the agents under it."""
    authority = CertificateAuthority.load_or_create(directory / "pki", Vault(bytes(32)))
    authority.current_crl([])
    pair = key_pair(authority.sign(agent_request(ADDRESS, None)))
    certificate, root = directory / "agent.pem", directory / "root.pem"
    certificate.write_bytes(pair.certificate_pem + pair.private_key_pem)
    root.write_bytes(authority.root_pem)
    manager = key_pair(authority.sign(manager_client_request()))
    with child(python("benchmarks.agents", "--certificate", certificate, "--root", root)) as process:
        port = int(process.line())
        yield Responder(process, ADDRESS, port, AgentTls(authority.root_pem, authority.crl_path, manager))


async def _serve(certificate: Path, root: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    context.load_verify_locations(cafile=root)
    context.load_cert_chain(certificate)
    canned = answers()

    async def connection(stream: trio.SSLStream[trio.SocketStream]) -> None:
        stream.transport_stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        try:
            while data := await stream.receive_some(65_536):
                received += data
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    await stream.send_all(canned[head.split(b" ", 2)[1].partition(b"?")[0]])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    (plain,) = await trio.open_tcp_listeners(0, host=ADDRESS, backlog=1024)
    sys.stdout.write(f"{plain.socket.getsockname()[1]}\n")
    sys.stdout.flush()
    await trio.serve_listeners(connection, [trio.SSLListener(plain, context, https_compatible=True)])


def main() -> None:
    """Serve until terminated; the port is the first line printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    given = parser.parse_args()
    trio.run(_serve, given.certificate, given.root)


if __name__ == "__main__":
    main()
