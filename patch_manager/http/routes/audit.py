"""The audit log, for administrators."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import trio

from patch_manager.domain.principal import Permission
from patch_manager.http.pages import cut, decode_cursor, encode_cursor, refuse
from patch_manager.http.routing import Routes
from patch_manager.http.schemas.audit import AuditEventOut, AuditQuery, AuditVerification
from patch_manager.http.schemas.base import Page
from patch_manager.http.services import services
from patch_manager.storage.audit import AuditFilter, AuditRecord, count_events, list_events
from patch_manager.storage.audit_verify import Broken, Unverifiable, Verified, verify_audit_log
from patch_manager.storage.connecting import Connection

routes = Routes("audit")


@routes.route("GET", "/audit", permission=Permission.ADMIN, query=AuditQuery, answer=Page[AuditEventOut])
async def list_audit(query: AuditQuery) -> Page[AuditEventOut]:
    """Events, newest first."""
    wanted = AuditFilter(
        actor=query.actor,
        action=query.action,
        target_type=query.target_type,
        target_id=query.target_id,
        outcome=query.outcome,
        since=query.from_,
        until=query.to,
    )
    after = None
    if query.cursor is not None:
        (after,) = decode_cursor(query.cursor, "seq", 1)
        if not isinstance(after, int):
            raise refuse("/cursor", "not a cursor of this list")
    rows, total = await services().db.read(_page, wanted, query.limit + 1, after)
    page, cursor = cut(rows, query.limit, lambda row: encode_cursor("seq", row.seq))
    return Page[AuditEventOut](
        items=[AuditEventOut.model_validate(row) for row in page], next_cursor=cursor, total=total
    )


async def _page(
    connection: Connection, wanted: AuditFilter, limit: int, after: int | None
) -> tuple[list[AuditRecord], int]:
    rows = await list_events(connection, wanted, limit=limit, cursor=after)
    return rows, await count_events(connection, wanted)


@routes.route("POST", "/audit/verify", permission=Permission.ADMIN, answer=AuditVerification)
async def verify_audit() -> AuditVerification:
    """Recompute the whole chain and compare it with its signed head and the heads exported so far; changes nothing.

    ``patch-manager audit verify`` does the same offline, with the public key alone.
    """
    current = services()
    lines = await _exported_lines(current.exported_heads)
    result = await current.db.read(verify_audit_log, current.audit.verifier, lines)
    match result:
        case Verified(rows, _, exported):
            words = f"{rows} rows are as they were written"
            if current.exported_heads is None:
                words += "; heads are not exported here, so a log cut short and signed earlier would not be noticed"
            return AuditVerification(result="good", rows=rows, exported=exported, first_bad_seq=None, reason=words)
        case Broken(seq, reason):
            return AuditVerification(result="broken", rows=None, exported=None, first_bad_seq=seq, reason=reason)
        case Unverifiable(reason):
            return AuditVerification(result="unverifiable", rows=None, exported=None, first_bad_seq=None, reason=reason)
        case _:
            assert_never(result)


async def _exported_lines(path: Path | None) -> list[str]:
    """None exported yet: a file that is not there compares with nothing, and the answer counts no head."""
    if path is None:
        return []
    try:
        text = await trio.Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()
