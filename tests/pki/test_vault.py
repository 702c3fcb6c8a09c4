"""Secrets at rest."""

import base64
import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from patch_manager.pki.files import FileModeError
from patch_manager.pki.vault import Vault, VaultError, sealed_ed25519


def test_a_sealed_secret_opens_under_its_own_name_only(vault: Vault) -> None:
    sealed = vault.seal("totp:alice", b"secret")
    assert vault.open("totp:alice", sealed) == b"secret"
    with pytest.raises(VaultError):
        vault.open("totp:bob", sealed)


def test_every_changed_bit_is_noticed(vault: Vault) -> None:
    sealed = vault.seal("name", b"secret")
    for position in range(len(sealed)):
        tampered = bytearray(sealed)
        tampered[position] ^= 1
        with pytest.raises(VaultError):
            vault.open("name", bytes(tampered))
    for length in range(len(sealed)):
        with pytest.raises(VaultError):
            vault.open("name", sealed[:length])


def test_sealing_twice_gives_different_bytes(vault: Vault) -> None:
    assert vault.seal("name", b"secret") != vault.seal("name", b"secret")


def test_the_key_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        Vault.load_or_create(tmp_path / "new" / "vault.key", environ={})
    finally:
        os.umask(previous)
    assert (tmp_path / "new" / "vault.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "vault.key"
    Vault.load_or_create(path, environ={})
    path.chmod(mode)
    with pytest.raises(FileModeError, match="chmod 600"):
        Vault.load_or_create(path, environ={})


def test_a_symbolic_link_is_no_key_file(tmp_path: Path) -> None:
    Vault.load_or_create(tmp_path / "real.key", environ={})
    (tmp_path / "vault.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(FileModeError):
        Vault.load_or_create(tmp_path / "vault.key", environ={})


def test_another_key_does_not_open(tmp_path: Path, vault: Vault) -> None:
    other = Vault.load_or_create(tmp_path / "other.key", environ={})
    with pytest.raises(VaultError, match="another key"):
        other.open("name", vault.seal("name", b"secret"))


@pytest.mark.parametrize("encode", [lambda key: key, base64.b64encode])
def test_a_systemd_credential_goes_before_the_file(tmp_path: Path, encode: object) -> None:
    assert callable(encode)
    (tmp_path / "patch-manager.key").write_bytes(encode(b"k" * 32))
    vault = Vault.load_or_create(tmp_path / "unused.key", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert Vault(b"k" * 32).open("name", vault.seal("name", b"secret")) == b"secret"
    assert not (tmp_path / "unused.key").exists()


def test_a_malformed_key_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    path.touch(mode=0o600)
    with pytest.raises(VaultError, match="32 bytes"):
        Vault.load_or_create(path, environ={})


def test_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    vaults: list[Vault] = []

    def start() -> None:
        vaults.append(Vault.load_or_create(tmp_path / "vault.key", environ={}))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = vaults[0].seal("name", b"secret")
    assert all(vault.open("name", sealed) == b"secret" for vault in vaults)


def test_the_key_shows_in_no_repr() -> None:
    assert "kkk" not in repr(Vault(b"k" * 32))


def test_a_signing_key_is_made_once_and_never_in_clear(tmp_path: Path, vault: Vault) -> None:
    first = sealed_ed25519(tmp_path, "audit", vault)
    again = sealed_ed25519(tmp_path, "audit", vault)
    public = first.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert again.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) == public
    path = tmp_path / "audit.key.sealed"
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.private_bytes_raw() not in path.read_bytes()


def test_a_signing_key_moved_to_another_purpose_does_not_open(tmp_path: Path, vault: Vault) -> None:
    sealed_ed25519(tmp_path, "audit", vault)
    (tmp_path / "audit.key.sealed").rename(tmp_path / "jwt.key.sealed")
    with pytest.raises(VaultError):
        sealed_ed25519(tmp_path, "jwt", vault)
