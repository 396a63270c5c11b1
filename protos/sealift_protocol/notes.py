"""Signed notes: checkpoints of the log, and witnesses' cosignatures of them.

Source: C2SP signed-note, tlog-checkpoint and tlog-cosignature (Ed25519, cosignature/v1).
Private keys are not handled here: the caller passes a function that signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

import nacl.exceptions
import nacl.signing

from sealift_protocol.errors import InvalidArgument, LogInvalid
from sealift_protocol.merkle import HASH_SIZE

MAX_NOTE = 64 << 10
_MAX_SIGNATURES = 64
_PUBLIC_KEY_SIZE = 32
_KEY_HASH_SIZE = 4
_SIGNATURE_SIZE = 64
_TIME_SIZE = 8
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_NAME = re.compile(r"[^\s+]{1,255}")


class KeyKind(IntEnum):
    """Algorithms of signed notes."""

    ED25519 = 1
    COSIGNATURE_V1 = 4


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key of signed notes, with its name.

    Attributes:
        name: name of a log (its origin) or a witness.
        kind: algorithm.
        public_key: Ed25519, 32 bytes.
    """

    name: str
    kind: KeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public_key) != _PUBLIC_KEY_SIZE:
            raise InvalidArgument(
                "a verifier key's name or public key is not well-formed"
            )

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that name the key in signature lines."""
        content = self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key
        return hashlib.sha256(content).digest()[:_KEY_HASH_SIZE]

    def __str__(self) -> str:
        """Return name+hash+key, as C2SP tools read it."""
        encoded = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Parse a verifier key as `str` writes it.

        Raises:
            InvalidArgument: the text is not a verifier key, or its algorithm is unknown.
        """
        try:
            name, key_hash, encoded = text.strip().split("+", 2)
            content = _decode(encoded)
            key = cls(name, KeyKind(content[0]), content[1:])
        except (ValueError, IndexError, binascii.Error):
            raise InvalidArgument(
                "the text is not a verifier key",
                hint="a verifier key has the form NAME+HASH+KEY",
            ) from None
        if key.key_hash.hex() != key_hash:
            raise InvalidArgument(
                "the verifier key is damaged", hint="copy the whole verifier key"
            )
        return key


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note and its signature lines, not verified.

    Attributes:
        text: everything before the blank line, with its last line end.
        signatures: (key name, key hash, signature) of each line.
    """

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(map(_line, self.signatures))).encode()

    def add(self, lines: Iterable[tuple[str, bytes, bytes]]) -> SignedNote:
        """Return the note with more signatures; those of keys that already signed are left out."""
        known = {(name, key_hash) for name, key_hash, _ in self.signatures}
        fresh = tuple(line for line in lines if (line[0], line[1]) not in known)
        return SignedNote(self.text, self.signatures + fresh)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's head.

    Attributes:
        origin: name of the log.
        size: number of entries.
        root: 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def log_verifier_key(public_key: bytes) -> VerifierKey:
    """Return the verifier key of a relay's log; its name is derived from the key."""
    name = (
        "sealift-log/" + hashlib.sha256(b"sealift/1 log" + public_key).hexdigest()[:32]
    )
    return VerifierKey(name, KeyKind.ED25519, public_key)


def parse_note(content: bytes) -> SignedNote:
    """Split a note from its signatures.

    Raises:
        LogInvalid: the bytes are not a signed note.
    """
    if len(content) > MAX_NOTE:
        raise LogInvalid("a checkpoint is too long")
    try:
        whole = content.decode()
    except UnicodeDecodeError:
        raise LogInvalid("a checkpoint is not text") from None
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise LogInvalid("a checkpoint has no signature")
    signatures = tuple(parse_signature_line(line) for line in lines[:-1].split("\n"))
    if len(signatures) > _MAX_SIGNATURES:
        raise LogInvalid("a checkpoint has too many signatures")
    return SignedNote(text + "\n", signatures)


def parse_signature_line(line: str) -> tuple[str, bytes, bytes]:
    """Return name, key hash and signature of one line.

    Raises:
        LogInvalid: the line is not a signature line.
    """
    match = _SIGNATURE_LINE.fullmatch(line)
    try:
        content = _decode(match[2]) if match else b""
    except binascii.Error:
        content = b""
    if match is None or len(content) <= _KEY_HASH_SIZE:
        raise LogInvalid("a checkpoint has a line that is not a signature")
    return match[1], content[:_KEY_HASH_SIZE], content[_KEY_HASH_SIZE:]


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the checkpoint in a note's text; extension lines are ignored.

    Raises:
        LogInvalid: the text is not a checkpoint.
    """
    lines = text.split("\n")
    try:
        origin, size, encoded = lines[0], int(lines[1]), lines[2]
        root = _decode(encoded)
    except (IndexError, ValueError, binascii.Error):
        raise LogInvalid("a checkpoint cannot be parsed") from None
    if not origin or str(size) != lines[1] or size < 0 or len(root) != HASH_SIZE:
        raise LogInvalid("a checkpoint cannot be parsed")
    return Checkpoint(origin, size, root)


def verify_checkpoint(note: SignedNote, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint of a note that the log signed.

    Raises:
        LogInvalid: the log did not sign the note, or the note is another log's.
    """
    for signature in _signatures_of(note, key):
        if _verifies(key, note.text.encode(), signature):
            checkpoint = parse_checkpoint(note.text)
            if checkpoint.origin != key.name:
                raise LogInvalid("a checkpoint is of another log")
            return checkpoint
    raise LogInvalid("a checkpoint is not signed by the relay's log")


def cosigned_at(note: SignedNote, witness: VerifierKey) -> int | None:
    """Return the Unix seconds at which a witness cosigned the note; None if it did not."""
    for signature in _signatures_of(note, witness):
        time = int.from_bytes(signature[:_TIME_SIZE], "big")
        message = cosigned_message(note.text, time)
        if _verifies(witness, message, signature[_TIME_SIZE:]):
            return time
    return None


def cosigned_message(text: str, time: int) -> bytes:
    """Return the message that a witness signs: tlog-cosignature, cosignature/v1."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def sign_note(
    text: str, key: VerifierKey, sign: Callable[[bytes], bytes]
) -> tuple[str, bytes, bytes]:
    """Return the signature of a log on a note."""
    return key.name, key.key_hash, sign(text.encode())


def cosign_note(
    text: str, key: VerifierKey, sign: Callable[[bytes], bytes], time: int
) -> tuple[str, bytes, bytes]:
    """Return the cosignature of a witness on a note."""
    signature = sign(cosigned_message(text, time))
    return key.name, key.key_hash, time.to_bytes(_TIME_SIZE, "big") + signature


def signature_line(signature: tuple[str, bytes, bytes]) -> str:
    """Return a signature as a line that follows a note."""
    return _line(signature)


def _decode(text: str) -> bytes:
    content = base64.b64decode(text, validate=True)
    if base64.b64encode(content).decode() != text:
        raise binascii.Error("not canonical base64")
    return content


def _line(signature: tuple[str, bytes, bytes]) -> str:
    name, key_hash, content = signature
    return f"— {name} {base64.b64encode(key_hash + content).decode()}\n"


def _signatures_of(note: SignedNote, key: VerifierKey) -> list[bytes]:
    return [
        s for name, h, s in note.signatures if name == key.name and h == key.key_hash
    ]


def _verifies(key: VerifierKey, message: bytes, signature: bytes) -> bool:
    if len(signature) != _SIGNATURE_SIZE:
        return False
    try:
        nacl.signing.VerifyKey(key.public_key).verify(message, signature)
    except nacl.exceptions.BadSignatureError:
        return False
    return True
