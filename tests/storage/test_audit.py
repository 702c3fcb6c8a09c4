"""The audit log: nothing in an event can keep it from being written, and no change of it goes unnoticed."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import orjson
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patch_manager.domain.audit import GENESIS, AuditEvent, Outcome, canonical_body, chained
from patch_manager.storage import (
    AuditError,
    AuditExporter,
    AuditFilter,
    AuditLog,
    Broken,
    Connection,
    Database,
    NoteSigner,
    Unverifiable,
    Verification,
    Verified,
    count_events,
    list_events,
    verify_audit_log,
)
from patch_manager.storage.database import run_once
from tests.postgres import TestDatabase

SIGNER = NoteSigner("manager.example/audit", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
GROUP_A, GROUP_B, VIEWER = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


def event(action: str = "host.created", **fields: object) -> AuditEvent:
    return AuditEvent(action, "ann", **fields)  # type: ignore[arg-type]  # each test names only what it is about


@pytest.fixture
async def log(db: Database) -> AuditLog:
    """An initialised log, written by the application's role."""
    made = AuditLog(SIGNER)
    assert await db.transaction(made.initialise)
    return made


@pytest.fixture
async def filled(log: AuditLog, db: Database, tmp_path: Path) -> Path:
    """Ten events in three transactions; the file has every head."""
    exporter = AuditExporter(db, tmp_path / "audit-heads.log")
    for count in (3, 1, 6):
        await db.transaction(log.append, [event(detail={"n": number}) for number in range(count)])
        assert await exporter.export()
    return tmp_path / "audit-heads.log"


async def verify(database: Database, exports: Path | None = None, signer: NoteSigner = SIGNER) -> Verification:
    lines = lines_of(exports) if exports else []
    return await database.read(verify_audit_log, signer.verifier, lines)


def lines_of(path: Path) -> list[str]:
    """The exported heads as they are in the file."""
    return path.read_text().splitlines()


async def tamper(database: TestDatabase, *statements: str) -> None:
    """As whoever owns the whole server."""

    async def run(connection: Connection) -> None:
        for statement in statements:
            await connection.execute(statement)

    await run_once(database.superuser, run)


async def test_an_untouched_log_verifies(filled: Path, db: Database) -> None:
    result = await verify(db, filled)
    assert isinstance(result, Verified)
    assert (result.rows, result.head.seq, result.exported) == (10, 10, 3)


async def test_rows_are_what_the_rule_says(log: AuditLog, db: Database) -> None:
    assert await db.transaction(log.append, [event(), event(outcome=Outcome.DENIED)]) == range(1, 3)
    assert await db.transaction(log.append, []) == range(0)
    rows = await db.read(lambda connection: connection.fetch("SELECT * FROM audit_log ORDER BY seq"))
    previous = GENESIS
    for row in rows:
        assert row["hash"] == chained(row["seq"], previous, row["body"])
        previous = row["hash"]
        body = orjson.loads(row["body"])
        assert row["body"].encode() == orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        assert (body["seq"], body["time"], body["action"], body["actor"], body["outcome"]) == tuple(
            row[name] for name in ("seq", "time_us", "action", "actor", "outcome")
        )


def test_hashes_are_those_of_the_specification() -> None:
    """Computed by hand once, so that a change of the format cannot pass as an improvement."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    body = canonical_body(AuditEvent("host.created", "ann", groups=frozenset({GROUP_B, GROUP_A})), 1, at)
    assert body == (
        '{"action":"host.created","actor":"ann","actor_id":null,"detail":{},'
        '"groups":["00000000-0000-0000-0000-000000000001","00000000-0000-0000-0000-000000000002"],'
        '"ip":null,"outcome":"success","request_id":null,"seq":1,"session":null,"target_id":null,'
        '"target_type":null,"time":1767323045678901}'
    )
    leaf = hashlib.sha256(b"\x00lpm-audit-v1\n" + body.encode()).digest()
    expected = hashlib.sha256(b"\x01\x00\x00\x00\x00\x00\x00\x00\x01" + bytes(32) + leaf).digest()
    assert chained(1, GENESIS, body) == expected


async def test_no_content_can_keep_an_event_from_being_written(log: AuditLog, db: Database) -> None:
    loop: dict[str, object] = {
        "nul": "a\x00b",
        "surrogate": "x\ud800y",
        "key\x00": 1,
        "big": 2**70,
        "nan": float("nan"),
        "bytes": b"\xff\x00",
        "when": datetime(2026, 1, 1, tzinfo=UTC),
        "set": {3, 1},
        "unicode": "Grüße, 世界 \U0001f600",
        "quotes": '"\\\u2028</script>',
        "object": object,
        "long": "z" * 100_000,
    }
    await db.transaction(log.append, [event(target_id="h\x00\udfff", detail={"nested": [loop]})])
    assert isinstance(await verify(db), Verified)
    (record,) = await db.read(list_events, AuditFilter(), limit=5)
    assert record.target_id == "h\ufffd\ufffd"
    nested = record.detail["nested"][0]
    assert nested["nul"] == "a\ufffdb"
    assert nested["surrogate"] == "x\ufffdy"
    assert nested["unicode"] == "Grüße, 世界 \U0001f600"
    assert nested["big"] == str(2**70)
    assert len(nested["long"]) < 17_000


async def test_a_rolled_back_transaction_leaves_no_trace_and_no_hole(log: AuditLog, db: Database) -> None:
    await db.transaction(log.append, [event()])

    async def fail(connection: Connection) -> None:
        await log.append(connection, [event(), event()])
        raise LookupError

    with pytest.raises(LookupError):
        await db.transaction(fail)
    assert await db.transaction(log.append, [event()]) == range(2, 3)
    assert isinstance(await verify(db), Verified)


async def test_concurrent_writers_make_one_chain(log: AuditLog, db: Database) -> None:
    seen: list[int] = []

    async def write() -> None:
        seen.extend(await db.transaction(log.append, [event(), event(), event()]))

    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(write)
    assert sorted(seen) == list(range(1, 37))
    assert isinstance(await verify(db), Verified)


REWRITE = """
DO $$
DECLARE r record; previous bytea := decode(repeat('00', 32), 'hex'); digest bytea;
BEGIN
    ALTER TABLE audit_log DISABLE TRIGGER ALL;
    UPDATE audit_log SET body = replace(body, '"ann"', '"bob"') WHERE seq = 2;
    FOR r IN SELECT seq, body FROM audit_log ORDER BY seq LOOP
        digest := sha256('\\x01'::bytea || int8send(r.seq) || previous
            || sha256('\\x00'::bytea || convert_to(E'lpm-audit-v1\\n', 'UTF8') || convert_to(r.body, 'UTF8')));
        UPDATE audit_log SET hash = digest WHERE seq = r.seq;
        previous := digest;
    END LOOP;
    UPDATE audit_head SET hash = previous;
END $$
"""


@pytest.mark.parametrize(
    ("statements", "seq"),
    [
        (["UPDATE audit_log SET body = replace(body, '\"ann\"', '\"bob\"') WHERE seq = 4"], 4),
        (["UPDATE audit_log SET body = body || ' ' WHERE seq = 1"], 1),
        (["UPDATE audit_log SET hash = sha256('x') WHERE seq = 5"], 5),
        (["DELETE FROM audit_log WHERE seq = 5"], 5),
        (["DELETE FROM audit_log WHERE seq = 1"], 1),
        (["DELETE FROM audit_log WHERE seq = 10"], 10),
        (["DELETE FROM audit_log WHERE seq > 4", "UPDATE audit_head SET seq = 4"], 5),
        (["DELETE FROM audit_log"], 1),
        (["TRUNCATE audit_log", "DELETE FROM audit_head"], 1),
        (["UPDATE audit_head SET note = ''"], 1),
        (["UPDATE audit_head SET note = 'x'"], 11),
        (["UPDATE audit_head SET hash = sha256('x')"], 11),
        (["INSERT INTO audit_log (seq, body, hash) SELECT 11, replace(body, ':10,', ':11,'), hash FROM audit_log"
          " WHERE seq = 10"], 11),
        ([REWRITE], 11),
    ],
)  # fmt: skip
async def test_edits_deletions_and_truncations_are_found(
    filled: Path, database: TestDatabase, db: Database, statements: list[str], seq: int
) -> None:
    """Already without the exported heads."""
    assert isinstance(await verify(db), Verified)
    await tamper(database, *statements)
    result = await verify(db)
    assert isinstance(result, Broken), result
    assert result.seq == seq


async def test_going_back_to_an_older_signed_head_is_found_by_the_exports(
    filled: Path, database: TestDatabase, db: Database
) -> None:
    older = orjson.loads(lines_of(filled)[1])["note"]
    await tamper(
        database,
        "DELETE FROM audit_log WHERE seq > 4",
        f"UPDATE audit_head SET seq = 4, note = '{older}', hash = (SELECT hash FROM audit_log WHERE seq = 4)",  # noqa: S608
    )
    assert isinstance(await verify(db), Verified), "a genuine old state: only the exports know better"
    result = await verify(db, filled)
    assert isinstance(result, Broken)
    assert result.seq == 5


async def test_a_rewritten_chain_is_placed_by_the_exports(filled: Path, database: TestDatabase, db: Database) -> None:
    await tamper(database, REWRITE)
    result = await verify(db, filled)
    assert isinstance(result, Broken)
    assert result.seq == 3, "the first exported head is at row 3"


async def test_altered_exports_are_found_and_a_torn_line_is_not_one(filled: Path, db: Database) -> None:
    lines = lines_of(filled)
    torn = [*lines, '{"exported_at": "2026']
    assert isinstance(await db.read(verify_audit_log, SIGNER.verifier, torn), Verified)
    altered = [line.replace(r"\n4\n", r"\n5\n") for line in lines]
    result = await db.read(verify_audit_log, SIGNER.verifier, altered)
    assert isinstance(result, Broken)
    assert result.seq == 5


async def test_without_the_right_key_nothing_is_claimed(filled: Path, db: Database) -> None:
    other = NoteSigner(SIGNER.verifier.name, Ed25519PrivateKey.generate())
    assert isinstance(await verify(db, filled, other), Unverifiable)


async def test_a_never_started_log_cannot_be_verified(db: Database) -> None:
    assert isinstance(await verify(db), Unverifiable)
    with pytest.raises(AuditError):
        await db.transaction(AuditLog(SIGNER).append, [event()])


async def test_a_forged_head_is_never_extended(
    filled: Path, log: AuditLog, database: TestDatabase, db: Database
) -> None:
    """Signing on top of a forgery would make it genuine; the business transaction fails instead (TRUST 19)."""
    await tamper(database, REWRITE)
    forged = AuditLog(SIGNER)
    with pytest.raises(AuditError):
        await db.transaction(forged.initialise)
    with pytest.raises(AuditError):
        await db.transaction(forged.append, [event()])


async def test_a_second_start_changes_nothing(filled: Path, db: Database) -> None:
    assert not await db.transaction(AuditLog(SIGNER).initialise)
    stranger = AuditLog(NoteSigner(SIGNER.verifier.name, Ed25519PrivateKey.generate()))
    with pytest.raises(AuditError):
        await db.transaction(stranger.initialise)
    assert isinstance(await verify(db, filled), Verified)


@pytest.mark.parametrize("column", ["time_us", "action", "actor", "outcome"])
async def test_query_columns_cannot_disagree_with_the_body(filled: Path, database: TestDatabase, column: str) -> None:
    with pytest.raises(asyncpg.GeneratedAlwaysError):
        await tamper(database, f"UPDATE audit_log SET {column} = NULL WHERE seq = 1")  # noqa: S608


async def test_listing_filters_pages_and_keeps_groups_apart(db: Database) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    log = AuditLog(SIGNER, now=lambda: at)
    await db.transaction(log.initialise)
    await db.transaction(
        log.append,
        [
            event("host.created", groups=frozenset({GROUP_A}), target_type="host", target_id="1"),
            event("host.deleted", groups=frozenset({GROUP_B}), outcome=Outcome.DENIED),
            AuditEvent("auth.login", "bob", actor_id=VIEWER, ip="127.0.0.1"),
            event("hostile.name"),
        ],
    )

    async def seqs(limit: int = 10, cursor: int | None = None, **wanted: object) -> list[int]:
        chosen = AuditFilter(**wanted)  # type: ignore[arg-type]  # as above
        records = await db.read(list_events, chosen, limit=limit, cursor=cursor)
        if cursor is None and len(records) < limit:
            assert await db.read(count_events, chosen) == len(records)
        return [record.seq for record in records]

    assert await seqs() == [4, 3, 2, 1]
    assert await seqs(limit=2) == [4, 3]
    assert await seqs(limit=2, cursor=3) == [2, 1]
    assert await seqs(action="host") == [2, 1]
    assert await seqs(action="host.created") == [1]
    assert await seqs(actor="bob") == [3]
    assert await seqs(outcome="denied") == [2]
    assert await seqs(target_type="host", target_id="1") == [1]
    assert await seqs(groups=frozenset({GROUP_A}), viewer=VIEWER) == [3, 1]
    assert await seqs(groups=frozenset({GROUP_B})) == [2]
    assert await seqs(groups=frozenset()) == []
    assert await seqs(since=at, until=at + timedelta(microseconds=1)) == [4, 3, 2, 1]
    assert await seqs(until=at) == []


async def test_heads_are_exported_when_they_change_and_once_more_at_the_end(
    log: AuditLog, db: Database, tmp_path: Path
) -> None:
    path = tmp_path / "audit-heads.log"
    path.write_bytes(b'{"torn')
    async with trio.open_nursery() as nursery:
        nursery.start_soon(AuditExporter(db, path).run)
        with trio.fail_after(5):
            while len(lines_of(path)) < 2:  # noqa: ASYNC110  # what a file says can only be looked at
                await trio.sleep(0.02)
        await db.transaction(log.append, [event()])
        nursery.cancel_scope.cancel()
    lines = lines_of(path)
    assert [orjson.loads(line)["seq"] for line in lines[1:]] == [0, 1]
    assert isinstance(await verify(db, path), Verified)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(AuditExporter(db, path).run)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert lines_of(path) == lines, "what was exported before a restart is not exported again"
