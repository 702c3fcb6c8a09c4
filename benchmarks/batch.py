"""A batch of 500 jobs, from the POST to the last verified result, beside one job alone on the same program."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import quantiles
from uuid import uuid4

from benchmarks.manager import Manager, Page, contact_seconds, install, serving, simulated, wait_for_contact
from benchmarks.measuring import cpu_seconds, rss_mib
from benchmarks.model import Bench, Row

_LOOK_EVERY = 0.1
_PATIENCE = 600.0


def measure(bench: Bench) -> list[Row]:
    """Elapsed time, not processor time: what an operator waits for."""
    scale = bench.scale
    made = install(bench.directory, scale.jobs + 1)
    with simulated(made, scale.job_seconds), serving(made) as manager:
        wait_for_contact(manager, contact_seconds(made.hosts))
        with manager.signed_in() as page:
            ids = [host["id"] for host in page.json("/api/v1/fleet")["hosts"]]
            alone = _deploy(manager, page, ids[:1]).whole
            bench.say(f"batch: one job alone took {alone:.1f} s, of which the agent's work {scale.job_seconds:.0f} s")
            memory = rss_mib(manager.pid)
            batch = _deploy(manager, page, ids[1:])
            memory_after = rss_mib(manager.pid)
    extra = {
        "jobs": float(scale.jobs),
        "agent's work s": scale.job_seconds,
        "s until all were dispatched": round(batch.dispatched, 2),
        "ratio to the agent's work alone": round(batch.whole / scale.job_seconds, 3),
        "manager's CPU ms a job until dispatched": round(batch.cpu_dispatched / scale.jobs * 1000, 1),
        "manager's CPU ms a job": round(batch.cpu_whole / scale.jobs * 1000, 1),
        "GET deployments/{id} p99 ms": round(quantiles(batch.answers, n=100, method="inclusive")[98] * 1000, 1),
        "RSS MiB before": round(memory, 1),
        "RSS MiB after": round(memory_after, 1),
    }
    work = f"{scale.jobs} jobs at once, POST to all verified"
    note = "floor: one job alone, POST to verified, in the same run"
    return [Row("batch", work, "s", (batch.whole,), (alone,), "<= 1.1", extra, note)]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Seconds until every job was with its agent, and until every one had succeeded; the manager's processor seconds
    until then; and how long each look at the deployment waited for its answer.
    """

    dispatched: float
    whole: float
    cpu_dispatched: float
    cpu_whole: float
    answers: tuple[float, ...]


def _deploy(manager: Manager, page: Page, ids: list[str]) -> _Batch:
    """Patch hosts, looking at the deployment all the time as a page would."""
    used, began = cpu_seconds([manager.pid]), time.monotonic()
    body = {"host_ids": ids, "packages": None, "when": "now", "reboot": "never"}
    _, made = page.post("/api/v1/deployments", body, {"Idempotency-Key": str(uuid4())})
    dispatched: tuple[float, float] | None = None
    answers: list[float] = []
    while time.monotonic() - began < _PATIENCE:
        asked = time.monotonic()
        totals = page.json(f"/api/v1/deployments/{made['id']}")["totals"]
        answers.append(time.monotonic() - asked)
        now = time.monotonic() - began, cpu_seconds([manager.pid]) - used
        if dispatched is None and totals["queued"] + totals["dispatching"] == 0:
            dispatched = now
        if totals["succeeded"] == totals["total"]:
            by_then = dispatched or now
            return _Batch(by_then[0], now[0], by_then[1], now[1], (*answers, answers[-1]))
        if totals["failed"] + totals["cancelled"] + totals["outcome_unknown"]:
            raise RuntimeError(f"not every job succeeded: {totals}")
        time.sleep(_LOOK_EVERY)
    raise RuntimeError(f"the batch did not end within {_PATIENCE:.0f} s: {totals}")
