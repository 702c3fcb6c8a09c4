"""The task that keeps certificates and the revocation list fresh while the program runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from patch_manager.pki.authority import CertificateAuthority, Store
from patch_manager.pki.identities import SealedIdentity
from patch_manager.pki.model import IssuedCertificate, RevokedCertificate
from patch_manager.pki.tls import AgentTls, HttpsTls, KeyPair, OperatorCertificate

CHECK_EVERY = 600.0  # seconds


def key_pair(identity: IssuedCertificate) -> KeyPair:
    """The identity as TLS wants it."""
    if identity.private_key_pem is None:
        raise ValueError("an identity without its private key cannot serve")
    return KeyPair(identity.certificate_pem, identity.private_key_pem)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Everything that must be renewed, and where new certificates are recorded.

    *https* is our own identity or the operator's files. *revoked* reads the revoked certificates from storage.
    """

    authority: CertificateAuthority
    agent_tls: AgentTls
    https_tls: HttpsTls
    manager: SealedIdentity
    https: SealedIdentity | OperatorCertificate
    revoked: Callable[[], Awaitable[Sequence[RevokedCertificate]]]
    store: Store

    async def refresh_crl(self, *, reissue: bool = False) -> None:
        """Publish the list as storage has it and put it in force; call it after each revocation, and at start."""
        revoked = await self.revoked()
        await trio.to_thread.run_sync(lambda: self.authority.current_crl(revoked, reissue=reissue))
        self.agent_tls.reload_crl()

    async def once(self) -> None:
        """One round: list, client certificate, HTTPS certificate. What is fresh is left alone."""
        await self.refresh_crl()
        manager = key_pair(await self.manager.current(store=self.store))
        if manager != self.agent_tls.manager:
            self.agent_tls.replace_manager(manager)
        if isinstance(self.https, SealedIdentity):
            served = key_pair(await self.https.current(store=self.store))
        elif self.https.changed():
            served = self.https.load()
        else:
            return
        if served != self.https_tls.pair:
            self.https_tls.replace(served)

    async def run(self, report: Callable[[Exception], None]) -> None:
        """Rounds for ever. A failing one (database away, unreadable file) is told to *report* and tried again."""
        while True:
            try:
                await self.once()
            except Exception as error:  # upkeep must outlive any one fault
                report(error)
            await trio.sleep(CHECK_EVERY)
