"""Verifies the audit log with nothing but the public key, the rows and the exported heads (TRUST "Audit log").

It reads and never writes: there is no repair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from patch_manager.domain.audit import GENESIS, chained
from patch_manager.storage.connecting import Connection
from patch_manager.storage.signed_note import AuditHead, NoteError, NoteVerifier, UnknownSigner

_EXISTS = "SELECT to_regclass('audit_head') IS NOT NULL AND to_regclass('audit_log') IS NOT NULL"
_HEAD = "SELECT seq, hash, note FROM audit_head"
_PAGE = "SELECT seq, body, hash FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT 5000"


@dataclass(frozen=True, slots=True)
class Verified:
    """Nothing was changed: ``rows`` up to ``head``, and ``exported`` heads agree."""

    rows: int
    head: AuditHead
    exported: int


@dataclass(frozen=True, slots=True)
class Broken:
    """Something was changed or is missing; ``seq`` is the first row that cannot be believed."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """The question cannot be answered: no signed head yet, or another key."""

    reason: str


Verification: TypeAlias = Verified | Broken | Unverifiable
"""For the command line: exit 0, 1 and 2."""


async def verify_audit_log(
    connection: Connection, verifier: NoteVerifier, exported_lines: Iterable[str] = ()
) -> Verification:
    """Check head, rows and exported heads. Run it by ``Database.read``, so that a running manager does not disturb it.

    ``exported_lines`` are those of ``audit-heads.log``; ones torn by a power cut (no JSON object) are passed over.

    :raises DatabaseUnavailable: no answer.
    """
    exports = _read_exports(verifier, exported_lines)
    if isinstance(exports, Broken):
        return exports
    if not await connection.fetchval(_EXISTS):
        # With exported heads there was a log, and somebody dropped it.
        return (
            Broken(1, "the log's tables are missing") if exports else Unverifiable("the database has no audit log yet")
        )
    stored = await connection.fetchrow(_HEAD)
    if stored is None:
        return Broken(1, "the head row is missing")
    first_bad = await _check_rows(connection, exports)
    if isinstance(first_bad, Broken):
        return first_bad
    last, digest = first_bad
    try:
        head = AuditHead.parse(verifier.verify(stored["note"])) if stored["note"] else None
    except UnknownSigner as error:
        # With proof that this key signed before, a head by another is a forgery and not a wrong key at hand.
        return Broken(last + 1, f"head: {error}") if exports else Unverifiable(f"head: {error}")
    except NoteError as error:
        return Broken(last + 1, f"head: {error}")
    if head is None:
        if last or exports:
            return Broken(1, "the head's signature was removed")
        return Unverifiable("the log has never been started")
    if (head.seq, head.hash) != (stored["seq"], stored["hash"]):
        return Broken(min(head.seq, stored["seq"]) + 1, "the head differs from what was signed")
    if head.seq != last:
        return Broken(
            min(head.seq, last) + 1,
            f"the signed head is row {head.seq}, the last row is {last}: rows are missing or added",
        )
    if head.hash != digest:
        return Broken(last, "the last row's hash is not the signed one: rows were rewritten")
    beyond = max(exports, default=0)
    if beyond > head.seq:
        return Broken(
            head.seq + 1, f"a head at row {beyond} was exported, the log ends at {head.seq}: the end was cut off"
        )
    return Verified(rows=last, head=head, exported=len(exports))


async def _check_rows(connection: Connection, exports: Mapping[int, bytes]) -> Broken | tuple[int, bytes]:
    """The last row's seq and recomputed hash, or the first row that is wrong."""
    if exports.get(0, GENESIS) != GENESIS:
        return Broken(1, "an exported head of the empty log has a hash")
    seq, digest = 0, GENESIS
    while page := await connection.fetch(_PAGE, seq):
        for row in page:
            if row["seq"] != seq + 1:
                return Broken(seq + 1, f"row {seq + 1} is missing")
            seq += 1
            digest = chained(seq, digest, row["body"])
            if digest != row["hash"]:
                return Broken(seq, "the row's content does not have its hash")
            if seq != _seq_of(row["body"]):
                return Broken(seq, "the row's content names another row")
            if exports.get(seq, digest) != digest:
                return Broken(seq, "the row's hash is not the one in an exported head: rows up to here were rewritten")
    return seq, digest


def _read_exports(verifier: NoteVerifier, lines: Iterable[str]) -> dict[int, bytes] | Broken:
    """seq → hash of the exported heads of this key; two that disagree are a broken log."""
    heads: dict[int, bytes] = {}
    for line in lines:
        try:
            note = orjson.loads(line)["note"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
        try:
            head = AuditHead.parse(verifier.verify(str(note)))
        except UnknownSigner:
            continue
        except NoteError as error:
            return Broken(_claimed(str(note)), f"an exported head is not as it was signed: {error}")
        if heads.setdefault(head.seq, head.hash) != head.hash:
            return Broken(head.seq, "two exported heads of this row disagree: the log was rewritten")
    return heads


def _seq_of(body: str) -> int | None:
    try:
        seq = orjson.loads(body)["seq"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return seq if isinstance(seq, int) else None


def _claimed(note: str) -> int:
    """The row that a damaged note speaks of, as far as it can be read."""
    lines = note.split("\n")
    return int(lines[1]) if len(lines) > 1 and lines[1].isdecimal() else 1
