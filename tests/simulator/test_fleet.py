"""Which hosts there are, that they answer under their own names, and the process that runs them."""

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.tls import AgentTls
from patch_manager.simulator import fleet as fleet_module
from patch_manager.simulator.catalogue import Family, available_patches, pending_patches
from patch_manager.simulator.certificates import AuthorityCertificates, Contexts
from patch_manager.simulator.fleet import open_fleet
from patch_manager.simulator.specs import GROUPS, Dialect, HostSpec, Release, addresses, demo_fleet, quiet_fleet
from patch_manager.simulator.temper import Identity, Reception, Temper
from tests.simulator.client import Client

BASE = "127.32.0.1"


def test_addresses_skip_what_looks_like_a_network_or_a_broadcast() -> None:
    found = list(addresses(600, "127.16.0.250"))
    assert len(set(found)) == 600
    assert not [address for address in found if address.endswith((".0", ".255"))]
    assert found[5:7] == ["127.16.1.1", "127.16.1.2"]


def test_addresses_never_leave_loopback() -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.0/8"):
        list(addresses(10, "127.255.255.250"))


def test_the_same_seed_gives_the_same_fleet() -> None:
    assert demo_fleet(50, seed=3) == demo_fleet(50, seed=3)
    assert demo_fleet(50, seed=3) != demo_fleet(50, seed=4)


def test_the_demo_fleet_has_everything_people_should_see() -> None:
    fleet = demo_fleet(200)
    assert set(Counter(spec.group for spec in fleet).values()) == {50}
    assert {spec.group for spec in fleet} == set(GROUPS)
    assert {spec.dialect for spec in fleet} == set(Dialect)
    assert {spec.release for spec in fleet} == set(Release)
    assert {spec.family for spec in fleet} == set(Family)
    assert len({spec.hostname for spec in fleet}) == 200
    slow = [spec for spec in fleet if spec.temper.health_delay]
    faulty = [spec for spec in fleet if spec.temper != Temper() and not spec.temper.health_delay]
    assert len(faulty) == 8
    assert 1 <= len(slow) <= 15


def test_the_quiet_fleet_is_well_and_the_same_everywhere() -> None:
    fleet = quiet_fleet(100, patch_count=50)
    assert {spec.temper for spec in fleet} == {Temper()}
    assert len({(spec.family, spec.variant, spec.patch_count, spec.release) for spec in fleet}) == 1


def test_patches_have_real_names_cves_and_any_number() -> None:
    for family in Family:
        known = available_patches(family)
        assert len({patch.name for patch in known}) == len(known)
        assert any(patch.severity == "critical" and patch.cve_ids for patch in known)
        assert any(patch.requires_reboot for patch in known)
    many = pending_patches(Family.DEBIAN_12, 0, 500)
    assert len({patch.name for patch in many}) == 500
    assert many == pending_patches(Family.DEBIAN_12, 0, 500)


async def test_the_address_dialled_says_which_host_answers(authority: CertificateAuthority, tls: AgentTls) -> None:
    specs = quiet_fleet(20, base=BASE)
    with trio.fail_after(20):
        async with open_fleet(specs, AuthorityCertificates(authority), port=0) as fleet:
            client = Client(fleet, tls.context)
            for spec in specs:
                info = await client.get(fleet.host(spec.address), "/api/v1/system/info")
                assert info.data["hostname"] == spec.hostname
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream(BASE, fleet.port)


async def test_above_the_limit_one_socket_serves_all_and_refusing_is_a_reset(
    authority: CertificateAuthority, tls: AgentTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "LISTENERS_MAX", 2)
    specs = quiet_fleet(3, base=BASE)
    with trio.fail_after(20):
        async with open_fleet(specs, AuthorityCertificates(authority), port=0) as fleet:
            client = Client(fleet, tls.context)
            for spec in specs:
                info = await client.get(fleet.host(spec.address), "/api/v1/system/info")
                assert info.data["hostname"] == spec.hostname
            host = fleet.host(specs[0].address)
            host.temper = Temper(reception=Reception.REFUSE)
            with pytest.raises((OSError, trio.BrokenResourceError)):
                await client.get(host, "/health")
            with pytest.raises((OSError, trio.BrokenResourceError)):
                async with client.connect("127.32.9.9"):
                    pytest.fail("nobody has that address")


async def test_addresses_outside_loopback_are_refused(authority: CertificateAuthority) -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with open_fleet([HostSpec.at("192.0.2.1")], AuthorityCertificates(authority), port=0):
            pytest.fail("the fleet must not open")


def test_contexts_are_made_when_asked_for_and_the_oldest_forgotten(authority: CertificateAuthority) -> None:
    contexts = Contexts(AuthorityCertificates(authority), kept=2)
    one, two, three = quiet_fleet(3, base=BASE)
    first, second = contexts.get(one, Identity.OWN), contexts.get(two, Identity.OWN)
    assert contexts.get(one, Identity.OWN) is first
    contexts.get(three, Identity.OWN)
    assert contexts.get(one, Identity.OWN) is first
    assert contexts.get(two, Identity.OWN) is not second


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_when_it_is_ready_and_stops_clean(tmp_path: Path, stop: signal.Signals) -> None:
    code = (
        "import sys; from pathlib import Path; from patch_manager.simulator.command import run_simulator;"
        "base = Path(sys.argv[1]);"
        "run_simulator(base / 'pki', base / 'vault.key', count=30, base='127.33.0.1', port=0, quiet=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["event"], ready["hosts"], ready["first"]) == ("ready", 30, "127.33.0.1")
        with socket.create_connection(("127.33.0.30", ready["port"]), timeout=5):
            pass
        process.send_signal(stop)
        assert process.wait(timeout=10) == 0
