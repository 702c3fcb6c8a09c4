"""Twenty thousand seeded histories of the pure protocol, over every operation.

``JOB_HISTORIES`` sets how many, ``JOB_SEED`` the first; ``make histories`` runs ten times as many.
"""

from __future__ import annotations

import os
from collections import Counter

from patch_manager.domain.jobs import Operation
from tests.jobs.history import History

HISTORIES = int(os.environ.get("JOB_HISTORIES", "20000"))
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
            raise AssertionError(f"JOB_SEED={seed}: {error}\n{history.host.temper}\n{history.story()}") from error
        ends[f"{history.record.operation} {history.record.state}"] += 1
        crashes += history.crashes
    # The dice must have reached every end and crashed often, or the histories prove nothing.
    reached = {f"{operation} {state}" for operation in Operation for state in ("succeeded", "failed")}
    reached |= {f"{operation} outcome_unknown" for operation in Operation if operation is not Operation.REBOOT}
    assert reached <= ends.keys()
    assert crashes > HISTORIES // 10
