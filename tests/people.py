"""People for tests: an auth room over a real database, whose clock tests set, and users with open sessions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pyotp
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patch_manager.auth import Auth, AuthSettings, Passwords, make_auth
from patch_manager.auth.accounts import new_user
from patch_manager.auth.tokens import AccessTokens, digest, new_secret_token
from patch_manager.domain.principal import Role
from patch_manager.pki.vault import Vault
from patch_manager.storage import Connection, Database, sessions, users
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.signed_note import NoteSigner

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@dataclass
class WallClock:
    """A wall clock that stands still until a test moves it."""

    at: datetime = datetime(2030, 5, 17, 9, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **parts: float) -> None:
        """Move on by a `timedelta`'s arguments."""
        self.at += timedelta(**parts)

    def code(self, secret: str = SECRET, *, steps: int = 0) -> str:
        """What an authenticator shows now, or that many steps from now."""
        return pyotp.TOTP(secret).at(self.at + timedelta(seconds=30 * steps))


@dataclass
class People:
    """Makes users, and sessions without the ceremony of signing in."""

    db: Database
    audit: AuditLog
    vault: Vault
    auth: Auth
    clock: WallClock
    tokens: AccessTokens
    passwords: Passwords
    _hashes: dict[str, str] = field(default_factory=dict)

    async def add(
        self,
        username: str,
        role: Role = Role.OPERATOR,
        *,
        groups: Iterable[UUID] = (),
        password: str = PASSWORD,
        secret: str | None = SECRET,
    ) -> UUID:
        """A user, in groups that exist."""
        if password not in self._hashes:
            self._hashes[password] = await self.passwords.hash(password)
        hashed = self._hashes[password]
        user = new_user(uuid4(), username, role, hashed, vault=self.vault, secret=secret, now=self.clock())
        await self.db.transaction(_add_user, user, list(groups))
        return user.id

    async def token(self, user_id: UUID) -> str:
        """An access token of a new session of that user."""
        now = self.clock()
        session = sessions.SessionRow(uuid4(), now, now, now + timedelta(hours=12), "127.0.0.1", "tests")
        await self.db.transaction(_add_session, user_id, session)
        return self.tokens.issue(user_id, session.id)[0]


async def make_people(db: Database, clock: WallClock) -> People:
    """An auth room on ``db`` with cheap password hashing."""
    audit = AuditLog(NoteSigner("tests", Ed25519PrivateKey.generate()), now=clock)
    await db.transaction(audit.initialise)
    vault = Vault(bytes(32))
    key = Ed25519PrivateKey.generate()
    settings = AuthSettings(issuer="https://localhost:8443")
    limiter = trio.CapacityLimiter(2)
    passwords = Passwords(limiter, time_cost=1, memory_kib=64)
    auth = make_auth(db, audit, vault, key, settings, limiter, now=clock, passwords=passwords)
    return People(db, audit, vault, auth, clock, AccessTokens(key, settings, clock), passwords)


async def add_group(connection: Connection, name: str) -> UUID:
    """A group; its id."""
    group_id = uuid4()
    await connection.execute("INSERT INTO groups (id, name) VALUES ($1, $2)", group_id, name)
    return group_id


async def actions(db: Database) -> list[tuple[str, str, str]]:
    """What the audit log holds: (action, actor, outcome), oldest first."""

    async def read(connection: Connection) -> list[tuple[str, str, str]]:
        rows = await connection.fetch("SELECT action, actor, outcome FROM audit_log ORDER BY seq")
        return [(row["action"], row["actor"], row["outcome"]) for row in rows]

    return await db.read(read)


async def _add_user(connection: Connection, user: users.UserRecord, groups: list[UUID]) -> None:
    assert await users.insert(connection, user)
    for group_id in groups:
        await connection.execute("INSERT INTO group_users (group_id, user_id) VALUES ($1, $2)", group_id, user.id)


async def _add_session(connection: Connection, user_id: UUID, session: sessions.SessionRow) -> None:
    await sessions.insert_session(connection, user_id, session)
    await sessions.insert_refresh(connection, digest(new_secret_token()), session.id, session.created_at)
