"""Crypt4GH files (GA4GH, version 1) as streams of their content, and the keys that open them.

Each block of 64 KiB is authenticated; the order and number of blocks are not (hts-specs#649). A
digest file next to it, with the SHA-256 or MD5 of the content, closes that gap: it is compared
before the last bytes are returned.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from nacl.bindings import crypto_sign_ed25519_sk_to_curve25519, crypto_sign_seed_keypair

from sealift.process.extras import extra
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeystoreInsecure,
    SourceError,
    WrongKey,
    WrongPassphrase,
)

if TYPE_CHECKING:
    from types import ModuleType

SIDECARS = (".sha256", ".md5")
_SEGMENT = 64 << 10
_NONCE = 12
_OVERHEAD = 28
_BLOCK = _SEGMENT + _OVERHEAD
_KEY_SIZE = 32
# Enough for nine thousand recipients.
_MAX_HEADER = 1 << 20
_MAX_KEY_FILE = 64 << 10
_MAX_ROUNDS = {b"scrypt": 1 << 32, b"bcrypt": 2_000, b"pbkdf2_hmac_sha256": 10_000_000}
_STREAM_BUFFER = 256 << 10
_COPY_AGAIN = (
    "copy the file again and repeat the push: it continues after the last commit"
)


@dataclass(frozen=True, slots=True)
class _Header:
    """The part of a header for one recipient.

    Attributes:
        ciphers: ciphers of the data keys; any of them may have encrypted a block.
        edits: lengths to skip and to keep, alternating; None to keep everything.
        end: offset of the first block.
    """

    ciphers: list[ChaCha20Poly1305]
    edits: list[int] | None
    end: int


def open_crypt4gh(path: Path, key: Secret) -> BinaryIO:
    """Open a Crypt4GH file's content, decrypted as it is read; an edit list is applied.

    Reading raises SourceError where a block is damaged, the file ends within a block or before its
    edit list does, or the content does not match a digest file next to it (NAME.sha256 or NAME.md5,
    with or without the .c4gh in NAME). Without such a digest, whole blocks that were swapped,
    repeated or cut off are not detected.

    Args:
        path: the file.
        key: the recipient's X25519 private key, 32 bytes.

    Raises:
        WrongKey: the header was not made for the key.
        SourceError: the file is not a Crypt4GH file.
        InvalidArgument: the package crypt4gh is not installed.
    """
    file = path.open("rb", buffering=0)
    try:
        header = _read_header(file, path, key)
        file.seek(header.end)
        pieces = _blocks(file, path, header.ciphers)
        if header.edits is not None:
            pieces = _edited(pieces, header.edits, path)
        beside = _find_digest(path)
        if beside is not None:
            pieces = _compared(pieces, beside, path)
        return cast(
            "BinaryIO", io.BufferedReader(_Content(file, pieces), _STREAM_BUFFER)
        )
    except BaseException:
        file.close()
        raise


def content_size(path: Path, key: Secret) -> int:
    """Return the size of a Crypt4GH file's content, from its header and its size alone.

    Raises:
        WrongKey: the header was not made for the key.
        SourceError: the file is not a Crypt4GH file.
    """
    with path.open("rb", buffering=0) as file:
        header = _read_header(file, path, key)
    full, rest = divmod(path.stat().st_size - header.end, _BLOCK)
    content = full * _SEGMENT + max(0, rest - _OVERHEAD)
    if header.edits is None:
        return content
    if len(header.edits) % 2:
        return max(0, content - sum(header.edits[::2]))
    return sum(header.edits[1::2])


def _package() -> ModuleType:
    with extra("crypt4gh", "reading Crypt4GH files needs the package crypt4gh"):
        from crypt4gh import header
    # At level DEBUG the package logs private keys and session keys.
    logging.getLogger("crypt4gh.header").disabled = True
    return cast("ModuleType", header)


def _read_header(file: io.FileIO, path: Path, key: Secret) -> _Header:
    package = _package()
    head = io.BytesIO(file.read(_MAX_HEADER))
    try:
        packets = list(package.parse(head))
    except ValueError:
        raise SourceError(
            "this is not a whole Crypt4GH file of version 1", path=path
        ) from None
    opened, _ = package.decrypt(packets, [(0, key.reveal(), None)])
    if not opened:
        raise WrongKey(
            f"the Crypt4GH key does not open any of the file's {len(packets)} header packets: "
            "it is the wrong key, or the header is damaged",
            path=path,
            hint="ask the sender to encrypt the file to your public key; its data was not read",
        )
    try:
        data, edits = package.partition_packets(opened)
        keys = [bytes(package.parse_enc_packet(packet)) for packet in data]
        lengths = None if edits is None else list(package.parse_edit_list_packet(edits))
    except ValueError:
        raise SourceError(
            "the Crypt4GH header holds an unknown packet type or method", path=path
        ) from None
    if not keys or any(len(each) != _KEY_SIZE for each in keys) or lengths == []:
        raise SourceError("the Crypt4GH header is not well-formed", path=path)
    return _Header([ChaCha20Poly1305(each) for each in keys], lengths, head.tell())


def _blocks(
    file: io.FileIO, path: Path, ciphers: list[ChaCha20Poly1305]
) -> Iterator[bytes]:
    reader = io.BufferedReader(file, 4 * _BLOCK)
    number = 0
    while block := reader.read(_BLOCK):
        number += 1
        if len(block) <= _OVERHEAD:
            raise SourceError(
                f"the file ends too early, within block {number}",
                path=path,
                hint=_COPY_AGAIN,
            )
        yield _open_block(block, number, path, ciphers)


def _open_block(
    block: bytes, number: int, path: Path, ciphers: list[ChaCha20Poly1305]
) -> bytes:
    view = memoryview(block)
    for place, cipher in enumerate(ciphers):
        try:
            content = cipher.decrypt(view[:_NONCE], view[_NONCE:], None)
        except InvalidTag:
            continue
        if place:
            ciphers.insert(0, ciphers.pop(place))
        return content
    early = " or the file ends too early" if len(block) < _BLOCK else ""
    raise SourceError(
        f"block {number} is damaged{early}; the key is correct",
        path=path,
        hint=_COPY_AGAIN,
    )


def _edited(
    pieces: Iterator[bytes], lengths: Sequence[int], path: Path
) -> Iterator[bytes]:
    """Skip and keep by turns; everything after a final skip is kept."""
    turns: list[int | None] = [*lengths]
    if len(lengths) % 2:
        turns.append(None)
    rest = b""
    for turn, left in enumerate(turns):
        while left is None or left > 0:
            if not rest:
                piece = next(pieces, None)
                if piece is None:
                    if left is None:
                        return
                    raise SourceError(
                        "the file ends before its edit list does", path=path
                    )
                rest = piece
            taken = rest[:left]
            rest = rest[len(taken) :]
            left = None if left is None else left - len(taken)
            if turn % 2:
                yield taken


def _compared(pieces: Iterator[bytes], beside: Path, path: Path) -> Iterator[bytes]:
    """Hold the last piece back until the digest of the content has been compared."""
    expected = _read_digest(beside)
    hasher = hashlib.new(beside.suffix.removeprefix("."), usedforsecurity=False)
    held = b""
    for piece in pieces:
        hasher.update(piece)
        if held:
            yield held
        held = piece
    if hasher.hexdigest() != expected:
        raise SourceError(
            "the content does not match the digest file next to it: blocks were swapped, "
            "repeated or cut off",
            path=path,
            hint="copy the file again; the digest must be of the decrypted content",
        )
    if held:
        yield held


def _find_digest(path: Path) -> Path | None:
    names = [path.name + suffix for suffix in SIDECARS]
    names += [path.stem + suffix for suffix in SIDECARS]
    return next(
        (place for name in names if (place := path.with_name(name)).is_file()), None
    )


def _read_digest(beside: Path) -> str:
    with beside.open("rb") as file:
        words = file.read(4096).decode("ascii", "replace").lower().split()
    size = 64 if beside.suffix == ".sha256" else 32
    if (
        not words
        or len(words[0]) != size
        or not set(words[0]) <= set("0123456789abcdef")
    ):
        raise SourceError(
            "the digest file next to the file does not hold a digest", path=beside
        )
    return words[0]


class _Content(io.RawIOBase):
    """Pieces of content as a raw, forward-only stream."""

    def __init__(self, file: io.FileIO, pieces: Iterator[bytes]) -> None:
        self._file = file
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._failed: SourceError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._failed is not None:
            # A generator that raised would look exhausted.
            raise self._failed
        while not self._rest:
            try:
                piece = next(self._pieces, None)
            except SourceError as error:
                self._failed = error
                raise
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._rest = memoryview(b"")
        self._file.close()
        super().close()


# --- keys ----------------------------------------------------------------------------------------


def read_crypt4gh_key(path: Path, passphrase: Callable[[], Secret]) -> Secret:
    """Read a private key that `crypt4gh-keygen` or `ssh-keygen -t ed25519` wrote.

    Args:
        path: the key file.
        passphrase: called only if the key is protected.

    Returns:
        The X25519 private key, 32 bytes.

    Raises:
        InvalidArgument: the file cannot be read, or is not such a private key.
        KeystoreInsecure: other users can read the file.
        WrongPassphrase: the passphrase does not open it.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise KeystoreInsecure(
                    "other users can read the Crypt4GH key file",
                    hint="run chmod 600 on the key file",
                )
            text = file.read(_MAX_KEY_FILE).strip()
    except OSError:
        raise InvalidArgument("the Crypt4GH key file cannot be read") from None
    if text.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----"):
        return _ssh_key(text, passphrase)
    lines = text.split(b"\n")
    if not lines[0].startswith(b"-----BEGIN CRYPT4GH PRIVATE KEY-----"):
        raise _no_key()
    try:
        key = _crypt4gh_key(b64decode(b"".join(lines[1:-1])), passphrase)
    except ValueError:
        raise _no_key() from None
    if len(key) != _KEY_SIZE:
        raise _no_key()
    return key


def _no_key() -> InvalidArgument:
    return InvalidArgument(
        "the file is not a Crypt4GH or OpenSSH Ed25519 private key",
        hint="give the private key from crypt4gh-keygen, not the public one",
    )


def _crypt4gh_key(content: bytes, passphrase: Callable[[], Secret]) -> Secret:
    _package()
    from crypt4gh.keys.c4gh import MAGIC_WORD, decode_string
    from crypt4gh.keys.kdf import derive_key

    stream = io.BytesIO(content)
    if stream.read(len(MAGIC_WORD)) != MAGIC_WORD:
        raise _no_key()
    kdf = decode_string(stream)
    options = decode_string(stream) if kdf != b"none" else b""
    cipher, data = decode_string(stream), decode_string(stream)
    if cipher == b"none":
        return Secret(data)
    rounds = int.from_bytes(options[:4], "big")
    if cipher != b"chacha20_poly1305" or rounds > _MAX_ROUNDS.get(kdf, -1):
        raise _no_key()
    derived = derive_key(kdf, passphrase().reveal(), options[4:], rounds)
    try:
        return Secret(
            ChaCha20Poly1305(derived).decrypt(data[:_NONCE], data[_NONCE:], None)
        )
    except InvalidTag:
        raise _closed() from None


def _ssh_key(text: bytes, passphrase: Callable[[], Secret]) -> Secret:
    key: object
    try:
        try:
            key = load_ssh_private_key(text, None)
        except TypeError:
            # This call reports whether the key is protected.
            key = _protected_ssh_key(text, passphrase)
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key() from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key()
    _, signing = crypto_sign_seed_keypair(key.private_bytes_raw())
    return Secret(crypto_sign_ed25519_sk_to_curve25519(signing))


def _protected_ssh_key(text: bytes, passphrase: Callable[[], Secret]) -> object:
    try:
        return load_ssh_private_key(text, passphrase().reveal())
    except (ValueError, InvalidTag):
        raise _closed() from None


def _closed() -> WrongPassphrase:
    return WrongPassphrase("the passphrase does not open the Crypt4GH key")
