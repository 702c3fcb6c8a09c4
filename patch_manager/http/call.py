"""What is known of the request in hand before anybody looked at it: its id, its sender, its path."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """A request (or a live stream). Ids are made here; one sent by the client is never taken over (TRUST 21)."""

    request_id: str
    ip: str
    method: str
    path: str
    user_agent: str = ""


_current: ContextVar[Call] = ContextVar("patch_manager_call")
_NOBODY = Call(request_id="-", ip="-", method="-", path="-")


def call() -> Call:
    """The request in hand; a placeholder outside requests."""
    return _current.get(_NOBODY)


def begin_call(*, ip: str, method: str, path: str, user_agent: str) -> Call:
    """Note a new request for this task and its children."""
    current = Call(secrets.token_hex(8), ip, method, path, user_agent)
    _current.set(current)
    return current
