"""Whatever an agent does, its host says why in words, the others are polled on time, and nothing leaks or grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import EllipsisType

import pytest

from tests.system.agents import Agent
from tests.system.forging import Signer, forge, own_root, stranger
from tests.system.manager import Fleet, eventually, running_fleet

INTERVAL = 2.0
"""Seconds between health polls, as the harness sets it."""

ON_THE_WIRE = {
    "refuse": ("refused", "no agent listens"),
    "drop": ("dropped", "allow-list"),
    "hang": ("timed out", "no answer to the TLS handshake"),
    "plain": ("does not speak TLS",),
    "tls12": ("TLS below 1.3",),
    "drop_after_tls": ("dropped", "allow-list"),
    "hang_in_http": ("timed out", "no answer to the request"),
    "drip": ("too slowly",),
    "garbage": ("unreadable", "not HTTP"),
    "not_json": ("unreadable",),
    "html": ("unreadable", "<html>"),
    "bad_gateway": ("HTTP 502",),
    "huge": ("larger than the manager accepts",),
    "huge_declared": ("larger than the manager accepts",),
    "bomb": ("larger than the manager accepts",),
    "redirect": ("redirect", "never followed"),
}
IN_CERTIFICATES = {
    "foreign": ("certificate not ours",),
    "expired": ("certificate expired",),
    "not_yet": ("certificate not yet valid", "clocks"),
    "another_hosts": ("certificate of another host",),
    "no_name": ("certificate of another host",),
}


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A manager with short patience, so that what hangs is told within the test."""
    short = {"PATCH_MANAGER_AGENT__ANSWER_TIMEOUT": "6", "PATCH_MANAGER_AGENT__CONNECT_TIMEOUT": "3"}
    home = tmp_path_factory.mktemp("system") / "rough fleet"
    with running_fleet(home, 72, bundles=len(ON_THE_WIRE) + len(IN_CERTIFICATES) + 4, environment=short) as running:
        yield running


def certificates(fleet: Fleet, directory: Path) -> dict[str, Agent]:
    """Agents whose certificates are wrong, each in its own way."""
    root, day = own_root(fleet.manager.home / "data dir"), timedelta(days=1)

    def shown(name: str, shown_address: str | EllipsisType | None, signer: Signer, **options: timedelta) -> Agent:
        address = fleet.upcoming() if isinstance(shown_address, EllipsisType) else shown_address
        return fleet.agent(
            certificate=forge(directory / name, address, signer, starts_in=options.get("starts_in", -day))
        )

    return {
        "foreign": shown("foreign", ..., stranger()),
        "expired": shown("expired", ..., root, starts_in=-60 * day),
        "not_yet": shown("not_yet", ..., root, starts_in=2 * day),
        "another_hosts": shown("another_hosts", "127.72.99.99", root),
        "no_name": shown("no_name", None, root),
    }


def test_each_misbehaviour_is_told_and_harms_nobody_else(rough: Fleet, tmp_path: Path) -> None:
    well = [rough.agent() for _ in range(3)]
    for host_id in [rough.api.add(agent) for agent in well]:
        rough.api.wait_health(host_id)
    before, began = rough.manager.rss, time.monotonic()
    bad = {temper: rough.agent(temper=temper) for temper in ON_THE_WIRE}
    strangers = certificates(rough, tmp_path)
    slow_list = rough.agent(temper="huge", only="/api/v1/patches")
    hosts = {name: rough.api.add(agent) for name, agent in (bad | strangers).items()}
    degraded = rough.api.add(slow_list)
    peak = 0

    def untold() -> dict[str, str]:
        nonlocal peak
        peak = max(peak, rough.manager.rss)
        rows = {name: rough.api.host(host_id) for name, host_id in hosts.items()}
        return {
            name: row["health_reason"]
            for name, row in rows.items()
            if row["health"] == "healthy"
            or not all(words in row["health_reason"] for words in (ON_THE_WIRE | IN_CERTIFICATES)[name])
        }

    eventually("every reason is told", lambda: not untold() or time.monotonic() > began + 30, 40.0, 0.5)
    assert untold() == {}
    patience = "larger than the manager accepts"
    eventually("the list's size is told", lambda: patience in rough.api.host(degraded)["health_reason"])
    assert rough.api.host(degraded)["health"] == "degraded"
    for name, agent in strangers.items():
        assert (agent.connections > 0, agent.application_bytes) == (True, 0), name
    assert bad["tls12"].application_bytes == 0
    eventually("polls went on for a while", lambda: time.monotonic() > began + 12)
    for agent in well:
        moments = [moment for moment in agent.polled_at if moment > began]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert len(moments) >= 5
        assert max(gaps) < 2 * INTERVAL, gaps
    assert peak - before < 64 * 1024 * 1024, (before, peak)


def test_an_operators_refresh_overtakes_a_poll_that_hangs(rough: Fleet) -> None:
    agent = rough.agent()
    host_id = rough.api.add(agent)
    rough.api.wait_health(host_id)
    agent.temper = "hang_in_http"
    known = len(agent.requests)
    eventually("a scheduled poll hangs", lambda: len(agent.requests) > known)
    agent.temper = ""
    began = time.monotonic()
    row = rough.api.post(f"/hosts/{host_id}/refresh")
    assert time.monotonic() - began < 2.0
    assert row["health"] == "healthy"


def test_a_host_that_answers_again_is_healed_at_once(rough: Fleet) -> None:
    agent = rough.agent(temper="drop")
    host_id = rough.api.add(agent)
    rough.api.wait_health(host_id, "degraded")
    rough.api.wait_health(host_id, "unreachable", 20.0)
    agent.temper = ""
    rough.api.post(f"/hosts/{host_id}/refresh")
    assert rough.api.host(host_id)["health"] == "healthy"
