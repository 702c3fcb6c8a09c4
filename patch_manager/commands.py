"""Commands that open the stores, do one thing and close them again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import orjson
import trio

from patch_manager.auth.accounts import create_user
from patch_manager.auth.passwords import Passwords
from patch_manager.config import Settings
from patch_manager.domain.principal import Role
from patch_manager.foundation import audit_signer, migrate_only, open_for_reading, open_foundation
from patch_manager.logs import configure_logging
from patch_manager.pki.host_bundle import agent_request, issue_host_bundle
from patch_manager.pki.model import IssuedCertificate
from patch_manager.storage.audit_export import FILE_NAME
from patch_manager.storage.audit_verify import Broken, Unverifiable, Verification, Verified, verify_audit_log
from patch_manager.storage.migrate import MigrationReport

Result = TypeVar("Result")


def create_admin(settings: Settings, username: str, password: str, role: str, totp_secret: str | None) -> str:
    """Make a user; the otpauth URI for an authenticator app.

    Raises:
        AccountError: the name is taken, or something about it cannot be used.
    """

    async def command() -> str:
        async with open_foundation(settings) as base:
            passwords = Passwords(trio.CapacityLimiter(1))
            return await create_user(
                base.db,
                base.audit,
                base.keys.vault,
                passwords,
                username=username,
                password=password,
                role=Role(role),
                totp_secret=totp_secret,
            )

    return _run(command)


def issue_bundle(settings: Settings, address: str, fqdn: str | None, directory: Path) -> IssuedCertificate:
    """Issue a host's certificate and write its four files.

    Raises:
        CertificateRefused: the address or the name cannot be certified.
    """
    agent_request(address, fqdn)  # before anything is started

    async def command() -> IssuedCertificate:
        async with open_foundation(settings) as base:
            return await issue_host_bundle(
                base.keys.authority, address=address, fqdn=fqdn, directory=directory, store=base.store_issued
            )

    return _run(command)


def migrate_schema(settings: Settings) -> MigrationReport:
    """Apply pending migrations."""

    async def command() -> MigrationReport:
        return await migrate_only(settings, lambda _: None)

    return _run(command)


def openapi_document() -> str:
    """The API's description as indented JSON with a final newline; needs no stores."""
    # Here, because importing all routes takes a third of the time of every other command.
    from patch_manager.http.openapi import describe
    from patch_manager.http.routes import all_routes

    return orjson.dumps(describe(all_routes()), option=orjson.OPT_INDENT_2).decode() + "\n"


def verify_audit(settings: Settings) -> tuple[int, str]:
    """Verify the audit log; exit status (0 good, 1 tampered, 2 cannot verify) and one line of words."""

    async def command() -> Verification:
        data_dir = settings.server.data_dir
        async with open_for_reading(settings) as (keys, db):
            verifier = audit_signer(keys, data_dir).verifier
            return await db.read(verify_audit_log, verifier, _exported_heads(data_dir / FILE_NAME))

    match _run(command):
        case Verified(rows=rows, exported=exported):
            return 0, f"good: {rows} events, head signed, {exported} exported heads agree"
        case Broken(seq=seq, reason=reason):
            return 1, f"TAMPERED from event {seq} on: {reason}"
        case Unverifiable(reason=reason):
            return 2, f"cannot verify: {reason}"


def _exported_heads(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _run(command: Callable[[], Awaitable[Result]]) -> Result:
    configure_logging("warning")
    return trio.run(command)
