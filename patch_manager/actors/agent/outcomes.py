"""What became of a mutating call, decided from its answer alone (TRUST "Answer").

There is no idempotency key, so the difference between *not sent*, *refused* and *ambiguous* decides whether a job may
be sent again. When in doubt it is ambiguous.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from patch_manager.actors.agent import wire_jobs
from patch_manager.actors.agent.connection import RawResponse
from patch_manager.actors.agent.envelope import envelope
from patch_manager.actors.agent.failures import AgentFailure, reason
from patch_manager.domain.health import FailureKind

DEFAULT_RETRY_AFTER: Final = 60.0
"""Seconds to wait after a refusal that does not say how long."""
LONGEST_RETRY_AFTER: Final = 900.0
"""Ours: who asks for more is asked again sooner. A wrong clock, or word, must not park a job or a host for years."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The agent took the job and named it. ``operation`` is in REST form."""

    agent_job_id: str
    operation: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not one byte of the request left: the check said no (``failure`` is None) or there was no connection."""

    reason: str
    failure: AgentFailure | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """429 or 409: the agent did not take it and may later. No attempt is used."""

    retry_after_s: float
    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """400, 404 or 405: the agent will not take this request. ``status`` 0: refused here, before connecting."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Sent, and nobody knows whether the agent took it: only evidence may decide."""

    reason: str
    kind: FailureKind


Outcome = Accepted | NotSent | Refused | Rejected | Ambiguous


def retry_after(response: RawResponse, now: datetime | None = None) -> float | None:
    """``Retry-After`` in seconds, from either form of RFC 9110 10.2.3, bounded; None when absent or not understood."""
    value = (response.header(b"retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), LONGEST_RETRY_AFTER)


def outcome_of(response: RawResponse, operation: str) -> Outcome:
    """Judge a complete answer to a mutating call; ``operation`` is what was asked for, in REST form."""
    status = response.status
    if _is_html(response):  # a proxy's words, not the agent's: they say nothing of what the agent did
        return Ambiguous(f"HTTP {status} with an HTML page, which is not the agent's answer", FailureKind.UNREADABLE)
    frame = envelope(response.body)
    code, message = (frame.code, frame.message) if frame is not None else ("", "")
    if status in (409, 429):
        wait = retry_after(response)
        return Refused(DEFAULT_RETRY_AFTER if wait is None else wait, code or f"HTTP_{status}", message)
    if status in (400, 404, 405):
        return Rejected(status, code or f"HTTP_{status}", message)
    if not 200 <= status <= 299:
        return Ambiguous(f"HTTP {status} {code} {message}".strip(), FailureKind.HTTP_STATUS)
    if frame is None or frame.data is None or not frame.success:
        return Ambiguous(f"HTTP {status}, but the answer is not readable", FailureKind.UNREADABLE)
    job = wire_jobs.accepted(frame.data)
    if job is None:
        return Ambiguous(f"HTTP {status}, but the answer names no job", FailureKind.UNREADABLE)
    return Accepted(job.job_id, job.operation or operation)


def outcome_of_failure(failure: AgentFailure) -> Ambiguous:
    """The request was sent and its exchange failed."""
    return Ambiguous(reason(failure), failure.kind)


def _is_html(response: RawResponse) -> bool:
    kind = (response.header(b"content-type") or "").lower()
    return "html" in kind or response.body[:64].lstrip().startswith(b"<")
