"""Signed notes (C2SP ``signed-note``, Ed25519): a short text and lines that say who signed it.

https://c2sp.org/signed-note. The text of an audit head is origin, seq, base64 of the hash and the time in µs, each on
a line of its own.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_DASH = "— "


class NoteError(Exception):
    """A note is malformed, or its signature does not verify."""


class UnknownSigner(NoteError):
    """A note carries no signature of the key that is asked for."""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of the chain at one moment: ``seq`` of its last row (0: none), that row's hash, and when (µs)."""

    origin: str
    seq: int
    hash: bytes
    time_us: int

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.seq}\n{base64.b64encode(self.hash).decode()}\n{self.time_us}\n"

    @staticmethod
    def parse(text: str) -> AuditHead:
        """
        :raises NoteError: the text is none of ours.
        """
        try:
            origin, seq, digest, time_us, rest = text.split("\n")
            head = AuditHead(origin, int(seq), base64.b64decode(digest, validate=True), int(time_us))
        except ValueError as error:
            raise NoteError("the note is not an audit head") from error
        if rest or head.text() != text:
            raise NoteError("the note is not an audit head")
        return head


class NoteVerifier:
    """Checks notes against one named public key."""

    def __init__(self, name: str, key: Ed25519PublicKey) -> None:
        if not name or any(character.isspace() or character == "+" for character in name):
            raise ValueError("a note's key name has no spaces and no plus")
        self.name = name
        self._key = key
        raw = key.public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return self._id

    def verify(self, note: str) -> str:
        """The note's text.

        :raises UnknownSigner: this key has not signed it. :raises NoteError: the signature is wrong, or the form.
        """
        text, blank, signatures = note.rpartition("\n\n")
        if not blank or not signatures.endswith("\n"):
            raise NoteError("the note has no signatures")
        text += "\n"
        for line in signatures[:-1].split("\n"):
            name, _, encoded = line.removeprefix(_DASH).partition(" ")
            if not line.startswith(_DASH) or not encoded:
                raise NoteError("the note has a malformed signature line")
            try:
                signature = base64.b64decode(encoded, validate=True)
            except ValueError as error:
                raise NoteError("the note has a malformed signature line") from error
            if base64.b64encode(signature).decode() != encoded:
                raise NoteError("the note has a malformed signature line")  # one signature has one spelling
            if name != self.name or signature[:4] != self._id:
                continue
            try:
                self._key.verify(signature[4:], text.encode())
            except (InvalidSignature, UnicodeEncodeError):
                raise NoteError("the note's signature does not verify") from None
            return text
        raise UnknownSigner(f"the note is not signed by the key {self.name}")


class NoteSigner:
    """Signs notes with one named private key."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.verifier = NoteVerifier(name, key.public_key())
        self._key = key

    def __repr__(self) -> str:
        return f"NoteSigner({self.verifier.name!r})"

    def sign(self, text: str) -> str:
        """The note: ``text`` (which ends in a newline), a blank line, and the signature's line."""
        signature = base64.b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.verifier.name} {signature}\n"
