"""The audit log: rows chained by hash under one signed head, written inside the transaction they tell of (TRUST).

``AuditLog.append`` is the last thing a unit of work does, because the lock on the head row serialises all writers from
then to COMMIT. It is an asyncio function like every unit of work.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from patch_manager.domain.audit import GENESIS, AuditEvent, canonical_body, chained
from patch_manager.storage.connecting import Connection
from patch_manager.storage.errors import StorageError
from patch_manager.storage.signed_note import AuditHead, NoteError, NoteSigner, NoteVerifier

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LOCK_HEAD = "SELECT seq, hash, note FROM audit_head FOR UPDATE"
_READ_HEAD = "SELECT seq, hash, note FROM audit_head"
_ANY_ROW = "SELECT EXISTS (SELECT FROM audit_log)"
_INSERT = "INSERT INTO audit_log (seq, body, hash) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])"
_UPDATE_HEAD = "UPDATE audit_head SET seq = $1, hash = $2, note = $3"

_WHERE = """
    ($1::text IS NULL OR actor = $1)
    AND ($2::text IS NULL OR action = $2 OR starts_with(action, $2 || '.'))
    AND ($3::text IS NULL OR target_type = $3)
    AND ($4::text IS NULL OR target_id = $4)
    AND ($5::text IS NULL OR outcome = $5)
    AND ($6::bigint IS NULL OR time_us >= $6)
    AND ($7::bigint IS NULL OR time_us < $7)
    AND ($8::text[] IS NULL OR actor_id = $9
         OR EXISTS (SELECT FROM json_array_elements_text(body::json -> 'groups') AS g WHERE g = ANY ($8)))
"""
_LIST = f"SELECT body FROM audit_log WHERE {_WHERE} AND ($10::bigint IS NULL OR seq < $10) ORDER BY seq DESC LIMIT $11"  # noqa: S608  # constants only
_COUNT = f"SELECT count(*) FROM audit_log WHERE {_WHERE}"  # noqa: S608  # constants only


class AuditError(StorageError):
    """The head of the audit log is not what this program signed: nothing can be written until that is understood."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; None means any. ``action`` also matches what lies below it (``host``: ``host.created``).

    ``groups`` None sees everything; else events of those groups and those of ``viewer`` (TRUST 10).
    """

    actor: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    groups: frozenset[UUID] | None = None
    viewer: UUID | None = None

    def arguments(self) -> tuple[Any, ...]:
        """Values of the parameters $1 to $9."""
        return (
            self.actor,
            self.action,
            self.target_type,
            self.target_id,
            self.outcome,
            _microseconds(self.since),
            _microseconds(self.until),
            None if self.groups is None else [str(group) for group in self.groups],
            None if self.viewer is None else str(self.viewer),
        )


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One row as listed: the body's fields, times aware."""

    seq: int
    at: datetime
    action: str
    actor: str
    actor_id: str | None
    session: str | None
    ip: str | None
    target_type: str | None
    target_id: str | None
    groups: tuple[str, ...]
    outcome: str
    request_id: str | None
    detail: dict[str, Any]

    @staticmethod
    def of(body: str) -> AuditRecord:
        """Read a row's body."""
        fields = orjson.loads(body)
        at = _EPOCH + timedelta(microseconds=fields.pop("time"))
        return AuditRecord(at=at, groups=tuple(fields.pop("groups")), **fields)


class AuditLog:
    """Writes audit rows. One per process; the signer's name is the log's origin in its heads."""

    def __init__(self, signer: NoteSigner, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._signer = signer
        self._now = now
        self._last_note = ""

    @property
    def verifier(self) -> NoteVerifier:
        """Checks what this log signed, with the public key only."""
        return self._signer.verifier

    async def initialise(self, connection: Connection) -> bool:
        """Sign the empty log at the very first start (True); at every other start check that the head is ours.

        :raises AuditError: it is not.
        """
        row = await connection.fetchrow(_LOCK_HEAD)
        if row is None:
            raise AuditError("the audit log has lost its head row: run `audit verify`")
        if row["note"]:
            self._check(row["seq"], row["hash"], row["note"])
            return False
        if row["seq"] != 0 or row["hash"] != GENESIS or await connection.fetchval(_ANY_ROW):
            raise AuditError("the audit log has rows and no signed head: run `audit verify`")
        await self._move_head(connection, 0, GENESIS, self._now())
        return True

    async def append(self, connection: Connection, events: Sequence[AuditEvent]) -> range:
        """Add ``events`` in order, as the last statements of the transaction on ``connection``; returns their seqs.

        :raises AuditError: the head is missing or was not signed by this program; the transaction must fail.
        """
        if not events:
            return range(0)
        row = await connection.fetchrow(_LOCK_HEAD)
        if row is None or not row["note"]:
            raise AuditError("the audit log has no signed head: run `audit verify`")
        # Extending a head that is not ours would put our signature under somebody's forgery.
        if row["note"] != self._last_note:
            self._check(row["seq"], row["hash"], row["note"])
        at = self._now()
        first, previous = row["seq"] + 1, row["hash"]
        bodies, hashes = [], []
        for seq, event in enumerate(events, start=first):
            body = canonical_body(event, seq, at)
            previous = chained(seq, previous, body)
            bodies.append(body)
            hashes.append(previous)
        seqs = range(first, first + len(bodies))
        await connection.execute(_INSERT, list(seqs), bodies, hashes)
        await self._move_head(connection, seqs[-1], previous, at)
        return seqs

    async def _move_head(self, connection: Connection, seq: int, digest: bytes, at: datetime) -> None:
        head = AuditHead(self._signer.verifier.name, seq, digest, _microseconds(at) or 0)
        note = self._signer.sign(head.text())
        await connection.execute(_UPDATE_HEAD, seq, digest, note)
        self._last_note = note

    def _check(self, seq: int, digest: bytes, note: str) -> None:
        try:
            head = AuditHead.parse(self._signer.verifier.verify(note))
        except NoteError as error:
            raise AuditError(f"the audit log's head is not ours ({error}): run `audit verify`") from error
        if (head.seq, head.hash) != (seq, digest):
            raise AuditError(
                f"the audit log's head says {seq} and its signature {head.seq} "
                f"{base64.b64encode(head.hash).decode()}: run `audit verify`"
            )


async def read_head(connection: Connection) -> tuple[int, bytes, str]:
    """The stored head: seq, hash and signed note (empty before the first start).

    :raises AuditError: there is no head row.
    """
    row = await connection.fetchrow(_READ_HEAD)
    if row is None:
        raise AuditError("the audit log has lost its head row")
    return row["seq"], row["hash"], row["note"]


async def list_events(
    connection: Connection, wanted: AuditFilter, *, limit: int, cursor: int | None = None
) -> list[AuditRecord]:
    """Up to ``limit`` events, newest first; ``cursor`` is the seq of the last one of the page before."""
    rows = await connection.fetch(_LIST, *wanted.arguments(), cursor, limit)
    return [AuditRecord.of(row["body"]) for row in rows]


async def count_events(connection: Connection, wanted: AuditFilter) -> int:
    """How many events ``wanted`` matches."""
    return int(await connection.fetchval(_COUNT, *wanted.arguments()))


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(microseconds=1)
