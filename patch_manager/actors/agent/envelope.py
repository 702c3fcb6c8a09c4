"""The frame of every answer: the envelope with its ``data`` and, in it, the list asked for.

Fields are read tolerantly, the frame strictly. A list that is absent is not an empty one: a host whose answer cannot
be understood must not look compliant (TRUST 22), so that is UNREADABLE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from patch_manager.actors.agent import tolerant
from patch_manager.actors.agent.failures import AgentFailure, printable
from patch_manager.domain.health import FailureKind

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer's frame. ``code`` and ``message`` are the error's, empty without one."""

    success: bool
    data: Json | None
    code: str = ""
    message: str = ""
    timestamp: datetime | None = None


def envelope(body: bytes) -> Envelope | None:
    """Read the frame; None when the body is not one."""
    try:
        answer = tolerant.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or not ({"data", "error"} & answer.keys()):
        return None
    data, error = answer.get("data"), answer.get("error")
    failed = error if isinstance(error, dict) else {}
    success = tolerant.bool_or_none(answer.get("success"))
    return Envelope(
        success=success if success is not None else not error,
        data=data if isinstance(data, dict) else None,
        code=tolerant.text_or_none(failed.get("code"), 64) or "",
        message=tolerant.message_or_none(error) or "",
        timestamp=tolerant.time_or_none(answer.get("timestamp")),
    )


def data_of(body: bytes) -> Json:
    """The ``data`` of a successful answer; raises UNREADABLE or AGENT_ERROR."""
    frame = envelope(body)
    if frame is None:
        start = printable(body[:60].decode("utf-8", "replace"), 60)
        raise AgentFailure(FailureKind.UNREADABLE, f"it begins: {start}" if start.strip() else "empty")
    if not frame.success:
        raise AgentFailure(FailureKind.AGENT_ERROR, f"{frame.code}: {frame.message}".strip(": "), code=frame.code)
    if frame.data is None:
        raise AgentFailure(FailureKind.UNREADABLE, "no data in the answer")
    return frame.data


class Wire(BaseModel):
    """An object in an answer: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One answer's part of a list: items read, items that could not be, and how many the agent says there are."""

    items: tuple[T, ...]
    seen: int
    skipped: int
    total: int
    paged: bool

    def joined(self, following: Page[T]) -> Page[T]:
        """This page and the one after it; the later count of the total holds."""
        return Page(
            self.items + following.items,
            self.seen + following.seen,
            self.skipped + following.skipped,
            following.total,
            self.paged,
        )


def page(data: Json, key: str, read: Callable[[Any], T | None]) -> Page[T]:
    """Read the list ``key`` row by row; rows that ``read`` refuses are counted, those it maps to None are left out."""
    rows = data.get(key, ...)
    if rows is None:
        rows = []  # the null of serialisers that have no empty list
    if not isinstance(rows, list):
        raise AgentFailure(FailureKind.UNREADABLE, f"no list of {key} in the answer")
    items: list[T] = []
    skipped = 0
    for row in rows:
        try:
            item = read(row)
        except ValidationError:
            skipped += 1
        else:
            if item is not None:
                items.append(item)
    if rows and skipped == len(rows):
        raise AgentFailure(FailureKind.UNREADABLE, f"none of {skipped} {key} in the answer is readable")
    total = tolerant.count_or_none(data.get("total"))
    return Page(tuple(items), len(rows), skipped, len(rows) if total is None else total, "offset" in data)
