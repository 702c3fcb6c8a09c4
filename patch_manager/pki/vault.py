"""Secrets at rest: AES-256-GCM under one key that lives outside the database (TRUST 18).

The key is a file of mode 0600, made at the first start, or a systemd credential. What is sealed (CA key, TOTP
secrets, signing keys) is worthless without it, so a copy of the database or of a backup gives nothing away.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from patch_manager.pki import files

CREDENTIAL_NAME = "patch-manager.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_PREFIX = b"LPMV1"  # the format's version: another cipher would get another prefix
_CONTEXT = b"patch-manager vault 1\x00"


class VaultError(Exception):
    """The key is missing or malformed, or a sealed value was not made by it, under that name, or was altered."""


class Vault:
    """Seals and opens secrets. The name of a secret is authenticated with it, so values cannot be swapped."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise VaultError(f"the vault key must be {_KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "Vault(key=**********)"

    @classmethod
    def load_or_create(cls, path: Path, *, environ: Mapping[str, str] = os.environ) -> "Vault":
        """The vault under the systemd credential ``patch-manager.key`` if there is one, else under the file *path*.

        The file is created when missing (two first starts at once agree on one key) and refused when others
        can read it. Raises `VaultError` or `files.FileModeError`.
        """
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        if credentials and (credential := Path(credentials) / CREDENTIAL_NAME).exists():
            # systemd guards these by ACL, which shows in the group bits: the mode says nothing here.
            return cls(_decode(credential.read_bytes(), credential))
        if not path.exists():
            files.private_directory(path.parent)
            files.create(path, base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "Vault":
        """The vault under an existing key file; raises `VaultError` if there is none."""
        try:
            files.require_private(path)
            content = path.read_bytes()
        except FileNotFoundError:
            raise VaultError(f"there is no vault key at {path}") from None
        return cls(_decode(content, path))

    def seal(self, name: str, secret: bytes) -> bytes:
        """*secret*, encrypted and bound to *name*: prefix, 96-bit random nonce, ciphertext with its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _PREFIX + nonce + self._cipher.encrypt(nonce, secret, _CONTEXT + name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """What `seal` was given. Raises `VaultError` for another key, another name, or any changed bit."""
        if not sealed.startswith(_PREFIX):
            raise VaultError(f"{name} is not a sealed secret of a known version")
        nonce, text = sealed[len(_PREFIX) :][:_NONCE_BYTES], sealed[len(_PREFIX) + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, text, _CONTEXT + name.encode())
        except (InvalidTag, ValueError):
            raise VaultError(f"{name} was sealed under another key or name, or was altered") from None


def _decode(content: bytes, source: Path) -> bytes:
    if len(content) == _KEY_BYTES:
        return content
    try:
        return base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        raise VaultError(f"{source} holds neither {_KEY_BYTES} bytes nor their base64") from None


def sealed_ed25519(directory: Path, name: str, vault: Vault) -> Ed25519PrivateKey:
    """The signing key *name*, loaded from ``<name>.key.sealed`` in *directory* or made there.

    Two processes that start at once get the same key. Raises `VaultError` when it cannot be opened.
    """
    path = directory / f"{name}.key.sealed"
    purpose = f"ed25519:{name}"
    if not path.exists():
        files.private_directory(directory)
        raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        files.create(path, vault.seal(purpose, raw))
    return Ed25519PrivateKey.from_private_bytes(vault.open(purpose, path.read_bytes()))
