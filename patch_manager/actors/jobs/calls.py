"""The mutating call of an intent, by its operation: one place that says which endpoint does which work."""

from __future__ import annotations

from patch_manager.actors.agent.connection import BeforeSend
from patch_manager.actors.agent.outcomes import Outcome
from patch_manager.actors.jobs.ports import Agent
from patch_manager.domain.job_record import JobRecord, Send
from patch_manager.domain.jobs import Operation


async def make_call(agent: Agent, record: JobRecord, send: Send, before_send: BeforeSend) -> Outcome:
    """Send once, whatever comes of it; ``before_send`` is asked before the first byte."""
    match send.operation:
        case Operation.PATCH_APPLY:
            return await agent.apply(send.packages, before_send=before_send)
        case Operation.REBOOT:
            return await agent.reboot(before_send=before_send)
        case Operation.ROLLBACK:
            if send.undoes is None:
                raise ValueError("a rollback is of a job")
            return await agent.rollback(send.undoes, before_send=before_send)
        case Operation.INSTALL:
            return await agent.install(send.packages, before_send=before_send, versions=_versions(record))
        case Operation.UPDATE:
            (name,) = send.packages
            return await agent.update(name, _versions(record).get(name), before_send=before_send)
        case Operation.REMOVE:
            (name,) = send.packages
            return await agent.remove(name, record.purge, before_send=before_send)


def _versions(record: JobRecord) -> dict[str, str]:
    asked = zip(record.requested or (), record.versions, strict=False)
    return {name: version for name, version in asked if version is not None}
