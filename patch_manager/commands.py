"""Commands that open the stores, do one thing and close them again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from patch_manager.auth.accounts import create_user
from patch_manager.auth.passwords import Passwords
from patch_manager.config import Settings
from patch_manager.domain.principal import Role
from patch_manager.foundation import migrate_only, open_foundation
from patch_manager.logs import configure_logging
from patch_manager.pki.host_bundle import agent_request, issue_host_bundle
from patch_manager.pki.model import IssuedCertificate
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


def _run(command: Callable[[], Awaitable[Result]]) -> Result:
    configure_logging("warning")
    return trio.run(command)
