"""Signed notes as https://c2sp.org/signed-note describes them."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from patch_manager.storage.signed_note import AuditHead, NoteError, NoteSigner, NoteVerifier, UnknownSigner

SIGNER = NoteSigner("example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOTE = SIGNER.sign("hello\nworld\n")


def test_the_example_of_the_go_implementation_verifies() -> None:
    """Key and note from the documentation of golang.org/x/mod/sumdb/note."""
    key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    verifier = NoteVerifier("PeterNeumann", Ed25519PublicKey.from_public_bytes(key[1:]))
    assert verifier.key_id.hex() == "c74f20a3"
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    assert verifier.verify(f"{text}\n— PeterNeumann {signature}\n") == text


def test_a_note_gives_its_text_back() -> None:
    assert SIGNER.verifier.verify(NOTE) == "hello\nworld\n"


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_no_change_of_a_note_verifies(at: int, character: str) -> None:
    changed = NOTE[:at] + character + NOTE[at + 1 :]
    if changed != NOTE:
        with pytest.raises(NoteError):
            SIGNER.verifier.verify(changed)


def test_other_keys_and_names_are_told_apart_from_forgeries() -> None:
    other = NoteSigner("example", Ed25519PrivateKey.generate())
    with pytest.raises(UnknownSigner):
        other.verifier.verify(NOTE)
    both = NOTE + other.sign("hello\nworld\n").rpartition("\n\n")[2]
    assert other.verifier.verify(both) == SIGNER.verifier.verify(both)
    assert "example" in repr(SIGNER)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**53))
def test_heads_survive_their_text(seq: int, digest: bytes, time_us: int) -> None:
    head = AuditHead("manager/audit", seq, digest, time_us)
    assert AuditHead.parse(head.text()) == head


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n1\nx\n2\n", "a\n01\nAAAA\n2\n", "a\n1\nAAAA\n2\nmore\n", "a\n1\nAAAA\n2"]
)
def test_other_texts_are_no_heads(text: str) -> None:
    with pytest.raises(NoteError):
        AuditHead.parse(text)
