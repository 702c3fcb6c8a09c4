"""Agents that say little: what is left to do there, and what operators are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patch_manager.actors.jobs import rules, standing
from patch_manager.actors.jobs.messages import Command, PackagesRead, PackageState, PatchesRead, ReadPackages
from patch_manager.actors.jobs.steps import read_state
from patch_manager.domain.jobs import Operation, PackageResult
from patch_manager.domain.patches import Patch, Severity
from tests.jobs.test_silent_hosts import QUEUED

OPENSSL = Patch("openssl", None, None, Severity.HIGH)


@pytest.mark.parametrize(
    ("pending", "result"), [((OPENSSL,), PackageResult.PENDING), ((), PackageResult.NOT_NEEDED)], ids=["patch", "none"]
)
def test_an_update_is_needed_where_the_patch_is_pending_though_the_package_says_nothing_of_it(
    pending: tuple[Patch, ...], result: PackageResult
) -> None:
    record = replace(QUEUED, operation=Operation.UPDATE, requested=("openssl",))
    reading = read_state(record)
    command: Command = next(reading)
    assert isinstance(command, ReadPackages)
    reading.send(PackagesRead({"openssl": PackageState("1.0")}))
    with pytest.raises(StopIteration) as done:
        reading.send(PatchesRead(pending))
    (target,) = standing.freeze(record, done.value.value)
    assert target.result is result


@pytest.mark.parametrize("said", ["", "HTTP_405"])
def test_a_refusal_without_a_word_is_told_in_words(said: str) -> None:
    told = rules.refusal_words(Operation.INSTALL, "HTTP_405", said)
    assert told == "the agent does not know this call (HTTP 405): its release may be too old for it"
