"""The auth room put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patch_manager.auth.events import AuditRecorder
from patch_manager.auth.model import AuthSettings, Sealer, utc_now
from patch_manager.auth.passwords import Passwords
from patch_manager.auth.session_keeper import SessionKeeper
from patch_manager.auth.sign_in import SignIn
from patch_manager.auth.throttle import Throttle
from patch_manager.auth.tokens import AccessTokens
from patch_manager.auth.watch import SessionWatch
from patch_manager.storage import sessions
from patch_manager.storage.audit import AuditLog
from patch_manager.storage.database import Database
from patch_manager.storage.errors import DatabaseUnavailable

_log = structlog.get_logger(__name__)

_UPKEEP_SECONDS = 600.0
_KEEP_TICKETS = timedelta(hours=1)
_KEEP_SESSIONS = timedelta(days=7)  # a refresh token that comes twice is recognised for that long


@dataclass(frozen=True, slots=True)
class Auth:
    """Signing in, keeping and ending sessions, and who a token speaks for."""

    db: Database
    settings: AuthSettings
    passwords: Passwords
    sign_in: SignIn
    sessions: SessionKeeper
    watch: SessionWatch
    now: Callable[[], datetime]

    async def run(self) -> None:
        """Forget what ended long ago, every ten minutes, until cancelled."""
        while True:
            now = self.now()
            try:
                await self.db.transaction(sessions.purge, now - _KEEP_TICKETS, now - _KEEP_SESSIONS)
            except DatabaseUnavailable as error:
                _log.warning("auth.upkeep_postponed", reason=str(error))
            await trio.sleep(_UPKEEP_SECONDS)


def make_auth(
    db: Database,
    audit: AuditLog,
    vault: Sealer,
    signing_key: Ed25519PrivateKey,
    settings: AuthSettings,
    hashing: trio.CapacityLimiter,
    *,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = trio.current_time,
    passwords: Passwords | None = None,
) -> Auth:
    """Build the room.

    Args:
        signing_key: of access tokens; sealed at rest by the composition root, and the same after a restart.
        hashing: how many passwords are hashed at once.
        now: wall clock.
        clock: monotonic seconds.
        passwords: default: OWASP's parameters under ``hashing``.
    """
    hasher = passwords or Passwords(hashing)
    record = AuditRecorder(audit)
    tokens = AccessTokens(signing_key, settings, now)
    watch = SessionWatch(db, tokens, settings, now, clock)
    return Auth(
        db=db,
        settings=settings,
        passwords=hasher,
        sign_in=SignIn(db, record, vault, hasher, Throttle(clock), tokens, settings, now),
        sessions=SessionKeeper(db, record, tokens, watch, settings, now),
        watch=watch,
        now=now,
    )
