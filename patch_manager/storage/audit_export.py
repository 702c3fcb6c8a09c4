"""Exports the audit log's signed heads to an append-only file, so that a log cut short or rewritten is noticed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import orjson
import structlog
import trio

from patch_manager.storage.audit import AuditError, read_head
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable

FILE_NAME = "audit-heads.log"

_SECONDS = 1.0
_LAST_SECONDS = 2.0


class AuditExporter:
    """Appends the head every second when it has changed: one JSON object a line, ``{"exported_at", "seq", "note"}``."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self._path = path
        self._last_note = ""
        self._last_seq = 0
        self._behind = False

    async def run(self) -> None:
        """Export until cancelled, then once more. An outage of the database or a full disk is logged and outlived.

        :raises OSError: the file cannot be opened at the start.
        """
        self._open()
        log = structlog.get_logger(__name__)
        failing = False
        try:
            while True:
                try:
                    await self.export()
                    failing = False
                except (DatabaseUnavailable, AuditError, OSError) as error:
                    if not failing:
                        log.error("audit_head_export_failed", reason=str(error))
                    failing = True
                await trio.sleep(_SECONDS)
        finally:
            with trio.move_on_after(_LAST_SECONDS, shield=True):
                try:
                    await self.export()
                except (DatabaseUnavailable, AuditError, OSError) as error:
                    log.error("audit_head_export_failed", reason=str(error))

    async def export(self) -> bool:
        """Append the present head if it differs from the last one exported, durably; says whether it did."""
        seq, _, note = await self._database.read(read_head)
        if not note or note == self._last_note:
            return False
        if seq < self._last_seq and not self._behind:
            # The file keeps the proof; verification reports it too.
            structlog.get_logger(__name__).critical("audit_log_shrank", head=seq, exported=self._last_seq)
            self._behind = True
        line = orjson.dumps({"exported_at": datetime.now(UTC), "seq": seq, "note": note}) + b"\n"
        await trio.to_thread.run_sync(_append, self._path, line)
        self._last_note = note
        self._last_seq = max(self._last_seq, seq)
        return True

    def _open(self) -> None:
        """Read what was exported last, and end a line that a power cut left torn."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 65_536))
            tail = file.read()
            if tail and not tail.endswith(b"\n"):
                file.write(b"\n")
        for line in reversed(tail.split(b"\n")):
            try:
                last = orjson.loads(line)
                self._last_note, self._last_seq = str(last["note"]), int(last["seq"])
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                continue
            return


def _append(path: Path, line: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line)
        os.fdatasync(handle)
    finally:
        os.close(handle)
