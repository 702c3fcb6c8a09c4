"""A batch of 500 jobs, from the POST to the last verified result, beside one job alone on the same program."""

from __future__ import annotations

import time
from uuid import uuid4

from benchmarks.manager import Page, contact_seconds, install, serving, simulated, wait_for_contact
from benchmarks.measuring import cpu_seconds
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
            _, alone = _deploy(page, ids[:1])
            bench.say(f"batch: one job alone took {alone:.1f} s, of which the agent's work {scale.job_seconds:.0f} s")
            before = cpu_seconds([manager.pid])
            dispatched, whole = _deploy(page, ids[1:])
            used = cpu_seconds([manager.pid]) - before
    extra = {
        "jobs": float(scale.jobs),
        "agent's work s": scale.job_seconds,
        "s until all were dispatched": round(dispatched, 2),
        "ratio to the agent's work alone": round(whole / scale.job_seconds, 3),
        "manager's CPU ms a job": round(used / scale.jobs * 1000, 1),
    }
    work = f"{scale.jobs} jobs at once, POST to all verified"
    note = "floor: one job alone, POST to verified, in the same run"
    return [Row("batch", work, "s", (whole,), (alone,), "<= 1.1", extra, note)]


def _deploy(page: Page, ids: list[str]) -> tuple[float, float]:
    """Patch hosts; seconds until every job was with its agent, and until every one had succeeded."""
    began = time.monotonic()
    body = {"host_ids": ids, "packages": None, "when": "now", "reboot": "never"}
    _, made = page.post("/api/v1/deployments", body, {"Idempotency-Key": str(uuid4())})
    dispatched = None
    while time.monotonic() - began < _PATIENCE:
        totals = page.json(f"/api/v1/deployments/{made['id']}")["totals"]
        now = time.monotonic() - began
        if dispatched is None and totals["queued"] + totals["dispatching"] == 0:
            dispatched = now
        if totals["succeeded"] == totals["total"]:
            return dispatched if dispatched is not None else now, now
        if totals["failed"] + totals["cancelled"] + totals["outcome_unknown"]:
            raise RuntimeError(f"not every job succeeded: {totals}")
        time.sleep(_LOOK_EVERY)
    raise RuntimeError(f"the batch did not end within {_PATIENCE:.0f} s: {totals}")
