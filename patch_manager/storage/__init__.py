"""PostgreSQL: one small ``Database``, the embedded server, migrations, and one module per aggregate."""

from patch_manager.storage.connecting import Connection, DatabaseAddress, Deadlines
from patch_manager.storage.database import Database, open_database
from patch_manager.storage.embedded import EmbeddedServer, embedded_postgres
from patch_manager.storage.errors import (
    CommitUnknown,
    DatabaseUnavailable,
    EmbeddedServerError,
    LeadershipError,
    MigrationError,
    StorageError,
    TransactionAborted,
)
from patch_manager.storage.migrate import MigrationReport, migrate

__all__ = [
    "CommitUnknown",
    "Connection",
    "Database",
    "DatabaseAddress",
    "DatabaseUnavailable",
    "Deadlines",
    "EmbeddedServer",
    "EmbeddedServerError",
    "LeadershipError",
    "MigrationError",
    "MigrationReport",
    "StorageError",
    "TransactionAborted",
    "embedded_postgres",
    "migrate",
    "open_database",
]
