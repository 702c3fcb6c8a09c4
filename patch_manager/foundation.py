"""What ``serve`` and every command stand on: keys, the authority, a migrated database, the audit log.

Opened in dependency order and closed in reverse. Commands may run while ``serve`` does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from patch_manager.config import ConfigError, Settings
from patch_manager.domain.audit import AuditEvent
from patch_manager.pki.authority import CertificateAuthority
from patch_manager.pki.files import private_directory
from patch_manager.pki.model import IssuedCertificate
from patch_manager.pki.vault import Vault, sealed_ed25519
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.certificates import CertificateRow, host_at, store_certificate
from patch_manager.storage.connecting import Connection, DatabaseAddress
from patch_manager.storage.database import Database, open_database
from patch_manager.storage.embedded import embedded_postgres
from patch_manager.storage.migrate import MigrationReport, migrate
from patch_manager.storage.signed_note import NoteSigner

Progress = Callable[[str], None]
SYSTEM = "system"
AUDIT_ORIGIN = "patch-manager/audit"


@dataclass(frozen=True, slots=True)
class Keys:
    """What lives outside the database (TRUST 18): the vault and the authority under ``data_dir``."""

    vault: Vault
    authority: CertificateAuthority

    @staticmethod
    def open(data_dir: Path) -> Keys:
        """Load them, or make them at the first start.

        Raises:
            ConfigError: the data directory cannot be made.
            VaultError, AuthorityError, FileModeError: the keys are there and cannot be used.
        """
        try:
            private_directory(data_dir)
        except OSError as error:
            raise ConfigError(f"cannot use server.data_dir {data_dir}: {error.strerror}") from error
        vault = Vault.load_or_create(vault_key(data_dir))
        return Keys(vault, CertificateAuthority.load_or_create(pki_directory(data_dir), vault))


def vault_key(data_dir: Path) -> Path:
    """The key file that everything else is sealed under."""
    return data_dir / "secret.key"


def pki_directory(data_dir: Path) -> Path:
    """The authority's files."""
    return data_dir / "pki"


def audit_signer(keys: Keys, data_dir: Path) -> NoteSigner:
    """Who signs the audit log's heads; the name is the log's origin."""
    return NoteSigner(AUDIT_ORIGIN, sealed_ed25519(data_dir / "audit", "audit", keys.vault))


@dataclass(frozen=True, slots=True)
class Foundation:
    """Open stores. ``owner`` is the role that owns the schema (migrations, pruning)."""

    settings: Settings
    keys: Keys
    db: Database
    owner: DatabaseAddress | str
    audit: AuditLog

    async def store_issued(self, issued: IssuedCertificate) -> None:
        """Record a certificate, and that it was issued, before anybody gets it (STYLE "Store before returning")."""
        await self.db.transaction(_store_issued, self.audit, issued)


@asynccontextmanager
async def open_foundation(settings: Settings, progress: Progress | None = None) -> AsyncIterator[Foundation]:
    """Open keys, database (embedded without ``database.url``) and audit log; migrate first.

    Raises:
        ConfigError, StorageError, VaultError, AuthorityError, FileModeError: each one line that says what to do.
    """
    data_dir = settings.server.data_dir
    keys = Keys.open(data_dir)
    async with _server(settings, data_dir, progress) as (app, owner, app_role):
        await migrate(owner, app_role)
        async with open_database(app, max_size=settings.database.pool_size) as db:
            audit = AuditLog(audit_signer(keys, data_dir))
            await db.transaction(audit.initialise)
            yield Foundation(settings, keys, db, owner, audit)


@asynccontextmanager
async def open_for_reading(settings: Settings) -> AsyncIterator[tuple[Keys, Database]]:
    """Keys and database as they are: nothing is migrated, and the audit log need not be whole."""
    keys = Keys.open(settings.server.data_dir)
    async with (
        _server(settings, settings.server.data_dir, None) as (app, _, _),
        open_database(app, max_size=2) as db,
    ):
        yield keys, db


async def migrate_only(settings: Settings, progress: Progress) -> MigrationReport:
    """Bring the schema up to date and nothing else."""
    Keys.open(settings.server.data_dir)
    async with _server(settings, settings.server.data_dir, progress) as (_, owner, app_role):
        return await migrate(owner, app_role)


@asynccontextmanager
async def _server(
    settings: Settings, data_dir: Path, progress: Progress | None
) -> AsyncIterator[tuple[DatabaseAddress | str, DatabaseAddress | str, str | None]]:
    """The addresses of the application and of the owner, and the role that needs grants (None: they are one)."""
    if settings.database.url is None:
        async with embedded_postgres(data_dir, progress=progress) as server:
            yield server.app, server.owner, server.app.user
        return
    url = settings.database.url.get_secret_value()
    if settings.database.owner_url is None:
        yield url, url, None
    else:
        yield url, settings.database.owner_url.get_secret_value(), _role_of(url)


def _role_of(url: str) -> str:
    user = urlsplit(url).username
    if not user:
        raise ConfigError("database.url must name its role when database.owner_url is set")
    return unquote(user)


async def _store_issued(connection: Connection, audit: AuditLog, issued: IssuedCertificate) -> None:
    address = next(iter(issued.sans), "")
    host_id = await host_at(connection, address)
    await store_certificate(
        connection,
        CertificateRow(
            serial=issued.serial,
            profile=issued.profile.value,
            subject=issued.subject,
            sans=issued.sans,
            host_id=host_id,
            not_before=issued.not_before,
            not_after=issued.not_after,
            fingerprint=issued.fingerprint,
            certificate_pem=issued.certificate_pem.decode(),
            issued_at=issued.not_before,
        ),
    )
    await audit.append(
        connection,
        [
            AuditEvent(
                action="certificate.issued",
                actor=SYSTEM,
                target_type="certificate",
                target_id=issued.serial,
                detail={"profile": issued.profile.value, "subject": issued.subject, "sans": list(issued.sans)},
            )
        ],
    )
