"""Errors of the storage room. Each message is one line that an operator can act on."""

from __future__ import annotations


class StorageError(Exception):
    """Base of all that this room raises itself; what PostgreSQL says of a statement passes through unchanged."""


class DatabaseUnavailable(StorageError):
    """No answer from the database: refused, lost, starting up, shutting down, too busy or too slow.

    The unit of work had no effect, unless it is the subclass :class:`CommitUnknown`. Trying again later is right.
    """


class CommitUnknown(DatabaseUnavailable):
    """The connection was lost between sending COMMIT and its answer: the work is either whole or absent.

    Ids are made by us, so the caller can find out by reading (TRUST "Patch jobs").
    """


class TransactionAborted(StorageError):
    """COMMIT was answered by ROLLBACK: the unit of work hid a failed statement. Nothing was changed."""


class MigrationError(StorageError):
    """The database's schema cannot be brought to this program's version."""


class EmbeddedServerError(StorageError):
    """The embedded PostgreSQL cannot be set up, started or stopped; the message says what to do."""
