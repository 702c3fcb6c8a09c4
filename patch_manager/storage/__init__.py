"""PostgreSQL: one small ``Database``, the embedded server, migrations, and one module per aggregate."""

from patch_manager.storage.audit import AuditError, AuditFilter, AuditLog, AuditRecord, count_events, list_events
from patch_manager.storage.audit_export import AuditExporter
from patch_manager.storage.audit_verify import Broken, Unverifiable, Verification, Verified, verify_audit_log
from patch_manager.storage.connecting import Connection, DatabaseAddress, Deadlines
from patch_manager.storage.database import Database, open_database
from patch_manager.storage.embedded import EmbeddedServer, embedded_postgres
from patch_manager.storage.errors import (
    CommitUnknown,
    DatabaseUnavailable,
    EmbeddedServerError,
    MigrationError,
    StorageError,
    TransactionAborted,
)
from patch_manager.storage.leadership import Holder, Leader, Leadership, assert_epoch
from patch_manager.storage.migrate import MigrationReport, migrate
from patch_manager.storage.signed_note import NoteSigner, NoteVerifier

__all__ = [
    "AuditError",
    "AuditExporter",
    "AuditFilter",
    "AuditLog",
    "AuditRecord",
    "Broken",
    "CommitUnknown",
    "Connection",
    "Database",
    "DatabaseAddress",
    "DatabaseUnavailable",
    "Deadlines",
    "EmbeddedServer",
    "EmbeddedServerError",
    "Holder",
    "Leader",
    "Leadership",
    "MigrationError",
    "MigrationReport",
    "NoteSigner",
    "NoteVerifier",
    "StorageError",
    "TransactionAborted",
    "Unverifiable",
    "Verification",
    "Verified",
    "assert_epoch",
    "count_events",
    "embedded_postgres",
    "list_events",
    "migrate",
    "open_database",
    "verify_audit_log",
]
