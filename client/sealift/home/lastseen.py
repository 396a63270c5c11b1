"""What this client saw of its relay last, so that the relay cannot go back."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sealift.crypto.hkdf import derive
from sealift.keystore import Keys
from sealift.process.files import write_atomically
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError, MalformedObject, RollbackDetected
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects import Card

_VERSION = 2
# A number or version, and a digest in hex.
_Mark = tuple[int, str]


class _Sealed(FileStruct, frozen=True):
    version: int
    document: str
    mac: str


class _Document(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    checkpoint: _Mark | None = None
    cards: dict[str, _Mark] = msgspec.field(default_factory=dict)
    heads: dict[str, _Mark] = msgspec.field(default_factory=dict)
    revoked: dict[str, bool] = msgspec.field(default_factory=dict)
    purges: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    datasets: dict[str, str] = msgspec.field(default_factory=dict)


_WHAT = "the record of what this client saw last"
_HINT = "restore seen.json of this profile; removing it gives up rollback detection"
_FILE = Layout(_WHAT, {_VERSION: _Sealed}, MalformedObject, _HINT)
_DOCUMENT = Layout(_WHAT, _Document, MalformedObject, _HINT)


def last_seen_key(keys: Keys) -> Secret:
    """The key that authenticates the record: only who opens the keystore can change it.

    From the TLS key, because the identity and the recipient keys may be replaced; from the owner's
    secret if the TLS key is in a backend.

    Raises:
        KeystoreError: the keystore has neither.
    """
    lasting = keys.tls_private_key
    if not isinstance(lasting, Secret):
        if keys.owner_secret is None:
            raise KeystoreError("the keystore has no owner's secret")
        lasting = keys.owner_secret
    return derive(lasting, b"sealift/1 last seen")


class LastSeen:
    """Card versions, dataset heads, the log's checkpoint, revoked identities, purges that wait.

    One JSON file under HMAC-SHA256; a missing file means that nothing was seen yet.
    """

    def __init__(self, path: Path, key: Secret) -> None:
        self._path = path
        self._key = key

    def check_card(self, card: Card) -> None:
        """Refuses a card older than one seen before, and remembers a newer one.

        Raises:
            RollbackDetected: the card is old, or a different card of the same version.
        """
        self._advance(
            lambda d: d.cards, str(card.signer), card.version, card.digest, "card"
        )

    def check_head(
        self, dataset_id: bytes, number: int, digest: bytes, known: bytes
    ) -> None:
        """Refuses a history that is shorter than, or differs from, the one seen before.

        Args:
            dataset_id: which dataset.
            number: number of the newest commit received.
            digest: its digest.
            known: digest in the received history at the number seen last (see `seen_head`).

        Raises:
            RollbackDetected: the relay forgot or replaced commits.
        """
        seen = self.seen_head(dataset_id)
        if seen is not None and number > seen[0] and known != seen[1]:
            raise RollbackDetected(
                "the relay serves another history of a dataset than before"
            )
        self._advance(
            lambda d: d.heads, dataset_id.hex(), number, digest, "dataset history"
        )

    def seen_head(self, dataset_id: bytes) -> tuple[int, bytes] | None:
        """Number and digest of the newest commit seen of a dataset."""
        entry = self._read().heads.get(dataset_id.hex())
        return None if entry is None else (entry[0], bytes.fromhex(entry[1]))

    def checkpoint(self) -> tuple[int, bytes] | None:
        """Size and root of the newest checkpoint seen."""
        entry = self._read().checkpoint
        return None if entry is None else (entry[0], bytes.fromhex(entry[1]))

    def remember_checkpoint(self, size: int, root: bytes) -> None:
        """Remembers a checkpoint that was verified against the one before."""
        with self._changing() as document:
            entry = document.checkpoint
            if entry is None or size > entry[0]:
                document.checkpoint = (size, root.hex())

    def remember_revoked(self, identity: Fingerprint) -> None:
        """Remembers for ever that an identity was declared void."""
        with self._changing() as document:
            document.revoked[str(identity)] = True

    def is_revoked(self, identity: Fingerprint) -> bool:
        """Whether an identity was declared void."""
        return str(identity) in self._read().revoked

    def remember_purges(self, dataset_id: bytes, commits: dict[int, bytes]) -> None:
        """Remembers commits, number to digest, whose erased records are to be purged here."""
        if not commits:
            return
        with self._changing() as document:
            waiting = document.purges.setdefault(dataset_id.hex(), {})
            waiting.update(
                {str(number): digest.hex() for number, digest in commits.items()}
            )

    def purges(self, dataset_id: bytes) -> dict[int, bytes]:
        """Commits whose erased records are still to be purged here."""
        waiting = self._read().purges.get(dataset_id.hex(), {})
        return {
            int(number): bytes.fromhex(digest) for number, digest in waiting.items()
        }

    def forget_purges(self, dataset_id: bytes) -> None:
        """Forgets them, when they are confirmed."""
        with self._changing() as document:
            document.purges.pop(dataset_id.hex(), None)

    def remember_dataset(
        self, owner: Fingerprint, name: str, dataset_id: bytes
    ) -> None:
        """Remembers which dataset an owner's name means; the file does not show the name."""
        with self._changing() as document:
            document.datasets[self._tag(owner, name)] = dataset_id.hex()

    def find_dataset(self, owners: Collection[Fingerprint], name: str) -> bytes | None:
        """The dataset that a name meant when it was last opened."""
        known = self._read().datasets
        found = [
            known[tag] for tag in (self._tag(o, name) for o in owners) if tag in known
        ]
        return bytes.fromhex(found[0]) if found else None

    def forget_dataset(self, dataset_id: bytes) -> None:
        """Forgets a dataset that this member deleted, so that its name is free again."""
        with self._changing() as document:
            document.datasets = {
                tag: known
                for tag, known in document.datasets.items()
                if known != dataset_id.hex()
            }

    def _tag(self, owner: Fingerprint, name: str) -> str:
        content = b"dataset name" + owner.digest + name.encode()
        return hmac.digest(self._key.view(), content, "sha256").hex()

    def _advance(
        self,
        pick: Callable[[_Document], dict[str, _Mark]],
        key: str,
        version: int,
        digest: bytes,
        what: str,
    ) -> None:
        with self._changing() as document:
            marks = pick(document)
            seen = marks.get(key)
            if seen is not None and version < seen[0]:
                raise RollbackDetected(
                    f"the relay serves an older {what} than it did before"
                )
            if seen is not None and version == seen[0] and digest.hex() != seen[1]:
                raise RollbackDetected(
                    f"the relay serves another {what} than it did before"
                )
            marks[key] = (version, digest.hex())

    @contextmanager
    def _changing(self) -> Iterator[_Document]:
        # Two commands of one profile must not forget what the other saw.
        lock = os.open(
            self._path.with_name(".seen.lock"), os.O_WRONLY | os.O_CREAT, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self._read()
            before = _text(document)
            yield document
            after = _text(document)
            if after != before:
                content = {
                    "version": _VERSION,
                    "document": after,
                    "mac": self._mac(after),
                }
                write_atomically(self._path, json.dumps(content).encode())
        finally:
            os.close(lock)

    def _read(self) -> _Document:
        try:
            found = _FILE.read_json(self._path.read_bytes())
        except FileNotFoundError:
            return _Document()
        # Encoded, for compare_digest refuses other text than ASCII.
        fits = self._mac(found.document).encode()
        if not hmac.compare_digest(fits, found.mac.encode(errors="surrogatepass")):
            raise _DOCUMENT.refused("it was changed")
        return _DOCUMENT.read_json(found.document)

    def _mac(self, document: str) -> str:
        content = document.encode(errors="surrogatepass")
        return hmac.digest(self._key.view(), content, "sha256").hex()


def _text(document: _Document) -> str:
    return json.dumps(msgspec.to_builtins(document))
