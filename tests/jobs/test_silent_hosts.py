"""A host that gives no answer ends its attempt soon, however each try fails (nothing was sent: nothing is at stake)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from patch_manager.actors.jobs.messages import (
    AskGate,
    Began,
    Claim,
    Claimed,
    Command,
    Commit,
    Committed,
    Event,
    GateOpen,
    ReadFailed,
    ReadPatches,
    Wait,
    Woke,
)
from patch_manager.actors.jobs.protocol import Protocol
from patch_manager.domain.job_record import JobRecord, Moment
from patch_manager.domain.jobs import JobState, Operation, RebootPolicy, When

START = datetime(2030, 1, 1, tzinfo=UTC)
QUEUED = JobRecord(
    id=UUID(int=1),
    host_id=UUID(int=2),
    deployment_id=None,
    version=1,
    operation=Operation.PATCH_APPLY,
    state=JobState.QUEUED,
    starts=When.NOW,
    requested=None,
    security_only=False,
    reboot=RebootPolicy.NEVER,
    message="",
    not_before=START,
    created_at=START,
)


@pytest.mark.parametrize(("each", "tries"), [(0.0, 4), (10.0, 3), (40.0, 1)], ids=["refused", "no TLS", "silent"])
def test_tries_that_time_out_end_the_attempt_sooner_than_ones_that_are_refused(each: float, tries: int) -> None:
    passed, read = 0.0, 0

    def now() -> Moment:
        return Moment(START + timedelta(seconds=passed), "boot", 1000.0 + passed)

    protocol = Protocol(QUEUED, now())
    event: Event = Began()
    while (command := protocol.handle(event, now())) is not None:
        event = _answer(command)
        if isinstance(command, Wait):
            passed += command.seconds
        elif isinstance(command, ReadPatches):
            passed += each
            read += 1
    assert read == tries
    assert passed <= 60
    assert protocol.record.state is JobState.QUEUED
    assert protocol.record.message.startswith("retrying once in 30 s")


def _answer(command: Command) -> Event:
    match command:
        case Commit():
            return Committed(command.after)
        case Wait():
            return Woke()
        case Claim():
            return Claimed()
        case AskGate():
            return GateOpen()
        case ReadPatches():
            return ReadFailed("no answer", None)
        case _:
            raise AssertionError(f"{command} to a host that gives no answer")
