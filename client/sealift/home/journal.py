"""The journal of reversals: who led pseudonyms back to people, when, why, and how many.

It is a file of the profile and never leaves the machine. No value is in it. docs/spec/journal.md.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from pathlib import Path

import msgspec

from sealift.crypto.hkdf import derive
from sealift.process.files import sync_folder
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import ProfileError

_VERSION = 1
_FIRST = bytes(32)
MAX_WHY = 500


class Reversal(FileStruct, frozen=True):
    """One entry: a person asked whom some pseudonyms or tokens stand for.

    Attributes:
        time: Unix seconds.
        who: the user of the operating system.
        why: the reason that the user gave.
        policy: SHA-256 of the policy, in hex.
        asked: number of values that were asked for.
        found: number of them that were led back.
    """

    time: int
    who: str
    why: str
    policy: str
    asked: int
    found: int


class _Line(FileStruct, frozen=True):
    version: int
    document: str
    mac: str


_WHAT = "the journal of reversals"
_HINT = (
    "ask who changed reversals.jsonl of this profile; move it away to begin a new one"
)
_LINE = Layout(_WHAT, {_VERSION: _Line}, ProfileError, _HINT)
_DOCUMENT = Layout(_WHAT, Reversal, ProfileError, _HINT)


def journal_key(owner_secret: Secret) -> Secret:
    """Return the key that authenticates the journal, so that changing it needs the keystore."""
    return derive(owner_secret, b"sealift/1 reversals")


class Journal:
    """Entries, one JSON object a line; the HMAC-SHA256 of each covers those before it.

    Lines that are cut off at the end of the file are not noticed.
    """

    def __init__(self, path: Path, key: Secret) -> None:
        self._path = path
        self._key = key

    def append(self, entry: Reversal) -> None:
        """Add an entry; it is durable on return.

        Raises:
            ProfileError: the journal was changed by someone without the keystore.
        """
        new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _, last = self._verified(self._path.read_bytes())
            document = json.dumps(msgspec.structs.asdict(entry))
            line = {
                "version": _VERSION,
                "document": document,
                "mac": self._mac(last, document).hex(),
            }
            os.write(file, json.dumps(line).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            sync_folder(self._path.parent)

    def entries(self) -> list[Reversal]:
        """Return all entries, oldest first.

        Raises:
            ProfileError: the journal was changed by someone without the keystore.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        return self._verified(content)[0]

    def _verified(self, content: bytes) -> tuple[list[Reversal], bytes]:
        """Return the entries, and the MAC of the last one."""
        entries = []
        last = _FIRST
        for text in content.splitlines():
            line = _LINE.read_json(text)
            last = self._mac(last, line.document)
            # Encoded, because compare_digest refuses text that is not ASCII.
            said = line.mac.encode(errors="surrogatepass")
            if not hmac.compare_digest(last.hex().encode(), said):
                raise _LINE.refused("it was changed")
            entries.append(_DOCUMENT.read_json(line.document))
        if content and not content.endswith(b"\n"):
            raise _LINE.refused("its last line is cut off")
        return entries, last

    def _mac(self, before: bytes, document: str) -> bytes:
        content = before + document.encode(errors="surrogatepass")
        return hmac.digest(self._key.view(), content, "sha256")
