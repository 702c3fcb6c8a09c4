"""Thousands of seeded histories of the pure protocol: ``JOB_HISTORIES`` sets how many, ``JOB_SEED`` the first."""

from __future__ import annotations

import os
from collections import Counter

from tests.jobs.history import History

HISTORIES = int(os.environ.get("JOB_HISTORIES", "3000"))
FIRST_SEED = int(os.environ.get("JOB_SEED", "0"))


def test_no_history_loses_a_job_or_applies_twice_without_evidence() -> None:
    ends: Counter[str] = Counter()
    crashes = 0
    for seed in range(FIRST_SEED, FIRST_SEED + HISTORIES):
        history = History(seed)
        try:
            history.run()
            history.check()
        except AssertionError as error:
            tail = "\n".join(history.log[-60:])
            raise AssertionError(f"JOB_SEED={seed}: {error}\n{history.host.temper}\n{tail}") from error
        ends[history.record.state] += 1
        crashes += history.crashes
    # The dice must have reached every end and crashed often, or the histories prove nothing.
    assert {"succeeded", "failed", "outcome_unknown"} <= ends.keys()
    assert crashes > HISTORIES // 10
